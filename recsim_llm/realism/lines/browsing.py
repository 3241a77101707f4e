"""Line 5, behaviour: do visits go as people's visits go? Needs exposures, which ratings do not have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.errors import DataError
from recsim_llm.realism.line import Line, Measure, not_assessed
from recsim_llm.realism.lines.star_shape import REAL
from recsim_llm.realism.resampling import Resampler, Series, ratio_statistic

__all__ = ["Exposures", "behaviour_line"]


_NAME, _QUESTION = "behaviour", "Do its visits go as people's visits go?"
_NO_EXPOSURES = (
    "the data has ratings without exposures: sittings of ratings tell neither what was shown and passed over, nor at which "
    "position, nor when a visit ended"
)
_PROTOCOL = (
    "Logs of the same users' visits, real and simulated. Session length: pages a visit. Click depth: mean position, from 1, of "
    "clicks. CTR by position: clicks over impressions. Exit hazard: visits that end after a page over visits that reach it; "
    "the last page that the log allows does not count as an end. Differences are over users of both logs."
)
_POSITIONS = 5
_PAGES = 5


class Exposures(NamedTuple):
    """Impressions as columns, one entry a slot that was shown."""

    user_id: IntArray
    """int64 [e]: outside ids."""
    visit: IntArray
    """int64 [e]: visit number of the user."""
    page: IntArray
    """int64 [e]: page number within the visit, from 0."""
    position: IntArray
    """int64 [e]: from 0."""
    clicked: BoolArray
    """bool [e]."""


def behaviour_line(
    name: str, real: Exposures | None, simulated: Exposures | None, *, most_pages: int, seed: int, resamples: int = 1000
) -> Line:
    """Return the line; session length is the headline.

    Args:
        name: of the candidate's row.
        real: people's impressions; None where the data has none, then nothing is assessed.
        simulated: the user model's impressions; None where it was not run.
        most_pages: pages at which a visit was cut, in both logs.
        seed: of the bootstrap.
        resamples: draws of the bootstrap.

    Raises:
        DataError: the logs have no user in common.
    """
    if real is None:
        return not_assessed(5, _NAME, _QUESTION, _NO_EXPOSURES)
    if simulated is None:
        return not_assessed(5, _NAME, _QUESTION, "the user model's own visits were not given")
    users = np.intersect1d(real.user_id, simulated.user_id)
    if not users.size:
        raise DataError("behaviour: got logs of different users, expected some in both; simulate the users of the data")
    resampler = Resampler(np.ones(len(users), np.bool_), seed, resamples)
    logs = {name: _take(simulated, users), REAL: _take(real, users)}
    measures = [_measure(resampler, "session length", "pages", {row: _visits(log, users) for row, log in logs.items()})]
    measures.append(_measure(resampler, "click depth", "position", {row: _depth(log, users) for row, log in logs.items()}))
    positions = min(_POSITIONS, 1 + max(int(log.position.max()) for log in logs.values()))
    for position in range(positions):
        sums = {row: _rate(log, users, position) for row, log in logs.items()}
        measures.append(_measure(resampler, f"CTR at position {position + 1}", "share", sums))
    for page in range(min(_PAGES, most_pages - 1)):
        sums = {row: _hazard(log, users, page) for row, log in logs.items()}
        measures.append(_measure(resampler, f"exit hazard after page {page + 1}", "share", sums))
    return Line(number=5, name=_NAME, question=_QUESTION, measures=tuple(measures), protocol=_PROTOCOL)


def _measure(resampler: Resampler, name: str, unit: str, sums: dict[str, tuple[DoubleArray, DoubleArray]]) -> Measure:
    """Return a ratio of two sums over users, the candidate's beside the real one."""
    series = {
        row: Series("real" if row == REAL else "candidate", [ratio_statistic(top, bottom)])
        for row, (top, bottom) in sums.items()
    }
    return resampler.measure(name, unit, "real", series)


def _take(log: Exposures, users: IntArray) -> Exposures:
    keep = np.isin(log.user_id, users)
    return Exposures(log.user_id[keep], log.visit[keep], log.page[keep], log.position[keep], log.clicked[keep])


def _by_user(log: Exposures, users: IntArray, rows: BoolArray, values: npt.NDArray[np.generic] | None = None) -> DoubleArray:
    place = np.searchsorted(users, log.user_id[rows])
    weight = None if values is None else values[rows].astype(np.float64)
    return np.bincount(place, weight, len(users)).astype(np.float64)


def _last_pages(log: Exposures) -> tuple[IntArray, IntArray]:
    """Return user id and last page of each visit, [v] each."""
    visits, place = np.unique(np.column_stack([log.user_id, log.visit]), axis=0, return_inverse=True)
    last = np.zeros(len(visits), np.int64)
    np.maximum.at(last, place.reshape(-1), log.page)
    return visits[:, 0], last


def _visits(log: Exposures, users: IntArray) -> tuple[DoubleArray, DoubleArray]:
    owner, last = _last_pages(log)
    place = np.searchsorted(users, owner)
    pages, visits = np.bincount(place, last + 1.0, len(users)), np.bincount(place, minlength=len(users))
    return pages.astype(np.float64), visits.astype(np.float64)


def _depth(log: Exposures, users: IntArray) -> tuple[DoubleArray, DoubleArray]:
    return _by_user(log, users, log.clicked, log.position + 1), _by_user(log, users, log.clicked)


def _rate(log: Exposures, users: IntArray, position: int) -> tuple[DoubleArray, DoubleArray]:
    here = log.position == position
    return _by_user(log, users, here & log.clicked), _by_user(log, users, here)


def _hazard(log: Exposures, users: IntArray, page: int) -> tuple[DoubleArray, DoubleArray]:
    owner, last = _last_pages(log)
    place = np.searchsorted(users, owner)
    ended = np.bincount(place[last == page], minlength=len(users)).astype(np.float64)
    return ended, np.bincount(place[last >= page], minlength=len(users)).astype(np.float64)
