"""The whole card: all thirteen lines about one user model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsim_llm.core.exposures import Exposures
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.numerics.threads import one_thread
from recsim_llm.realism.behaviour.behaviour_trials import run_behaviour_trials
from recsim_llm.realism.behaviour.browsers import BrowserFactory
from recsim_llm.realism.candidates import Candidate, Factory
from recsim_llm.realism.card import Card, first_lines
from recsim_llm.realism.line import Line
from recsim_llm.realism.lines.browsing import behaviour_line, no_behaviour
from recsim_llm.realism.lines.cost import MeteredFactory, cost_line
from recsim_llm.realism.lines.counterfactual import counterfactual_line, no_counterfactual
from recsim_llm.realism.lines.leakage import leakage_line, no_leakage_audit
from recsim_llm.realism.lines.planted import planted_line
from recsim_llm.realism.lines.repeatability import repeatability_line
from recsim_llm.realism.lines.sensitivity import anonymised, sensitivity_line, without_descriptions
from recsim_llm.realism.lines.system_ranking import ranking_line
from recsim_llm.realism.policies import FAMILIES
from recsim_llm.realism.policy_trials import PolicyTrial, run_policy_trials
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
    logged: Factory | None = None
    """Builds the users whose simulated log it is fitted on, for the counterfactual line; None where it cannot be fitted on
    interactions alone."""
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
    progress: Callable[[str], None] = lambda _: None,
) -> Card:
    """Measure all lines.

    Args:
        dataset: all ratings; they are split here, and user models are given the training part only.
        subject: the user model.
        settings: how to measure.
        exposures: a log of what people were shown and did; None leaves behaviour and the leakage audit open.
        progress: told what is being done.

    Raises:
        ConfigError: a setting cannot work.
        DataError: the log has one user only.
        ContractError: a candidate's answers have the wrong shape or are no distribution.
    """
    name = subject.name
    metered = MeteredFactory(subject.factory, settings.page_items, progress)
    reference = None if subject.reference is None else MeteredFactory(subject.reference[1], settings.page_items, progress)
    beside = None if reference is None or subject.reference is None else (subject.reference[0], reference)
    trials = run_trials(dataset, name, metered, settings, reference=beside)
    behaviour, leakage = _behaviour(subject, exposures, settings, progress)
    lines = [*first_lines(trials, settings, behaviour), leakage]
    models = {name: dict(metered.built)} | ({} if beside is None or reference is None else {beside[0]: dict(reference.built)})
    studies = run_policy_trials(trials, models, progress=progress)
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
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Line, Line]:
    """Return behaviour and the leakage audit, all that a log without ratings can say.

    Args:
        exposures: the log.
        name: of the user model.
        factory: fits it to training parts of the log.
        settings: how to measure; ratings play no part.
        progress: told what is being done.

    Raises:
        ConfigError: the name is a baseline's.
        DataError: the log has one user only.
        ContractError: an answer has the wrong shape.
    """
    trials = run_behaviour_trials(exposures, name, factory, seeds=settings.seeds, users=settings.users, progress=progress)
    seed, resamples = settings.bootstrap_seed, settings.resamples
    return behaviour_line(trials, seed=seed, resamples=resamples), leakage_line(trials, seed=seed, resamples=resamples)


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


def _behaviour(
    subject: Subject, exposures: Exposures | None, settings: CardSettings, progress: Callable[[str], None]
) -> tuple[Line, Line]:
    if exposures is None:
        return no_behaviour(), no_leakage_audit()
    if subject.browsers is None:
        return no_behaviour("these users cannot be put before the pages of a log"), no_leakage_audit()
    return behaviour_lines(exposures, subject.name, subject.browsers, settings, progress=progress)


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
    described = any(data.catalog.description is not None for data in training.values())
    named = {seed: metered.apart(without_descriptions(data), seed) for seed, data in training.items()} if described else None
    anonymous = {seed: metered.apart(anonymised(data), seed) for seed, data in training.items()}
    return sensitivity_line(studies, models, settings, named=named, anonymous=anonymous)


def _counterfactual(trial: Trial, subject: Subject, settings: CardSettings, progress: Callable[[str], None]) -> Line:
    if subject.logged is None:
        return no_counterfactual("it is told personas and not fitted on a log; and real ratings come without exposures")
    training = trial.held.training
    world = subject.logged(training, trial.seed)
    return counterfactual_line(training, subject.name, subject.factory, world, settings=settings, progress=progress)
