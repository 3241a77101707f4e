"""Worlds with and without fake users: how much they achieve, how well they are told from people, and whether it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from recsim_llm.agents.audits.audit_rows import AuditRow
from recsim_llm.agents.audits.design import Finding
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.dynamics.fake_profiles import FIRST_FAKE, AttackKind, ProfileAttack, with_fakes
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.errors import DataError
from recsim_llm.scenarios.poisoning.policy_check import POISONED, check_policy
from recsim_llm.statistics.intervals import Estimate, mean_estimate, share_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["CURVE_AT", "KINDS", "Judge", "KindFinding", "Poisoning", "area_under_roc", "poison_worlds"]

KINDS: tuple[AttackKind, ...] = get_args(AttackKind)
"""The kinds of attack that are tried."""
CURVE_AT = (0, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Of a ROC curve, the genuine users suspected, per mille, at which the fake ones caught are told."""
Judge = Callable[[Catalog, Ratings], DoubleArray]
"""Takes items and ratings; returns how suspicious each user is, float64 [u]."""

_KNOWN_SHARE, _RARE = 0.1, 0.5
_SHARE, _FILLER, _PAGE = 0.05, 12, 10


@dataclass(frozen=True, kw_only=True)
class KindFinding:
    """What one kind of attack came to; intervals are over worlds."""

    kind: str
    """Its name."""
    area: Estimate
    """Area under the ROC curve of suspicion: how probably a fake user is more suspicious than a genuine one."""
    caught: Estimate
    """Share of the fake users who are left out."""
    lifted: Estimate
    """Share of genuine users who are shown the pushed item on their first page, less the share without the attack."""
    screened: Estimate
    """The same where suspects are left out."""
    found: Estimate
    """Share of the worlds in which the recommender is found poisoned, by the pushed item."""


@dataclass(frozen=True, kw_only=True)
class Poisoning(Finding):
    """How well poisoned recommenders are told from clean ones."""

    recommender: str
    """Name of the one that was attacked."""
    worlds: int
    """How many worlds, each with users, pushed item and fake users of its own."""
    kinds: tuple[KindFinding, ...]
    """One a kind of attack."""
    false_alarms: Estimate
    """Share of the clean worlds in which the recommender is called poisoned."""
    suspected: Estimate
    """Share of genuine users who are left out where nobody is fake."""
    curves: dict[str, list[float]]
    """By kind: share of fake users caught where so many per mille of the genuine are suspected, at ``CURVE_AT``, mean over
    worlds."""

    def rows(self) -> tuple[AuditRow, ...]:
        """Return the numbers as rows of a page."""
        clean = [
            AuditRow(
                label="clean recommenders called poisoned, share of worlds",
                estimate=self.false_alarms,
                sound=0.05,
                expected="at most",
                leading=True,
            ),
            AuditRow(label="genuine users left out where nobody is fake, share", estimate=self.suspected),
        ]
        return (*clean, *(row for kind in self.kinds for row in _kind_rows(kind)))


class _World(NamedTuple):
    catalog: Catalog
    ratings: Ratings
    target: int
    seed: int


def poison_worlds(
    dataset: Dataset,
    judge: Judge,
    *,
    threshold: float,
    seed: int,
    users: int,
    worlds: int,
    recommender: str = "item-knn",
    model: LanguageModel | None = None,
) -> Poisoning:
    """Attack a recommender in worlds of some of the users, once with each kind of attack and once not at all.

    Each world has the first tenth of the ratings of users drawn for it, and an item to push from the half of the catalog that
    is rated least; one fake user comes for twenty genuine ones. Who is suspected is said by ``judge`` for the ROC curves; the
    recommender is screened, and checked, by ``similarity_suspicion``.

    Args:
        dataset: catalog and ratings.
        judge: says how suspicious users are.
        threshold: suspicion from which on a user counts as caught.
        seed: of the first world; the others have those that follow.
        users: genuine users a world.
        worlds: how many.
        recommender: name of the one that is attacked.
        model: the one that ``judge`` asks, once a user; None where it asks none.

    Raises:
        DataError: nobody has two ratings.
    """
    known, _ = dataset.ratings.split_by_time(_KNOWN_SHARE)
    gathered = _Gathered()
    for number in range(worlds):
        world = _drawn(dataset, known, seed + number, users)
        gathered.add(world, judge, threshold, recommender)
    return Poisoning(
        model="similarity" if model is None else model.name,
        realisation="statistic" if model is None else model.elicitation,
        users=min(users, len(known.users)),
        asks=0 if model is None else gathered.judged,
        recommender=recommender,
        worlds=worlds,
        kinds=tuple(_kind_finding(kind, np.array(gathered.by_kind[kind])) for kind in KINDS),
        false_alarms=_share(np.array(gathered.alarms)),
        suspected=mean_estimate(np.array(gathered.suspected), bounds=(0, 1)),
        curves={kind: np.mean(curves, axis=0).tolist() for kind, curves in gathered.curves.items()},
    )


