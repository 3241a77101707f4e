"""What a run amounts to: its arms with their results, and the paired differences between them; what ``metrics.json`` holds.

Every arm served the same users with the same dice, so arms are compared user by user, and on the users whom both served: a run
that is not finished can be summed up too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from recsim_llm.comparison.extremes import UserOutcome, find_gainers, find_losers
from recsim_llm.comparison.judge import Judged, judge_pairs
from recsim_llm.comparison.outcomes import CEILINGS, Pair, limits_of, pick_best, served_by, take_outcome
from recsim_llm.log.manifest import read_warnings
from recsim_llm.log.reader import open_run
from recsim_llm.metrics.definitions import RESULTS
from recsim_llm.metrics.evaluation import summarise_arms
from recsim_llm.metrics.summary import ArmSummary
from recsim_llm.metrics.tallies import Tally
from recsim_llm.statistics import CONFIDENCE, Estimate, paired_effect, ratio_estimate

__all__ = ["ArmDifference", "Difference", "Summary", "summarise"]

_UNRATED = "Users click or buy and give no ratings: whatever needs ratings is left out."
_WORDLESS = (
    "Words on pages move clicks, and oracle and planner write none: who writes may lie above them without beating the game."
)
_UNTOLD = (
    "The oracle knows what users like and asks nobody what they look for: who asks may lie above it without beating the game."
)
SCHEMA = 1
"""Version of the JSON layout; rises when a key changes its meaning or goes."""
_COMPARED = {metric.key: metric for metric in RESULTS if metric.key in ("clicks_per_user", "reward_per_user")}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much more one recommender got than another from the same users."""

    mean: Estimate
    """Mean over users of the users' own differences, in the unit of the measure."""
    ratio: Estimate
    """Total of the one over total of the other; undefined where the other's total is not positive."""
    variance_ratio: float | None
    """Variance of the difference had the two served different users, over the paired one: how many times as many users an
    unpaired test would need. None where the paired variance is 0."""
    pairing: Estimate
    """The variance ratio with its interval for this pair alone."""
    identical: bool
    """The two are equal for every single user."""
    lost: tuple[UserOutcome, ...]
    """Users with whom the one fell behind the other most, the worst first."""
    gained: tuple[UserOutcome, ...]
    """Users with whom the one was ahead of the other most, likewise."""


