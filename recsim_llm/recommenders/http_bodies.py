"""Bodies of requests to a recommender behind HTTP, and what its slates say, between columns and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import ACTIONS, Requests, Slates
from recsim_llm.core.profiles import Profile
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.http_schema import Slate

__all__ = ["WireIds", "find_fault", "fit_body", "page_requests", "page_results", "slates_of"]

_MOST_PROPENSITY = 1 + 1e-6


class WireIds:
    """What items and users are called outside, and what each user rated in the training part.

    Args:
        catalog: the items; where it has the data's own ids as texts, these are what travels.
        ratings: the training ratings.
        user_keys: the data's own ids of users where these are texts.
    """

    def __init__(self, catalog: Catalog, ratings: Ratings, user_keys: Mapping[int, str]) -> None:
        self.catalog, self.user_keys = catalog, user_keys
        keys = catalog.item_key
        self._number: dict[str, int] | None = None if keys is None else dict(zip(keys, catalog.item_id.tolist(), strict=True))
        order = np.lexsort((np.arange(len(ratings)), ratings.timestamp, ratings.user_index))
        self._users = ratings.users
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(ratings.user_index))])
        self._rated_items = ratings.item_id[order]
        self._rated_stars = ratings.rating[order].astype(np.float64)

    def items(self, item_id: IntArray) -> list[Any]:
        """Return what travels for int64 [m] ids; None for what only the package calls so: an id that has no text."""
        keys = self.catalog.item_key
        if keys is None:
            numbers: list[int] = item_id.tolist()
            return numbers
        return [None if place < 0 else str(keys[place]) for place in self.catalog.index_of(item_id).tolist()]

    def numbers(self, items: Sequence[int | str]) -> list[int]:
        """Return the ids of what a server named; -1 for a text that the catalog does not know."""
        return (
            [self._number.get(str(item), -1) for item in items] if self._number is not None else [int(item) for item in items]
        )

    def expected(self, item: int | str) -> str:
        """Say what should have been named in place of a number or text; nothing where it is of the right kind."""
        if isinstance(item, str) == (self._number is not None):
            return ""
        return "a whole number" if self._number is None else "the data's own id, a text"

    def rated(self, user_id: int) -> dict[str, list[Any]]:
        """Return what a user rated in the training part, earliest first."""
        place = int(np.searchsorted(self._users, user_id))
        known = place < len(self._users) and self._users[place] == user_id
        part = slice(*self._starts[place : place + 2].tolist()) if known else slice(0)
        return {"item_id": self.items(self._rated_items[part]), "rating": self._rated_stars[part].tolist()}


def fit_body(ids: WireIds, ratings: Ratings, seed: int) -> dict[str, Any]:
    """Return a ``FitBody`` as plain values."""
    catalog, keys = ids.catalog, sorted(ids.user_keys.items())
    return {
        "seed": seed,
        "catalog": {
            "item_id": ids.items(catalog.item_id),
            "title": _texts(catalog.title),
            "genres": [catalog.genres_of(place) for place in range(len(catalog))],
            "year": [year if year >= 0 else None for year in catalog.year.tolist()],
            "description": _texts(catalog.description),
            "provider": _texts(catalog.provider),
            "popularity": catalog.popularity.tolist(),
            "on_sale": catalog.on_sale.tolist(),
            **({} if catalog.price is None else {"price": catalog.price.tolist()}),
        },
        "ratings": {
            "user_id": ratings.user_id.tolist(),
            "item_id": ids.items(ratings.item_id),
            "rating": ratings.rating.tolist(),
            "timestamp": ratings.timestamp.tolist(),
        },
        "users": {"user_id": [user for user, _ in keys], "user_key": [key for _, key in keys]},
    }


def page_requests(ids: WireIds, requests: Requests, rows: IntArray) -> list[dict[str, Any]]:
    """Return ``PageRequest`` for each of some users, as plain values.

    Args:
        ids: what items and users are called.
        requests: of all users.
        rows: int64 [m]: which of them are asked for.
    """
    profiles = _profiles(requests.profile, rows)
    heads = _heads(ids, requests, rows)
    return [
        {
            **head,
            "history": _history(ids, requests, row),
            "rated": ids.rated(head["user_id"]),
            "profile": profile,
            **_restricted(ids, requests, row),
            **said,
        }
        for head, row, profile, said in zip(heads, rows.tolist(), profiles, _said(requests, rows), strict=True)
    ]


def page_results(
    ids: WireIds, requests: Requests, rows: IntArray, *, slates: Slates, clicked: BoolArray, rating: FloatArray
) -> list[dict[str, Any]]:
    """Return ``PageResult`` for each of some users, as plain values; arguments as of ``Recommender.observe``."""
    return [
        {
            **head,
            "item_id": [_known(item) for item in ids.items(slates.item_id[row])],
            "clicked": clicked[row].tolist(),
            "rating": _stars(rating[row]),
        }
        for head, row in zip(_heads(ids, requests, rows), rows.tolist(), strict=True)
    ]


def find_fault(ids: WireIds, slates: Sequence[Slate], user_id: IntArray, k: int) -> str:
    """Say what is wrong with the slates of a reply, by the name of the field; nothing where they can be used.

    Args:
        ids: what items are called.
        slates: of the reply.
        user_id: int64 [m]: whose pages were asked for.
        k: items a page.
    """
    if len(slates) != len(user_id):
        return f"slates: got {len(slates)}, expected {len(user_id)}, one a request"
    for row, (slate, user) in enumerate(zip(slates, user_id.tolist(), strict=True)):
        place = f"slates.{row}"
        if slate.user_id != user:
            return f"{place}.user_id: got {slate.user_id}, expected {user}, in the order of the requests"
        for name in ("item_id", "propensity", "prefix_propensity", "explanation", "title"):
            column = getattr(slate, name)
            if column is not None and len(column) != k:
                return f"{place}.{name}: got {len(column)}, expected {k}, one a position"
        for position, item in enumerate(slate.item_id):
            if expected := ids.expected(item):
                return f"{place}.item_id.{position}: got {item!r}, expected {expected}"
        for name, chance in _chances(slate):
            if chance is not None and not 0 < chance <= _MOST_PROPENSITY:
                return f"{place}.{name}: got {chance:g}, expected above 0 and at most 1, or null where unknown"
    return ""


def slates_of(ids: WireIds, slates: Sequence[Slate], k: int) -> Slates:
    """Return slates as columns; what is unknown is NaN, for one user as for all.

    Args:
        ids: what items are called.
        slates: one a user, without a fault.
        k: items a page.
    """
    item_id = np.array([ids.numbers(slate.item_id) for slate in slates], np.int64).reshape(-1, k)
    unknown = [None] * k
    slot, prefix = (
        np.array([getattr(slate, name) or unknown for slate in slates], np.float32).reshape(-1, k)
        for name in ("propensity", "prefix_propensity")
    )
    whole = np.array([slate.slate_propensity for slate in slates], np.float64)
    # There is always a column of words, so that the answer to one request does not hang on which others are there.
    words = {name: np.full(item_id.shape, "", object) for name in ("explanation", "title")}
    for row, slate in enumerate(slates):
        for name, column in words.items():
            column[row] = getattr(slate, name) or ""
    return Slates(item_id, slot, prefix, whole, **words)


def _heads(ids: WireIds, requests: Requests, rows: IntArray) -> list[dict[str, Any]]:
    """Return whose page it is, and which, for each row."""
    columns = (requests.user_id, requests.visit, requests.page)
    return [
        {"user_id": user, "user_key": ids.user_keys.get(user), "visit": visit, "page": page}
        for user, visit, page in zip(*(column[rows].tolist() for column in columns), strict=True)
    ]


def _said(requests: Requests, rows: IntArray) -> list[dict[str, str]]:
    """Return what each user said, under its key; without it where users say nothing."""
    return [{}] * len(rows) if requests.text is None else [{"text": text} for text in requests.text[rows].tolist()]


def _history(ids: WireIds, requests: Requests, row: int) -> dict[str, list[Any]]:
    """Return one user's history, without what only fills the batch's columns."""
    shown = requests.history_item[row] >= 0
    return {
        "item_id": ids.items(requests.history_item[row, shown]),
        "clicked": requests.history_clicked[row, shown].tolist(),
        "rating": _stars(requests.history_rating[row, shown]),
        **({} if requests.history_actions is None else {"actions": _actions(requests.history_actions[row, shown])}),
    }


def _actions(done: npt.NDArray[np.uint8]) -> list[list[str]]:
    """Return by name what a user did with each item of the history."""
    return [[name for bit, name in enumerate(ACTIONS) if bits & (1 << bit)] for bits in done.tolist()]


def _restricted(ids: WireIds, requests: Requests, row: int) -> dict[str, str]:
    """Return the genre to which one user restricts the page; nothing where the user does not."""
    genre = -1 if requests.only_genre is None else int(requests.only_genre[row])
    return {} if genre < 0 else {"only_genre": ids.catalog.genre_names[genre]}


def _profiles(profile: Profile, rows: IntArray) -> list[dict[str, str] | None]:
    if not profile.known:
        return [None] * len(rows)
    some = profile[rows]
    columns = {field: some.values(field).tolist() for field in some.fields}
    return [{field: texts[row] for field, texts in columns.items() if texts[row]} for row in range(len(rows))]


def _chances(slate: Slate) -> list[tuple[str, float | None]]:
    named: list[tuple[str, float | None]] = [("slate_propensity", slate.slate_propensity)]
    for name in ("propensity", "prefix_propensity"):
        named += [(f"{name}.{place}", chance) for place, chance in enumerate(getattr(slate, name) or ())]
    return named


def _known(item: int | str | None) -> int | str | None:
    return None if isinstance(item, int) and item < 0 else item


def _stars(rating: FloatArray) -> list[float | None]:
    return [None if stars != stars else stars for stars in rating.tolist()]


def _texts(texts: npt.NDArray[np.object_] | None) -> list[str] | None:
    return None if texts is None else [str(text) for text in texts]
