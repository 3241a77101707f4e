"""The funnel: what is shown, clicked, saved and bought, each step as a share of the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.core.checked_columns import as_numbers
from recsim_llm.statistics import Estimate, mean_estimate, share_estimate

__all__ = ["Funnel", "measure_funnel"]


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """What becomes of what users are shown; intervals by user."""

    shown: int
    """Slots that showed an item."""
    clicks: int
    """Of these, those that were clicked."""
    saves: int
    """Of these, those whose item was saved."""
    purchases: int
    """Clicked items that were bought, whether they had been saved or not."""
    click_rate: Estimate
    """Clicks a slot."""
    save_rate: Estimate
    """Saves a click."""
    purchase_rate: Estimate
    """Purchases a click."""
    saved_purchase_rate: Estimate
    """Purchases of saved items, a save."""
    purchases_per_user: Estimate
    """Mean over all users who were shown something."""


def measure_funnel(
    *,
    shown: npt.ArrayLike,
    clicks: npt.ArrayLike,
    saves: npt.ArrayLike,
    purchases: npt.ArrayLike,
    saved_purchases: npt.ArrayLike,
) -> Funnel:
    """Measure the funnel from counts by user.

    Args:
        shown: [u]: slots that showed an item.
        clicks: [u].
        saves: [u].
        purchases: [u].
        saved_purchases: [u]: of what was saved.

    Raises:
        DataError: the columns differ in length, or a step counts more than the one before.
    """
    slots = as_numbers("shown", shown, ("users",))
    named = (("clicks", clicks), ("saves", saves), ("purchases", purchases), ("saved_purchases", saved_purchases))
    clicked, saved, bought, both = (as_numbers(name, column, slots.shape) for name, column in named)
    return Funnel(
        shown=int(slots.sum()),
        clicks=int(clicked.sum()),
        saves=int(saved.sum()),
        purchases=int(bought.sum()),
        click_rate=share_estimate(clicked, slots),
        save_rate=share_estimate(saved, clicked),
        purchase_rate=share_estimate(bought, clicked),
        saved_purchase_rate=share_estimate(both, saved),
        purchases_per_user=mean_estimate(bought[slots > 0], bounds=(0.0, np.inf)),
    )
