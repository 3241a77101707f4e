"""The whole card: all thirteen lines about one user model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.threads import one_thread
from recsim_llm.realism.behaviour.behaviour_trials import ALL_CLICKED, run_behaviour_trials
from recsim_llm.realism.behaviour.browsers import BrowserFactory
from recsim_llm.realism.candidates import Candidate, Factory
from recsim_llm.realism.card import Card, first_lines
from recsim_llm.realism.line import Line
from recsim_llm.realism.lines.browsing import NO_EXPOSURES, behaviour_line, no_behaviour, random_exposure_line
from recsim_llm.realism.lines.cost import MeteredCandidate, MeteredFactory, cost_line
from recsim_llm.realism.lines.counterfactual import counterfactual_line, no_counterfactual
from recsim_llm.realism.lines.leakage import leakage_line, no_leakage_audit
from recsim_llm.realism.lines.planted import planted_line
from recsim_llm.realism.lines.repeatability import repeatability_line
from recsim_llm.realism.lines.sensitivity import anonymised, sensitivity_line, without_descriptions
from recsim_llm.realism.lines.system_ranking import ranking_line
from recsim_llm.realism.policies import FAMILIES
from recsim_llm.realism.policy_trials import PolicyTrial, run_policy_trials
from recsim_llm.realism.random_exposure import RandomExposure, score_on_random_exposure
from recsim_llm.realism.trials import CardSettings, Trial, run_trials

__all__ = ["Subject", "behaviour_card", "behaviour_lines", "whole_card"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The user model that a card is about, and what must be known of it to be fair."""

    name: str
    """Of its rows."""
    factory: Factory
    """Builds it."""
    reference: tuple[str, Factory] | None = None
    """Another user model to stand beside it, such as itself before calibration."""
    families: tuple[str, ...] = ()
    """Families of recommenders, of ``recsim_llm.realism.policies.FAMILIES``, that it was built from."""
    reads_titles: bool = True
    """It is told titles, so that anonymous ones may change what it says."""
    browsers: BrowserFactory | None = None
    """Fits what its users do with the pages of a log; None where they cannot be put before one."""
    robust: Callable[[Dataset, int], Mapping[str, Candidate]] | None = None
    """Builds the same users with allowance for what people chose to rate, by way; None where there is no such fit."""
    logged: Factory | None = None
    """Builds the users whose simulated log it is fitted on, for the counterfactual line; None where it cannot be fitted on
    interactions alone."""
    members: Callable[[Candidate], Mapping[str, Candidate]] | None = None
    """Returns, by the names of their rows, other users that were fitted with it, whose tester score stands beside its own; None
    where there are none."""
    spent: Callable[[], Mapping[str, Any]] | None = None
    """Returns what language models have used so far, by the names of ``Meter``; None where none is called."""

    def __post_init__(self) -> None:
        unknown = [family for family in self.families if family not in FAMILIES]
        if unknown:
            raise ConfigError(f"family: got {unknown[0]!r}, expected some of {', '.join(FAMILIES)}")


