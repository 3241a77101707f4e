"""One trial a seed: the split, everything fitted on its training part, and what each predictor says of the held-out part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.realism.baselines import TASTE_ROWS, Scorer
from recsim_llm.realism.candidates import Candidate, Factory, checked_stars, checked_taste, on_levels
from recsim_llm.realism.held_out import HeldOut, Split, hold_out
from recsim_llm.realism.line import Role
from recsim_llm.realism.star_baselines import STAR_ROWS, StarForecast, find_levels, nearest_level
from recsim_llm.realism.taste_pages import CARD_KINDS, Kind, TastePages, taste_pages
from recsim_llm.realism.thresholds import assign_folds

__all__ = ["CardSettings", "HeldOutStars", "Panel", "Trial", "counted_users", "run_trials"]

_STARLESS = "the data are clicks or purchases, to which nobody gave stars"


@dataclass(frozen=True, kw_only=True)
class CardSettings:
    """How a card is measured."""

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """A trial each: fits, sampled items and, with a random split, the split."""
    split: Split = "time"
    """What is held out, see ``hold_out``."""
    train_share: float = 0.8
    """Share of each user's ratings to fit on."""
    page_items: int = 20
    """Items a page of the taste test; users need half as many held-out items."""
    kinds: tuple[Kind, ...] = CARD_KINDS
    """Kinds of negatives of the taste test, ``uniform`` among them; each is one more question about every user's items."""
    users: int | None = None
    """Most users; None takes all."""
    apart: tuple[int, ...] = ()
    """Outside ids of users whom a user model was trained on: everything else is fitted on them too, but nobody is asked about
    them, and no figure is of them."""
    ratings_a_user: int | None = None
    """Most held-out ratings of each user to predict, the first ones; None takes all."""
    panel_items: int = 200
    """Items about which every user is asked, to see how alike users are."""
    resamples: int = 1000
    """Draws of the bootstrap."""
    bootstrap_seed: int = 1
    """Of the bootstrap."""

    def too_few(self, users: str = "no user has") -> str:
        """Say why a line that needs pages of the taste test cannot be assessed, and what data would do."""
        held_out = self.page_items // 2
        ratings = math.ceil(held_out / (1.0 - self.train_share) - 1e-9)
        return (
            f"{users} {held_out} held-out items, half a page of {self.page_items}; data with {ratings} ratings a user, and "
            f"{self.page_items} rated items that they did not rate, would do"
        )

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds: got {self.seeds}, expected one or more different ones")
        unknown = sorted(set(self.kinds) - set(CARD_KINDS))
        if unknown or "uniform" not in self.kinds:
            raise ConfigError(f"kinds: got {', '.join(self.kinds)}, expected uniform and any of {', '.join(CARD_KINDS)}")
        for name, least in (("page_items", 4), ("panel_items", 2)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}: got {getattr(self, name)}, expected {least} or more")
        for name in ("users", "ratings_a_user"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name}: got {getattr(self, name)}, expected 1 or more, or None for all")


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutStars:
    """Held-out ratings and what is predicted of them."""

    user_index: IntArray
    """int64 [r]."""
    item_index: IntArray
    """int64 [r]."""
    rating: DoubleArray
    """float64 [r]: stars."""
    levels: DoubleArray
    """float64 [l]: the training part's."""
    forecasts: Mapping[str, StarForecast]
    """By row name."""
    uniform: DoubleArray
    """float64 [r]: keyed dice for drawing a rating, the same for every predictor."""

    @property
    def level(self) -> IntArray:
        """int64 [r]: level of each rating."""
        return nearest_level(self.levels, self.rating)

    def drawn(self, name: str) -> DoubleArray:
        """Return float64 [r]: stars drawn from a row's distributions."""
        cumulative = np.cumsum(self.forecasts[name].chance, axis=1)
        place = (self.uniform[:, None] > cumulative).sum(axis=1)
        stars: DoubleArray = self.levels[np.minimum(place, len(self.levels) - 1)]
        return stars


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """The same items put to all users of the taste test."""

    item_index: IntArray
    """int64 [n]."""
    open: npt.NDArray[np.bool_]
    """bool [m, n]: not rated in the training part, so that it could be consumed later."""
    taken: npt.NDArray[np.bool_]
    """bool [m, n]: rated in the held-out part."""
    scores: Mapping[str, DoubleArray]
    """float64 [m, n] by row name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """All that one seed yields."""

    seed: int
    """The seed."""
    held: HeldOut
    """The split."""
    roles: Mapping[str, Role]
    """Role by row name of whatever has taste: the candidate first."""
    star_roles: Mapping[str, Role]
    """Role by row name of whatever predicts stars: the candidate first."""
    pages: Mapping[Kind, TastePages]
    """Pages of the taste test."""
    scores: Mapping[Kind, Mapping[str, DoubleArray]]
    """float64 [m, n] by kind and row name."""
    fold: IntArray
    """int64 [m]: fold of each user of the pages."""
    stars: HeldOutStars
    """Ratings."""
    panel: Panel
    """The common items."""

    @property
    def starless(self) -> str:
        """Why nothing can be said of stars; empty where people gave some."""
        return "" if self.held.training.feedback == "explicit" else _STARLESS


def run_trials(
    dataset: Dataset, name: str, factory: Factory, settings: CardSettings, *, reference: tuple[str, Factory] | None = None
) -> list[Trial]:
    """Hold out, fit and ask, once a seed.

    Args:
        dataset: all ratings.
        name: of the candidate's row.
        factory: builds it from a training part.
        settings: how to measure.
        reference: name and factory of a further user model to stand beside it as an upper reference.
    """
    if name in TASTE_ROWS or name in STAR_ROWS or (reference is not None and reference[0] in (name, *TASTE_ROWS, *STAR_ROWS)):
        raise ConfigError(
            f"realism: got the name {name!r} twice among candidate, reference and baselines, expected another name"
        )
    trials: list[Trial] = []
    kept: dict[str, Scorer] = {}
    held = _held_out(dataset, settings, settings.seeds[0])
    for seed in settings.seeds:
        if settings.split == "random" and trials:
            held = _held_out(dataset, settings, seed)
            kept = {}
        models = {name: factory(held.training, seed)}
        if reference is not None:
            models[reference[0]] = reference[1](held.training, seed)
        for row, baseline in TASTE_ROWS.items():
            if baseline.seeded or row not in kept:
                kept[row] = baseline.fit(held.training, seed)
        trials.append(_trial(held, models, kept, settings, seed=seed))
    return trials


def _held_out(dataset: Dataset, settings: CardSettings, seed: int) -> HeldOut:
    held = hold_out(dataset, train_share=settings.train_share, split=settings.split, seed=seed)
    return held.of_users(np.setdiff1d(held.training.ratings.users, settings.apart)) if settings.apart else held


def _trial(
    held: HeldOut, models: Mapping[str, Candidate], scorers: Mapping[str, Scorer], settings: CardSettings, *, seed: int
) -> Trial:
    roles: dict[str, Role] = dict(zip(models, ("candidate", "reference"), strict=False))
    rows = {**{row: _scorer(model) for row, model in models.items()}, **scorers}
    pages = {
        kind: taste_pages(
            held,
            kind,
            page_items=settings.page_items,
            most_users=settings.users,
            seed=seed,
            user_seed=settings.seeds[0],
        )
        for kind in settings.kinds
    }
    users = pages["uniform"].user_index
    scores = {
        kind: {row: score(page.user_index, page.item_index) for row, score in rows.items()} for kind, page in pages.items()
    }
    return Trial(
        seed=seed,
        held=held,
        roles=roles | {row: TASTE_ROWS[row].role for row in scorers},
        star_roles=roles | {row: baseline.role for row, baseline in STAR_ROWS.items()},
        pages=pages,
        scores=scores,
        fold=assign_folds(held.training.ratings.users[users], seed),
        stars=_stars(held, models, settings, seed),
        panel=_panel(held, rows, users, settings, seed=seed),
    )


def _scorer(model: Candidate) -> Scorer:
    return lambda user, item: checked_taste(model, user, item)


def _stars(held: HeldOut, models: Mapping[str, Candidate], settings: CardSettings, seed: int) -> HeldOutStars:
    keep = _star_rows(held, settings)
    user, item = held.user_index[keep], held.item_index[keep]
    levels, training = find_levels(held.training), held.training.ratings
    histogram = np.bincount(nearest_level(levels, training.rating), minlength=len(levels)).astype(np.float64)
    place, page_user, page_item = _pages(user, item, settings.page_items)
    forecasts: dict[str, StarForecast] = {}
    for row, model in models.items():
        chance = checked_stars(model, page_user, page_item).reshape(-1, len(model.levels))[place]
        spread = on_levels(chance, model.levels, levels, histogram)
        forecasts[row] = StarForecast(chance @ model.levels.astype(np.float64), spread)
    forecasts |= {row: baseline.fit(held.training)(user, item) for row, baseline in STAR_ROWS.items()}
    outside = training.users[user], held.training.catalog.item_id[item]
    return HeldOutStars(
        user_index=user,
        item_index=item,
        rating=held.rating[keep],
        levels=levels,
        forecasts=forecasts,
        uniform=keyed.uniform(keyed.words(seed, "card stars", *outside)),
    )


def _star_rows(held: HeldOut, settings: CardSettings) -> IntArray:
    """Return positions of the held-out ratings to predict, user by user."""
    order = np.argsort(held.user_index, kind="stable")
    user = held.user_index[order]
    rank = np.arange(len(user)) - np.searchsorted(user, user)
    keep = np.ones(len(user), np.bool_) if settings.ratings_a_user is None else rank < settings.ratings_a_user
    if settings.users is not None:
        users = np.unique(user)
        drawn = keyed.words(settings.seeds[0], "card users", held.training.ratings.users[users]).argsort(kind="stable")
        keep &= np.isin(user, users[drawn[: settings.users]])
    return order[keep]


def _pages(user: IntArray, item: IntArray, size: int) -> tuple[IntArray, IntArray, IntArray]:
    """Lay rows, user by user, out on pages; return each row's flat slot, the pages' users and their items, -1 where empty."""
    rank = np.arange(len(user)) - np.searchsorted(user, user)
    first = rank % size == 0
    page = np.cumsum(first) - 1
    items = np.full((int(first.sum()), size), -1, np.int64)
    items[page, rank % size] = item
    return page * size + rank % size, user[first], items


def _panel(held: HeldOut, rows: Mapping[str, Scorer], users: IntArray, settings: CardSettings, *, seed: int) -> Panel:
    """Draw items in proportion to training ratings, and ask about them for all users of the taste test."""
    weight = held.counts(held_out=False)
    word = keyed.words(seed, "panel", np.arange(len(weight)))
    with np.errstate(divide="ignore"):
        key = np.where(weight > 0, -np.log(keyed.uniform(word)) / weight, np.inf)
    size = min(settings.panel_items, int(np.count_nonzero(weight)))
    items = np.sort(np.argsort(key, kind="stable")[:size])
    training = held.training
    known = _table(training.ratings.user_index, training.catalog.index_of(training.ratings.item_id), held, users, items=items)
    taken = _table(held.user_index, held.item_index, held, users, items=items)
    grid = np.broadcast_to(items, (len(users), size))
    return Panel(
        item_index=items, open=~known, taken=taken & ~known, scores={row: score(users, grid) for row, score in rows.items()}
    )


def _table(user: IntArray, item: IntArray, held: HeldOut, users: IntArray, *, items: IntArray) -> npt.NDArray[np.bool_]:
    column = np.full(len(held.training.catalog), -1, np.int64)
    column[items] = np.arange(len(items))
    row = np.full(held.users, -1, np.int64)
    row[users] = np.arange(len(users))
    inside = (row[user] >= 0) & (column[item] >= 0)
    table = np.zeros((len(users), len(items)), np.bool_)
    table[row[user[inside]], column[item[inside]]] = True
    return table


def counted_users(trials: Sequence[Trial], users: Sequence[IntArray]) -> npt.NDArray[np.bool_]:
    """Return bool [u]: users who occur in any trial."""
    mask = np.zeros(trials[0].held.users, np.bool_)
    for index in users:
        mask[index] = True
    return mask
