"""Whom a tuned model has met, as its card tells: nothing that is measured on them says how it does with others."""

from __future__ import annotations

from pathlib import Path

from recsim_llm.agents.tuning.tuned_card import read_card
from recsim_llm.core.ratings import Dataset

__all__ = ["met_users", "users_met_by"]

_PROVIDERS = ("transformers", "llamacpp")


def met_users(model: str, dataset: Dataset) -> tuple[int, ...]:
    """Return outside ids of the users whom a model was trained or watched on, ascending; none where it was not tuned.

    Args:
        model: ``provider/name``; of a folder that ``tune`` made, or of a file in it, the folder's card is read. A model
            behind a server's address tells nothing.
        dataset: whose users are asked for; a model that was tuned on data of another name and other ratings met none of them.

    Raises:
        DataError: the card cannot be read.
    """
    provider, _, name = model.partition("/")
    return users_met_by(Path(name).expanduser(), dataset) if provider in _PROVIDERS else ()


def users_met_by(place: Path, dataset: Dataset) -> tuple[int, ...]:
    """Return as ``met_users`` for a model in a folder, or in a file of one."""
    card = read_card(place)
    if card is None:
        return ()
    return card.met if card.data == dataset.name or card.fingerprint == dataset.fingerprint else ()
