"""What users may do beyond clicks, rating and leaving: the section ``actions`` of a scenario.

Each action is off unless it is named. All numbers are assumed: no log that is loaded tells of these actions.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recsim_llm.core.configuration import FrozenSettings

__all__ = [
    "ActionSettings",
    "BackSettings",
    "FilterSettings",
    "LikingSettings",
    "PurchaseSettings",
    "RefusalSettings",
    "SearchSettings",
]

Share = Annotated[float, Field(ge=0, le=1)]


class SearchSettings(FrozenSettings):
    """A page of a visit is the answer to a query."""

    share: Share = 0.05
    """Share of the pages that are searches."""
    intents: dict[str, Share] | None = None
    """The same in visits with an intent, by its name; None takes 0.5 for ``look_for`` and ``gift`` where there are such."""
    titles: Share = 0.5
    """Share of the queries that are the title of an item; the others are the name of a genre."""
    answered_by: Literal["index", "recommender"] = "index"
    """``index``: full-text search over titles, genres and descriptions; ``recommender``: the arm, which needs ``search``."""


class RefusalSettings(FrozenSettings):
    """An item that was examined and not clicked is refused, with log-odds ``log_odds - slope * log-odds of a click``."""

    log_odds: float = Field(default=-6.0, ge=-20, le=20)
    """Log-odds for an item that would be clicked as often as not."""
    slope: float = Field(default=0.3, ge=0, le=5)
    """By how much they rise for each log-odds that a click is less likely."""


class LikingSettings(FrozenSettings):
    """Something is done with a clicked item, with log-odds ``log_odds + per_star * (stars - 3)``."""

    log_odds: float = Field(default=-2.0, ge=-20, le=20)
    """Log-odds for an item of three stars in the user's opinion."""
    per_star: float = Field(default=1.0, ge=0, le=10)
    """Log-odds for each star more."""


class PurchaseSettings(LikingSettings):
    """A clicked item is bought; log-odds as of ``LikingSettings``."""

    log_odds: float = Field(default=-3.0, ge=-20, le=20)
    """Log-odds for an item of three stars that was not saved on the same page."""
    saved: float = Field(default=2.0, ge=0, le=10)
    """Log-odds added where the user saved it."""


class FilterSettings(FrozenSettings):
    """After a page the user restricts the recommended pages of the rest of the visit to a genre."""

    share: Share = 0.05
    """How often, for each page but the first of a visit without a filter."""


class BackSettings(FrozenSettings):
    """After a page the user looks at it again instead of going on; what was clicked there is gone from it."""

    share: Share = 0.03
    """How often, for each page but the first of a visit."""


class ActionSettings(FrozenSettings):
    """What users may do; ``{}`` after a name takes its usual numbers. Unknown keys are refused."""

    search: SearchSettings | None = None
    """Type a query."""
    dislike: RefusalSettings | None = None
    """Say of an examined item that it is not to their taste."""
    less_like_this: RefusalSettings | None = None
    """Ask for less of such items, which the recommender may obey."""
    save: LikingSettings | None = None
    """Keep a clicked item, as in a cart or on a list."""
    share: LikingSettings | None = None
    """Send a clicked item to a friend."""
    purchase: PurchaseSettings | None = None
    """Buy a clicked item."""
    filter: FilterSettings | None = None
    """Restrict the pages that follow to a genre."""
    back: BackSettings | None = None
    """Look at the page before again."""
