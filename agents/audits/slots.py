"""Slot bias: does a model prefer places in the prompt, whatever stands there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.agents.audits.design import AuditTrial, Design, Finding
from recsim_llm.agents.audits.spread import spread_index
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core import keyed
from recsim_llm.core.ratings import Dataset
from recsim_llm.statistics.intervals import Estimate, mean_estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["SlotBias", "slot_bias"]


@dataclass(frozen=True, kw_only=True)
class SlotBias(Finding):
    """Click probability by the slot in which an item is presented; every item stands once in every slot."""

    curve: tuple[Estimate, ...]
    """Mean click probability by presented slot. Flat, since items cannot make a difference here."""
    index: Estimate
    """Position-bias index: standard deviation between slots of the curve, over its mean; see ``spread_index``. 0 is sound."""
    index_without_rotation: Estimate
    """The same for the positions of a log in which pages are shown as they are (``rotate`` false)."""
    index_with_rotation: Estimate
    """The same for the positions of a log in which each user's page is rotated by a keyed draw, as language users do:
    what of the model's slot bias still passes for a position bias of users."""


def slot_bias(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 30,
    page_size: int = 8,
    parameters: LanguageParameters | None = None,
) -> SlotBias:
    """Show each user's page in all its rotations and compare the slots.

    Args:
        model: to be audited; asked ``users * page_size`` times.
        dataset: catalog and ratings.
        seed: of users, items, and the rotation of a log.
        users: how many users; 3 or more for an interval.
        page_size: items a page.
        parameters: for the templates.

    Raises:
        ConfigError: a number is out of range.
        RecSimError: the model failed.
    """
    design = Design(model, dataset, seed=seed, users=users, page_size=page_size, taken=1, parameters=parameters)
    count, people = page_size, np.arange(len(design))
    trials = [
        AuditTrial(user, items[shift:] + items[:shift], condition=f"rotation {shift}")
        for user, items in enumerate(design.items)
        for shift in range(count)
    ]
    slot_click = design.answers(trials).click.reshape(-1, count, count)
    # From [user, rotation, slot] to [user, rotation, position]: at a rotation, slot 0 holds the item of that position.
    shift, position = np.arange(count)[:, None], np.arange(count)
    click = slot_click[:, shift, (position - shift) % count]
    usual = click.mean(axis=1)
    level = usual.mean(axis=1)
    drawn = keyed.words(seed, "presentation", design.user_id, 0, 0) % np.uint64(count)
    curve = slot_click.mean(axis=1)
    return SlotBias(
        **design.about(),
        curve=tuple(mean_estimate(curve[:, slot], bounds=(0, 1)) for slot in range(count)),
        index=spread_index(curve, level),
        index_without_rotation=spread_index(click[:, 0] - usual, level),
        index_with_rotation=spread_index(click[people, drawn.astype(np.int64)] - usual, level),
    )
