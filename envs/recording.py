"""Writing what happens in an environment to a run folder, in the form that ``recsim-llm run`` writes."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.errors import RunExistsError
from recsim_llm.files import write_atomically
from recsim_llm.pages import BoolArray, Feedback, IntArray, probability
from recsim_llm.registry import World
from recsim_llm.runlog import RunLog, Segments

__all__ = ["Recorder"]

Payment = npt.NDArray[np.float64]

_ARM = "policy"


class _Page(NamedTuple):
    """What the sums of visits need of a page."""

    feedback: Feedback
    reward: Payment
    out_of_pages: BoolArray
    keep: BoolArray | None


class Recorder:
    """Logs every page and visit of an environment; propensities are unknown, since only the policy knows them.

    Args:
        folder: run folder; must not exist or be empty.
        world: items and users.
        rows: users that browse at the same time.
        slate_size: slots a page.
        max_pages: page budget of a visit.

    Raises:
        RunExistsError: the folder holds something.
    """

    def __init__(self, folder: Path, world: World, *, rows: int, slate_size: int, max_pages: int) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunExistsError(f"log: got {folder}, which holds files, expected a new folder; choose another")
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "manifest.json", _manifest(world, rows, slate_size, max_pages))
        self._user_id = world.population.user_id
        self._log = RunLog(Segments(folder), _ARM, 0, catalog=world.catalog, user_id=world.population.user_id)
        self._recent: list[_Page] = []
        self._before = np.zeros((2, rows))
        self._closed = False

    def page(
        self, feedback: Feedback, reward: Payment, invalid: IntArray, out_of_pages: BoolArray, idle: IntArray | None
    ) -> None:
        """Record one page of every row but the idle ones."""
        keep = None
        if idle is not None:
            keep = np.ones(len(reward), np.bool_)
            keep[idle] = False
        self._log.page(feedback, slates=None, reward=reward, invalid=invalid, out_of_pages=out_of_pages, keep=keep)
        self._recent.append(_Page(feedback, reward, out_of_pages, keep))
        if self._log.full:
            self._add_visits()
            self._log.turn()

    def close(self) -> None:
        """Write what is left; nothing can be recorded afterwards."""
        if not self._closed:
            self._closed = True
            self._add_visits()
            self._log.close()

    def _add_visits(self) -> None:
        """Sum up the visits that ended on the recent pages; a visit starts with its page 0."""
        if not self._recent:
            return
        feedbacks = [page.feedback for page in self._recent]
        number = self._table(lambda page: page.feedback.pages.page)
        gained = np.stack([self._clicks(feedbacks), self._table(lambda page: page.reward)])
        # What each row had gained by the end of each page since its visit began, in this segment or before it.
        sums = np.cumsum(gained, axis=1)
        start = np.maximum.accumulate(np.where(number == 0, np.arange(len(number))[:, None], -1), axis=0)
        earlier = np.take_along_axis(sums - gained, np.maximum(start, 0)[None], axis=1)
        totals = sums - np.where(start >= 0, earlier, -self._before[:, None])
        self._before = totals[:, -1]
        left = self._table(lambda page: page.feedback.left)
        ended = left | self._table(lambda page: page.out_of_pages)
        for place, page in enumerate(self._recent):
            if page.keep is not None:
                ended[place] &= page.keep
        at = np.nonzero(ended)
        self._log.visits(
            user_id=self._user_id[self._table(lambda page: page.feedback.pages.user_index)[at]],
            visit=self._table(lambda page: page.feedback.pages.visit)[at],
            pages=number[at] + 1,
            clicks=totals[0][at].astype(np.int64),
            reward=totals[1][at],
            satisfaction=probability(self._table(lambda page: page.feedback.mood.satisfaction)[at]),
            left=left[at],
            return_prob=None,
            returned=None,
        )
        self._recent = []

    def _table(self, pick: Callable[[_Page], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return one column of the recent pages, [pages, rows]."""
        return np.concatenate([pick(page) for page in self._recent]).reshape(len(self._recent), -1)

    def _clicks(self, feedbacks: list[Feedback]) -> npt.NDArray[np.int64]:
        rows = self._before.shape[1]
        above = np.repeat(np.arange(len(feedbacks)) * rows, [feedback.row.size for feedback in feedbacks])
        place = np.concatenate([feedback.row for feedback in feedbacks]) + above
        return np.bincount(place, minlength=len(feedbacks) * rows).reshape(-1, rows)


def _manifest(world: World, rows: int, slate_size: int, max_pages: int) -> bytes:
    packages = ("recsim_llm", "numpy", "gymnasium")
    content = {
        "scenario": "environment",
        "arms": [_ARM],
        "seed": 0,
        "slate_size": slate_size,
        "max_pages": max_pages,
        "visits": 1,
        "users": len(world.population),
        "rows": rows,
        "user_model": type(world.users).__name__,
        "catalog": {"items": len(world.catalog)},
        "data": {"name": "environment", "fingerprint": world.catalog.fingerprint, "licence": ""},
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "settings": {},
    }
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"
