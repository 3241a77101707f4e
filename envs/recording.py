"""Writing what happens in an environment to a run folder, in the form that ``recsim-llm run`` writes."""

from __future__ import annotations

import atexit
import json
import platform
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import Rows, probability
from recsim_llm.core.visits import PageOutcome, VisitTotals
from recsim_llm.envs.log_places import LogPlace, claim_place
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.log.manifest import write_manifest
from recsim_llm.log.own_ids import write_lookups
from recsim_llm.log.segments import open_segments
from recsim_llm.log.writer import RunLog
from recsim_llm.population.world import World

__all__ = ["Recorder", "open_recorder"]

_ARM = "policy"
SEGMENT_ROWS = 200_000
"""Impressions after which a segment is written."""


Returns = tuple[FloatArray, BoolArray, BoolArray]
"""Of each row whose visit ended: the probability that the user comes back, float32 [r]; whether that was drawn, bool [r]; and
whether the episode has no visit left, so that nobody asks, bool [r]."""


class _Page(NamedTuple):
    """What the rows of visits need of a page."""

    feedback: Feedback
    reward: npt.NDArray[np.float64]
    ended: BoolArray
    visit: IntArray
    return_prob: FloatArray
    returned: BoolArray
    last: BoolArray


def open_recorder(folder: Path, world: World, *, rows: int, settings: Mapping[str, Any], more: Mapping[str, Any]) -> Recorder:
    """Return what logs an environment into a new run folder, which is made with the first page.

    Args:
        folder: must not exist or be empty.
        world: items and users.
        rows: users that browse at the same time.
        settings: of the environment, for the manifest.
        more: further entries of the manifest.

    Raises:
        ConfigError: the folder cannot be made.
        RunExistsError: the folder holds something, or was given to another environment.
    """
    return Recorder(claim_place(folder), world, _description(world, settings) | dict(more), rows=rows)


