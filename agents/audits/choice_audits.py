"""Audits of choice users: the designs of ``strength`` and ``sweep``, answered by fitted users in place of a language model.

A choice user is not told a history, it is fitted to one: the sweep cuts the audited users' earlier ratings to the latest ones
and fits again, with everybody else's ratings as they are. What comes out is what a language model's findings can be held
against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.audits.design import KNOWN_SHARE, area_under_curve
from recsim_llm.agents.audits.strength import Strength, measure_strength, predicted_preference
from recsim_llm.agents.audits.sweep import Sweep, SweepCell
from recsim_llm.agents.choice.choice_candidate import choice_candidate
from recsim_llm.agents.language.calibration_pages import CalibrationPages, calibration_pages, known_population
from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.realism.candidates import Candidate
from recsim_llm.statistics.intervals import mean_estimate

__all__ = ["choice_strength", "choice_sweep"]


def choice_strength(dataset: Dataset, *, seed: int, users: int = 60, page_size: int = 10) -> Strength:
    """Compare what personas predict with what choice users do on the pages of ``strength``.

    Args:
        dataset: catalog and ratings; users are fitted to the earlier part.
        seed: of users and items, and of the fit.
        users: how many users; 4 or more for ``between``.
        page_size: items a page.

    Raises:
        ConfigError: a number is out of range.
        DataError: the earlier ratings are too few for a fit.
    """
    pages = calibration_pages(dataset, seed=seed, users=users, taken=1, page_size=page_size)
    known, _ = dataset.training_part(KNOWN_SHARE)
    fitted = choice_candidate(known, seed)
    stars = np.asarray(fitted.stars(pages.user_index, pages.item_index) @ fitted.levels.astype(np.float64))
    predicted = predicted_preference(pages, known_population(dataset), dataset.catalog)
    liking = fitted.taste(pages.user_index, pages.item_index)
    return measure_strength(predicted, liking, stars, about=_about(pages, len(pages.user_index)))


def choice_sweep(
    dataset: Dataset,
    *,
    seed: int,
    histories: Sequence[int] = (1, 5, 20, 80),
    page_sizes: Sequence[int] = (5, 10, 20),
    users: int = 60,
    taken: int = 2,
) -> Sweep:
    """Tell tastes apart with choice users who were fitted to histories of several lengths, on pages of several sizes.

    Args:
        dataset: catalog and ratings.
        seed: of users and items, and of the fits, one a length.
        histories: numbers of latest ratings that the audited users keep; 1 or more, since nobody can be fitted to nothing.
        page_sizes: items a page; above ``taken``.
        users: how many users.
        taken: items of each page that the user rated later.

    Raises:
        ConfigError: a number is out of range, or there is nothing to sweep.
        DataError: the earlier ratings are too few for a fit.
    """
    if not histories or not page_sizes or min(histories) < 1:
        got = f"histories {tuple(histories)} and page sizes {tuple(page_sizes)}"
        raise ConfigError(f"sweep: got {got}, expected at least one of each, and histories of 1 or more for choice users")
    drawn = [calibration_pages(dataset, seed=seed, users=users, taken=taken, page_size=size) for size in page_sizes]
    known, _ = dataset.training_part(KNOWN_SHARE)
    kept = [_latest(known.ratings, drawn[0].user_index, length) for length in histories]
    fits = [choice_candidate(known.of_ratings(known.ratings.take(rows)), seed) for rows in kept]
    told = [_told(known.ratings.take(rows), drawn[0].user_index) for rows in kept]
    curves = [[_curve(fitted, pages) for fitted in fits] for pages in drawn]
    cells = [
        SweepCell(
            history=length,
            page_size=size,
            told=told[place],
            tokens=0.0,
            auc=mean_estimate(of_size[place], bounds=(0, 1)),
            change=mean_estimate(of_size[place] - curves[0][0], bounds=(-1, 1)),
        )
        for size, of_size in zip(page_sizes, curves, strict=True)
        for place, length in enumerate(histories)
    ]
    asks = len(drawn[0].user_index) * len(cells)
    return Sweep(**_about(drawn[0], asks), cells=tuple(cells))


def _about(pages: CalibrationPages, asks: int) -> dict[str, Any]:
    return {"model": "choice users", "realisation": "fitted", "users": len(pages.user_index), "asks": asks}


def _curve(fitted: Candidate, pages: CalibrationPages) -> DoubleArray:
    return area_under_curve(fitted.taste(pages.user_index, pages.item_index), pages.taken)


def _latest(ratings: Ratings, users: npt.NDArray[np.int64], length: int) -> BoolArray:
    """Return bool [r]: all ratings of other users, and the latest ones of these."""
    order = np.lexsort((np.arange(len(ratings)), ratings.timestamp, ratings.user_index))
    counts = np.bincount(ratings.user_index)
    from_last = np.empty(len(ratings), np.int64)
    from_last[order] = np.repeat(np.cumsum(counts), counts) - np.arange(len(ratings))
    return np.asarray(~np.isin(ratings.user_index, users) | (from_last <= length))


def _told(ratings: Ratings, users: npt.NDArray[np.int64]) -> float:
    return float(np.bincount(ratings.user_index, minlength=len(ratings.users))[users].mean())