@dataclass(frozen=True, kw_only=True)
class ArmDifference:
    """One arm minus another on the users whom both served."""

    arm: str
    """The one."""
    against: str
    """The other."""
    users: int
    """Users whom both served."""
    clicks: Difference
    """In clicks per user."""
    reward: Difference
    """In reward per user."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What ``summarise`` returns and ``metrics.json`` holds."""

    scenario: str
    """Name of the scenario."""
    seed: int | None
    """Seed of the run."""
    users: int
    """Users planned, by the manifest."""
    discount: float
    """What a reward one page later is worth, by the manifest."""
    confidence: float
    """Confidence of the intervals: of each for metrics, of all of a measure's pairs of arms together for comparisons."""
    best: str
    """Arm with the most clicks per user, oracle and planner left out; the first of equals."""
    arms: tuple[ArmSummary, ...]
    """In the manifest's order."""
    against_first: tuple[ArmDifference, ...]
    """Every other arm minus the first."""
    against_best: tuple[ArmDifference, ...]
    """Every other arm minus the best."""
    regret: tuple[ArmDifference, ...]
    """Planner and oracle minus every other arm, but the oracle minus the planner; empty without either."""
    notes: tuple[str, ...]
    """What a reader must know about the log itself: users missing, arms without rows."""
    warnings: tuple[str, ...]
    """What a reader must know first of the users, by the manifest: how those of a language model were calibrated."""
    rated: bool
    """Whether users gave ratings; of users who only click or buy, nothing about ratings is told."""

    def arm(self, name: str) -> ArmSummary:
        """Return the results of the arm with this name."""
        return next(arm for arm in self.arms if arm.arm == name)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain values for JSON: stable keys, no NaN, None where something is undefined."""
        return {"schema": SCHEMA, **asdict(self)}


def summarise(run: Path) -> Summary:
    """Sum up a run folder, finished or not, reading its log in batches; one larger than memory works.

    Args:
        run: folder with ``manifest.json``, ``impressions/``, ``pages/`` and ``visits/``.

    Raises:
        LogError: the folder is no run, holds no page, or does not fit its manifest.
    """
    log = open_run(run)
    tally, arms = summarise_arms(log)
    manifest, names = log.manifest, tally.arms
    best = pick_best({arm.arm: arm.clicks / max(arm.users, 1) for arm in arms})
    judged = {key: _judge(tally, key) for key in _COMPARED}
    return Summary(
        scenario=str(manifest["scenario"]),
        seed=None if manifest["seed"] is None else int(manifest["seed"]),
        users=int(manifest["users"]),
        discount=log.discount,
        confidence=CONFIDENCE,
        best=best,
        arms=arms,
        against_first=tuple(_compare(judged, name, names[0]) for name in names[1:]),
        against_best=tuple(_compare(judged, name, best) for name in names if name != best),
        regret=tuple(_compare(judged, *pair) for pair in _below_ceilings(names)),
        rated=tally.rated,
        warnings=read_warnings(manifest),
        notes=(*_notes(arms, int(manifest["users"])), *([] if tally.rated else [_UNRATED]), *_no_ceilings(manifest, names)),
    )


def _no_ceilings(manifest: Mapping[str, Any], names: Sequence[str]) -> Iterator[str]:
    """Say where arms that know the users are no ceiling, since others may do what these do not."""
    settings = manifest.get("settings") or {}
    if not set(CEILINGS) & set(names):
        return
    if settings.get("presentation") is not None:
        yield _WORDLESS
    if (settings.get("conversation") or {}).get("goal", "none") != "none":
        yield _UNTOLD


def _below_ceilings(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, ceiling in enumerate(CEILINGS):
        if ceiling in names:
            yield from ((ceiling, name) for name in names if name not in CEILINGS[: place + 1])


def _judge(tally: Tally, key: str) -> dict[tuple[str, str], Judged]:
    """Judge every pair of arms on a metric, by arm and what it is held against."""
    pairs = []
    for first, later in combinations(tally.arms, 2):
        both = served_by(tally, (first, later))
        one, other = (take_outcome(tally, _COMPARED[key], arm, both) for arm in (later, first))
        pairs.append(Pair(_COMPARED[key], later, first, one, other, tally.user_id[both], limits_of(tally, _COMPARED[key])))
    # The best arm is picked by looking at the data, so every pair could have been the one reported: all of them count.
    judged = judge_pairs(pairs, correction="bonferroni", confidence=CONFIDENCE)
    sides = [*judged, *(row.turned() for row in judged)]
    return {(row.pair.arm, row.pair.against): row for row in sides}


def _compare(judged: Mapping[str, Mapping[tuple[str, str], Judged]], arm: str, against: str) -> ArmDifference:
    clicks, reward = (judged[key][arm, against] for key in ("clicks_per_user", "reward_per_user"))
    return ArmDifference(
        arm=arm,
        against=against,
        users=clicks.effect.users,
        clicks=_difference(clicks),
        reward=_difference(reward),
    )


def _difference(judged: Judged) -> Difference:
    pair, effect = judged.pair, judged.pair.possible(judged.effect)
    one, other = pair.one.above, pair.other.above
    variance_ratio = None
    if effect.low is not None:
        variance_ratio = float((one.var(ddof=1) + other.var(ddof=1)) / (one - other).var(ddof=1))
    return Difference(
        mean=effect.estimate,
        ratio=ratio_estimate(one, other, confidence=effect.confidence),
        variance_ratio=variance_ratio,
        pairing=paired_effect(one, other).variance_ratio,
        identical=pair.identical,
        lost=find_losers(pair),
        gained=find_gainers(pair),
    )


def _notes(arms: Sequence[ArmSummary], users: int) -> list[str]:
    notes = []
    for arm in arms:
        if not arm.finished:
            notes.append(
                f"{arm.arm}: not finished; the log holds {_many(arm.pages, 'page')} of {_many(arm.users, 'user')} so far."
            )
        elif arm.users != users:
            notes.append(f"{arm.arm}: the log holds {arm.users:,} of the {_many(users, 'user')} planned.")
        if arm.invalid_slots:
            held = f"{_many(arm.invalid_slots, 'slot')} held an unknown, retired or repeated item"
            notes.append(f"{arm.arm}: {held} and {'was' if arm.invalid_slots == 1 else 'were'} blanked.")
    return notes


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
