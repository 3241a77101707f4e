"""Measuring which family of prompts suits a model: how well its users tell what a person liked later, with each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recsim_llm.agents.language.language_candidate import language_factory
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.template_family import FAMILIES, FamilyReport, save_families
from recsim_llm.agents.tuning.met_users import users_met_by
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ModelReplyError
from recsim_llm.realism.taste_measure import Taste, measure_taste

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel
    from recsim_llm.language.probing.probe_report import ProbeReport

__all__ = ["measure_families", "seconds_of_families"]

_FEWEST_USERS, _MOST_USERS = 8, 60
_PAGE_ITEMS = 8


def seconds_of_families(report: ProbeReport) -> float | None:
    """Return about how long the fewest users take that are worth asking, or None where the probe cannot tell.

    Args:
        report: of a probe of the same model.
    """
    costs = [report.costs[way].seconds for way in report.abilities.elicitations[:1]]
    return None if not costs or costs[0] is None else _FEWEST_USERS * len(FAMILIES) * costs[0]


def measure_families(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    seconds: float = 30.0,
    clock: Callable[[], float] = time.perf_counter,
) -> FamilyReport:
    """Ask about the same users' pages with each family, as many users as the time allows, and keep what was found.

    Users whom a tuned model was trained or watched on are left out.

    Args:
        model: is asked; answers that it keeps cost nothing the second time.
        dataset: with ratings of which the last fifth is not told.
        seed: of users and items.
        seconds: time that it may take, about; at least eight users are asked.
        clock: seconds of a steady clock.

    Raises:
        DataError: nobody has enough later ratings, or the report cannot be kept.
        RecSimError: the model cannot be asked.
    """
    begun = clock()
    tastes = _tastes(model, dataset, seed, _FEWEST_USERS)
    spent = clock() - begun
    users = min(int(_FEWEST_USERS * seconds / max(spent, 1e-9)), _MOST_USERS)
    if users > _FEWEST_USERS and spent < seconds:
        tastes = _tastes(model, dataset, seed, users)
    report = _report(model, dataset, tastes, clock() - begun)
    save_families(report, model.base_url)
    return report


def _tastes(model: LanguageModel, dataset: Dataset, seed: int, users: int) -> Taste | dict[str, Taste]:
    """Return one measure of all families, or one of each that could be read where some could not."""
    factories = {
        family: language_factory(model, parameters=LanguageParameters(templates=family), page_size=_PAGE_ITEMS)
        for family in FAMILIES
    }
    shared: dict[str, Any] = {"seed": seed, "users": users, "page_items": _PAGE_ITEMS, "kinds": ("nearest",)}
    if model.place is not None:
        shared["apart"] = users_met_by(model.place, dataset)
    try:
        return measure_taste(dataset, factories, **shared)
    except ModelReplyError:
        alone = {}
        for family, factory in factories.items():
            try:
                alone[family] = measure_taste(dataset, {family: factory}, **shared)
            except ModelReplyError:
                continue
        return alone


def _report(model: LanguageModel, dataset: Dataset, tastes: Taste | dict[str, Taste], seconds: float) -> FamilyReport:
    gap = None
    if isinstance(tastes, Taste):
        areas = {family: tastes.discrimination.row(family).estimate for family in FAMILIES}
        gap = tastes.discrimination.row(FAMILIES[-1]).difference
        users, asked = tastes.users, set(tastes.users_asked)
    else:
        areas = {family: taste.discrimination.candidate.estimate for family, taste in tastes.items()}
        users = max((taste.users for taste in tastes.values()), default=0)
        asked = {user for taste in tastes.values() for user in taste.users_asked}
    return FamilyReport(
        model=model.name,
        data=dataset.name,
        users=users,
        users_asked=tuple(sorted(asked)),
        areas=areas,
        difference=gap,
        seconds=seconds,
    )
