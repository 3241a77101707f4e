"""Calibrating a language model's users on real ratings that they were not told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.language.calibration import Calibration, fit_calibration
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.base.questions import Ask, Elicitation, Prompt
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.personas import Population

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["CalibrationPages", "calibrate", "calibration_asks", "calibration_pages", "known_population"]

_KNOWN_SHARE = 0.8
_SEARCHED = 40  # neighbours in popularity among which an unrated item is drawn


class CalibrationPages(NamedTuple):
    """Pages of items of which some were really taken; what was taken is the label, and no prompt holds it."""

    user_index: IntArray
    """int64 [p]: positions in the data's users."""
    item_index: IntArray
    """int64 [p, k]: catalog positions in a random order."""
    taken: npt.NDArray[np.bool_]
    """bool [p, k]: the user rated the item later."""
    stars: npt.NDArray[np.float64]
    """float64 [p, k]: the rating; NaN where there is none."""


def calibrate(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 100,
    taken: int = 2,
    page_size: int = 10,
    click_rate: float | None = None,
    parameters: LanguageParameters | None = None,
) -> Calibration:
    """Fit a calibration to what a model says about real users' later choices.

    Personas are measured on the first 80% of each user's ratings. Each sampled user gets one page: items from the last 20%, the
    *taken* ones, among others as popular that the user never rated. One request a user, no memory.

    Args:
        model: to be calibrated.
        dataset: catalog and ratings; keep back what the calibrated users will be scored on.
        seed: of users, items and their order.
        users: how many users to sample; at most those who have enough later ratings.
        taken: rated items a page.
        page_size: items a page.
        click_rate: share of examined items that users take in the world to be simulated. The pages' own share,
            ``taken / page_size``, is a choice of this procedure: with a rate given, the click bias is shifted by the
            difference of the log-odds, the prior correction of case-control samples (King & Zeng 2001, section 3.1).
            None leaves it.
        parameters: for templates and the token budget; the calibration in it is overlooked.

    Returns:
        Click and stars calibrated; leaving unchanged, since ratings say nothing about it.

    Raises:
        ConfigError: a number is out of range.
        DataError: nobody has enough later ratings, and enough items that they never rated.
        RecSimError: the model failed.
    """
    if click_rate is not None and not 0 < click_rate < 1:
        raise ConfigError(f"calibrate: got click_rate {click_rate}, expected a number between 0 and 1")
    pages = calibration_pages(dataset, seed=seed, users=users, taken=taken, page_size=page_size)
    asks = calibration_asks(
        dataset, pages, parameters or LanguageParameters(), elicitation=model.elicitation, seed=seed, context=model.context
    )
    answers = [reply.answers for reply in model.ask(asks)]
    clicks = np.array([[answer.probabilities[0] for answer in page[:page_size]] for page in answers])
    stars = np.array([[answer.probabilities for answer in page[page_size : 2 * page_size]] for page in answers])
    fitted = fit_calibration(clicks.reshape(-1), pages.taken.reshape(-1), stars[pages.taken], pages.stars[pages.taken])
    shift = 0.0 if click_rate is None else _log_odds(click_rate) - _log_odds(taken / page_size)
    return Calibration(
        click_slope=fitted.click_slope,
        click_bias=fitted.click_bias + shift,
        stars_slope=fitted.stars_slope,
        stars_bias=fitted.stars_bias,
    )


