"""A batch of visits in progress: what the single and the vector environment share."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from recsim_llm.core import keyed
from recsim_llm.core.dice import VisitDice, seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import BoolArray, Feedback, IntArray, Rows
from recsim_llm.envs.observations import Observation, Observer
from recsim_llm.envs.rewards import Reward, reward_of
from recsim_llm.errors import ConfigError, SlateError
from recsim_llm.numerics.ranking import ProductRanking, repeated_slots
from recsim_llm.population.world import World

if TYPE_CHECKING:
    from recsim_llm.envs.recording import Recorder

__all__ = ["ACTIONS", "INVALID", "Session"]

ACTIONS = ("slate", "candidates", "embedding")
INVALID = ("count", "error")
_LOOK_AHEAD = 32


class Session:
    """Visits of a batch of rows; each row serves one episode after another.

    Who comes in episode ``e`` of a row is a keyed draw from (row's seed, e); the visit number of the dice is ``e``.
    """

    def __init__(
        self,
        world: World,
        *,
        rows: int,
        slate_size: int,
        max_pages: int,
        reward: str | Reward,
        action: str,
        observation: Sequence[str] | None,
        history_pages: int,
        candidates: int,
        invalid: str,
        log: str | PathLike[str] | None,
    ) -> None:
        for name, value in (("slate_size", slate_size), ("max_pages", max_pages), ("history_pages", history_pages)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ConfigError(f"{name}: got {value!r}, expected 1 or more (a whole number)")
        if action not in ACTIONS:
            raise ConfigError(f"action: got {action!r}, expected one of {', '.join(ACTIONS)}")
        if invalid not in INVALID:
            raise ConfigError(f"invalid: got {invalid!r}, expected 'count' (blank the slot) or 'error'")
        items = len(world.catalog)
        self._retired = world.catalog.retired
        self._on_sale = None if self._retired is None else np.flatnonzero(~self._retired)
        self._choice = items if self._on_sale is None else len(self._on_sale)
        if not slate_size <= (candidates if action == "candidates" else self._choice) <= self._choice:
            raise ConfigError(
                f"slate_size {slate_size}, candidates {candidates}, items on sale {self._choice}: "
                "expected slate_size <= candidates <= items on sale"
            )
        # Two environments may be given the same users: what these remember about a batch must not be shared.
        world = world._replace(users=copy(world.users))
        self.world, self.action, self.invalid, self.rows = world, action, invalid, rows
        self.kernel = Kernel(
            users=world.users, user_id=world.population.user_id, rows=rows, slate_size=slate_size, max_pages=max_pages
        )
        self.reward = reward_of(reward)
        if isinstance(observation, str):
            raise ConfigError(f"observation: got {observation!r}, expected a list of names such as ['page', 'summary']")
        parts = ("page", "summary", "history") if observation is None else tuple(observation)
        if action == "candidates" and "candidates" not in parts:
            parts = (*parts, "candidates")
        self.observer = Observer(
            parts=parts,
            catalog=world.catalog,
            population=world.population,
            rows=rows,
            slate_size=slate_size,
            max_pages=max_pages,
            history_pages=history_pages,
            candidates=candidates if action == "candidates" else 0,
        )
        self._points = action == "embedding"
        self._one_plain = rows == 1 and action == "slate" and self._retired is None
        self._last = np.array([max_pages])
        self._shape = (rows, slate_size)
        self._options = candidates if action == "candidates" else items
        self._limit = np.full(self._shape, self._options, np.uint64)  # a whole page: NumPy compares equal shapes fastest
        features = world.catalog.features if self._on_sale is None else world.catalog.features[self._on_sale]
        self._recorder: Recorder | None = None
        if log is not None:
            # Only here, since a log brings in pyarrow.
            from recsim_llm.envs.recording import Recorder

            settings: dict[str, Any] = {
                "rows": rows,
                "slate_size": slate_size,
                "max_pages": max_pages,
                "reward": reward,
                "action": action,
            }
            settings |= {"observation": parts, "history_pages": history_pages, "candidates": candidates, "invalid": invalid}
            self._recorder = Recorder(Path(log), world, rows, settings)
        self._point_shape = (rows, features.shape[1])
        self._ranking = ProductRanking(features)
        self.offered = np.zeros((rows, candidates), np.int64) if action == "candidates" else None
        """int64 [r, c]: the candidates that the next action chooses from; None with other actions."""
        self._seed_word = np.zeros(rows, np.uint64)
        self._episode = np.zeros(rows, np.int64)
        self._ahead: tuple[int, IntArray, VisitDice] | None = None

    def action_space(self) -> spaces.MultiDiscrete | spaces.Box:
        """Return the action space of one row."""
        if self.action == "embedding":
            return spaces.Box(-1, 1, (self.world.catalog.features.shape[1],), np.float32)
        return spaces.MultiDiscrete(np.full(self._shape[1], self._options, np.int64))

    def seed(self, rows: Rows, seeds: npt.ArrayLike) -> None:
        """Give rows new seeds; their next episode is number 0."""
        self._seed_word[rows] = seed_words(seeds)
        self._episode[rows] = 0
        self._ahead = None
        if self._recorder is not None:
            self._recorder.seed(seeds)

    def begin(self, rows: Rows, user_index: IntArray | None = None) -> None:
        """Start the next episode of the given rows, with the user that its turn brings or the given one."""
        episode = self._episode[rows]
        if user_index is None:
            user_index, dice = self._next_visits(rows, episode)
        else:
            dice = self.kernel.dice(user_index, episode, self._seed_word[rows])
        self.kernel.begin(rows, user_index, episode.copy(), dice)
        self._episode[rows] = episode + 1
        self.observer.begin(rows)
        if self._recorder is not None:
            self._recorder.begin(rows)
        if self.offered is not None:
            self._offer(rows)

    def step(
        self, action: npt.ArrayLike, idle: IntArray | None = None
    ) -> tuple[Feedback, npt.NDArray[np.float64], BoolArray, BoolArray, IntArray]:
        """Show the page that the action names to every row.

        Args:
            action: one action a row.
            idle: rows whose visit is over and whose action must not be used; their page is blank, and what the other
                columns say about them means nothing.

        Returns:
            Feedback, and columns that the log keeps, not to be changed: reward float64 [r], left bool [r], out of pages
            bool [r], invalid slots int64 [r].
        """
        given = np.asarray(action)
        item_index, empty = self._plain_page(given) if self._one_plain else None, None
        if item_index is None:
            item_index = self._items(given, idle)
            empty = None if self._points else self._unusable(item_index)
        invalid = np.zeros(self.rows, np.int64)
        if empty is not None:
            if idle is not None:
                empty[idle] = False
            if self.invalid == "error" and empty.any():
                raise _slate_error(item_index, empty)
            invalid = np.add.reduce(empty, axis=1, dtype=np.int64)
        if idle is not None:
            empty = np.zeros(self._shape, np.bool_) if empty is None else empty
            empty[idle] = True
            # The dice end with the page budget; a blank page needs none.
            self.kernel.page[idle] = 0
        if empty is None:
            feedback = self.kernel.step(item_index)
        else:
            feedback = self.kernel.step(np.where(empty, -1, item_index), empty=empty)
        self.observer.record(feedback)
        if self.offered is not None:
            self._offer(ALL_ROWS)
        out = self.kernel.page >= self._last
        reward = self.reward(feedback, self.world.catalog)
        if self._recorder is not None:
            self._recorder.page(feedback, reward, invalid, out, idle)
        return feedback, reward, feedback.left, out, invalid

    def close(self) -> None:
        """Finish the log, if there is one."""
        if self._recorder is not None:
            self._recorder.close()

    def observe(self, rows: Rows | int = ALL_ROWS) -> Observation:
        """Return what the policy may see of the given rows."""
        return self.observer.observe(self.kernel.page, self.kernel.user_index, self.offered, rows)

    def _plain_page(self, given: npt.NDArray[Any]) -> IntArray | None:
        """Return the page of the only row if its items are different and on sale; None leaves the action to the other checks.

        On ten numbers Python is faster than NumPy.
        """
        if given.dtype.kind not in "iu" or given.shape != self._shape:
            return None
        page = given[0].tolist()
        if len(set(page)) < len(page) or min(page) < 0 or max(page) >= self._options:
            return None
        return given.astype(np.int64)

    def _items(self, given: npt.NDArray[Any], idle: IntArray | None) -> IntArray:
        if self._points:
            return self._nearest(given, idle)
        if given.dtype.kind not in "iu" or given.shape != self._shape:
            raise SlateError(
                f"action: got {given.dtype} of shape {given.shape}, expected integers of shape {self._shape} (users, slots)"
            )
        chosen = given.astype(np.int64)
        if idle is not None:
            chosen[idle] = np.arange(self._shape[1])
        outside = chosen.view(np.uint64) >= self._limit
        if np.count_nonzero(outside):
            row, position = np.argwhere(outside)[0]
            raise SlateError(
                f"slate of row {row}, position {position}: got {chosen[row, position]}, expected 0 to {self._options - 1}"
            )
        return chosen if self.offered is None else np.take_along_axis(self.offered, chosen, axis=1)

    def _nearest(self, given: npt.NDArray[np.generic], idle: IntArray | None) -> IntArray:
        shape = self._point_shape
        if given.dtype.kind != "f" or given.shape != shape:
            raise SlateError(
                f"action: got {given.dtype} of shape {given.shape}, expected floats of shape {shape} (users, features)"
            )
        asked = np.ones(self.rows, np.bool_)
        if idle is not None:
            asked[idle] = False
        with np.errstate(over="ignore"):
            point = given[asked].astype(np.float32)
        if not np.isfinite(point).all():
            row = np.flatnonzero(asked)[~np.isfinite(point).all(axis=1)][0]
            raise SlateError(f"action of row {row}: got {given[row]}, expected finite numbers")
        place = np.zeros(self._shape, np.int64)
        place[asked] = self._ranking.best(point, self._shape[1])
        return place if self._on_sale is None else self._on_sale.take(place)

    def _unusable(self, item_index: IntArray) -> BoolArray | None:
        """Return the slots with a repeated or retired item, None if there are none."""
        repeated = repeated_slots(item_index)
        if self._retired is None or not (retired := self._retired[item_index]).any():
            return repeated
        return retired if repeated is None else repeated | retired

    def _next_visits(self, rows: Rows, episode: IntArray) -> tuple[IntArray, VisitDice]:
        if self.rows > 1:
            return self._arrivals(self._seed_word[rows], episode)
        # One row: lay out the coming episodes together, since for few rows the calls cost more than the dice.
        first = int(episode[0]) - int(episode[0]) % _LOOK_AHEAD
        if self._ahead is None or self._ahead[0] != first:
            self._ahead = (first, *self._arrivals(self._seed_word, np.arange(first, first + _LOOK_AHEAD)))
        at = slice(int(episode[0]) - first, int(episode[0]) - first + 1)
        return self._ahead[1][at], self._ahead[2].take(at)

    def _arrivals(self, seed_word: keyed.Words, episode: IntArray) -> tuple[IntArray, VisitDice]:
        draw = keyed.uniform(keyed.absorb(seed_word + _ARRIVAL, episode))
        user_index = (draw * len(self.world.population)).astype(np.int64)
        return user_index, self.kernel.dice(user_index, episode, seed_word)

    def _offer(self, rows: Rows) -> None:
        assert self.offered is not None
        kernel = self.kernel
        word = keyed.absorb(self._seed_word[rows] + _OFFER, self.world.population.user_id[kernel.user_index[rows]])
        word = keyed.absorb(keyed.absorb(word, kernel.visit[rows]), kernel.page[rows])
        place = keyed.sample(word, self._choice, self.offered.shape[1])
        self.offered[rows] = place if self._on_sale is None else self._on_sale.take(place)


def _slate_error(item_index: IntArray, empty: BoolArray) -> SlateError:
    row, position = np.argwhere(empty)[0]
    return SlateError(
        f"slate of row {row}, position {position}: got item {item_index[row, position]} again or retired, "
        "expected different items on sale; use invalid='count' to blank such slots"
    )


_ARRIVAL = np.uint64(keyed.purpose_word("arrival"))
_OFFER = np.uint64(keyed.purpose_word("candidates"))
