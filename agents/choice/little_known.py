"""What data were too few to tell, in words: a model of little knowledge says so."""

from __future__ import annotations

import numpy as np

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.core.ratings import Dataset

__all__ = ["FEW_RATINGS", "little_known"]

FEW_RATINGS = 5
"""Ratings of the user in the middle below which tastes are mostly those of everyone; the shrinkage of a user's vectors is worth
20 ratings."""


def little_known(dataset: Dataset, model: ChoiceModel | None) -> tuple[str, ...]:
    """Say what the users cannot know, each in a sentence; nothing where the data are of common size.

    Args:
        dataset: what the users were made from.
        model: the item side of fitted users; None for users that were not fitted.
    """
    ratings, found = dataset.ratings, []
    middle = float(np.median(np.bincount(ratings.user_index)))
    if middle < FEW_RATINGS:
        found.append(
            f"half of the {len(ratings.users):,} users have {middle:g} ratings or fewer: their tastes are mostly those of "
            "everyone; about 20 ratings a user tell them apart"
        )
    if len(ratings.levels) == 1 and dataset.feedback == "explicit":
        found.append(f"every rating is {ratings.levels[0]:g} stars, and so is every simulated one")
    if model is not None and model.selection:
        found.append(model.selection)
    if model is not None and not model.click_items[:, 1:].any():
        found.append(
            f"{len(ratings):,} ratings do not tell who would click what: every user clicks every item alike; a few hundred tell"
        )
    return tuple(found)