def calibration_pages(dataset: Dataset, *, seed: int, users: int, taken: int, page_size: int) -> CalibrationPages:
    """Lay out pages with known outcomes; which items stand where does not depend on the stars.

    Raises:
        ConfigError: a number is out of range.
        DataError: nobody has enough later ratings, and enough items that they never rated.
    """
    check_whole_number("calibrate, users", users, least=1)
    check_whole_number("calibrate, taken", taken, least=1)
    check_whole_number("calibrate, page_size", page_size, least=taken + 1)
    known, later = dataset.ratings.split_by_time(_KNOWN_SHARE)
    everyone, items_there = dataset.ratings.users, len(dataset.catalog)
    count = np.bincount(np.searchsorted(everyone, later.user_id), minlength=len(everyone))
    pairs = np.unique(dataset.ratings.user_index * items_there + dataset.catalog.index_of(dataset.ratings.item_id))
    left = items_there - np.bincount(pairs // items_there, minlength=len(everyone))
    able = np.flatnonzero((count >= taken) & (left >= page_size - taken))
    if not able.size:
        raise DataError(
            f"calibrate: got no user among {len(everyone)} with {taken} ratings in the last fifth and {page_size - taken} of "
            f"{items_there} items unrated, expected one or more; use data with {5 * taken} ratings a user, or more items"
        )
    order = keyed.words(seed, "calibration users", everyone[able]).argsort(kind="stable")
    drawn = np.sort(able[order[:users]])
    draw = _Draw(dataset, known, later, seed)
    rows = [draw.page(int(everyone[user]), taken, page_size) for user in drawn]
    items, stars = (np.array(column) for column in zip(*rows, strict=True))
    return CalibrationPages(drawn, items.astype(np.int64), ~np.isnan(stars), stars)


def calibration_asks(
    dataset: Dataset,
    pages: CalibrationPages,
    parameters: LanguageParameters,
    *,
    elicitation: Elicitation,
    seed: int,
    context: int | None = None,
) -> list[Ask]:
    """Return what is asked about each page; labels do not enter.

    Args:
        dataset: catalog and ratings; personas come from the earlier part.
        pages: what is shown.
        parameters: for templates and the token budget.
        elicitation: how the model is asked.
        seed: tells sampled answers apart.
        context: tokens that the model reads and writes in one call; None: not known.
    """
    population = known_population(dataset)
    known, _ = dataset.ratings.split_by_time(_KNOWN_SHARE)
    history = RatingHistory(known, population.user_id, dataset.catalog, rates=population.rates)
    templates = Templates(parameters.templates)
    writer = PromptWriter(
        dataset.catalog, population, templates, elicitation, history=history, budget=parameters.budget(context)
    )
    writer.expect(pages.item_index.shape[1])
    asks = []
    for user, items in zip(pages.user_index.tolist(), pages.item_index.tolist(), strict=True):
        room = writer.room(user, len(items)) - parameters.memory_tokens
        parts = (writer.rules, writer.persona(user), writer.page(items, 0, room))
        user_id = int(population.user_id[user])
        asks.append(Ask(Prompt(parts), writer.questions(items), f"{seed} {user_id} calibration", str(user_id)))
    return asks


def known_population(dataset: Dataset) -> Population:
    """Return the data's users as the first 80% of each user's ratings show them, item popularity included."""
    known, _ = dataset.training_part(_KNOWN_SHARE)
    return population_from_ratings(known.ratings, known.catalog, known.demographics)


class _Draw:
    """Draws the items of one page after the other."""

    def __init__(self, dataset: Dataset, known: Ratings, later: Ratings, seed: int) -> None:
        index_of = dataset.catalog.index_of
        popularity = np.bincount(index_of(known.item_id), minlength=len(dataset.catalog))
        self._by_popularity = np.argsort(popularity, kind="stable")
        self._rank = np.argsort(self._by_popularity)
        self._rated = _items_by_user(dataset.ratings, index_of(dataset.ratings.item_id))
        self._later = _items_by_user(later, index_of(later.item_id))
        self._seed = seed

    def page(self, user_id: int, taken: int, size: int) -> tuple[IntArray, npt.NDArray[np.float64]]:
        """Return items and stars (NaN where not taken) by slot."""
        later = self._later[user_id]
        chosen = sorted(later, key=lambda item: self._word("calibration taken", user_id, item))[:taken]
        others: list[int] = []
        for number in range(size - taken):
            others.append(self._unrated(user_id, chosen[number % taken], number, {*self._rated[user_id], *others}))
        items = sorted([*chosen, *others], key=lambda item: self._word("calibration order", user_id, item))
        return np.array(items), np.array([later[item] if item in chosen else np.nan for item in items])

    def _unrated(self, user_id: int, like: int, number: int, rated: set[int]) -> int:
        """Draw one of the unrated items that are nearest in popularity to a given one."""
        ranks = self._nearest(int(self._rank[like]))
        free = [item for item in self._by_popularity[ranks].tolist() if item not in rated]
        if not free:
            free = [item for item in self._by_popularity.tolist() if item not in rated]
        return int(free[self._word("calibration other", user_id, number) % len(free)])

    def _nearest(self, rank: int) -> IntArray:
        start = min(max(rank - _SEARCHED // 2, 0), max(len(self._rank) - _SEARCHED, 0))
        return np.arange(start, min(start + _SEARCHED, len(self._rank)))

    def _word(self, purpose: str, user_id: int, number: int) -> int:
        return int(keyed.words(self._seed, purpose, user_id, number)[0])


def _items_by_user(ratings: Ratings, item: IntArray) -> dict[int, dict[int, float]]:
    table: dict[int, dict[int, float]] = {}
    for user_id, place, stars in zip(ratings.user_id.tolist(), item.tolist(), ratings.rating.tolist(), strict=True):
        table.setdefault(user_id, {})[place] = stars
    return table


def _log_odds(chance: float) -> float:
    return float(np.log(chance / (1 - chance)))
