"""What is put on the card: anything that says, for given users and items, how likely a click is and which stars follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.pages import Pages
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ContractError
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World

__all__ = ["Candidate", "Factory", "UserModelCandidate", "checked_stars", "checked_taste", "on_levels", "world_factory"]


_ROWS = 4096


class Candidate(Protocol):
    """Answers about users and items of the training part it was built from; -1 among the items marks an empty slot."""

    levels: FloatArray
    """float32 [l]: its star levels, ascending."""

    def taste(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return float64 [m, n]: log-odds that each user, int64 [m], clicks each item, int64 [m, n], once it is looked at.

        For the order of items any score will do that rises with the chance of a click.
        """
        ...

    def stars(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return float64 [m, n, l]: the distribution of each user's rating of each item over ``levels``."""
        ...


Factory = Callable[[Dataset, int], Candidate]
"""Builds a candidate from a training part and a seed. It is given nothing else, so it can know nothing else."""


class UserModelCandidate:
    """Any user model: held-out items are shown to it as the first page of a first visit, and nothing is fed back.

    Args:
        users: the user model.
        population: whom it plays; users of the training part are found in it by id.
        training: the training part.
        page_size: most items a page; longer lists are cut into pages of about equal length.
    """

    def __init__(self, users: UserModel, population: Population, training: Dataset, page_size: int = 20) -> None:
        place = {user: row for row, user in enumerate(population.user_id.tolist())}
        missing = [user for user in training.ratings.users.tolist() if user not in place]
        if missing:
            raise ContractError(
                f"realism: got a population without user {missing[0]}, expected every user of the training part"
            )
        self.users = users
        self.levels = users.levels
        self._row = np.array([place[user] for user in training.ratings.users.tolist()], np.int64)
        self._page_size = page_size

    def taste(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the log-odds of a click given that the slot is examined."""
        answer = np.zeros(item_index.shape)
        for rows, columns, pages in self._pages(user_index, item_index):
            answer[rows, columns] = self.users.decide(pages).click_log_odds
        return answer

    def stars(self, user_index: IntArray, item_index: IntArray) -> DoubleArray:
        """Return the distribution that a clicked slot's rating is drawn from; uniform for empty slots."""
        answer = np.full((*item_index.shape, len(self.levels)), 1 / len(self.levels))
        for rows, columns, pages in self._pages(user_index, item_index):
            self.users.decide(pages)
            row, position = np.nonzero(pages.item_index >= 0)
            log_odds = self.users.rating_log_odds(pages, row * pages.item_index.shape[1] + position, row)
            below = 0.5 + 0.5 * np.tanh(0.5 * log_odds.astype(np.float64))
            edges = np.vstack([np.zeros(len(row)), below, np.ones(len(row))])
            answer[rows, columns][row, position] = np.diff(edges, axis=0).T
        return answer

    def _pages(self, user_index: IntArray, item_index: IntArray) -> Iterator[tuple[slice, slice, Pages]]:
        """Yield pages with their place in the table; each is the first of a first visit, whatever was shown before."""
        count = item_index.shape[1]
        width = -(-count // max(1, -(-count // self._page_size)))
        for first in range(0, len(user_index), _ROWS):
            rows = slice(first, min(first + _ROWS, len(user_index)))
            who = self._row[user_index[rows]]
            for start in range(0, count, width):
                columns = slice(start, min(start + width, count))
                items = item_index[rows, columns]
                self.users.allocate(len(who), items.shape[1])
                self.users.begin(slice(None), who, False)
                first_page = np.zeros(len(who), np.int64)
                yield rows, columns, Pages(slice(None), who, first_page, first_page, np.ascontiguousarray(items))


def world_factory(build: Callable[[Dataset, int], World], *, page_size: int = 20) -> Factory:
    """Return a factory of any user model.

    Args:
        build: makes a world from the training part and a seed, for instance
            ``lambda data, seed: choice_world(data, seed=seed)``; all users of the data are in its population.
        page_size: items a page.
    """

    def candidate(training: Dataset, seed: int) -> Candidate:
        world = build(training, seed)
        return UserModelCandidate(world.users, world.population, training, page_size)

    return candidate


def checked_taste(candidate: Candidate, user_index: IntArray, item_index: IntArray) -> DoubleArray:
    """Return a candidate's scores, float64 [m, n].

    Raises:
        ContractError: they have another shape, or one of a filled slot is not finite.
    """
    score = np.asarray(candidate.taste(user_index, item_index), np.float64)
    if score.shape != item_index.shape or not np.isfinite(score[item_index >= 0]).all():
        got = f"shape {score.shape}" if score.shape != item_index.shape else "scores that are not finite"
        raise ContractError(f"realism: got {got} from taste, expected finite log-odds of shape {item_index.shape}")
    return score


def checked_stars(candidate: Candidate, user_index: IntArray, item_index: IntArray) -> DoubleArray:
    """Return a candidate's rating distributions, float64 [m, n, l].

    Raises:
        ContractError: they have another shape, are negative, or do not sum to one where a slot is filled.
    """
    chance = np.asarray(candidate.stars(user_index, item_index), np.float64)
    expected = (*item_index.shape, len(candidate.levels))
    if chance.shape != expected:
        raise ContractError(f"realism: got shape {chance.shape} from stars, expected {expected}, one chance a level")
    filled = chance[item_index >= 0]
    if not np.isfinite(filled).all() or (filled < -1e-9).any() or (np.abs(filled.sum(axis=1) - 1) > 1e-4).any():
        raise ContractError("realism: got chances from stars that are no distribution, expected 0 or more, summing to 1")
    return np.maximum(chance, 0.0)


def on_levels(chance: DoubleArray, own: FloatArray, levels: DoubleArray, histogram: DoubleArray) -> DoubleArray:
    """Spread distributions over other levels, so that user models with fewer levels than the data stand on its scale.

    Each level of the data belongs to the two of the candidate's between which it lies, the more the nearer, so that the mean
    stays; a candidate's chance is shared out among the levels that belong to it in proportion to the training histogram. Levels
    to which none belong pass theirs on to the nearest of the data's.

    Args:
        chance: float64 [r, l], over ``own``.
        own: float32 [l], ascending.
        levels: float64 [d], the data's, ascending.
        histogram: float64 [d], training ratings at each of them.

    Returns:
        float64 [r, d].
    """
    if np.array_equal(own, levels.astype(np.float32)):
        return chance
    belongs = np.array([np.interp(levels, own, corner) for corner in np.eye(len(own))])
    share: DoubleArray = belongs * (histogram + 1e-6 * max(float(histogram.sum()), 1.0))
    for row in np.flatnonzero(share.sum(axis=1) == 0):
        share[row, np.abs(levels - own[row]).argmin()] = 1.0
    spread: DoubleArray = chance @ (share / share.sum(axis=1, keepdims=True))
    return spread
