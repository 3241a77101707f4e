"""Fake users: profiles that somebody adds to what recommenders learn from, so that some items are shown more."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.errors import ConfigError

__all__ = ["FIRST_FAKE", "AttackKind", "ProfileAttack", "fake_ratings", "with_fakes"]

AttackKind = Literal["random", "average", "bandwagon", "segment", "plain"]
"""What fake profiles are filled with."""
FIRST_FAKE = 2**40
"""Lowest outside id of a fake user; no user of the data has one as high."""
_EACH_ATTACK = 2**24


class ProfileAttack(FrozenSettings):
    """Fake users whose profiles push some items: a profile injection attack.

    Every fake user gives the pushed items the most stars, and fills its profile with others to look like somebody. The
    kinds are those of the literature (Lam & Riedl 2004, *Shilling recommender systems for fun and profit*; Mobasher et al.
    2007, *Toward trustworthy recommender systems*), but for ``plain``.
    """

    items: ItemSelection
    """What is pushed."""
    kind: AttackKind = "bandwagon"
    """What profiles are filled with. ``random``: any items, with stars around the mean of all. ``average``: any items, with
    stars around each item's own mean. ``bandwagon``: half of it the items rated most, with the most stars, the rest as in
    ``random``. ``segment``: half of it the items rated most of those that share a genre with what is pushed, with the most
    stars, the rest any items with the fewest. ``plain``: nothing, as with accounts of a provider who has its items
    clicked."""
    share: float = Field(default=0.05, gt=0, le=1)
    """Fake users, as a share of the genuine ones in what recommenders learn from; one at least."""
    filler: int = Field(default=30, ge=2)
    """Items that fill a profile; heeded by all kinds but ``plain``."""
    each: int | None = Field(default=None, ge=1)
    """Pushed items that one fake user rates, drawn for each; None: all of them."""


def fake_ratings(attack: ProfileAttack, catalog: Catalog, ratings: Ratings, *, seed: int, place: int = 0) -> Ratings:
    """Return the ratings of the fake users of an attack, user by user.

    Every draw hangs on the seed, the attack's place and the fake user's number. A profile is in an order of its own, at the
    time of the latest rating there is.

    Args:
        attack: what is done.
        catalog: the items; those on sale fill profiles.
        ratings: the genuine ratings, whose users are copied in number, items and stars.
        seed: of everything that is drawn.
        place: number of the attack in its run, which sets its users and draws apart from others'.

    Raises:
        ConfigError: nothing is pushed, the items do not suffice to fill a profile, or a genuine user has an id as fakes do.
    """
    if ratings.users[-1] >= FIRST_FAKE:
        got = f"attack: got user_id {ratings.users[-1]} in the data"
        raise ConfigError(
            f"{got}, expected ids below {FIRST_FAKE}, since those from there on are fake users'; number users anew"
        )
    word = keyed.words(seed, "fake users", place)
    pushed = np.flatnonzero(attack.items.mask(catalog, keyed.absorb(word, 0)))
    count = max(1, math.ceil(attack.share * len(ratings.users)))
    fakes = keyed.absorb(keyed.absorb(word, 1), np.arange(count))
    targets = pushed[keyed.sample(keyed.absorb(fakes, 0), len(pushed), min(attack.each or len(pushed), len(pushed)))]
    tally = _StarTally(catalog, ratings)
    item, stars = targets, np.full(targets.shape, tally.levels[-1], np.float64)
    if attack.kind != "plain":
        filler, given = _filler(attack, catalog, tally, pushed=pushed, fakes=fakes)
        item, stars = np.hstack([item, filler]), np.hstack([stars, given])
    order = np.argsort(keyed.absorb(keyed.absorb(fakes, 1)[:, None], np.arange(item.shape[1])), axis=1, kind="stable")
    item, stars = np.take_along_axis(item, order, axis=1), np.take_along_axis(stars, order, axis=1)
    user_id = FIRST_FAKE + place * _EACH_ATTACK + np.arange(count)
    return Ratings(
        user_id=np.repeat(user_id, item.shape[1]),
        item_id=catalog.item_id[item.reshape(-1)],
        rating=tally.nearest(stars.reshape(-1)),
        timestamp=np.full(item.size, ratings.timestamp.max()),
    )


def with_fakes(
    attack: ProfileAttack, catalog: Catalog, ratings: Ratings, *, seed: int, place: int = 0
) -> tuple[Catalog, Ratings]:
    """Return what a recommender learns from once fake users are among the others, who also count for popularity.

    Arguments and errors as of ``fake_ratings``.
    """
    fakes = fake_ratings(attack, catalog, ratings, seed=seed, place=place)
    counts = np.bincount(catalog.index_of(fakes.item_id), minlength=len(catalog))
    return catalog.with_popularity(catalog.popularity + counts), ratings.followed_by(fakes)


class _StarTally:
    """How items are rated: their number of ratings, mean stars, and how far stars lie from these means."""

    def __init__(self, catalog: Catalog, ratings: Ratings) -> None:
        item, stars = catalog.index_of(ratings.item_id), ratings.rating.astype(np.float64)
        known = item >= 0
        item, stars = item[known], stars[known]
        self.levels: DoubleArray = ratings.levels.astype(np.float64)
        self.counts: IntArray = np.bincount(item, minlength=len(catalog)).astype(np.int64)
        self.mean, self.spread = float(stars.mean()), float(stars.std())
        total = np.bincount(item, weights=stars, minlength=len(catalog))
        self.item_mean: DoubleArray = np.where(self.counts > 0, total / np.maximum(self.counts, 1), self.mean)
        self.item_spread = float((stars - self.item_mean[item]).std())

    def nearest(self, stars: DoubleArray) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Return float32: the levels of the data that lie nearest."""
        middle = (self.levels[1:] + self.levels[:-1]) / 2
        return self.levels[np.searchsorted(middle, stars)].astype(np.float32)


