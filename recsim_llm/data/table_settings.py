"""How a data set's tables are to be read: one set of settings for Python, scenarios and the command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from pydantic import Field, ValidationInfo, field_validator

from recsim_llm.core.configuration import FrozenSettings

__all__ = ["TableOptions", "TableSettings", "column_in_all_forms", "in_all_forms"]

_NO_VALUE = "none"
_PAIR = 2
_SCALE = "the lowest and the highest rating, for instance (0, 10)"


class TableSettings(FrozenSettings):
    """What a table cannot say of itself.

    Raises:
        ConfigError: a setting has the wrong type, or two of them contradict each other.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    """This package's column names (``user_id``, ``item_id``, ``rating``, ``timestamp``, ``title``, ``genres``, ``year``,
    ``description``, ``provider``) to the files', where they differ; ``items.item_id`` where items call it otherwise. Prices
    of items are read where ``price`` is named here."""
    skip_bad_rows: bool = False
    """Leave rows that cannot be used out, and count them in ``Dataset.skipped``, instead of stopping at the first."""
    feedback: Literal["explicit", "implicit"] = "explicit"
    """``explicit``: each row is a rating. ``implicit``: each row is a click, a purchase or the like; no rating is needed, and
    several rows of one user and item are one interaction that counts more."""
    rating_scale: tuple[float, float] | None = None
    """Lowest and highest rating of another scale, mapped linearly onto 1 to 5. None: ratings are stars from 0.5 to 5."""
    not_rated: tuple[float, ...] | None = None
    """Numbers in the rating column that stand for "not rated", or for "not taken" in implicit data; rows with them are left out
    and counted. One number, several, or ``none``: every number is meant. None: a number that looks like one is asked about."""
    constant_rating: float | None = Field(default=None, ge=0.5, le=5)
    """Stars that stand in for every row of implicit data, which it implies; no rating column is read. None: 5."""
    string_ids: bool | None = None
    """Whether ids are texts. None: as soon as one id of a column is no plain whole number (``0007``, ``SKU-MUG``)."""
    genre_separator: str | None = Field(default=None, min_length=1)
    """What stands between genres in one field. None goes by the whole column, and asks where it cannot tell."""

    @field_validator("columns", mode="before")
    @classmethod
    def _no_columns(cls, columns: Any) -> Any:
        return {} if columns is None else dict(columns) if isinstance(columns, Mapping) else columns

    @field_validator("rating_scale", mode="before")
    @classmethod
    def _lists_are_pairs(cls, scale: Any) -> Any:
        if scale is not None and not (isinstance(scale, list | tuple) and len(scale) == _PAIR):
            raise ValueError(f"expected {_SCALE}")
        return None if scale is None else tuple(scale)

    @field_validator("not_rated", mode="before")
    @classmethod
    def _one_is_enough(cls, numbers: Any) -> Any:
        if numbers == _NO_VALUE:
            return ()
        if isinstance(numbers, int | float) and not isinstance(numbers, bool):
            return (float(numbers),)
        return tuple(numbers) if isinstance(numbers, list) else numbers

    @field_validator("rating_scale")
    @classmethod
    def _scale_goes_up(cls, scale: tuple[float, float] | None, others: ValidationInfo) -> tuple[float, float] | None:
        if scale is not None and not scale[0] < scale[1]:
            raise ValueError(f"expected {_SCALE}")
        if scale is not None and others.data.get("feedback") == "implicit":
            raise ValueError("expected none where feedback is implicit, since no ratings are read then; leave one of them out")
        return scale

    @field_validator("constant_rating")
    @classmethod
    def _constant_or_scale(cls, stars: float | None, others: ValidationInfo) -> float | None:
        if stars is not None and others.data.get("rating_scale") is not None:
            raise ValueError("expected none beside rating_scale, since a constant has no scale; leave one of them out")
        return stars

    @classmethod
    def of(cls, options: TableOptions) -> TableSettings:
        """Return the settings that keyword arguments stand for.

        Raises:
            ConfigError: as the constructor.
        """
        return cls(**dict[str, Any](options))

    def command_line(self) -> list[str]:
        """Return the options of the command line that say the same."""
        given = self.model_dump(exclude_defaults=True)
        columns = [f"--column={ours}={theirs}" for ours, theirs in given.pop("columns", {}).items()]
        return columns + [f"--{name.replace('_', '-')}{_typed(value)}" for name, value in given.items()]

    @property
    def implicit(self) -> bool:
        """Whether rows are clicks, purchases or the like."""
        return self.feedback == "implicit" or self.constant_rating is not None


class TableOptions(TypedDict, total=False):
    """The fields of ``TableSettings`` as keyword arguments."""

    columns: Mapping[str, str] | None
    skip_bad_rows: bool
    feedback: Literal["explicit", "implicit"]
    rating_scale: tuple[float, float] | None
    not_rated: float | tuple[float, ...] | Literal["none"] | None
    constant_rating: float | None
    string_ids: bool | None
    genre_separator: str | None


def in_all_forms(**options: Any) -> str:
    """Return settings as the command line, a scenario and Python write them, for the remedy of an error text.

    Examples:
        >>> in_all_forms(rating_scale=(1, 10))
        '--rating-scale=1,10, in a scenario rating_scale: [1, 10], in Python rating_scale=(1, 10)'
    """
    command = shlex.join(f"--{name.replace('_', '-')}{_typed(value)}" for name, value in options.items())
    scenario = ", ".join(f"{name}: {_yaml(value)}" for name, value in options.items())
    python = ", ".join(f"{name}={_python(value)}" for name, value in options.items())
    return f"{command}, in a scenario {scenario}, in Python {python}"


def column_in_all_forms(name: str) -> str:
    """Return how a column of another name is named, likewise."""
    return f"--column {name}=THEIRS, in a scenario columns: {{{name}: THEIRS}}, in Python columns={{'{name}': 'THEIRS'}}"


def _typed(value: Any) -> str:
    if value is True:
        return ""
    if isinstance(value, tuple):
        return f"={','.join(map(_plain, value)) or _NO_VALUE}"
    return f"={_plain(value)}"


def _yaml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    quoted = isinstance(value, str) and not value.isidentifier()
    return "true" if value is True else repr(value) if quoted else _plain(value)


def _python(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_plain, value))})"
    return repr(value) if isinstance(value, str | bool) else _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"
