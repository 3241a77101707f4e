"""Where the paths in a scenario's file may lead: into the current folder, and nowhere else unless whoever runs it says so.

A scenario from somebody else could name any file of its reader's, whose words then go to a language model or into a report.
What is given on the command line or in Python may lead anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from recsim_llm.core.plain_values import Place
from recsim_llm.errors import ConfigError

__all__ = ["refuse_outside"]

_WORDS = ("name", "description")
"""Keys at the top that hold words alone."""
_MODELS, _REQUEST = "models", "request"
_TRAINED = "trained:"


def refuse_outside(settings: Mapping[str, Any], source_of: Callable[[Place], str], given: Collection[str]) -> None:
    """See to it that no text of a scenario's file is the path of something outside the current folder.

    Whatever is absolute, goes up by ``..``, begins in a home folder or is a link that leads outside is such a path, whichever
    key it stands at.

    Args:
        settings: as the file has them.
        source_of: says how the error's text begins, by the place that it is about.
        given: dotted keys that were given otherwise, in place of what the file says.

    Raises:
        ConfigError: a path leads outside.
    """
    here = Path.cwd().resolve()
    for place, text in _texts(settings, ()):
        key = ".".join(map(str, place))
        if place[0] in _WORDS or any(f"{key}.".startswith(f"{other}.") for other in given):
            continue
        if any(_leads_outside(path, here) for path in _paths(place, text)):
            raise ConfigError(
                f"{source_of(place)}: {key}: got {text!r:.200}, which leads out of the current folder, expected a path inside "
                f"it, since a scenario's file may name no other; go to a folder that holds it, or pass --set {key}=PATH"
            )


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*place, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*place, number))
    elif isinstance(value, str) and place:
        yield place, value


def _paths(place: Place, text: str) -> Iterator[str]:
    """Yield what would be taken for a path in a text: all of it, or what stands behind a word that says how to open it."""
    if place[0] == _MODELS:
        # ``provider/PATH`` of a model on this machine; what goes with a request is no path.
        if _REQUEST not in place[2:3]:
            yield text.partition("/")[2]
        return
    yield text.removeprefix(_TRAINED)


def _leads_outside(path: str, here: Path) -> bool:
    if not path.strip("/"):
        return False  # what stands between the names of genres
    if path.startswith(("/", "~")) or ".." in PurePath(path).parts:
        return True
    try:
        return os.path.lexists(path) and not Path(path).resolve().is_relative_to(here)
    except (OSError, ValueError, RuntimeError):  # no path at all, or links that lead round and round
        return False