def _filler(
    attack: ProfileAttack, catalog: Catalog, tally: _StarTally, *, pushed: IntArray, fakes: keyed.Words
) -> tuple[IntArray, DoubleArray]:
    """Return int64 and float64 [f, filler]: what fills the profiles, and the stars it is given."""
    # Here, since every scenario names these profiles and few draw any.
    from scipy.special import ndtri

    free = catalog.on_sale.copy()
    free[pushed] = False
    chosen = np.empty(0, np.int64)
    if attack.kind in ("bandwagon", "segment"):
        likely = free.copy()
        if attack.kind == "segment":
            likely &= catalog.genres[:, catalog.genres[pushed].any(axis=0)].any(axis=1)
        chosen = np.flatnonzero(likely)
        chosen = chosen[np.argsort(-tally.counts[chosen], kind="stable")][: attack.filler // 2]
        free[chosen] = False
    others, lacking = np.flatnonzero(free), attack.filler - len(chosen)
    if lacking > len(others):
        raise ConfigError(
            f"attack, filler: got {attack.filler} of {len(catalog)} items, expected at most {len(others) + len(chosen)}, those "
            "on sale that are not pushed; lower it"
        )
    drawn = others[keyed.sample(keyed.absorb(fakes, 2), len(others), lacking)]
    noise = ndtri(keyed.uniform(keyed.absorb(keyed.absorb(fakes, 3)[:, None], np.arange(lacking))))
    if attack.kind == "segment":
        stars = np.full(drawn.shape, tally.levels[0], np.float64)
    elif attack.kind == "average":
        stars = tally.item_mean[drawn] + tally.item_spread * noise
    else:
        stars = tally.mean + tally.spread * noise
    item = np.hstack([np.broadcast_to(chosen, (len(fakes), len(chosen))), drawn])
    return item, np.hstack([np.full((len(fakes), len(chosen)), tally.levels[-1]), stars])
