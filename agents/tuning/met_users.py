"""Whom a tuned model has met, as its card tells: nothing that is measured on them says how it does with others."""

from __future__ import annotations

import json
from pathlib import Path

from recsim_llm.agents.tuning.tune import CARD
from recsim_llm.core.ratings import Dataset
from recsim_llm.errors import DataError

__all__ = ["met_users"]

_PROVIDERS = ("transformers", "llamacpp")
_MET = ("training", "validation")


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
    place = Path(name)
    path = (place.parent if place.is_file() else place) / CARD
    if provider not in _PROVIDERS or not path.is_file():
        return ()
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        data, users = card["data"], [int(user) for part in _MET for user in card["users"][part]]
        same = data["name"] == dataset.name or data["fingerprint"] == dataset.fingerprint
    except (OSError, ValueError, TypeError, KeyError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path}: got {got}, expected the card of a tuned model; tune the model again, or restore it"
        ) from error
    return tuple(sorted(users)) if same else ()
