"""How an exposure log is to be read: one set of settings for Python and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from pydantic import Field

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.exposures import Layout
from recsim_llm.data.table_settings import TableSettings

__all__ = ["ExposureOptions", "ExposureSettings"]


class ExposureSettings(FrozenSettings):
    """What a log cannot say of itself.

    Raises:
        ConfigError: a setting has the wrong type, or two of them contradict each other.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    """This package's column names (``IMPRESSION_COLUMNS``) to the table's, where they differ."""
    skip_bad_rows: bool = False
    """Leave rows that cannot be used out, and count them in ``Exposures.skipped``, instead of stopping at the first."""
    string_ids: bool | None = None
    """Whether ids are texts. None: as soon as one id of a column is no plain whole number."""
    feedback: Literal["implicit", "explicit"] = "implicit"
    """``implicit``: a column says what was clicked. ``explicit``: what was rated counts as clicked, where no column says it."""
    rating_scale: tuple[float, float] | None = None
    """Lowest and highest rating of another scale, mapped linearly onto 1 to 5. None: ratings are stars from 0.5 to 5."""
    not_rated: float | tuple[float, ...] | Literal["none"] | None = None
    """Numbers in the rating column that stand for "not rated"; as in ``TableSettings``."""
    session_gap: float | None = Field(default=None, gt=0)
    """Seconds: where a log has no sessions, a new one begins where a user was shown nothing for longer. None: not allowed."""
    page_by: Literal["time", "session"] | None = None
    """Where a log has no pages: ``time`` takes what a session was shown at one time for a page, ``session`` all of a session.
    None: by time where all times are known, else it is asked for."""
    layout: Layout | None = None
    """How positions lie on a page. None: below each other, or what is published about the log."""
    part: str | None = None
    """The part wanted of a log in several: a split (``train``), a policy (``random``), an arm of a run. None: all, and of a
    run its only arm."""

    @classmethod
    def of(cls, options: ExposureOptions) -> ExposureSettings:
        """Return the settings that keyword arguments stand for.

        Raises:
            ConfigError: as the constructor.
        """
        given = dict[str, Any](options)
        given["columns"] = dict(given.get("columns") or {})
        settings = cls(**given)
        settings.of_ratings()
        return settings

    def of_ratings(self) -> TableSettings:
        """Return what is said of the rating column, as tables of ratings take it."""
        return TableSettings.of({"rating_scale": self.rating_scale, "not_rated": self.not_rated})


class ExposureOptions(TypedDict, total=False):
    """The fields of ``ExposureSettings`` as keyword arguments."""

    columns: Mapping[str, str] | None
    skip_bad_rows: bool
    string_ids: bool | None
    feedback: Literal["implicit", "explicit"]
    rating_scale: tuple[float, float] | None
    not_rated: float | tuple[float, ...] | Literal["none"] | None
    session_gap: float | None
    page_by: Literal["time", "session"] | None
    layout: Layout | None
    part: str | None
