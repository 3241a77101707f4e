"""Length: does a model tell users' tastes apart as well with a long history and a long page as with short ones?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.audits.design import AuditTrial, Design, Finding, area_under_curve
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.tokens import estimate_tokens
from recsim_llm.statistics.intervals import Estimate, mean_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Sweep", "SweepCell", "sweep"]


@dataclass(frozen=True, kw_only=True)
class SweepCell:
    """One length of history and one size of page."""

    history: int
    """Most earlier ratings that were told, the latest ones."""
    page_size: int
    """Items a page."""
    told: float
    """Earlier ratings told, mean over users."""
    tokens: float
    """Tokens of a prompt without rules and questions, estimated, mean over users."""
    auc: Estimate
    """Chance that an item which the user took later is ranked above another of the page; 0.5 is guessing."""
    change: Estimate
    """``auc`` less that of the first cell, paired by user."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Finding):
    """Discrimination of tastes by length of history and size of page; the same users and taken items in every cell."""

    cells: tuple[SweepCell, ...]
    """By page size, then by length of history, in the order given."""


def sweep(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    histories: Sequence[int] = (0, 5, 20, 80),
    page_sizes: Sequence[int] = (5, 10, 20),
    users: int = 30,
    taken: int = 2,
    parameters: LanguageParameters | None = None,
) -> Sweep:
    """Show the same users pages of several sizes, with histories of several lengths.

    A history is the user's latest ratings of the earlier part: in the persona, where the templates tell ratings, otherwise as
    recalled memories; nothing else tells a rating. What personas say of traits and tastes is told in every cell.

    Args:
        model: to be audited; asked once a user and cell.
        dataset: catalog and ratings.
        seed: of users and items.
        histories: numbers of ratings to tell.
        page_sizes: items a page; above ``taken``.
        users: how many users.
        taken: items of each page that the user rated later.
        parameters: for the templates; how many ratings they tell is swept.

    Raises:
        ConfigError: a number is out of range, or there is nothing to sweep.
        RecSimError: the model failed.
    """
    if not histories or not page_sizes or min(histories) < 0:
        got = f"histories {tuple(histories)} and page sizes {tuple(page_sizes)}"
        raise ConfigError(f"sweep: got {got}, expected at least one of each, and histories of 0 or more")
    cells: list[SweepCell] = []
    first: npt.NDArray[np.float64] | None = None
    asks = 0
    for page_size in page_sizes:
        design = Design(model, dataset, seed=seed, users=users, page_size=page_size, taken=taken, parameters=parameters)
        for length in histories:
            trials, told = _cell(design, length)
            curve = area_under_curve(design.answers(trials).click, design.pages.taken)
            first = curve if first is None else first
            tokens = [sum(estimate_tokens(part.text) for part in design.parts(trial)) for trial in trials]
            cells.append(
                SweepCell(
                    history=length,
                    page_size=page_size,
                    told=float(np.mean(told)),
                    tokens=float(np.mean(tokens)),
                    auc=mean_estimate(curve, bounds=(0, 1)),
                    change=mean_estimate(curve - first, bounds=(-1, 1)),
                )
            )
        asks += design.asks
    return Sweep(**{**design.about(), "asks": asks}, cells=tuple(cells))


def _cell(design: Design, length: int) -> tuple[list[AuditTrial], list[int]]:
    """Return a page for each user with a history of that length, and how many ratings each is told."""
    condition = f"history {length}"
    if design.templates.tells_history:
        design.tell_latest(length)
        trials = [AuditTrial(user, items, condition=condition) for user, items in enumerate(design.items)]
        return trials, [design.writer.told(user) for user in design.pages.user_index.tolist()]
    told = [life[max(len(life) - length, 0) :] for life in _histories(design)]
    trials = [
        AuditTrial(user, items, recent="\n".join(told[user]), condition=condition) for user, items in enumerate(design.items)
    ]
    return trials, [len(lines) for lines in told]


def _histories(design: Design) -> list[list[str]]:
    """Return each user's earlier ratings as lines, oldest first."""
    known, lives = design.known, []
    index = design.catalog.index_of(known.item_id)
    for user in design.pages.user_index.tolist():
        rows = np.flatnonzero(known.user_index == user)
        rows = rows[np.argsort(known.timestamp[rows], kind="stable")]
        lives.append([_line(design, item, stars) for item, stars in zip(index[rows], known.rating[rows], strict=True)])
    return lives


def _line(design: Design, item: int, stars: float) -> str:
    return "- " + design.templates.say("events.taken", item=design.writer.item(int(item)), stars=f"{stars:g}")
