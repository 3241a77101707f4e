"""How much taste a language model's users have on a data set, beside the fitted choice users and popularity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from recsim_llm.agents.choice.choice_candidate import choice_candidate
from recsim_llm.agents.language.language_candidate import language_factory
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.core.ratings import Dataset
from recsim_llm.realism.candidates import Factory
from recsim_llm.realism.taste_measure import Taste, measure_taste
from recsim_llm.realism.taste_pages import Kind

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["LANGUAGE_USERS", "language_taste"]

LANGUAGE_USERS = "language users"
"""Their row."""


def language_taste(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int | None = 40,
    page_items: int = 20,
    kinds: Sequence[Kind] = ("nearest", "uniform"),
    parameters: LanguageParameters | None = None,
    apart: Sequence[int] = (),
    choice: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Taste:
    """Measure how well language users pick what a person later liked; see ``recsim_llm.realism.measure_taste``.

    One page a user and kind, and one of liked and disliked items; its answers about clicks and stars are asked for once where
    the model keeps them.

    Args:
        model: is asked.
        dataset: all ratings; prompts come from the earlier part alone.
        seed: of users, items and their order.
        users: most users; None takes all.
        page_items: items a page.
        kinds: of negatives.
        parameters: how users are asked.
        apart: outside ids of users that something was chosen or fitted on.
        choice: also fit choice users on the earlier part, and show them beside.
        progress: told what is being done.

    Raises:
        ConfigError: a number is out of range.
        DataError: no user has enough held-out items.
        RecSimError: the model failed.
    """
    candidates: dict[str, Factory] = {LANGUAGE_USERS: language_factory(model, parameters=parameters, page_size=page_items)}
    if choice:
        candidates["choice users"] = choice_candidate
    return measure_taste(
        dataset,
        candidates,
        seed=seed,
        users=users,
        page_items=page_items,
        kinds=kinds,
        apart=apart,
        spent=lambda: model.meter()._asdict(),
        progress=progress,
    )
