"""YAML as scenarios are written in it: what plain loaders let pass without a word is refused, with its line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

__all__ = ["find_line", "read_yaml", "yaml_fault"]


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping; YAML forbids it, and plain loaders take the last one without a word.

    A value that looks like a day or a number and is none is a fault of the file too, with its line.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} twice", node.value[place][0].start_mark)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # what looks like a day or a number, and is none
            got = f"{node.value!s:.40} ({' '.join(str(error).split()):.60})"
            raise yaml.constructor.ConstructorError(
                None, None, f"{got}, which wants quotes if it is text,", node.start_mark
            ) from error


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        YAMLError: it is no YAML, a key stands twice, a value is none, or settings hold themselves.
    """
    try:
        content = yaml.load(text, _UniqueKeys)
        json.dumps(content, default=str, skipkeys=True)  # finds what holds itself by an alias
    except (RecursionError, ValueError) as error:
        raise yaml.YAMLError("settings nested too deeply, or within themselves") from error
    return content


def yaml_fault(error: yaml.YAMLError) -> str:
    """Say on one line what is wrong, and in which line of the text where that is known."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    return f"{error.problem} in line {error.problem_mark.line + 1}"


def find_line(text: str, place: Sequence[int | str]) -> int | None:
    """Return the line, from 1, where a setting stands, or where its nearest parent does that stands there at all.

    Args:
        text: a YAML text that can be read.
        place: keys and numbers of list entries, from the outside in; a part that is nowhere to be found is passed over, since
            checkers of types add some of their own.

    Returns:
        The line; None where nothing of the place stands in the text.
    """
    node, line = yaml.compose(text, _UniqueKeys), None
    for part in place:
        found = _inside(node, part)
        if found is not None:
            node, line = found
    return line


def _inside(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, int] | None:
    """Return what stands at a key or number of a node, and its line."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return value, key.start_mark.line + 1
    return None
