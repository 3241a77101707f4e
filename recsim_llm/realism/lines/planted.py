"""Line 12, planted worse system: does it see that a recommender got worse, and from how much worse on?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recsim_llm.core import keyed
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.realism.line import Line, Measure, Role, Row, not_assessed
from recsim_llm.realism.lines.star_shape import REAL
from recsim_llm.realism.policies import BAD, GOOD, PolicyPages, held_out_truth
from recsim_llm.realism.policy_trials import PolicyTrial
from recsim_llm.realism.resampling import Resampler, Series, Statistic, of_sums
from recsim_llm.realism.trials import CardSettings, counted_users
from recsim_llm.statistics.intervals import Estimate, mean_estimate

__all__ = ["SHARES", "planted_line", "planted_pages"]

SHARES = (0.05, 0.1, 0.2, 0.4)
"""Shares of slots that are replaced, ascending."""

_NAME, _QUESTION = "planted worse system", "Does it see that a recommender was made worse, and from how much on?"
_PROTOCOL = (
    "{good}'s pages, of which each slot is replaced with the given chance, keyed by user and slot, by an item of a random "
    "page; larger shares replace the same slots and more. Of everybody's expected clicks on {good}'s own page, later slots "
    "discounted, the share that is lost on the worse one; real users: of NDCG against held-out ratings ({split}). Smallest "
    "share seen: the least of {shares} from which on the interval of the mean difference by user leaves out zero. To see a "
    "difference that the real users' row does not show is no fault: expected clicks hold no noise of single clicks."
)


def planted_line(trials: Sequence[PolicyTrial], settings: CardSettings) -> Line:
    """Return the line; the share of clicks lost with a tenth of the slots replaced is the headline.

    Args:
        trials: what everybody says of the recommenders' pages.
        settings: of the card.
    """
    users = counted_users([trial.trial for trial in trials], [trial.pages.user_index for trial in trials])
    if np.count_nonzero(users) < 2:
        return not_assessed(
            12, _NAME, _QUESTION, "fewer than two users have held-out ratings; two users with two ratings each would do"
        )
    resampler = Resampler(users, settings.bootstrap_seed, settings.resamples)
    worse = [planted_pages(trial.pages, trial.held.training.ratings.users, trials[0].trial.seed) for trial in trials]
    roles: dict[str, Role] = {**trials[0].roles, REAL: "real"}
    values = {row: [_values(trial, pages, row) for trial, pages in zip(trials, worse, strict=True)] for row in roles}
    lost = [
        resampler.measure(
            f"clicks lost with {share:.0%} of slots at random",
            "share",
            "real",
            {
                row: Series(roles[row], [_lost(trial, *pair) for trial, pair in _at(trials, values[row], place)])
                for row in roles
            },
        )
        for place, share in enumerate(SHARES)
    ]
    headline = lost.pop(SHARES.index(0.1))
    return Line(
        number=12,
        name=_NAME,
        question=_QUESTION,
        measures=(headline, _seen(trials, values, roles), *lost),
        protocol=_PROTOCOL.format(good=GOOD, split=settings.split, shares=", ".join(f"{share:.0%}" for share in SHARES)),
        curves={"clicks lost": _curve([headline, *lost])},
    )


def planted_pages(pages: PolicyPages, user_id: np.ndarray, seed: int) -> PolicyPages:
    """Return the good recommender's pages as they are, then with each of ``SHARES`` of their slots at random.

    An item that already stands on the page replaces nothing.

    Args:
        pages: of the ranked recommenders.
        user_id: int64 [u]: outside ids by user index.
        seed: of the dice.

    Returns:
        Pages of the same users; where recommenders were counted there are shares, 0 before ``SHARES``.
    """
    good, bad = pages.number(GOOD), pages.number(BAD)
    items, places = pages.item_index, pages.place
    there = (items[:, bad, :, None] == items[:, good, None, :]).any(axis=2)
    slots = np.arange(items.shape[2])
    dice = keyed.uniform(keyed.words(seed, "planted slot", user_id[pages.user_index][:, None], slots))
    replaced = [(dice < share) & ~there for share in (0.0, *SHARES)]
    return pages._replace(
        policies=(pages.policies[good],) * len(replaced),
        item_index=np.stack([np.where(mask, items[:, bad], items[:, good]) for mask in replaced], axis=1),
        place=np.stack([np.where(mask, places[:, bad], places[:, good]) for mask in replaced], axis=1),
    )


def _values(trial: PolicyTrial, pages: PolicyPages, row: str) -> DoubleArray:
    """Return float64 [m, 1 + shares]: what the pages are worth to each user."""
    return held_out_truth(pages, trial.held)["NDCG"] if row == REAL else pages.values(trial.chance[row])


def _at(trials: Sequence[PolicyTrial], values: Sequence[DoubleArray], place: int) -> list[tuple[PolicyTrial, tuple[Any, Any]]]:
    return [(trial, (value[:, 0], value[:, 1 + place])) for trial, value in zip(trials, values, strict=True)]


def _lost(trial: PolicyTrial, good: DoubleArray, worse: DoubleArray) -> Statistic:
    sums = np.nan_to_num(trial.by_user(np.column_stack([good, worse])))
    return of_sums(sums, lambda total: 1.0 - total[:, 1] / np.where(total[:, 0] > 0, total[:, 0], np.nan))


def _seen(trials: Sequence[PolicyTrial], values: dict[str, list[DoubleArray]], roles: dict[str, Role]) -> Measure:
    rows = []
    for row, role in roles.items():
        means = np.mean([trial.by_user(value) for trial, value in zip(trials, values[row], strict=True)], axis=0)
        known = means[~np.isnan(means[:, 0])]
        gaps = [mean_estimate(known[:, 0] - known[:, 1 + place]) for place in range(len(SHARES))]
        clear = [gap.excludes(0.0) and (gap.value or 0.0) > 0.0 for gap in gaps]
        seen = [share for place, share in enumerate(SHARES) if all(clear[place:])]
        note = "" if seen else f"none up to {SHARES[-1]:.0%} is seen"
        estimate = Estimate(value=min(seen, default=None), users=len(known))
        rows.append(Row(name=row, role=role, estimate=estimate, seeds=len(trials), note=note))
    return Measure(name="smallest share of worse slots that is seen", unit="share", better="lower", rows=tuple(rows))


def _curve(measures: Sequence[Measure]) -> list[dict[str, Any]]:
    points = []
    for share, name in sorted((share, f"clicks lost with {share:.0%} of slots at random") for share in SHARES):
        measure = next(one for one in measures if one.name == name)
        rows = {
            row.name: {"value": row.estimate.value, "low": row.estimate.low, "high": row.estimate.high} for row in measure.rows
        }
        points.append({"share": share, "rows": rows})
    return points
