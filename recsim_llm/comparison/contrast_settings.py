"""What a scenario measures and what it expects: its sections ``measure`` and ``expect``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.plain_values import Place
from recsim_llm.errors import one_of
from recsim_llm.metrics.series_definitions import SERIES
from recsim_llm.metrics.series_settings import SeriesSettings

__all__ = ["ContrastSettings", "FindingSettings", "MeasureSettings", "find_faults"]

_ENDS = 2
_NAME = re.compile(r"[\w.-]+")


def _is_unset(value: Any) -> bool:
    """Tell whether a key says nothing: a manifest leaves it out then, as before there was such a key."""
    return value is None


class ContrastSettings(FrozenSettings):
    """A number taken of a series: a level, a difference, a ratio, or a slope."""

    series: str
    """Name of the series."""
    arm: str | None = None
    """Recommender; None: the first one."""
    against: str | None = None
    """Another recommender: what the one has more, on the same users with the same dice."""
    less: str | None = Field(default=None, exclude_if=_is_unset)
    """Another series, of the same metric of other users: what ``series`` has more, a gap. With ``against`` the difference of
    the gaps of two recommenders."""
    window: list[int] | None = None
    """First and last time, ``[0, 3]``, both counted; None: all of the run."""
    before: list[int] | None = None
    """Another window: what the series has more in ``window``. With ``against`` it is the difference of the two differences."""
    kind: Literal["difference", "ratio", "slope"] = "difference"
    """``difference``: of the two sides, or the level itself where there is one side only. ``ratio``: of the two sides.
    ``slope``: of the least-squares line through the window, in units a step of time; with ``against`` the difference of two."""

    @field_validator("window", "before")
    @classmethod
    def _windows_have_two_ends(cls, window: list[int] | None) -> list[int] | None:
        if window is not None and not (len(window) == _ENDS and 0 <= window[0] <= window[1]):
            raise ValueError("expected the first and the last time in order, from 0: [0, 3]")
        return window

    @model_validator(mode="after")
    def _has_its_sides(self) -> Self:
        if self.kind == "ratio" and self.against is None and self.before is None:
            raise ValueError("got a ratio of one side, expected another one; add against or before")
        if self.less is not None and (self.kind != "difference" or self.before is not None or self.less == self.series):
            raise ValueError("got less, expected another series than the first, kind: difference, and no before")
        if self.kind == "slope" and self.before is not None:
            raise ValueError("got a slope with before, expected one window; leave before out")
        return self

    @property
    def neutral(self) -> float:
        """What it is where there is no effect."""
        return 1.0 if self.kind == "ratio" else 0.0

    @property
    def has_sides(self) -> bool:
        """Whether it says something of a change or a difference; False for a level."""
        return self.kind != "difference" or any(one is not None for one in (self.against, self.before, self.less))


class MeasureSettings(FrozenSettings):
    """Series and contrasts by name."""

    series: dict[str, SeriesSettings] = Field(default_factory=dict)
    """Metrics over time."""
    contrasts: dict[str, ContrastSettings] = Field(default_factory=dict)
    """Numbers taken of them."""

    @field_validator("series", "contrasts")
    @classmethod
    def _names_are_plain(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            if not _NAME.fullmatch(name):
                raise ValueError(f"got the name {name!r}, expected letters, digits, dots, dashes")
        return named


class FindingSettings(FrozenSettings):
    """What a scenario is expected to show."""

    name: str = Field(pattern=r"^[\w.-]+$")
    """Short name: letters, digits, dots, dashes."""
    claim: str = Field(min_length=1)
    """One sentence: what is expected, in words."""
    contrast: ContrastSettings | str
    """The number that it is about: the name of a contrast, or one given here."""
    direction: Literal["above", "below", "equal"]
    """On which side of ``than`` the number is expected."""
    than: float | None = None
    """What it is held against; None: 0, of a ratio 1."""
    tolerance: float = Field(default=0.0, ge=0)
    """Of ``equal``: how far apart still counts as equal. Of ``above`` and ``below``: the least distance that matters, so that
    an interval that rules it out speaks against the claim."""
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]] = Field(default_factory=list)
    """Seeds that may judge it: none of them was used to choose the scenario's parameters."""

    @model_validator(mode="after")
    def _equal_needs_room(self) -> Self:
        if self.direction == "equal" and not self.tolerance:
            raise ValueError("got direction: equal without a tolerance, expected how far apart still counts as equal")
        return self


def find_faults(
    measure: MeasureSettings | None, expect: Sequence[FindingSettings], *, arms: Sequence[str] | None, clock: bool
) -> Iterator[tuple[Place, str]]:
    """Yield what does not fit together, each with its place and in words: got, expected.

    Args:
        measure: the section; None where there is none.
        expect: the findings.
        arms: names of the recommenders; None where contrasts may name others, which then cannot be judged.
        clock: whether the scenario has days.
    """
    measure = MeasureSettings() if measure is None else measure
    for name, series in measure.series.items():
        if series.by == "day" and not clock:
            yield ("measure", "series", name, "by"), "got day, expected visit or page, since the scenario has no clock"
        if SERIES[series.metric].axes == ("day",) and not clock:
            yield ("measure", "series", name, "metric"), f"got {series.metric} without a clock, expected one; it is told by day"
    for name, contrast in measure.contrasts.items():
        yield from _contrast_faults(("measure", "contrasts", name), contrast, measure, arms)
    names = [finding.name for finding in expect]
    for number, finding in enumerate(expect):
        place: Place = ("expect", number)
        if finding.name in names[:number]:
            yield (*place, "name"), f"got {finding.name!r} twice, expected different names"
        if isinstance(finding.contrast, ContrastSettings):
            yield from _contrast_faults((*place, "contrast"), finding.contrast, measure, arms)
        elif finding.contrast not in measure.contrasts:
            yield (*place, "contrast"), f"got {finding.contrast!r}, expected {_named(finding.contrast, measure.contrasts)}"


def _contrast_faults(
    place: Place, contrast: ContrastSettings, measure: MeasureSettings, arms: Sequence[str] | None
) -> Iterator[tuple[Place, str]]:
    if contrast.series not in measure.series:
        yield (*place, "series"), f"got {contrast.series!r}, expected {_named(contrast.series, measure.series)}"
    if contrast.less is not None:
        if contrast.less not in measure.series:
            yield (*place, "less"), f"got {contrast.less!r}, expected {_named(contrast.less, measure.series)}"
        elif contrast.series in measure.series:
            yield from _gap_faults((*place, "less"), measure.series[contrast.series], measure.series[contrast.less])
    for key in ("arm", "against"):
        arm = getattr(contrast, key)
        if arms is not None and arm is not None and arm not in arms:
            yield (*place, key), f"got {arm!r}, expected {one_of(arm, arms)}"
    if arms and contrast.against == (contrast.arm or arms[0]):
        yield (*place, "against"), f"got {contrast.against!r} on both sides, expected another recommender"


def _gap_faults(place: Place, one: SeriesSettings, other: SeriesSettings) -> Iterator[tuple[Place, str]]:
    same = all(getattr(one, key) == getattr(other, key) for key in ("metric", "by", "items", "event"))
    if not same or one.users is None or other.users is None:
        yield place, "got a series of another kind, expected two that differ in nothing but users, which both say"
    elif SERIES[one.metric].of not in ("sums", "users"):
        yield place, f"got {one.metric}, expected a metric that each user has; take another metric"


def _named(got: str, known: object) -> str:
    names = list(known) if isinstance(known, dict) else []
    return one_of(got, names) if names else "one that stands under measure; name it there first"
