"""The card that ``tune`` leaves in a model's folder, as those read it who ask the model later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from recsim_llm.errors import DataError

__all__ = ["CARD", "TunedCard", "read_card"]

CARD = Path("tuning") / "card.json"
"""Where a tuned model's card is in its folder."""

_MET = ("training", "validation")


@dataclass(frozen=True, kw_only=True)
class TunedCard:
    """What must be known of a tuned model to ask it, and to judge what it answers."""

    templates: str
    """Family of prompts that it was trained in."""
    data: str
    """Name of the data set."""
    fingerprint: str
    """Of its ratings."""
    met: tuple[int, ...]
    """Outside ids of the users whom it was trained or watched on, ascending."""


def read_card(place: Path) -> TunedCard | None:
    """Return the card of a model; None where it was not tuned.

    Args:
        place: the model's folder, or a file in it.

    Raises:
        DataError: the card cannot be read.
    """
    path = (place.parent if place.is_file() else place) / CARD
    if not path.is_file():
        return None
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        return TunedCard(
            templates=str(card["settings"]["templates"]),
            data=card["data"]["name"],
            fingerprint=card["data"]["fingerprint"],
            met=tuple(sorted(int(user) for part in _MET for user in card["users"][part])),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        got = "other JSON" if isinstance(error, KeyError | TypeError) else f"{type(error).__name__}: {error}"
        raise DataError(
            f"{path}: got {got}, expected the card of a tuned model; tune the model again, or restore it"
        ) from error
