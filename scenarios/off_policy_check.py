"""Checking off-policy estimators in a simulated world: the log of one arm, the truth from running the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.errors import ConfigError, DataError, LogError, one_of
from recsim_llm.log.manifest import read_manifest, read_scenario_manifest
from recsim_llm.offpolicy import (
    Evidence,
    LoggedSlates,
    RewardModel,
    SelfCheck,
    TargetView,
    check_estimators,
    fit_reward_model,
    model_values,
    read_log,
    summarise_checks,
    target_view,
)
from recsim_llm.offpolicy.checking import Estimator, OneCheck, measure_truth
from recsim_llm.offpolicy.evaluations import Contributions
from recsim_llm.recommenders import AsksModel, RandomRecommender, Recommender, TakesRules, TakesTruth, TakesUserKeys
from recsim_llm.registry import names
from recsim_llm.scenarios.arm_settings import Arm
from recsim_llm.scenarios.building import load_dataset, recommender_seed, split_cold
from recsim_llm.scenarios.runner import run
from recsim_llm.scenarios.schema import Scenario, scenario_from
from recsim_llm.scenarios.stage_checks import make_recommender
from recsim_llm.statistics import CONFIDENCE

__all__ = ["collect_evidence", "fitted_arm", "fitted_policy", "own_truth", "policy_arm", "self_check"]

_TOLERANCE = 1e-4
_ABOUT_STOCK = ("release", "retire", "promote")
"""Kinds of interventions after which a recommender that was fitted before the run is not the one that served."""


def fitted_arm(folder: Path, arm: str) -> Recommender:
    """Return an arm's recommender as it was before the first page of a run: built and fitted again from the manifest.

    Args:
        folder: run folder.
        arm: name of the arm.

    Raises:
        ConfigError: the run has no such arm, or it needs what only the run could give it: a language model or the truth.
        LogError: the folder is no run, or the data changed since.
    """
    return fitted_policy(folder, _arm(_scenario(folder), arm))


def policy_arm(folder: Path, name: str, settings: Mapping[str, Any]) -> tuple[Arm, bool]:
    """Return what a name stands for, an arm of a run or else a recommender, and whether it is an arm.

    Args:
        folder: run folder.
        name: of an arm, or of a recommender.
        settings: of a recommender; an arm has its own.

    Raises:
        ConfigError: the name stands for nothing, or settings are given for an arm of the run.
        LogError: the folder is no run.
    """
    arms = {arm.name: arm for arm in _scenario(folder).recommenders}
    if name not in arms:
        known = names("recommenders")
        if name not in known and ":" not in name:
            raise ConfigError(
                f"target: got {name!r}, expected a recommender of the run ({', '.join(arms)}), another one "
                f"({', '.join(known)}), or module:attribute"
            )
        return Arm(name=name, recommender=name, settings=dict(settings)), False
    if settings:
        raise ConfigError(f"target: got settings for {name!r}, an arm of the run, expected none; name a recommender instead")
    return arms[name], True


def fitted_policy(folder: Path, arm: Arm) -> Recommender:
    """Return any recommender, fitted to what the recommenders of a run were fitted to.

    Args:
        folder: run folder.
        arm: name, recommender and settings; need not be an arm of the run.

    Raises:
        ConfigError: there is no such recommender, it needs a language model or the truth, or more went on in the run than
            users and pages tell.
        LogError: the folder is no run, or the data changed since.
    """
    manifest, scenario, recommender = read_manifest(folder), _scenario(folder), make_recommender(arm)
    _refuse_moving_worlds(scenario, folder)
    if isinstance(recommender, TakesTruth | AsksModel):
        raise ConfigError(
            f"arm: got {arm.name!r}, which needs the truth or a language model, expected one that does not; take another"
        )
    dataset = load_dataset(scenario)
    if dataset.fingerprint != manifest["data"]["fingerprint"]:
        raise LogError(f"{folder}: got data that changed since the run, expected the same; start a new run")
    training, _ = split_cold(scenario, dataset)[0].training_part(scenario.train_share)
    if isinstance(recommender, TakesRules):
        recommender.play_by(scenario.repeats)
    if isinstance(recommender, TakesUserKeys):
        recommender.name_users(dataset.user_keys)
    recommender.fit(training.catalog, training.ratings, recommender_seed(scenario))
    return recommender


def _refuse_moving_worlds(scenario: Scenario, folder: Path) -> None:
    """Refuse runs in which pages hang on more than a user's own requests, or a user on what others were shown.

    Raises:
        ConfigError: this is one.
    """
    moving = [name for name in ("social", "providers", "actions") if getattr(scenario, name)]
    stock = (*_ABOUT_STOCK, "price") if "price" in scenario.columns else _ABOUT_STOCK
    moving += [f"{plan.change.kind} ({plan.name})" for plan in scenario.interventions if plan.change.kind in stock]
    if moving:
        raise ConfigError(
            f"off-policy: got {folder}, a run with {', '.join(moving)}, expected one in which nothing else changes what is on "
            "sale or shown, and users neither tell each other nor search; run it without (such as --set actions=null), or "
            "serve both recommenders in runs and take recsim-llm compare"
        )


def self_check(
    source: Scenario | Path,
    *,
    target: str,
    logging: str,
    seeds: Sequence[int] = (),
    out: Path | None = None,
    first_pages: bool = True,
    estimators: Mapping[str, Estimator] | None = None,
    reward_model: RewardModel | None = None,
    confidence: float = CONFIDENCE,
) -> SelfCheck:
    """Estimate what an arm earns from the log of another arm, and hold it against what it earned in the same world.

    Both arms serve the same users with the same dice. On their first pages users are in the same state whatever the arm, which
    is what the estimators assume; with ``first_pages=False`` the target's own pages come after pages that it chose itself, the
    log's did not, and the check shows that too.

    Args:
        source: a scenario that has both arms, or the folder of a finished run of one.
        target: arm whose clicks a page are estimated.
        logging: arm that writes the log.
        seeds: one run each; for a scenario only, at least one.
        out: folder for the runs, one below it a seed; for a scenario only.
        first_pages: judge by the first page of each user.
        estimators: by name; all where not given.
        reward_model: for the direct method and the doubly robust estimators; a logistic regression, cross-fitted by user, where
            not given.
        confidence: of the intervals, 0 to 1.

    Raises:
        ConfigError: an arm is missing or cannot be asked, or seeds or folder are missing.
        LogError: the target learned while it served, so that there is no one policy to estimate.
        RunExistsError: a seed's folder holds files.
    """
    folders = [source] if isinstance(source, Path) else _runs(source, target, logging, seeds, out=out)
    checks: list[tuple[OneCheck, ...]] = []
    truths: list[Contributions] = []
    users, pages = [], 0
    for folder in folders:
        evidence, truth = _evidence(folder, target, logging, first_pages=first_pages, reward_model=reward_model)
        checks.append(check_estimators(evidence, truth, estimators, confidence))
        truths.append(truth)
        users.append(len(np.unique(evidence.logged.user_id)))
        pages += len(evidence.logged)
    return summarise_checks(
        checks,
        truths,
        target=target,
        logging=logging,
        pages_meant="first" if first_pages else "all",
        seeds=[read_manifest(folder)["seed"] for folder in folders],
        users=users[0],
        pages=pages,
        confidence=confidence,
    )


def _runs(scenario: Scenario, target: str, logging: str, seeds: Sequence[int], *, out: Path | None) -> list[Path]:
    if not seeds or out is None:
        raise ConfigError(
            "self-check: got a scenario without seeds or folder, expected both; pass seeds=range(5), out=Path(...)"
        )
    arms = {arm.name: arm for arm in scenario.recommenders}
    missing = [name for name in (logging, target) if name not in arms]
    if missing:
        raise ConfigError(f"self-check: got no arm {missing[0]!r}, expected an arm of the scenario, {one_of(missing[0], arms)}")
    pair = tuple(arms[name] for name in dict.fromkeys((logging, target)))
    return [run(scenario.model_copy(update={"recommenders": pair, "seed": seed}), out / f"seed-{seed}") for seed in seeds]


def _evidence(
    folder: Path, target: str, logging: str, *, first_pages: bool, reward_model: RewardModel | None
) -> tuple[Evidence, Contributions]:
    logged, policy = read_log(folder, logging, first_pages=first_pages), fitted_arm(folder, target)
    truth = own_truth(folder, target, policy, first_pages=first_pages)
    return collect_evidence(folder, logging, logged, policy, reward_model=reward_model), truth


def own_truth(folder: Path, target: str, policy: Recommender, *, first_pages: bool) -> Contributions:
    """Return what an arm earned a page in a run, by the probabilities of the clicks.

    Args:
        folder: run folder.
        target: name of the arm.
        policy: the arm as fitted, from ``fitted_arm``.
        first_pages: only of the first page of each user.

    Raises:
        LogError: the arm learned while it served, so that there is no one policy to estimate.
    """
    own = read_log(folder, target, first_pages=first_pages)
    _check_fixed(own, target_view(own, policy, placements=False), target)
    return measure_truth(own)


def collect_evidence(
    folder: Path, logging: str, logged: LoggedSlates, policy: Any, *, reward_model: RewardModel | None = None
) -> Evidence:
    """Return all that the estimators may use.

    Args:
        folder: run folder.
        logging: arm that wrote the log.
        logged: its log, from ``read_log``.
        policy: the target, fitted.
        reward_model: a logistic regression, cross-fitted by user, where not given.

    Raises:
        ContractError: the target can neither give propensities nor draw slates, and its slates are not certain.
    """
    seed, scenario = int(read_manifest(folder)["seed"]), _scenario(folder)
    uniform = isinstance(make_recommender(_arm(scenario, logging)), RandomRecommender)
    evidence = Evidence(logged, target_view(logged, policy), None, "uniform" if uniform else None)
    try:
        model = fit_reward_model(logged, load_dataset(scenario).catalog, seed=seed) if reward_model is None else reward_model
        return evidence._replace(values=model_values(logged, policy, model, seed=seed))
    except DataError as error:
        # A log too short for a reward model may still carry the estimators that need none.
        return evidence._replace(no_values=str(error))


def _scenario(folder: Path) -> Scenario:
    return scenario_from(read_scenario_manifest(folder)["settings"], str(folder / "manifest.json"))


def _arm(scenario: Scenario, name: str) -> Arm:
    found = [arm for arm in scenario.recommenders if arm.name == name]
    if not found:
        raise ConfigError(f"arm: got {name!r}, expected {one_of(name, [arm.name for arm in scenario.recommenders])}")
    return found[0]


def _check_fixed(own: LoggedSlates, view: TargetView, arm: str) -> None:
    """Hold the target as fitted against the propensities that it logged itself."""
    known = ~np.isnan(own.prefix_propensity)
    said, logged = view.prefix_propensity[known], own.prefix_propensity[known]
    if not (np.abs(said - logged) <= _TOLERANCE * logged).all():
        raise LogError(
            f"{arm}: got other propensities from the recommender as fitted than it logged, expected the same; it learned while "
            "it served, so estimate an arm that does not"
        )