@one_thread
def whole_card(
    dataset: Dataset,
    subject: Subject,
    settings: CardSettings = CardSettings(),  # noqa: B008 (immutable)
    *,
    exposures: Exposures | None = None,
    shown: Exposures | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Card:
    """Measure all lines.

    Args:
        dataset: all ratings; they are split here, and user models are given the training part only.
        subject: the user model.
        settings: how to measure.
        exposures: a log of what people were shown and did; None leaves behaviour and the leakage audit open.
        shown: ratings of items that were shown at random; None where there are none.
        progress: told what is being done.

    Raises:
        ConfigError: a setting cannot work.
        DataError: the log has one user only, or no rating of a randomly shown item is of the data's users and items.
        ContractError: a candidate's answers have the wrong shape or are no distribution.
    """
    name = subject.name
    metered = MeteredFactory(subject.factory, settings.page_items, progress)
    reference = None if subject.reference is None else MeteredFactory(subject.reference[1], settings.page_items, progress)
    beside = None if reference is None or subject.reference is None else (subject.reference[0], reference)
    trials = run_trials(dataset, name, metered, settings, reference=beside)
    random = None if shown is None else _random_exposure(dataset, subject, shown, settings, progress=progress)
    behaviour, leakage = _behaviour(subject, exposures, settings, random, progress=progress)
    lines = [*first_lines(trials, settings, behaviour), leakage]
    models = {name: dict(metered.built)} | ({} if beside is None or reference is None else {beside[0]: dict(reference.built)})
    studies = run_policy_trials(trials, models, members=_members(subject), progress=progress)
    lines.append(ranking_line(studies, settings, families=subject.families))
    lines.append(planted_line(studies, settings))
    lines.append(_sensitivity(studies, models, subject, metered, settings=settings))
    lines.append(repeatability_line(studies, metered.apart, models[name], settings))
    spent = None if subject.spent is None else subject.spent()
    usage = metered.usage
    lines.append(cost_line(name, usage, spent, page_size=settings.page_items, seeds=len(settings.seeds)))
    lines.append(_counterfactual(trials[0], subject, settings, progress))
    empty = Card(name=name, data=dataset.name, fingerprint=dataset.fingerprint, seeds=settings.seeds, lines=())
    return empty.with_lines(lines)


def behaviour_lines(
    exposures: Exposures,
    name: str,
    factory: BrowserFactory,
    settings: CardSettings = CardSettings(),  # noqa: B008 (immutable)
    *,
    random: RandomExposure | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Line, Line]:
    """Return behaviour and the leakage audit, all that a log without ratings can say.

    Args:
        exposures: the log.
        name: of the user model.
        factory: fits it to training parts of the log.
        settings: how to measure; ratings play no part.
        random: what its users say of randomly shown items, where there are ratings.
        progress: told what is being done.

    Raises:
        ConfigError: the name is a baseline's.
        DataError: the log has one user only.
        ContractError: an answer has the wrong shape.
    """
    trials = run_behaviour_trials(exposures, name, factory, seeds=settings.seeds, users=settings.users, progress=progress)
    seed, resamples = settings.bootstrap_seed, settings.resamples
    behaviour = behaviour_line(trials, seed=seed, resamples=resamples, random=random)
    return behaviour, leakage_line(trials, seed=seed, resamples=resamples)


@one_thread
def behaviour_card(
    exposures: Exposures,
    name: str,
    factory: BrowserFactory,
    settings: CardSettings = CardSettings(),  # noqa: B008 (immutable)
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Card:
    """Measure what a log without ratings can say; arguments as of ``behaviour_lines``.

    Raises:
        ConfigError: the name is a baseline's.
        DataError: the log has one user only.
        ContractError: an answer has the wrong shape.
    """
    lines = behaviour_lines(exposures, name, factory, settings, progress=progress)
    return Card(name=name, data=exposures.name, fingerprint=exposures.fingerprint, seeds=settings.seeds, lines=lines)


def _random_exposure(
    dataset: Dataset, subject: Subject, shown: Exposures, settings: CardSettings, *, progress: Callable[[str], None]
) -> RandomExposure:
    progress("stars of items shown at random")
    seed = settings.seeds[0]

    def build(training: Dataset) -> dict[str, Candidate]:
        candidates = {subject.name: subject.factory(training, seed)}
        if subject.robust is not None:
            candidates |= {f"{subject.name}, {way}": found for way, found in subject.robust(training, seed).items()}
        return candidates

    return score_on_random_exposure(dataset, shown, build, seed=seed, resamples=settings.resamples)


def _behaviour(
    subject: Subject,
    exposures: Exposures | None,
    settings: CardSettings,
    random: RandomExposure | None,
    *,
    progress: Callable[[str], None],
) -> tuple[Line, Line]:
    reason = NO_EXPOSURES
    if exposures is not None and exposures.clicked.all():
        reason = f"the log says nothing of behaviour: {ALL_CLICKED}"
    elif exposures is not None and subject.browsers is None:
        reason = "these users cannot be put before the pages of a log"
    elif exposures is not None and subject.browsers is not None:
        return behaviour_lines(exposures, subject.name, subject.browsers, settings, random=random, progress=progress)
    return no_behaviour(reason) if random is None else random_exposure_line(random, reason), no_leakage_audit()


def _members(subject: Subject) -> Callable[[Candidate], Mapping[str, Candidate]] | None:
    """Return the subject's other users, who are not metered: they were fitted with it, and are asked once."""
    members = subject.members
    if members is None:
        return None
    return lambda model: members(model.candidate if isinstance(model, MeteredCandidate) else model)


def _sensitivity(
    studies: Sequence[PolicyTrial],
    models: Mapping[str, Mapping[int, Candidate]],
    subject: Subject,
    metered: MeteredFactory,
    *,
    settings: CardSettings,
) -> Line:
    if not subject.reads_titles:
        return sensitivity_line(studies, models, settings)
    training = {study.trial.seed: study.held.training for study in studies}
    described = any(data.catalog.description is not None or data.catalog.caption is not None for data in training.values())
    named = {seed: metered.apart(without_descriptions(data), seed) for seed, data in training.items()} if described else None
    anonymous = {seed: metered.apart(anonymised(data), seed) for seed, data in training.items()}
    return sensitivity_line(studies, models, settings, named=named, anonymous=anonymous)


def _counterfactual(trial: Trial, subject: Subject, settings: CardSettings, progress: Callable[[str], None]) -> Line:
    if subject.logged is None:
        return no_counterfactual("it is told personas and not fitted on a log; and real ratings come without exposures")
    training = trial.held.training
    world = subject.logged(training, trial.seed)
    return counterfactual_line(training, subject.name, subject.factory, world, settings=settings, progress=progress)
