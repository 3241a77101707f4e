"""Replay users: the decisions that a run recorded, answered again, without the model that made them.

They know what the log knows. A page of a user, visit and number is answered with the recorded probability of a click on each
of its items, whatever their order; with the recorded satisfaction, and the recorded probabilities of leaving and of coming
back. A click draws the recorded rating for certain. What was never recorded raises ``LogError``: nothing is made up.

With the run's seed, recommender and settings everything happens as it did, up to rounding: probabilities are logged as
float32, so a draw that fell within about one part in ten million of its limit may fall to the other side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from recsim_llm.agents.recorded_decisions import CERTAIN, Lookup, Recorded, read_recorded
from recsim_llm.core.arrays import FloatArray, IntArray
from recsim_llm.core.batches import take_columns
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.log.manifest import read_scenario_manifest
from recsim_llm.population.personas import Population

__all__ = ["Match", "ReplayUsers"]

Match = Literal["page", "user"]
"""Which recorded decisions may answer for an item: those on the very page, or else the user's first on that item."""

_NAMED = 12


class ReplayUsers:
    """Users that repeat what a run recorded of them.

    The contract's check cannot pass on them: it shows pages that no run recorded. ``watch_log_odds`` is recovered from the
    recorded shares and the dice of the recorded seed.

    Args:
        run: run folder, of ``recsim-llm run``.
        arm: name of the arm; None takes the only one.
        catalog: the items, the same as in the run.
        population: users of the run, or some of them.
        match: with ``page``, an item must have been on the very page; with ``user``, an item that was not is answered with the
            first recorded decision and rating of that user for it. Satisfaction and leaving belong to the page in both cases.

    Raises:
        ConfigError: ``match`` is unknown, or the run has no such arm.
        LogError: the folder is no run, is damaged, is of other items, has a clock, its users kept ratings back, or they choose
            one item of a page.
    """

    def __init__(self, run: Path, arm: str | None, catalog: Catalog, population: Population, *, match: Match = "page") -> None:
        if match not in ("page", "user"):
            raise ConfigError(f"replay parameter 'match': got {match!r}, expected page or user")
        manifest = read_scenario_manifest(run)
        if manifest["settings"]["users"].get("noise", {}).get("missing_ratings"):
            raise LogError(
                f"{run}: got a run whose users kept ratings back (users.noise.missing_ratings), expected one that recorded "
                "what they thought of every click; replay a run without it"
            )
        if manifest.get("user_model_provenance", {}).get("chooses_one"):
            raise LogError(
                f"{run}: got a run whose users choose one item of a page, expected one whose clicks are drawn slot by slot; "
                "run its scenario again with its seed"
            )
        if manifest["settings"].get("clock") is not None:
            raise LogError(
                f"{run}: got a run with a clock, expected one without, since what was recorded holds what moved users then; "
                "run its scenario again with its seed"
            )
        self._record = record = read_recorded(run, arm, catalog, population)
        self._item_id, self._user_id, self._match = catalog.item_id, population.user_id, match
        self._pages = Lookup((record.user_index, record.visit, record.page), record.satisfaction)
        self._elsewhere = _Elsewhere(record) if match == "user" else None
        self.levels = record.levels
        self.provenance = {"arm": record.arm, "match": match, "run": manifest["scenario"], "seed": manifest["seed"]}

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones.

        Raises:
            ConfigError: the run showed fewer slots a page.
        """
        recorded = self._record.item_index.shape[1]
        if slate_size > recorded:
            raise ConfigError(f"slate_size: got {slate_size}, expected at most {recorded}, as in the replayed run")
        self._slots = slate_size
        self._user, self._visit = np.full(rows, -1), np.full(rows, -1)

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return float32 [m, k]: recorded probability that each position is examined; 0 where nothing was shown.

        Raises:
            LogError: nothing at all was recorded of a user.
        """
        examine = self._record.examine[user_index, : self._slots]
        unknown = np.isnan(self._record.examine[user_index]).all(axis=1)
        if unknown.any():
            raise LogError(
                f"replay users: got user {self._user_id[user_index[unknown.argmax()]]}, of whom arm {self._record.arm!r} "
                "recorded nothing, expected users of the run; leave the number of users to the run"
            )
        return np.nan_to_num(examine, nan=0.0)

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:  # noqa: ARG002
        """Start a visit in each row."""
        self._user[rows], self._visit[rows] = user_index, -1

    def decide(self, pages: Pages) -> Decisions:
        """Return the recorded click log-odds of the pages' items.

        Raises:
            LogError: a page or an item was never recorded for the user.
        """
        self._at = at = self._find(pages)
        record, items = self._record, pages.item_index
        same = record.item_index[at][:, None, :] == items[:, :, None]
        there, place = same.any(axis=2), same.argmax(axis=2)
        log_odds = np.where(there, np.take_along_axis(record.click_log_odds[at], place, axis=1), np.float32(np.nan))
        rating = np.where(there, np.take_along_axis(record.rating[at], place, axis=1), np.float32(np.nan))
        if self._elsewhere is not None:
            log_odds, rating = self._elsewhere.fill(pages, log_odds, rating)
        self._rating: FloatArray = rating
        examine = record.examine[pages.user_index, : items.shape[1]]
        log_odds[(items < 0) | (there & (examine == 0))] = -CERTAIN
        unknown = np.isnan(log_odds) | ((items >= 0) & np.isnan(examine))
        if unknown.any():
            self._complain(pages, at, int(np.flatnonzero(unknown)[0]))
        return Decisions(log_odds, take_columns(record.account, at))

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return float32 [l - 1, c]: log-odds that make each clicked slot's recorded rating certain.

        Raises:
            LogError: a slot was clicked of which no rating was recorded.
        """
        rating = self._rating.reshape(-1)[slot]
        unrated = np.isnan(rating)
        if unrated.any():
            first = slot[unrated.argmax()]
            raise LogError(
                f"replay users: got a click on {self._named(pages, int(first))}, of which no rating was recorded, "
                "expected only clicks of the run; take the run's seed, recommender and settings"
            )
        enough = rating <= self.levels[:-1, None] + np.zeros((1, len(row)), np.float32)
        return np.where(enough, np.float32(CERTAIN), np.float32(-CERTAIN))

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:  # noqa: ARG002
        """Return the recorded mood after the pages last decided."""
        self._visit[pages.rows] = pages.visit
        return Mood(self._record.satisfaction[self._at], self._record.leave_log_odds[self._at])

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:
        """Return float32 [c]: log-odds of the share watched, recovered from the recorded shares.

        Raises:
            LogError: the user never gave an item that many stars.
        """
        log_odds = self._record.watch_log_odds.values(user_index, rating)
        unknown = np.isnan(log_odds)
        if unknown.any():
            first = int(unknown.argmax())
            raise LogError(
                f"replay users: got {rating[first]:g} stars by user {self._user_id[user_index[first]]}, of which no share "
                "watched was recorded, expected ratings of the run"
            )
        return log_odds

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: recorded log-odds that the user comes back for another visit.

        Raises:
            LogError: the end of the visit was not recorded.
        """
        users, visits = self._user[rows], self._visit[rows]
        log_odds = self._record.return_log_odds.values(users, visits)
        unknown = np.isnan(log_odds)
        if unknown.any():
            first = int(unknown.argmax())
            raise LogError(
                f"replay users: got the end of visit {visits[first]} of user {self._user_id[users[first]]}, after which no "
                "probability of another was recorded, expected visits of the run"
            )
        return log_odds

    def _find(self, pages: Pages) -> IntArray:
        at = self._pages.rows(pages.user_index, pages.visit, pages.page)
        if (at < 0).any():
            row = int((at < 0).argmax())
            user = self._user_id[pages.user_index[row]]
            mine = (self._record.user_index == pages.user_index[row]) & (self._record.visit == pages.visit[row])
            raise LogError(
                f"replay users: got user {user}, visit {pages.visit[row]}, page {pages.page[row]}, which was never shown "
                f"in arm {self._record.arm!r}, expected one of {mine.sum()} recorded pages of the visit; take the run's seed"
            )
        return at

    def _complain(self, pages: Pages, at: IntArray, slot: int) -> None:
        row = slot // pages.item_index.shape[1]
        shown = self._record.item_index[at[row]]
        ids = [str(self._item_id[item]) for item in shown[shown >= 0][:_NAMED]]
        raise LogError(
            f"replay users: got {self._named(pages, slot)}; they can only judge what they were shown, recorded were the items "
            f"{', '.join(ids)}{' and more' if len(shown) > _NAMED else ''}; take the run's recommender, seed and settings"
        )

    def _named(self, pages: Pages, slot: int) -> str:
        row, item = slot // pages.item_index.shape[1], pages.item_index.reshape(-1)[slot]
        user = self._user_id[pages.user_index[row]]
        return f"user {user}, visit {pages.visit[row]}, page {pages.page[row]}, item {self._item_id[item]}"


class _Elsewhere:
    """Each user's first recorded decision and first recorded rating for each item."""

    def __init__(self, record: Recorded) -> None:
        user = np.repeat(record.user_index, record.item_index.shape[1])
        item = record.item_index.reshape(-1)
        self._log_odds, self._rating = (
            Lookup((user[known], item[known]), column[known])
            for column in (record.click_log_odds.reshape(-1), record.rating.reshape(-1))
            for known in [~np.isnan(column)]
        )

    def fill(self, pages: Pages, log_odds: FloatArray, rating: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return both with what was recorded elsewhere where they are NaN."""
        user, item = np.repeat(pages.user_index, pages.item_index.shape[1]), pages.item_index.reshape(-1)
        return (
            np.where(np.isnan(log_odds), self._log_odds.values(user, item).reshape(log_odds.shape), log_odds),
            np.where(np.isnan(rating), self._rating.values(user, item).reshape(rating.shape), rating),
        )