class Recorder:
    """Logs every page and visit of an environment; propensities are unknown, since only the policy knows them.

    In a fork of its process it does nothing: a log has one writer.

    Args:
        place: where to write.
        world: items and users.
        manifest: of that folder; the seed and the number of users follow as they become known.
        rows: users that browse at the same time.
    """

    def __init__(self, place: LogPlace, world: World, manifest: dict[str, Any], *, rows: int) -> None:
        self._place, self._world, self._manifest = place, world, manifest
        self._user_id = world.population.user_id
        self._log: RunLog | None = None
        self._recent: list[_Page] = []
        self._totals = VisitTotals(rows)
        self._visit = np.zeros(rows, np.int64)
        self._visits = 0
        self._told = False  # the manifest on disk names every seed
        self._closed = False

    def check(self) -> None:
        """See to it that a visit may be logged.

        Raises:
            ContractError: the log was closed.
            RunExistsError: another environment was given the folder too.
        """
        if self._closed:
            raise ContractError("log: got an action after close() of a logged environment, expected it before; make a new one")
        if self._place.refusal is not None:
            raise self._place.refusal

    def page(self, outcome: PageOutcome, ended: BoolArray, idle: IntArray | None, *, returns: Returns) -> None:
        """Record one page of every row but the idle ones.

        Args:
            outcome: what came of it.
            ended: bool [r]: rows whose visit it ended.
            idle: int64 [i]: rows that had no page.
            returns: of the ended visits.

        Raises:
            ConfigError: the folder cannot be made.
            RunExistsError: somebody else has written there.
        """
        if not self._place.here:
            return
        log = self.open()
        feedback, reward, invalid, out_of_pages = outcome
        keep = None
        if idle is not None:
            keep = np.ones(len(reward), np.bool_)
            keep[idle] = False
        log.page(feedback, slates=None, reward=reward, invalid=invalid, out_of_pages=out_of_pages, keep=keep, visit=self._visit)
        self._recent.append(_Page(feedback, reward, ended, self._visit, *returns))
        if log.full:
            self._add_visits(log)
            log.turn()

    def begin(self, rows: Rows) -> None:
        """Number the visits that start in these rows: each visit of a log has a number of its own."""
        visit = self._visit.copy()
        starting = np.arange(len(visit))[rows]
        visit[starting] = np.arange(self._visits, self._visits + len(starting))
        self._visits += len(starting)
        self._visit = visit

    def seed(self, seeds: npt.ArrayLike) -> None:
        """Note the seeds that the rows were given; the manifest is written with the next segment, not at every reset."""
        self._manifest["seeds"].append(np.atleast_1d(np.asarray(seeds)).tolist())
        self._manifest["seed"] = self._manifest["seeds"][0][0]
        self._told = False

    def close(self) -> None:
        """Write what is left; nothing can be recorded afterwards."""
        if self._closed or not self._place.here:
            return
        self._closed = True
        self._place.release()
        if self._log is not None:
            atexit.unregister(self.close)
            self._add_visits(self._log)
            self._log.close()

    def open(self) -> RunLog:
        """Return the log, whose folder is made now if it is not there.

        Raises:
            ConfigError: the folder cannot be made.
            RunExistsError: somebody else has written there.
        """
        if self._log is not None:
            return self._log
        self._place.open()
        folder, catalog = self._place.folder, self._world.catalog
        try:
            self._write_manifest()
            write_lookups(folder, catalog, self._world.population)
            segments = open_segments(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise ConfigError(f"log: got {folder} ({error.strerror}), expected a folder with room; choose another") from error
        self._log = RunLog(segments, _ARM, 0, catalog=catalog, user_id=self._user_id, segment_rows=SEGMENT_ROWS)
        # A program that ends without closing its environment keeps its log all the same.
        atexit.register(self.close)
        return self._log

    def _write_manifest(self) -> None:
        write_manifest(self._place.folder, self._manifest)
        self._told = True

    def _add_visits(self, log: RunLog) -> None:
        """Sum up the visits that ended on the recent pages; a visit starts with its page 0."""
        if not self._told:
            self._write_manifest()
        if not self._recent:
            return
        number = self._table(lambda page: page.feedback.pages.page)
        totals = self._totals.add(number, np.stack([self._clicks(), self._table(lambda page: page.reward)]))
        at = np.nonzero(self._table(lambda page: page.ended))
        log.visits(
            user_id=self._user_id[self._table(lambda page: page.feedback.pages.user_index)[at]],
            visit=self._table(lambda page: page.visit)[at],
            pages=number[at] + 1,
            clicks=totals[0][at].astype(np.int64),
            reward=totals[1][at],
            satisfaction=probability(self._table(lambda page: page.feedback.mood.satisfaction)[at]),
            left=self._table(lambda page: page.feedback.left)[at],
            return_prob=self._table(lambda page: page.return_prob)[at],
            returned=self._table(lambda page: page.returned)[at],
            last=self._table(lambda page: page.last)[at],
        )
        self._recent = []

    def _table(self, pick: Callable[[_Page], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return one column of the recent pages, [pages, rows]."""
        return np.concatenate([pick(page) for page in self._recent]).reshape(len(self._recent), -1)

    def _clicks(self) -> IntArray:
        """Return int64 [pages, rows]: clicks on the recent pages."""
        feedbacks = [page.feedback for page in self._recent]
        rows = len(self._visit)
        above = np.repeat(np.arange(len(feedbacks)) * rows, [feedback.row.size for feedback in feedbacks])
        place = np.concatenate([feedback.row for feedback in feedbacks]) + above
        return np.bincount(place, minlength=len(feedbacks) * rows).reshape(-1, rows)


def _description(world: World, settings: Mapping[str, Any]) -> dict[str, Any]:
    packages = ("recsim_llm", "numpy", "gymnasium")
    return {
        "scenario": "environment",
        "arms": [_ARM],
        "seed": None,
        "seeds": [],
        "slate_size": settings["slate_size"],
        "max_pages": settings["max_pages"],
        "visits": settings["visits"],
        "users": len(world.population),
        "population": {"fingerprint": world.population.fingerprint},
        "user_model": type(world.users).__name__,
        "catalog": {"items": len(world.catalog)},
        "data": {"name": "environment", "fingerprint": world.catalog.fingerprint, "licence": ""},
        # Settings may hold functions, which are told by their names.
        "environment": json.loads(json.dumps(dict(settings), default=repr)),
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "settings": {},
    }
