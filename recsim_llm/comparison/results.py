"""What a comparison of recommenders amounts to, as values: how it is judged, and what ``comparison.json`` holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from recsim_llm.comparison.extremes import UserOutcome
from recsim_llm.errors import ConfigError
from recsim_llm.metrics.definitions import RESULTS, Definition
from recsim_llm.statistics import CONFIDENCE, Effect, Estimate, Groups, Lift
from recsim_llm.statistics.effects import check_share

__all__ = [
    "FILE_NAME",
    "Compared",
    "Comparison",
    "Judging",
    "PairGroups",
    "Plan",
    "PlannedPair",
    "Power",
    "Sequential",
    "Source",
]

FILE_NAME = "comparison.json"
SCHEMA = 1
"""Version of the JSON layout; rises when a key changes its meaning or goes."""
_USUAL = (
    "clicks_per_user",
    "reward_per_user",
    "mean_satisfaction",
    "pages_per_visit",
    "mean_rating",
    "like_share",
    "watch_share",
)
_SHORT = {"holm": "holm", "bh": "benjamini-hochberg", "benjamini-hochberg": "benjamini-hochberg"}


@dataclass(frozen=True, kw_only=True)
class Judging:
    """How a comparison is judged; to be settled before the first user is served."""

    metrics: tuple[str, ...] = ()
    """Keys of ``recsim_llm.metrics.RESULTS``; the first is the primary one. Empty: the usual seven, without the reward
    where it is the clicks, and without those of ratings where nobody gave any; before them the discounted return where the run
    discounts what comes later."""
    effect: float | None = None
    """Smallest difference of the primary metric that matters, above 0; None: no difference is too small."""
    confidence: float = CONFIDENCE
    """That all claims hold together (``holm``), or the expected share of true ones among them (``bh``), 0 to 1."""
    correction: str = "holm"
    """``holm`` or ``bh`` (Benjamini & Hochberg), over metrics and pairs of recommenders."""
    groups: str = "activity"
    """Trait or demographic field by which users are grouped; traits are cut into thirds of the population."""
    until_decided: bool = False
    """Serve users block by block and stop when every pair with the first recommender is decided on the primary metric."""
    block: int | None = None
    """Users a block; None: a tenth of the users, at least 50."""

    def __post_init__(self) -> None:
        known = {metric.key: metric for metric in RESULTS}
        for name in self.metrics:
            if name not in known:
                raise ConfigError(f"metrics: got {name!r}, expected some of {', '.join(known)}")
        if len(set(self.metrics)) < len(self.metrics):
            raise ConfigError(f"metrics: got {', '.join(self.metrics)}, expected each once")
        if self.effect is not None and not 0.0 < self.effect < float("inf"):
            raise ConfigError(f"effect: got {self.effect}, expected a difference above 0")
        check_share("confidence", self.confidence)
        if self.correction not in _SHORT:
            raise ConfigError(f"correction: got {self.correction!r}, expected holm or bh")
        if self.block is not None and self.block < 2:
            raise ConfigError(f"block: got {self.block}, expected 2 or more users")
        primary = self.measures("clicks")[0]
        if self.until_decided and primary.denominator is not None:
            raise ConfigError(
                f"until decided: got {primary.key} as the primary metric, expected a mean over users such as clicks_per_user"
            )

    @property
    def method(self) -> Literal["holm", "benjamini-hochberg"]:
        """The correction by its full name."""
        return "holm" if self.correction == "holm" else "benjamini-hochberg"

    def measures(self, reward: str, *, rated: bool = True, discount: float = 1.0) -> tuple[Definition, ...]:
        """Return the metrics of a run with this reward, the primary one first.

        Args:
            reward: name of the run's reward.
            rated: whether users of the run give ratings; otherwise metrics of ratings are no usual ones.
            discount: of the run.
        """
        known = {metric.key: metric for metric in RESULTS}
        usual = [name for name in _USUAL if not (name == "reward_per_user" and reward == "clicks")]
        usual = [name for name in usual if rated or not known[name].of_ratings]
        usual = ["discounted_return", *usual] if discount < 1 else usual
        return tuple(known[name] for name in self.metrics or usual)


@dataclass(frozen=True, kw_only=True)
class Power:
    """What a pair's users could show on the primary metric."""

    deviation: float
    """Standard deviation of the users' paired differences."""
    alpha: float
    """Level of the two-sided test, after dividing by the number of comparisons."""
    detectable: float
    """Smallest true difference that so many users find with probability 0.8."""
    achieved: float | None
    """Probability with which they find the smallest effect of interest; None where none was stated."""
    users_needed: int | None
    """Users who find it with probability 0.8; None where none was stated, or no run could be that large."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One recommender minus another on one metric."""

    metric: str
    """Key of the metric."""
    arm: str
    """The one."""
    against: str
    """The other."""
    verdict: str
    """``better``, ``worse``, ``no difference that matters``, ``identical`` or ``undecided``, by ``effect`` and ``rejected``."""
    effect: Effect
    """The difference; its interval holds together with those of all comparisons."""
    alone: Effect
    """The same with the interval of this comparison alone: paired t for means over users, cluster-robust CR2 with the user as
    the cluster for ratios; for a sequential comparison the same as ``effect``."""
    bootstrap: Effect | None
    """The same by the bootstrap over users, for this comparison alone; None where users came until it was decided."""
    p_adjusted: float | None
    """Corrected p value; None where there is no test."""
    rejected: bool
    """Whether the correction rejects that there is no difference."""
    lift: Lift
    """The one over the other, less 1; Fieller's interval at the level of ``effect``, leaving out 0 exactly where that does; a
    sequential comparison has no interval of it."""
    variance_ratio: Estimate
    """Variance of the difference between separate users over that of paired ones: how many times as many users an unpaired test
    needs; its interval is for this comparison alone."""
    users_saved: Estimate
    """Share of an unpaired test's users that pairing spares."""
    adjusted: Effect | None
    """The difference adjusted for what was known of the users before the run (CUPED); None where it cannot be."""
    adjusted_reduction: Estimate | None
    """Share of the variance that the adjustment took out, on top of pairing; below 0 where it added some."""
    power: Power | None
    """Of the primary metric; None for others, or where users do not differ."""
    lost: tuple[UserOutcome, ...]
    """Users with whom the one fell behind the other most, the worst first."""
    gained: tuple[UserOutcome, ...]
    """Users with whom the one was ahead of the other most, likewise."""