class _Gathered:
    """What came of worlds, a number each."""

    def __init__(self) -> None:
        self.judged = 0
        self.alarms: list[bool] = []
        self.suspected: list[float] = []
        self.by_kind: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in KINDS}
        self.curves: dict[str, list[DoubleArray]] = {kind: [] for kind in KINDS}

    def add(self, world: _World, judge: Judge, threshold: float, recommender: str) -> None:
        """Attack the recommender in one more world."""
        genuine, catalog = world.ratings.users, world.catalog
        clean = check_policy(recommender, catalog, world.ratings, genuine, seed=world.seed, k=_PAGE)
        before = clean.shown[world.target]
        self.alarms.append(clean.poisoned)
        self.judged += len(genuine)
        self.suspected.append(float((judge(catalog, world.ratings) >= threshold).mean()))
        for kind in KINDS:
            attack = ProfileAttack(
                items=ItemSelection(items=[int(catalog.item_id[world.target])]), kind=kind, share=_SHARE, filler=_FILLER
            )
            stock = with_fakes(attack, catalog, world.ratings, seed=world.seed)
            suspicion, fake = judge(*stock), stock[1].users >= FIRST_FAKE
            self.judged += len(fake)
            check = check_policy(recommender, *stock, genuine, seed=world.seed, k=_PAGE)
            found = check.poisoned and check.item_id == catalog.item_id[world.target]
            self.by_kind[kind].append(
                (
                    area_under_roc(suspicion, fake),
                    float((suspicion[fake] >= threshold).mean()),
                    float(check.shown[world.target] - before),
                    float(check.shown_without[world.target] - before),
                    float(found),
                )
            )
            limits = np.quantile(suspicion[~fake], 1 - np.array(CURVE_AT) / 1000)
            self.curves[kind].append((suspicion[fake][:, None] > limits).mean(axis=0))


def area_under_roc(suspicion: DoubleArray, fake: BoolArray) -> float:
    """Return the area under the ROC curve: the chance that a fake user is more suspicious than a genuine one, ties halved.

    It is the statistic of Mann & Whitney (1947) over the number of pairs (Hanley & McNeil 1982).

    Args:
        suspicion: float64 [u].
        fake: bool [u]; some are, and some are not.
    """
    from scipy.stats import rankdata

    one, other = int(fake.sum()), int((~fake).sum())
    return float((rankdata(suspicion)[fake].sum() - one * (one + 1) / 2) / (one * other))


def _drawn(dataset: Dataset, known: Ratings, seed: int, users: int) -> _World:
    order = np.argsort(keyed.words(seed, "poisoned world, users", known.users), kind="stable")
    ratings = known.take(np.isin(known.user_id, known.users[order[:users]]))
    catalog = dataset.of_ratings(ratings).catalog
    rare = np.argsort(catalog.popularity, kind="stable")[: max(int(_RARE * len(catalog)), 1)]
    rare = rare[catalog.on_sale[rare]]
    if not rare.size:
        raise DataError("poisoning: got no item on sale among the least rated half, expected one to push; use other data")
    target = rare[int(keyed.words(seed, "poisoned world, target").item() % len(rare))]
    return _World(catalog, ratings, int(target), seed)


def _share(of_worlds: BoolArray | DoubleArray) -> Estimate:
    return share_estimate(of_worlds.astype(np.float64), np.ones(len(of_worlds)))


def _kind_finding(kind: str, values: DoubleArray) -> KindFinding:
    area, caught, lifted, screened, found = values.T
    return KindFinding(
        kind=kind,
        area=mean_estimate(area, bounds=(0, 1)),
        caught=mean_estimate(caught, bounds=(0, 1)),
        lifted=mean_estimate(lifted, bounds=(-1, 1)),
        screened=mean_estimate(screened, bounds=(-1, 1)),
        found=_share(found),
    )


def _kind_rows(one: KindFinding) -> list[AuditRow]:
    told = f"from {POISONED:.0%} of users on"
    return [
        AuditRow(
            label=f"{one.kind}: fake told from genuine users, area under ROC", estimate=one.area, sound=0.5, expected="above"
        ),
        AuditRow(label=f"{one.kind}: fake users left out, share", estimate=one.caught),
        AuditRow(label=f"{one.kind}: more users shown the pushed item, share", estimate=one.lifted),
        AuditRow(label=f"{one.kind}: the same where suspects are left out", estimate=one.screened),
        AuditRow(label=f"{one.kind}: recommenders found poisoned, {told}, share of worlds", estimate=one.found),
    ]
