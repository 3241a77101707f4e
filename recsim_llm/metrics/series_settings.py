"""What a scenario measures over time: the series of its section ``measure``."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import one_of
from recsim_llm.metrics.series_definitions import SERIES, USER_EVENTS, TimeAxis

__all__ = ["ItemGroup", "SeriesSettings", "UserGroup"]


class UserGroup(FrozenSettings):
    """Some of the users, by one trait of their personas or one demographic field."""

    trait: str | None = None
    """A trait, such as ``activity``, with one of ``above`` and ``below``."""
    above: float | None = Field(default=None, gt=0, lt=1)
    """Users whose trait is higher than that of this share of the users: 0.8 takes the highest fifth."""
    below: float | None = Field(default=None, gt=0, lt=1)
    """Users whose trait is no higher than that of this share of the users: 0.2 takes the lowest fifth."""
    field: str | None = None
    """A demographic field, such as ``gender``, with ``value``."""
    value: str | None = None
    """Its value."""

    @model_validator(mode="after")
    def _is_one_group(self) -> Self:
        trait = self.trait is not None and (self.above is None) != (self.below is None)
        field = self.field is not None and self.value is not None
        given = {name for name in type(self).model_fields if getattr(self, name) is not None}
        if not (trait and len(given) == 2) and not (field and len(given) == 2):
            raise ValueError("expected a trait with above or below, or a field with its value")
        return self


class ItemGroup(FrozenSettings):
    """Some of the items; exactly one of the keys is given."""

    genre: str | None = None
    """Items of a genre or tag, whatever others they have."""
    provider: str | None = None
    """Items of a provider."""
    popularity: Literal["head", "tail", "none"] | None = None
    """``head``: the fewest items that hold 80% of the training part; ``tail``: all others; ``none``: items without a rating
    there, which are new to every recommender."""
    ids: list[int] | None = Field(default=None, min_length=1)
    """Items by ``item_id``."""

    @model_validator(mode="after")
    def _is_one_group(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected exactly one of {', '.join(type(self).model_fields)}")
        return self


class SeriesSettings(FrozenSettings):
    """A metric of every arm over time."""

    metric: str
    """What is measured: a key of ``SERIES``."""
    by: TimeAxis | None = None
    """What time is: ``visit``, the number of a user's visit; ``page``, that of a page within its visit; ``day``, in runs with a
    clock. All from 0, as in the log. None: the day where there is a clock, the visit otherwise."""
    users: UserGroup | None = None
    """The users it is of; None: all."""
    items: ItemGroup | None = None
    """The items it is of; None: all. Of ``exposure_share``, ``choice_share`` and ``page_share`` those whose share it is, of
    ``mean_rank`` those whose rank; of ``exposure_over_merit`` a provider's, None: of whichever provider has the least on a
    day."""
    event: str | None = None
    """Of ``events_per_user``: the event that is counted, one of ``USER_EVENTS``. It is a mean over all users of the series:
    those who have not come yet, or are gone, count as 0."""

    @property
    def label(self) -> str:
        """What is measured, in words."""
        return SERIES[self.metric].definition.label if self.event is None else f"{self._events} per user"

    @property
    def unit(self) -> str:
        """Its unit, or ``share``."""
        return SERIES[self.metric].definition.unit if self.event is None else self._events.lower()

    @property
    def _events(self) -> str:
        return USER_EVENTS.get(str(self.event), f"events {self.event!r}")

    @field_validator("metric")
    @classmethod
    def _metric_is_known(cls, metric: str) -> str:
        if metric not in SERIES:
            raise ValueError(f"expected {one_of(metric, SERIES)}")
        return metric

    @model_validator(mode="after")
    def _fits_its_metric(self) -> Self:
        kind: Any = SERIES[self.metric]
        if self.by == "page" and "page" not in kind.axes:
            raise ValueError(f"got {self.metric} by page, expected it by visit or day; it is told of whole visits")
        if self.by == "visit" and "visit" not in kind.axes:
            raise ValueError(f"got {self.metric} by visit, expected it by day; no visit stands behind it")
        if kind.of == "providers" and self.items is not None and self.items.provider is None:
            raise ValueError(f"got {self.metric} of items, expected a provider: items: {{provider: NAME}}; or leave items out")
        if self.items is not None and not kind.of_items:
            known = ", ".join(name for name, one in SERIES.items() if one.of_items)
            raise ValueError(f"got {self.metric} of some items, expected one of {known}; leave items out")
        if self.items is None and kind.needs_items:
            raise ValueError(f"got {self.metric} without items, expected whose share it is; add items")
        if (self.event is not None) != (self.metric == "events_per_user"):
            raise ValueError("expected metric: events_per_user with an event, and an event nowhere else")
        return self
