"""Whether people come back, and after how long. A run uses the first alone: its visits follow each other without a clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.agents.browsing.log_normal import TimesFit, fit_log_normal
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.core.exposures import Exposures
from recsim_llm.statistics.intervals import Estimate, share_estimate

__all__ = ["Returning", "fit_returning"]

_FEWEST_SESSIONS, _FEWEST_USERS = 50, 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Returning:
    """Between the sessions of a user."""

    share: Estimate
    """Of sessions that were followed by another one within the log: the least that it can be, since the log ends."""
    gap: TimesFit | Untold
    """Seconds from the last page of a session to the first of the next."""
    sessions: int
    """That could have been followed by another one."""


def fit_returning(exposures: Exposures, *, seed: int) -> Returning | Untold:
    """Fit how the users of a log come back; the last session of those with the most sessions says nothing.

    Args:
        exposures: the log; sessions of a user follow each other by time, else by number.
        seed: of the bootstrap, by user.
    """
    pages = exposures.pages
    ends = np.flatnonzero(pages.last_of_session)
    starts = np.append(0, ends[:-1] + 1)
    user = np.unique(pages.user_id[ends], return_inverse=True)[1]
    count = np.bincount(user)
    if count.max() == 1:
        return Untold("no user of the log has two sessions")
    if len(ends) < _FEWEST_SESSIONS or len(count) < _FEWEST_USERS:
        return Untold(
            f"the log holds {len(ends):,} sessions of {len(count):,} users, too few of {_FEWEST_SESSIONS} of {_FEWEST_USERS} "
            "or more"
        )
    could = np.where(count == count.max(), count - 1, count).astype(np.float64)
    share = share_estimate((count - 1).astype(np.float64), could)
    gap: TimesFit | Untold = Untold("the log does not say when pages were shown")
    if exposures.timestamp is not None and not np.isnan(exposures.timestamp).all():
        begin, end = exposures.timestamp[pages.first[starts]], exposures.timestamp[pages.first[ends]]
        order = np.lexsort((begin, user))
        same = user[order][1:] == user[order][:-1]
        between = (begin[order][1:] - end[order][:-1])[same]
        whose = user[order][1:][same]
        known = ~np.isnan(between) & (between >= 0.0)
        gap = fit_log_normal(between[known], whose[known], what="returns with a time", seed=seed)
    return Returning(share=share, gap=gap, sessions=int(could.sum()))
