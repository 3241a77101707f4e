"""Which click model forecasts other people's clicks best."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsim_llm.agents.browsing.browsing_model import BrowsingModel, ClickModelName, log_chances
from recsim_llm.agents.browsing.click_models import CLICK_MODELS, fit_click_model
from recsim_llm.agents.browsing.click_settings import ClickModelSettings
from recsim_llm.agents.browsing.clicked_pages import ClickedPages, join_pages
from recsim_llm.agents.browsing.item_chances import sum_by
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.errors import DataError
from recsim_llm.statistics.intervals import Estimate, ratio_estimate

__all__ = ["ClickModelComparison", "ClickModelScore", "compare_click_models"]

ITEM_WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0, math.inf)
"""Weights of the usual item to choose among: from nearly each item its own chance to one chance for all."""


@dataclass(frozen=True, kw_only=True)
class ClickModelScore:
    """One model on held-out pages."""

    name: ClickModelName
    item_weight: float
    """Chosen; see ``ClickModelSettings``."""
    chosen_by: float
    """Log-likelihood a page on the choosing part, by which the weight and the best model were chosen."""
    log_likelihood: Estimate
    """A page, natural logarithm, of clicks given the clicks above."""
    behind: Estimate
    """Log-likelihood of the best model less this one's, a page; 0 for the best."""
    perplexity: Estimate
    """Over all positions, with marginal chances; 1 is perfect, 2 a coin."""
    conditional_perplexity: Estimate
    """The same, given the clicks above."""
    perplexity_by_position: tuple[Estimate, ...]
    """With marginal chances."""

    def to_record(self) -> dict[str, Any]:
        """Return the numbers as plain values for JSON; an infinite weight is the text ``inf``."""
        whole = {name: vars(getattr(self, name)) for name in _WHOLE}
        weight = self.item_weight if math.isfinite(self.item_weight) else "inf"
        by_position = [vars(estimate) for estimate in self.perplexity_by_position]
        return {
            "name": self.name,
            "item_weight": weight,
            "chosen_by": self.chosen_by,
            **whole,
            "perplexity_by_position": by_position,
        }


_WHOLE = ("log_likelihood", "behind", "perplexity", "conditional_perplexity")


@dataclass(frozen=True, kw_only=True)
class ClickModelComparison:
    """All models, the best on the choosing part first."""

    scores: tuple[ClickModelScore, ...]
    best: BrowsingModel
    """The first, fitted on the training and choosing parts together."""


def compare_click_models(
    training: ClickedPages,
    choosing: ClickedPages,
    held_out: ClickedPages,
    *,
    names: Sequence[ClickModelName] = CLICK_MODELS,
    settings: ClickModelSettings | None = None,
) -> ClickModelComparison:
    """Compare click models on pages that neither the fit nor any choice has seen.

    For each model the weight of the usual item is chosen among ``ITEM_WEIGHTS`` by the log-likelihood of the choosing part;
    then it is fitted on both parts. Intervals are over users of the held-out part (delta method).

    Args:
        training: pages to fit on.
        choosing: pages of other users, to choose by.
        held_out: pages of further users, to report.
        names: the models.
        settings: of the fits, whose item weight is left aside.

    Raises:
        DataError: the parts share users, or a part has no click or longer pages than those to fit on.
        ConfigError: there is no such model.
    """
    if not names:
        raise DataError("click models: got none to compare, expected one or more; see CLICK_MODELS")
    _check_apart({"training": training, "choosing": choosing, "held-out": held_out})
    settings = settings or ClickModelSettings()
    chosen = sorted((_choose(name, training, choosing, settings=settings) for name in names), key=lambda choice: -choice[1])
    both = join_pages(training, choosing)
    models = [fit_click_model(name, both, replace(settings, item_weight=weight)) for weight, _, name in chosen]
    first = log_chances(models[0].conditional(held_out), held_out)
    scores = [
        _score(model, held_out, first, choice=(weight, by)) for model, (weight, by, _) in zip(models, chosen, strict=True)
    ]
    return ClickModelComparison(scores=tuple(scores), best=models[0])


def _check_apart(parts: dict[str, ClickedPages]) -> None:
    for one, other in itertools.combinations(parts, 2):
        shared = np.intersect1d(parts[one].user_id, parts[other].user_id)
        if len(shared):
            raise DataError(
                f"click models: got user {shared[0]} in the {one} and the {other} part, expected each in one; split by user"
            )


def _choose(
    name: ClickModelName, training: ClickedPages, choosing: ClickedPages, *, settings: ClickModelSettings
) -> tuple[float, float, ClickModelName]:
    """Return the item weight that forecasts the choosing part best, its log-likelihood a page there, and the name."""
    tried = []
    for weight in ITEM_WEIGHTS:
        model = fit_click_model(name, training, replace(settings, item_weight=weight))
        tried.append((float(model.log_likelihood(choosing).mean()), weight))
    by, weight = max(tried)
    return weight, by, name


def _score(model: BrowsingModel, pages: ClickedPages, best: DoubleArray, *, choice: tuple[float, float]) -> ClickModelScore:
    """Score a model; ``best`` are the best one's log-chances by slot, ``choice`` is the item weight and what chose it."""
    given, alone = log_chances(model.conditional(pages), pages), log_chances(model.marginal(pages.item_id), pages)
    user = np.unique(pages.user_id, return_inverse=True)[1]
    slots = (pages.item_id >= 0).astype(np.float64)

    def by_user(values: DoubleArray) -> DoubleArray:
        return sum_by(user, values, int(user.max()) + 1)

    a_page = by_user(np.ones(len(pages)))
    behind = ratio_estimate(by_user((best - given).sum(axis=1)), a_page)
    positions = [
        _perplexity(ratio_estimate(by_user(alone[:, rank]), by_user(slots[:, rank]))) for rank in range(pages.slate_size)
    ]
    return ClickModelScore(
        name=model.name,
        item_weight=choice[0],
        chosen_by=choice[1],
        log_likelihood=ratio_estimate(by_user(given.sum(axis=1)), a_page),
        behind=behind,
        perplexity=_perplexity(ratio_estimate(by_user(alone.sum(axis=1)), by_user(slots.sum(axis=1)))),
        conditional_perplexity=_perplexity(ratio_estimate(by_user(given.sum(axis=1)), by_user(slots.sum(axis=1)))),
        perplexity_by_position=tuple(positions),
    )


def _perplexity(log_chance: Estimate) -> Estimate:
    """Turn a mean natural log-chance into a perplexity."""
    value, low, high = (None if end is None else math.exp(-end) for end in (log_chance.value, log_chance.high, log_chance.low))
    return Estimate(value=value, low=low, high=high, users=log_chance.users)
