"""From a name and plain settings to a recommender: what a scenario, the command line and other recommenders build with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import ConfigError, RecSimError, one_of
from recsim_llm.recommenders.base import Recommender
from recsim_llm.registry import blaming, import_attribute, resolve

__all__ = ["open_recommender"]

_OPENERS = {
    "http": "recsim_llm.recommenders.http_recommender:HttpRecommender",
    "https": "recsim_llm.recommenders.http_recommender:HttpRecommender",
    "trained": "recsim_llm.training.trained:TrainedRecommender",
}
"""What opens an address, by its scheme."""


def open_recommender(name: str, settings: Mapping[str, Any] | None = None, *, source: str = "") -> Recommender:
    """Return a new recommender, not yet fitted.

    A class with an attribute ``Settings``, a subclass of ``recsim_llm.recommenders.FrozenSettings``, declares what it takes:
    the settings are checked against it, and the constructor gets one such object. Any other class or factory gets them as
    keyword arguments.

    A name may also be an address: the one scheme before the colon says what opens it, and the setting ``address`` holds the
    rest, of ``http`` and ``https`` the whole.

    Args:
        name: a shipped name, an installed one, ``module:attribute``, or an address.
        settings: by name; None for the defaults.
        source: what the error text begins with; ``recommender 'NAME'`` where not given.

    Raises:
        ConfigError: there is none of that name, or it does not take these settings.
        PlugInError: its code crashed.
    """
    values, source = dict(settings or {}), source or f"recommender {name!r}"
    scheme, _, rest = name.partition(":")
    if scheme.lower() in _OPENERS:
        kind = import_attribute(_OPENERS[scheme.lower()], "recommenders")
        values = {"address": name if rest.startswith("//") else rest} | values
    else:
        with _naming(source, name):
            kind = resolve("recommenders", name)
    if not callable(kind):
        raise ConfigError(
            f"{source}: got {type(kind).__name__}, expected a class of recommenders, or a function that makes one"
        )
    if isinstance(kind, type):
        # Before anything is made: a scenario of anybody's can name any class.
        _require_methods(kind, kind.__name__, source)
    declared = getattr(kind, "Settings", None)
    checked = declared.read(values, source) if isinstance(declared, type) and issubclass(declared, FrozenSettings) else None
    if checked is None:
        _check_keywords(kind, values, source)
    with blaming(source, "a constructor that works"):
        try:
            made: Recommender = kind(**values) if checked is None else kind(checked)
        except ConfigError as error:
            if source in str(error):
                raise
            raise ConfigError(f"{source}: {error}") from error
        except RecSimError:
            raise
        except ValueError as error:  # What a constructor says of values is a refusal of them.
            raise ConfigError(f"{source}: got settings {values}, expected what it takes: {error}") from error
    _require_methods(made, type(made).__name__, source)
    return made


def _require_methods(made: object, name: str, source: str) -> None:
    lacking = [method for method in ("fit", "recommend", "observe") if not callable(getattr(made, method, None))]
    if lacking:
        raise ConfigError(
            f"{source}: got {name} without {' and '.join(lacking)}, expected a recommender, which has fit, recommend and "
            "observe; write what is missing, and try it with check_recommender"
        )


@contextmanager
def _naming(source: str, name: str) -> Iterator[None]:
    """Put before an error about a name who is called by it, where that is something else: an arm of a scenario."""
    try:
        yield
    except RecSimError as error:
        if repr(name) in source:
            raise
        raise type(error)(f"{source}: {error}") from error


def _check_keywords(kind: Callable[..., Any], values: Mapping[str, Any], source: str) -> None:
    """Refuse settings that a constructor without declared ones does not take, and those that it lacks."""
    takes = signature(kind).parameters
    if not takes and values:
        raise ConfigError(f"{source}: got settings {dict(values)}, expected none, since it has nothing to set; leave them out")
    if any(one.kind is Parameter.VAR_KEYWORD for one in takes.values()):
        return
    for key in values:
        if key not in takes:
            raise ConfigError(f"{source}: got unknown key {key!r}, expected {one_of(key, takes)}")
    for key, one in takes.items():
        if one.default is Parameter.empty and one.kind is not Parameter.VAR_POSITIONAL and key not in values:
            raise ConfigError(f"{source}: got no setting {key!r}, expected one; add it: settings: {{{key}: …}}")
