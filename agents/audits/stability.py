"""Stability: do users decide the same when titles are written a little differently?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.agents.audits.design import AuditTrial, Design, Finding
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core import keyed
from recsim_llm.core.ratings import Dataset
from recsim_llm.statistics.intervals import Estimate, mean_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["PERTURBATIONS", "Agreement", "Perturbation", "Stability", "stability"]

Perturbation = Callable[[str, int], str]
"""Takes a title and a 64-bit word to draw by; returns the title written otherwise."""

_ARTICLES = ("The ", "A ", "An ")


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far decisions on perturbed pages are those on the pages as they are."""

    perturbation: str
    """What was done to every title of the page."""
    decisions: Estimate
    """Share of click decisions that stay: with the same dice, a click of probability p and one of q fall alike with probability
    ``1 - |p - q|``."""
    favourite: Estimate
    """Share of pages whose most probable click stays the same item, the first of equals."""
    stars: Estimate
    """Mean absolute change of expected stars."""


@dataclass(frozen=True, kw_only=True)
class Stability(Finding):
    """Agreement by perturbation. ``repeat`` asks the same again: the ceiling, below 1 only where answers are sampled."""

    agreements: tuple[Agreement, ...]
    """One a perturbation, ``repeat`` first."""


def _typo(title: str, word: int) -> str:
    """Swap two neighbouring letters inside a word."""
    places = [at for at in range(1, len(title) - 2) if title[at - 1 : at + 2].isalpha() and title[at] != title[at + 1]]
    if not places:
        return title
    at = places[word % len(places)]
    return title[:at] + title[at + 1] + title[at] + title[at + 2 :]


def _capitals(title: str, _: int) -> str:
    return title.upper()


def _paraphrase(title: str, _: int) -> str:
    """Move the article behind the title, as catalogs do; say of others that they are a title."""
    for article in _ARTICLES:
        if title.startswith(article):
            return f"{title.removeprefix(article)}, {article.strip()}"
    return f"The one called {title}"


PERTURBATIONS: Mapping[str, Perturbation] = MappingProxyType({"typo": _typo, "capitals": _capitals, "paraphrase": _paraphrase})
"""What may be done to a title without changing what it means."""


def stability(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 30,
    page_size: int = 8,
    perturbations: Mapping[str, Perturbation] = PERTURBATIONS,
    parameters: LanguageParameters | None = None,
) -> Stability:
    """Show each user's page as it is and with each perturbation of its titles.

    Args:
        model: to be audited; asked once a user and perturbation, and twice more for the page as it is.
        dataset: catalog and ratings.
        seed: of users, items and typos.
        users: how many users.
        page_size: items a page.
        perturbations: by name.
        parameters: for the templates.

    Raises:
        ConfigError: a number is out of range.
        RecSimError: the model failed.
    """
    design = Design(model, dataset, seed=seed, users=users, page_size=page_size, taken=1, parameters=parameters)
    trials = [AuditTrial(user, items, condition="first") for user, items in enumerate(design.items)]
    trials += [AuditTrial(user, items, condition="repeat") for user, items in enumerate(design.items)]
    for name, change in perturbations.items():
        for user, items in enumerate(design.items):
            trials.append(AuditTrial(user, tuple(_changed(design, item, change, name) for item in items), condition=name))
    said = design.answers(trials)
    click, stars = (values.reshape(-1, len(design), page_size) for values in (said.click, said.stars))
    favourite = click.argmax(axis=2)
    return Stability(
        **design.about(),
        agreements=tuple(
            Agreement(
                perturbation=name,
                decisions=mean_estimate(1 - np.abs(click[place] - click[0]).mean(axis=1), bounds=(0, 1)),
                favourite=mean_estimate((favourite[place] == favourite[0]).astype(np.float64), bounds=(0, 1)),
                stars=mean_estimate(np.abs(stars[place] - stars[0]).mean(axis=1), bounds=(0, 4)),
            )
            for place, name in enumerate(["repeat", *perturbations], 1)
        ),
    )


def _changed(design: Design, item: int, change: Perturbation, name: str) -> int:
    word = int(keyed.words(design.seed, f"perturbation {name}", item)[0])
    return design.copy(item, title=change(str(design.catalog.title[item]), word))
