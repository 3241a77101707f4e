"""Calibrating a language model's users on real people's feedback that they were not told.

Personas are measured on the first 80% of each user's ratings, and nothing later is told. Each sampled user gets the first
page of a visit, as a run would show it: *taken* items that the user rated later, others as popular, and, half of the rest,
items drawn uniformly from what the user never rated. One request a user.

- Slopes of clicks and stars: by maximum likelihood on what was taken among items as popular, and on the stars given.
- Level of clicks: the mean probability on uniformly drawn items is the click rate, the same meaning as
  ``ChoiceParameters.click_rate``.
- Level of each star: the mean distribution on the items rated later is that of the later ratings of half of all users, each
  with the same weight; half stars count for both whole stars beside them. The other half, those kept apart among them, are
  whom it is held against: people who need not be asked about, and so many of them that chance hardly matters.
- Leaving: ratings say nothing of it. The expected length of a visit is that of choice users fitted to the same data, whose
  patience is measured (ratings a sitting) and the rest assumed; or the length that is declared.

Satisfaction is left as the model says it: nothing in ratings tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from recsim_llm.agents.choice.choice_fit import with_click_rate
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.saved_fits import fitted_for
from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.calibration_answers import ask_pages, uncalibrated_users
from recsim_llm.agents.language.calibration_fit import fit_calibration, fit_leaving, match_clicks, match_stars, share_levels
from recsim_llm.agents.language.calibration_measures import MeasuredPages, later_stars, measure_calibration
from recsim_llm.agents.language.calibration_pages import calibration_pages
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.visit_lengths import VisitLengths, choice_visits, declared_visits
from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.errors import ConfigError

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["PAGE_SIZE", "TAKEN", "calibrate"]

TAKEN, PAGE_SIZE = 3, 10
"""Items of a page that the user rated later, and all of its items, where nothing is said."""


def calibrate(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 100,
    apart: int | None = None,
    met: Sequence[int] = (),
    taken: int = TAKEN,
    page_size: int = PAGE_SIZE,
    click_rate: float = ChoiceParameters.click_rate,
    visit_pages: float | None = None,
    parameters: LanguageParameters | None = None,
    progress: Callable[[int, int], None] = lambda done, planned: None,  # noqa: ARG005 (names for the reader)
) -> Calibration:
    """Fit a calibration to what a model says about real users' later choices, and measure it on users kept apart.

    Args:
        model: to be calibrated.
        dataset: catalog and ratings; keep back what the calibrated users will be scored on.
        seed: of users, of who of them is kept apart, of items and their order.
        users: how many users to fit on; at most half of those who have enough later ratings, where some are to be kept apart.
        apart: how many other users to measure on; None for as many again, 0 for none, and then nothing is measured.
        met: outside ids of users whom the model learned from: nothing is fitted to them, and nothing measured.
        taken: rated items a page.
        page_size: items a page.
        click_rate: probability that a user clicks an examined item that is drawn uniformly from the catalog.
        visit_pages: mean pages of a visit, above 1, cut off after ``VISIT_LIMIT``; None takes those of choice users.
        parameters: how users are asked, as in the run; the calibration in them is overlooked.
        progress: told how many of how many pages are answered.

    Returns:
        The calibration, with a record of what it is of and what was measured.

    Raises:
        ConfigError: a number is out of range.
        DataError: too few users have enough later ratings, and enough items that they never rated.
        RecSimError: the model failed.
    """
    if not 0 < click_rate < 1:
        raise ConfigError(f"calibrate: got click_rate {click_rate}, expected a number between 0 and 1")
    check_whole_number("calibrate, users", users, least=1)
    others = users if apart is None else apart
    check_whole_number("calibrate, apart", others, least=0)
    shown: dict[str, Any] = {"met": met, "taken": taken, "page_size": page_size, "uniform": max((page_size - taken) // 2, 1)}
    pages = calibration_pages(dataset, seed=seed, users=users + others, least=2 if others else 1, **shown)
    fitted = _fitted_on(dataset.ratings.users[pages.user_index], users, others, seed)
    progress(0, len(fitted))
    visits = _visits(dataset, pages.user_index, visit_pages, click_rate=click_rate, seed=seed, page_size=page_size)
    players = uncalibrated_users(model, dataset, parameters or LanguageParameters(), seed)
    answered, kept = ask_pages(players, pages, progress), _apart(dataset, pages.user_index, fitted, seed)
    found = MeasuredPages(
        dataset=dataset, pages=pages, answered=answered, visits=visits, click_rate=click_rate, people=np.flatnonzero(kept)
    )
    stars, level_users = _level_target(dataset, ~kept)
    numbers, page_bias = _fit(found.of(fitted), stars)
    record = _record(players, found, fitted, seed) | {"users_level": dataset.ratings.users[level_users].tolist()}
    if not fitted.all():
        record |= measure_calibration(found.of(~fitted), numbers, page_bias=page_bias, seed=seed)
    return replace(numbers, record=record)


def _fitted_on(user_id: IntArray, users: int, others: int, seed: int) -> BoolArray:
    """Return bool [p]: who is fitted on; of too few users half are kept apart."""
    there = len(user_id)
    some = users if there == users + others else there - min(others, there // 2)
    order = keyed.words(seed, "calibration users", user_id).argsort(kind="stable")
    fitted = np.zeros(there, np.bool_)
    fitted[order[:some]] = True
    return fitted


def _visits(
    dataset: Dataset, user_index: IntArray, declared: float | None, *, click_rate: float, seed: int, page_size: int
) -> VisitLengths:
    if declared is not None:
        return declared_visits(declared, len(user_index))
    known, _ = dataset.training_part(TRAIN_SHARE)
    fitted = with_click_rate(fitted_for(known), click_rate)
    return choice_visits(fitted, known.catalog, user_index, seed=seed, page_size=page_size)


def _apart(dataset: Dataset, asked: IntArray, fitted: BoolArray, seed: int) -> BoolArray:
    """Return bool [users of the data]: who is kept apart; half of those who are not asked, nobody where nobody asked is."""
    word = keyed.words(seed, "calibration side", dataset.ratings.users)
    apart: BoolArray = (word & np.uint64(1)).astype(np.bool_) & ~fitted.all()
    apart[asked] = ~fitted
    return apart


def _level_target(dataset: Dataset, users: BoolArray) -> tuple[DoubleArray | None, IntArray]:
    """Return float64 [5], the later ratings of some users by whole star, each user with the same weight; and whose they are."""
    if dataset.feedback != "explicit":
        return None, np.zeros(0, np.int64)
    shares, levels, people = later_stars(dataset, np.flatnonzero(users))
    target: DoubleArray = shares.mean(axis=0) @ share_levels(levels)
    return target, people


def _fit(found: MeasuredPages, stars: DoubleArray | None) -> tuple[Calibration, float]:
    """Fit slopes to what happened and levels to what should; beside it the click bias that suits the pages shown."""
    pages, answered = found.pages, found.answered
    counted = ~pages.uniform
    rated = pages.taken if stars is not None else np.zeros_like(pages.taken)
    fit = fit_calibration(expit(answered.click[counted]), pages.taken[counted], answered.stars[rated], pages.stars[rated])
    leaving = fit_leaving(answered.leave, found.visits.pages, found.visits.ended)
    numbers = Calibration(
        click_slope=fit.click_slope,
        click_bias=match_clicks(fit.click_slope, answered.click[pages.uniform], found.click_rate),
        stars_slope=fit.stars_slope,
        stars_offsets=fit.stars_offsets if stars is None else match_stars(fit.stars_slope, answered.stars[rated], stars),
        leave_slope=leaving.slope,
        leave_bias=leaving.bias,
    )
    return numbers, fit.click_bias


def _record(players: LanguageUsers, found: MeasuredPages, fitted: BoolArray, seed: int) -> dict[str, Any]:
    """Return what the calibration is of, and who of the users asked, bool [p], it was fitted on."""
    model, dataset = players.model, found.dataset
    asked = dataset.ratings.users[found.pages.user_index]
    apart = {} if fitted.all() else {"users_apart": asked[~fitted].tolist()}
    return {
        "model": model.name,
        "realisation": model.elicitation,
        "templates": players.templates_fingerprint,
        "template_family": players.parameters.templates,
        "contrast": players.parameters.contrast,
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "seed": seed,
        "click_rate": found.click_rate,
        "visits": found.visits.basis,
        "users_fitted": asked[fitted].tolist(),
        **apart,
    }
