"""YAML as scenarios are written in it: what plain loaders let pass without a word is refused, with its line.

A file from somebody else costs no more than a page of settings does: length, depth, numbers, and what aliases make of a few
lines are bounded before anything is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

__all__ = ["find_line", "read_yaml", "yaml_fault"]

_LONGEST = 1_000_000
_DEEPEST = 40
_MOST_NODES = 50_000
_BITS = 64


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping; YAML forbids it, and plain loaders take the last one without a word.

    A value that looks like a day or a number and is none is a fault of the file too, with its line; so is a whole number that
    nothing here could hold.
    """

    count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        node = super().compose_node(parent, index)
        self.count += 1
        if node is not None and self.count > _MOST_NODES:
            raise _fault(f"more than {_MOST_NODES:,} values", node)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _fault(f"key {key.value[:40]!r} twice", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except ValueError as error:  # what looks like a day or a number, and is none
            got = f"{node.value!s:.40} ({' '.join(str(error).split()):.60})"
            raise _fault(f"{got}, which wants quotes if it is text,", node) from error
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise _fault(f"a whole number of {value.bit_length()} bits, which wants quotes if it is text,", node)
        return value


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        YAMLError: it is no YAML, a key stands twice, a value is none, settings hold themselves, or there is more of it than
            any scenario has: characters, levels, or values, those counted again that an alias repeats.
    """
    if len(text) > _LONGEST:
        raise yaml.YAMLError(f"{len(text):,} characters, more than the {_LONGEST:,} that are read")
    loader = _UniqueKeys(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    except RecursionError as error:
        raise yaml.YAMLError("settings nested too deeply, or within themselves") from error
    finally:
        loader.dispose()


def _check_size(top: yaml.Node) -> None:
    """Refuse what is too deep or too large with every alias written out; nothing is written out here."""
    known: dict[int, tuple[int, int]] = {}  # values and levels of each node that was seen to its end
    open_nodes: set[int] = set()
    left = [top]
    while left:
        node = left[-1]
        parts = [] if id(node) in known else _parts(node)
        waiting = [part for part in parts if id(part) not in known]
        if waiting and id(node) not in open_nodes:
            open_nodes.add(id(node))
            left += waiting
            continue
        if waiting:
            raise yaml.YAMLError("settings nested too deeply, or within themselves")
        if id(node) not in known:
            sizes, depths = zip(*(known[id(part)] for part in parts), strict=True) if parts else ((), ())
            known[id(node)] = (1 + sum(sizes), 1 + max(depths, default=0))
            if known[id(node)][0] > _MOST_NODES:
                raise _fault(f"more than {_MOST_NODES:,} values, those counted again that an alias repeats,", node)
            if known[id(node)][1] > _DEEPEST:
                raise _fault(f"settings nested more than {_DEEPEST} levels deep", node)
        left.pop()


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _fault(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


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
