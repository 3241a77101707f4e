"""Memorisation: does a model judge items by what it was told, or by what it knows of famous titles?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.agents.audits.design import Answers, AuditTrial, Design, Finding, area_under_curve
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core.ratings import Dataset
from recsim_llm.statistics.intervals import Estimate, mean_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Memorisation", "memorisation"]


@dataclass(frozen=True, kw_only=True)
class Memorisation(Finding):
    """What real titles add to years and genres; descriptions are left out.

    On a catalog that no model has read about, a change means that titles carry meaning of their own; what a famous catalog
    shows beyond that is memory of its items.
    """

    named: Estimate
    """Chance that an item which the user took later is ranked above another of the page, with real titles."""
    anonymous: Estimate
    """The same with titles such as ``Item 17``."""
    change: Estimate
    """``named`` less ``anonymous``, paired by user: what titles are worth. 0 for a model that reads only genres."""
    moved: Estimate
    """Mean absolute change of click probabilities between the two: how much titles matter, rightly or wrongly. 0 to 1."""
    stars_error_change: Estimate
    """Change of the mean absolute error of expected stars on items that the user rated later, with real titles; below 0
    means that titles help."""


def memorisation(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 50,
    page_size: int = 10,
    taken: int = 2,
    parameters: LanguageParameters | None = None,
) -> Memorisation:
    """Show each user's page with real and with anonymous titles.

    Args:
        model: to be audited; asked twice a user.
        dataset: catalog and ratings.
        seed: of users and items.
        users: how many users.
        page_size: items a page.
        taken: items of a page that the user rated later.
        parameters: for the templates.

    Raises:
        ConfigError: a number is out of range.
        RecSimError: the model failed.
    """
    design = Design(model, dataset, seed=seed, users=users, page_size=page_size, taken=taken, parameters=parameters)
    named = [
        AuditTrial(user, tuple(design.copy(item, description="") for item in items), condition="named")
        for user, items in enumerate(design.items)
    ]
    anonymous = [
        AuditTrial(
            user,
            tuple(design.copy(item, title=f"Item {item + 1}", description="") for item in items),
            condition="anonymous",
        )
        for user, items in enumerate(design.items)
    ]
    said = design.answers([*named, *anonymous])
    count, labels = len(named), design.pages.taken
    curve = area_under_curve(said.click[:count], labels), area_under_curve(said.click[count:], labels)
    error = _star_error(said, design, slice(count)) - _star_error(said, design, slice(count, None))
    return Memorisation(
        **design.about(),
        named=mean_estimate(curve[0], bounds=(0, 1)),
        anonymous=mean_estimate(curve[1], bounds=(0, 1)),
        change=mean_estimate(curve[0] - curve[1], bounds=(-1, 1)),
        moved=mean_estimate(np.abs(said.click[:count] - said.click[count:]).mean(axis=1), bounds=(0, 1)),
        stars_error_change=mean_estimate(error),
    )


def _star_error(said: Answers, design: Design, rows: slice) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(np.nanmean(np.abs(said.stars[rows] - design.pages.stars), axis=1))