@dataclass(frozen=True, kw_only=True)
class PairGroups:
    """One recommender minus another on the primary metric, by group of users."""

    arm: str
    """The one."""
    against: str
    """The other."""
    sizes: tuple[int, ...]
    """Users by group."""
    groups: Groups
    """Differences by group, with intervals that hold together over groups and pairs."""


@dataclass(frozen=True, kw_only=True)
class PlannedPair:
    """What the planned users can show of one recommender against the first."""

    arm: str
    """The one."""
    deviation: Estimate
    """Standard deviation of users' paired differences, from the pilot or as stated."""
    detectable: Estimate
    """Smallest true difference that the planned users find with probability 0.8; its interval is that of the deviation."""
    users_needed: int | None
    """Users who find the smallest effect of interest with probability 0.8; None where none was stated."""
    power: float | None
    """Probability with which the planned users find it."""
    unpaired_users: int | None
    """Users an arm that a test on separate users would need for it; None without a pilot."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a comparison can show, before it is run."""

    metric: str
    """Key of the primary metric."""
    unit: str
    """Its unit."""
    against: str
    """The first recommender."""
    users: int
    """Users planned."""
    pilot: int | None
    """Users of the pilot; None where the deviation was stated."""
    effect: float | None
    """Smallest effect of interest."""
    alpha: float
    """Level of each test, after dividing by the number of comparisons."""
    pairs: tuple[PlannedPair, ...]
    """Every recommender against the first."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return {"schema": SCHEMA, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """How a comparison came to its end whose users came until it was decided."""

    block: int
    """Users a block."""
    blocks: int
    """Blocks served."""
    users: int
    """Users served."""
    available: int
    """Users there were."""
    planned_users: int
    """Number of users at which the intervals are narrowest."""
    decided: dict[str, int]
    """By recommender: users after which it was decided against the first; those not decided are missing."""
    limit: str | None = None
    """Limit on what language models may use up that ended it before it was decided; None where none did."""
    always_valid: bool = True
    """The primary metric's intervals hold at every look together, so that stopping at any of them is allowed."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A run from which recommenders of a comparison come."""

    folder: str
    """Its folder, as it was given."""
    scenario: str
    """Name of its scenario."""
    recommenders: dict[str, str]
    """Name in the comparison to name in the run, of those that come from it."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Recommenders judged on the same users; what ``comparison.json`` holds."""

    scenario: str
    """Name of the scenario."""
    seed: int
    """Seed of the run."""
    users: int
    """Users whom every recommender served."""
    arms: tuple[str, ...]
    """Recommenders, in the scenario's order; the first is what the others are compared with."""
    best: str
    """Recommender with the most of the primary metric, oracle and planner left out; the first of equals."""
    metrics: tuple[Definition, ...]
    """The primary one first."""
    judging: Judging
    """How it was judged."""
    values: dict[str, dict[str, Estimate]]
    """By metric and recommender, with intervals of their own."""
    comparisons: tuple[Compared, ...]
    """Every pair on every metric, the primary metric first; of a pair the later recommender minus the earlier."""
    groups: tuple[PairGroups, ...]
    """The primary metric by group of users; empty where users could not be grouped."""
    covariates: tuple[str, ...]
    """What of the users' behaviour before the run was adjusted for."""
    plan: Plan | None
    """What was planned; None where nothing was."""
    sequential: Sequential | None
    """None where the number of users was fixed."""
    notes: tuple[str, ...]
    """What a reader must know."""
    warnings: tuple[str, ...] = ()
    """What a reader must know first of the users: how those of a language model were calibrated."""
    sources: tuple[Source, ...] = ()
    """The two runs that were joined; empty where the recommenders are those of one run."""
    families: tuple[PairGroups, ...] = ()
    """The primary metric by family of users, for users who were drawn from several; empty where all have one taste."""
    verdict: tuple[str, ...] = field(default=())
    """The primary metric's verdicts in words, against the first and then against the best."""

    def one(self, metric: str, arm: str, against: str) -> Compared:
        """Return a comparison as it is held: the later recommender minus the earlier."""
        return next(row for row in self.comparisons if (row.metric, row.arm, row.against) == (metric, arm, against))

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON: stable keys, no NaN, None where something is undefined."""
        metrics = [{"key": metric.key, "label": metric.label, "unit": metric.unit} for metric in self.metrics]
        return {"schema": SCHEMA, **asdict(self), "metrics": metrics}
