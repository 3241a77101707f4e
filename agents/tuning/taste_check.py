"""What a tuned model knows of people whom it never met: the card's taste test on the users kept apart."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from recsim_llm.agents.language.language_candidate import LanguageCandidate
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.ratings import TRAIN_SHARE, Dataset
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.realism.baselines import TASTE_ROWS, Scorer
from recsim_llm.realism.held_out import HeldOut, hold_out
from recsim_llm.realism.page_scores import accuracies, areas
from recsim_llm.realism.resampling import Resampler, mean_statistic
from recsim_llm.realism.taste_pages import KINDS, Kind, TastePages, taste_pages

__all__ = ["PAGE_ITEMS", "SEEDS", "check_taste"]

PAGE_ITEMS = 20
"""Items a page, half of them consumed."""
SEEDS = 3
"""Pages of each user, with other items each."""
_ROWS = ("popularity", "item-kNN", "ALS")
_KINDS: tuple[Kind, ...] = ("uniform", "matched")
_TOKENS = 1 << 16  # of a prompt: what the model was trained to be told is told


def check_taste(
    model: LanguageModel, dataset: Dataset, users: IntArray, *, templates: str, rating_history: int, seed: int
) -> dict[str, Any]:
    """Return accuracy and area under the curve of a model and of baselines, as means over users with intervals.

    As on the realism card: the last fifth of each user's ratings is held out, half of a page was consumed then, the other half
    never. The threshold of a yes comes from other ones of these users. Baselines are fitted to the first four fifths of all
    users, these ones included.

    Args:
        model: answers.
        dataset: all ratings.
        users: outside ids of the users to test on.
        templates: words of the prompts.
        rating_history: most ratings that a prompt tells.
        seed: of pages, folds and draws.

    Returns:
        ``users``, how many had enough ratings, and by kind of negatives, measure and row an ``Estimate``.
    """
    held = hold_out(dataset, seed=seed, train_share=TRAIN_SHARE).of_users(users)
    parameters = LanguageParameters(templates=templates, rating_history=rating_history, prompt_tokens=_TOKENS)
    rows: dict[str, Scorer] = {
        "tuned": LanguageCandidate(held.training, model, parameters=parameters, seed=seed).taste,
        **{name: TASTE_ROWS[name].fit(held.training, seed) for name in _ROWS},
    }
    found: dict[str, Any] = {"users": 0}
    for kind in _KINDS:
        pages = [taste_pages(held, kind, page_items=PAGE_ITEMS, seed=seed + each, user_seed=seed) for each in range(SEEDS)]
        pages = [_only_one_to_one(page) for page in pages]
        found["users"] = len(pages[0].user_index)
        if found["users"]:
            found[KINDS[kind]] = _measure(held, rows, pages, seed)
    return found


def _measure(held: HeldOut, rows: dict[str, Scorer], pages: list[TastePages], seed: int) -> dict[str, Any]:
    counted = np.zeros(held.users, np.bool_)
    counted[pages[0].user_index] = True
    resampler = Resampler(counted, seed)
    table: dict[str, Any] = {"accuracy": {}, "AUC": {}}
    for row, score in rows.items():
        right, area = np.zeros(held.users), np.zeros(held.users)
        for page in pages:
            said, own = score(page.user_index, page.item_index), held.training.ratings.users
            right[page.user_index] += accuracies(page, said, own, seed) / len(pages)
            area[page.user_index] += areas(page, said, 1) / len(pages)
        for name, values in (("accuracy", right), ("AUC", area)):
            statistic = mean_statistic(np.where(counted, values, np.nan))
            table[name][row] = asdict(resampler.estimate(statistic(resampler.weights)))
    return table


def _only_one_to_one(page: TastePages) -> TastePages:
    """Return pages of the items of the ratio 1:1 alone."""
    kept, rows = page.page(1), len(page.user_index)
    return TastePages(
        page.user_index,
        page.item_index[kept].reshape(rows, -1),
        page.taken[kept].reshape(rows, -1),
        page.rank[kept].reshape(rows, -1),
        page.page_items,
    )
