"""What every recommender must keep to, as checks that run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.batches import take_columns
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.profiles import make_profile
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.recommenders.base import Recommender, check_slates
from recsim_llm.recommenders.hooks import TakesRules, TakesStock, TakesUserKeys
from recsim_llm.recommenders.interactions import Interactions
from recsim_llm.recommenders.scoring import take
from recsim_llm.testing.calls import checked_call

__all__ = ["check_recommender", "small_world"]

_SEED = 7
_TOLERANCE = 1e-4
_KEYED = "let a row depend on its own request only; key draws by (seed, user_id, visit, page)"


def check_recommender(
    factory: Callable[[], Recommender],
    *,
    catalog: Catalog | None = None,
    ratings: Ratings | None = None,
    repeats: Repeats = "forbid",
) -> None:
    """Check that a recommender keeps the contract of ``recsim_llm.recommenders.Recommender``.

    Checked: a class that declares settings takes them; shape and type of slates; only items that are known, on sale, also
    after ``restock`` where there is one, and different within a page; nothing that the user was shown or rated before, unless
    ``repeats`` allows it; propensities in (0, 1] that agree with each other; the same answer to the same requests before any
    feedback, in any order, for any part of the batch, and from a second instance with the same seed; inputs left as they were;
    users that the ratings do not hold; feedback without clicks, and in any order of users; catalogs of three items all seen.

    Args:
        factory: makes a new, unfitted recommender; called several times.
        catalog: items to check with; a small invented catalog where not given.
        ratings: training ratings that go with the catalog; to be given with it.
        repeats: the rule on repetition that it is to play by, as in a scenario.

    Raises:
        ContractError: the first breach.
        ConfigError: only one of catalog and ratings is given.
    """
    if (catalog is None) != (ratings is None):
        raise ConfigError("check_recommender: got only one of catalog and ratings, expected both or none")
    world = small_world() if catalog is None or ratings is None else (catalog, ratings)
    trial = _Trial(factory, *world, repeats)
    _takes_its_settings(factory, trial.name)
    for check in (_answers, _rows_stand_alone, _seed_decides, _feedback, _retired_items, _three_items, _nothing_twice):
        check(trial)


def _takes_its_settings(factory: Callable[..., Recommender], name: str) -> None:
    """Build as a scenario does: a class that declares ``Settings`` is given one such object."""
    declared = getattr(factory, "Settings", None)
    if not isinstance(declared, type) or not issubclass(declared, FrozenSettings):
        return
    try:
        factory(declared())
    except TypeError as error:
        raise ContractError(
            f"{name}: got a constructor that refuses its own Settings ({error}), expected one such object as its only "
            "argument; define __init__(self, settings=None)"
        ) from error


def small_world(users: int = 24, items: int = 60) -> tuple[Catalog, Ratings]:
    """Return an invented catalog of four genres, and ratings by users who mostly keep to one of them."""
    genre = np.arange(items) % 4
    catalog = Catalog.from_columns(
        item_id=100 + 3 * np.arange(items),
        title=[f"Item {place}" for place in range(items)],
        genres=[[f"Genre {name}"] for name in genre],
        popularity=1 + np.arange(items)[::-1],
    )
    draw = keyed.uniform(keyed.words(0, "small world", np.arange(users)[:, None], np.arange(items)))
    user, item = np.nonzero(draw < np.where(np.arange(users)[:, None] % 4 == genre, 0.6, 0.1))
    return catalog, Ratings(
        user_id=10 + 2 * user.astype(np.int64),
        item_id=catalog.item_id[item],
        rating=np.where(user % 4 == genre[item], 4.5, 2.5).astype(np.float32),
        timestamp=np.arange(len(user), dtype=np.int64),
    )


class _Trial:
    """Calls recommenders, and checks all that can be checked on a single call."""

    def __init__(self, factory: Callable[[], Recommender], catalog: Catalog, ratings: Ratings, repeats: Repeats) -> None:
        self._factory, self._repeats = factory, repeats
        self.catalog = catalog
        self.ratings = ratings
        self.name = type(factory()).__name__
        self.size = min(10, _on_sale(catalog))

    def fitted(self, catalog: Catalog | None = None, ratings: Ratings | None = None) -> Recommender:
        catalog, ratings = catalog or self.catalog, ratings or self.ratings
        recommender = self._factory()
        if isinstance(recommender, TakesRules):
            recommender.play_by(self._repeats)
        if isinstance(recommender, TakesUserKeys):
            recommender.name_users({user: f"U{user:04d}" for user in ratings.users.tolist()})
        inputs = (*_columns(catalog), ratings.user_id, ratings.item_id, ratings.rating, ratings.timestamp)
        checked_call(self.name, "fit", inputs, lambda: recommender.fit(catalog, ratings, _SEED))
        return recommender

    def ask(self, recommender: Recommender, requests: Requests, k: int | None = None, catalog: Catalog | None = None) -> Slates:
        slots = self.size if k is None else k
        slates = checked_call(self.name, "recommend", _arrays(requests), lambda: recommender.recommend(requests, slots))
        if not isinstance(slates, Slates):
            raise ContractError(
                f"{self.name}: got {type(slates).__name__} from recommend, expected Slates; see recsim_llm.core.pages"
            )
        check_slates(slates, catalog or self.catalog, len(requests.user_id), slots, name=self.name, blank_invalid=False)
        _check_propensities(slates, self.name)
        return slates

    def holds_new_items(self, slates: Slates, requests: Requests) -> None:
        """See to it that pages hold what users know already only where there is nothing else."""
        known = Interactions(self.catalog, self.ratings, repeats=self._repeats)
        seen = known.seen(requests)
        again = np.take_along_axis(seen, self.catalog.index_of(slates.item_id), axis=1)
        new = np.count_nonzero(~seen & known.on_sale, axis=1)
        too_many = np.count_nonzero(again, axis=1) > np.maximum(again.shape[1] - new, 0)
        if too_many.any():
            row = int(np.flatnonzero(too_many)[0])
            raise ContractError(
                f"{self.name}: got item {slates.item_id[row][again[row]][0]}, which the user of row {row} was shown or rated "
                "before, expected items new to the user; Interactions(catalog, ratings).seen(requests) tells which are not, "
                "and repeats='allow' checks for a scenario that allows them"
            )

    def tell(self, recommender: Recommender, requests: Requests, slates: Slates, clicked: npt.NDArray[np.bool_]) -> None:
        rating = np.where(clicked, np.float32(4), np.float32(np.nan))
        inputs = (*_arrays(requests), *(column for column in slates if column is not None), clicked, rating)
        checked_call(self.name, "observe", inputs, lambda: recommender.observe(requests, slates, clicked, rating))

    def same(self, got: Slates, expected: Slates, when: str, remedy: str) -> None:
        for field, one, other in zip(Slates._fields, got, expected, strict=True):
            if (one is None) != (other is None):
                raise ContractError(f"{self.name}: got {field} only sometimes {when}, expected it always or never; {remedy}")
            if one is not None and other is not None and not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
                row = int(np.argwhere(one != other)[0][0])
                raise ContractError(
                    f"{self.name}: got {field} {one[row]} {when}, expected {other[row]} as before (row {row}); {remedy}"
                )


def _answers(trial: _Trial) -> None:
    """Serve known and unknown users, pages of several sizes, twice the same."""
    recommender = trial.fitted()
    requests = _requests(trial.catalog, trial.ratings)
    for k in sorted({1, min(3, trial.size), trial.size}):
        first = trial.ask(recommender, requests, k)
        again = trial.ask(recommender, requests, k)
        trial.same(again, first, "when asked the same again", "let only fit and observe change what is answered")


def _nothing_twice(trial: _Trial) -> None:
    """Show users nothing that they know already."""
    requests = _requests(trial.catalog, trial.ratings)
    trial.holds_new_items(trial.ask(trial.fitted(), requests), requests)


def _rows_stand_alone(trial: _Trial) -> None:
    """Answer a request the same in any order and in any company."""
    recommender = trial.fitted()
    requests = _requests(trial.catalog, trial.ratings)
    whole = trial.ask(recommender, requests)
    count = len(requests.user_id)
    parts = {
        "for the same users in another order": keyed.words(0, "order", np.arange(count)).argsort(),
        "for half of the users": np.arange(count // 2),
        "for one user": np.array([count - 1]),
    }
    for when, rows in parts.items():
        trial.same(trial.ask(recommender, take(requests, rows)), take_columns(whole, rows), when, _KEYED)


def _seed_decides(trial: _Trial) -> None:
    """Answer the same from another instance that was fitted with the same seed."""
    requests = _requests(trial.catalog, trial.ratings)
    first, second = (trial.ask(trial.fitted(), requests) for _ in range(2))
    trial.same(second, first, "from a second instance with the same seed", "draw by the seed given to fit, share no state")


def _feedback(trial: _Trial) -> None:
    """Take in pages without clicks, and the same feedback in any order of users."""
    requests = _requests(trial.catalog, trial.ratings)
    backwards = np.arange(len(requests.user_id))[::-1]
    answers = []
    for rows in (slice(None), backwards):
        recommender = trial.fitted()
        slates = trial.ask(recommender, requests)
        none = np.zeros((len(backwards), trial.size), np.bool_)
        trial.tell(recommender, take(requests, rows), take_columns(slates, rows), none)
        trial.ask(recommender, requests)
        some = keyed.words(0, "click", requests.user_id[:, None], np.arange(trial.size)) % np.uint64(3) == 0
        trial.tell(recommender, take(requests, rows), take_columns(slates, rows), some[rows])
        answers.append(trial.ask(recommender, requests))
    remedy = "add up feedback so that the order of users does not matter, for instance sorted by user_id"
    trial.same(answers[1], answers[0], "after the same feedback with users in another order", remedy)


def _retired_items(trial: _Trial) -> None:
    """Leave out items that are retired, before the run or, where it can be told, in the middle of it."""
    kept = np.flatnonzero(trial.catalog.retired == 0) if trial.catalog.retired is not None else np.arange(len(trial.catalog))
    retired = np.ones(len(trial.catalog), np.bool_)
    retired[kept[: max(1, len(kept) // 2)]] = False
    catalog = replace(trial.catalog, retired=retired)
    requests, size = _requests(trial.catalog, trial.ratings), min(trial.size, _on_sale(catalog))
    trial.ask(trial.fitted(catalog), requests, size, catalog)
    for before, now in ((trial.catalog, catalog), (catalog, trial.catalog)):
        recommender = trial.fitted(before)
        if isinstance(recommender, TakesStock):
            recommender.restock(now)
            trial.ask(recommender, requests, size, now)


def _three_items(trial: _Trial) -> None:
    """Fill pages from three items that the users have seen."""
    index, count = np.unique(trial.catalog.index_of(trial.ratings.item_id), return_counts=True)
    rated = index[np.argsort(-count, kind="stable")]
    rest = np.setdiff1d(np.arange(len(trial.catalog)), rated)
    most = np.concatenate([rated[rated >= 0], rest])[:3]
    columns = {field.name: getattr(trial.catalog, field.name) for field in fields(Catalog) if field.init}
    some = {name: column[most] for name, column in columns.items() if isinstance(column, np.ndarray)}
    catalog = replace(trial.catalog, **{**some, "retired": None})
    ratings = trial.ratings.take(np.isin(trial.ratings.item_id, catalog.item_id))
    trial.ask(trial.fitted(catalog, ratings), _requests(catalog, trial.ratings), len(catalog), catalog)


def _requests(catalog: Catalog, ratings: Ratings) -> Requests:
    """Return requests of known and unknown users, with histories of several lengths."""
    unknown = int(ratings.users.max()) + np.array([1, 2, 5, 1_000_003])
    user_id = np.concatenate([ratings.users[:8], unknown]).astype(np.int64)
    row, slot = np.arange(len(user_id))[:, None], np.arange(6)
    place = (5 * row + slot) % len(catalog)
    shown = np.where((slot < 2 * (row % 4)) & (slot < len(catalog)), catalog.item_id[place], -1)
    clicked = (shown >= 0) & ((row + slot) % 3 == 0)
    rating = np.where(clicked, np.float32(4), np.float32(np.nan))
    group = np.array([f"group {place % 3}" if place % 5 else "" for place in range(len(user_id))], object)
    profile = make_profile({"group": group}, len(user_id))
    return Requests(user_id, row[:, 0] % 2, row[:, 0] % 4, shown, clicked, rating, profile)


def _arrays(requests: Requests) -> tuple[npt.NDArray[Any], ...]:
    """Return the columns of requests that hold arrays; a profile hands out copies."""
    return tuple(column for column in requests if isinstance(column, np.ndarray))


def _check_propensities(slates: Slates, name: str) -> None:
    for field in ("propensity", "prefix_propensity", "slate_propensity"):
        column = getattr(slates, field)
        if column is not None and column.dtype.kind != "f":
            raise ContractError(f"{name}: got {field} of type {column.dtype}, expected floats; convert it")
    prefix, whole, slot = slates.prefix_propensity, slates.slate_propensity, slates.propensity
    if prefix is not None and whole is not None and (whole > prefix.min(axis=1) * (1 + _TOLERANCE)).any():
        raise ContractError(
            f"{name}: got a slate more probable than one of its prefixes, expected the product of the prefix propensities; "
            "give None where a propensity is unknown"
        )
    if prefix is not None and slot is not None and (np.abs(slot[:, 0] - prefix[:, 0]) > _TOLERANCE * prefix[:, 0]).any():
        raise ContractError(
            f"{name}: got a propensity at position 0 that differs from the prefix propensity there, expected them equal, as "
            "nothing stands before; give None where a propensity is unknown"
        )


def _columns(catalog: Catalog) -> list[npt.NDArray[Any]]:
    columns = [getattr(catalog, field.name) for field in fields(Catalog) if field.init]
    return [column for column in columns if isinstance(column, np.ndarray)]


def _on_sale(catalog: Catalog) -> int:
    return len(catalog) - (0 if catalog.retired is None else int(np.count_nonzero(catalog.retired)))
