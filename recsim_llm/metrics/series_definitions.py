"""What can be measured over time: each metric by its key, with the sums behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from recsim_llm.metrics.definitions import DETAILS, RESULTS, Definition

__all__ = ["SERIES", "USER_EVENTS", "SeriesKind", "TimeAxis"]

TimeAxis = Literal["visit", "page", "day"]
"""What time is in a series."""
USER_EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "search": "Searches",
        "filter": "Genres asked for",
        "back": "Looks back",
        "dislike": "Dislikes",
        "less_like_this": "Requests for less like this",
        "save": "Saves",
        "share": "Items sent on",
        "purchase": "Purchases",
        "friend_click": "Clicks traced to a friend",
        "chat": "Chats of two friends",
    }
)
"""The events of a run's log that are a user's own, as reports call them."""


@dataclass(frozen=True, kw_only=True)
class SeriesKind:
    """A metric over time."""

    definition: Definition
    """Its name, unit, bounds, and the sums behind it where it is a ratio of sums or a mean over users."""
    of: Literal["sums", "users", "everyone", "providers"] = "sums"
    """``sums``: of sums by user; ``users``: the mean over users of what each one's choices or exposures come to; ``everyone``:
    a property of all users together; ``providers``: counted for the run as a whole."""
    axes: tuple[TimeAxis, ...] = ("visit", "page", "day")
    """What time may be."""
    of_items: bool = False
    """Whether it may be of some items alone."""
    needs_items: bool = False
    """Whether it says nothing of all items."""


_KNOWN = {definition.key: definition for definition in (*RESULTS, *DETAILS)}
_VISITS: tuple[TimeAxis, ...] = ("visit", "day")


def _sums(definition: Definition, *, of_items: bool = False, needs_items: bool = False) -> SeriesKind:
    return SeriesKind(definition=definition, of_items=of_items, needs_items=needs_items)


def _of_visits(definition: Definition, *, of_items: bool = False) -> SeriesKind:
    return SeriesKind(definition=definition, axes=_VISITS, of_items=of_items)


_ALL = (
    _sums(_KNOWN["click_share"], of_items=True),
    _sums(_KNOWN["clicks_per_user"], of_items=True),
    _sums(_KNOWN["clicks_per_page"], of_items=True),
    _of_visits(
        Definition(key="clicks_per_visit", label="Clicks per visit", unit="clicks", numerator="clicks", denominator="visits"),
        of_items=True,
    ),
    _sums(_KNOWN["reward_per_user"]),
    _sums(_KNOWN["reward_per_page"]),
    _of_visits(
        Definition(
            key="reward_per_visit",
            label="Reward per visit",
            unit="reward",
            numerator="reward",
            denominator="visits",
            low=_KNOWN["reward_per_page"].low,
        )
    ),
    _of_visits(_KNOWN["visits_per_user"]),
    _of_visits(_KNOWN["pages_per_visit"]),
    _of_visits(
        Definition(key="active_share", label="Users with a visit", unit="share", numerator="active", high=1.0),
    ),
    _of_visits(
        Definition(
            key="return_share",
            label="Visits after which the user came back",
            unit="share",
            numerator="returned",
            denominator="return_known",
            high=1.0,
        )
    ),
    _sums(_KNOWN["mean_satisfaction"]),
    _sums(
        Definition(
            key="mean_trust",
            label="Trust in words on pages",
            unit="0 to 1",
            numerator="trust",
            denominator="trust_pages",
            high=1.0,
        )
    ),
    _sums(
        Definition(key="likes_per_page", label="Liked clicks per page", unit="clicks", numerator="liked", denominator="pages"),
        of_items=True,
    ),
    _sums(_KNOWN["mean_rating"], of_items=True),
    _sums(_KNOWN["like_share"], of_items=True),
    _sums(_KNOWN["watch_share"], of_items=True),
    _sums(
        Definition(
            key="exposure_share",
            label="Share of all that is shown",
            unit="share",
            numerator="chosen_impressions",
            denominator="all_impressions",
            high=1.0,
        ),
        of_items=True,
        needs_items=True,
    ),
    _sums(
        Definition(
            key="page_share",
            label="Pages with one of the items",
            unit="share",
            numerator="chosen_pages",
            denominator="filled_pages",
            high=1.0,
        ),
        of_items=True,
        needs_items=True,
    ),
    _sums(
        Definition(
            key="mean_rank",
            label="Mean rank on the page, where shown",
            unit="rank",
            numerator="chosen_ranks",
            denominator="chosen_impressions",
            low=1.0,
        ),
        of_items=True,
        needs_items=True,
    ),
    _sums(
        Definition(
            key="choice_share",
            label="Share of all clicks",
            unit="share",
            numerator="clicks",
            denominator="all_clicks",
            high=1.0,
        ),
        of_items=True,
        needs_items=True,
    ),
    SeriesKind(
        definition=Definition(key="events_per_user", label="Events per user", unit="events", numerator="events"), axes=_VISITS
    ),
    SeriesKind(definition=_KNOWN["genre_entropy"], of="users"),
    SeriesKind(
        definition=Definition(key="shown_genre_entropy", label="Entropy of genres shown to a user (bits)", unit="bits"),
        of="users",
    ),
    SeriesKind(
        definition=Definition(
            key="top_genre_share", label="A user's most clicked genre, of the clicks", unit="share", high=1.0
        ),
        of="users",
    ),
    SeriesKind(
        definition=Definition(
            key="shown_top_genre_share", label="A user's most shown genre, of what is shown", unit="share", high=1.0
        ),
        of="users",
    ),
    SeriesKind(definition=_KNOWN["choice_overlap"], of="users", of_items=True),
    SeriesKind(
        definition=Definition(key="exposure_overlap", label="Overlap of what two users are shown", unit="0 to 1", high=1.0),
        of="users",
        of_items=True,
    ),
    SeriesKind(definition=_KNOWN["catalog_coverage"], of="everyone", of_items=True),
    SeriesKind(definition=_KNOWN["exposure_gini"], of="everyone", of_items=True),
    SeriesKind(
        definition=Definition(
            key="head_exposure",
            label="Most shown tenth of the items, of what is shown",
            unit="share",
            high=1.0,
            by_user=False,
        ),
        of="everyone",
        of_items=True,
    ),
    SeriesKind(
        definition=Definition(key="providers_left", label="Providers who left", unit="providers", by_user=False),
        of="providers",
        axes=("day",),
    ),
    SeriesKind(
        definition=Definition(
            key="exposure_over_merit", label="Exposure over merit of a provider, 1 is fair", unit="ratio", by_user=False
        ),
        of="providers",
        axes=("day",),
        of_items=True,
    ),
)

SERIES: Mapping[str, SeriesKind] = MappingProxyType({kind.definition.key: kind for kind in _ALL})
"""Every metric that may be measured over time, by its key; definitions that runs have anyway are these very ones."""
