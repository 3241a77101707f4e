"""Users of several families: whose taste each user has.

A simulator that knows one family of recommenders crowns it. Users who each follow one of several families disagree about such
things, so that what a comparison finds can be held against each family alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed

__all__ = ["TASTE_FAMILIES", "draw_families", "families_of_run"]

TASTE_FAMILIES = ("popularity", "content", "factors", "neighbours", "sequence")
"""What a taste can be read from: what everybody consumes at a time; what items are; factors of who consumed what; what goes
with what the user consumed; what follows what the user consumed last."""


def draw_families(user_id: npt.NDArray[np.int64], families: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return int64 [u]: each user's family, a position in ``families``.

    Every user has dice for each family, and takes the one whose dice fall highest (Thaler & Ravishankar 1998, "Using name-based
    mappings to increase hit rates"): so a user keeps the family in every run, whoever else is there, in whatever order families
    are named, and if another one is left out.
    """
    dice = [keyed.words(0, f"taste family {name}", user_id) for name in families]
    return np.asarray(np.argmax(np.stack(dice), axis=0), np.int64)


def families_of_run(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the families that the users of a run, or the choice users behind them, were drawn from; none for one taste."""
    provenance = manifest.get("user_model_provenance") or {}
    provenance = provenance.get("choice", provenance)
    told = (provenance.get("parameter_sources") or {}).get("families") or {}
    return tuple(told.get("value") or ())
