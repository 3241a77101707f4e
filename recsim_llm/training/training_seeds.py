"""Seeds of a training, each a function of the scenario's seed and of what it is for."""

from __future__ import annotations

import numpy as np

from recsim_llm.core import keyed

__all__ = ["checkpoint_seed", "evaluation_seed", "first_seed"]


def first_seed(seed: int, number: int) -> int:
    """Return the seed of the first weights of one of several trainings."""
    return _seed("training", seed, number)


def checkpoint_seed(seed: int, number: int, checkpoint: int) -> int:
    """Return the seed of what is learned between a checkpoint and the next one, from 0."""
    return _seed("checkpoint", seed, number, checkpoint)


def evaluation_seed(seed: int) -> int:
    """Return the seed of the held-out users' dice, the same for all checkpoints, policies and baselines."""
    return _seed("evaluation", seed)


def _seed(purpose: str, seed: int, *numbers: int) -> int:
    word = keyed.words(seed, f"train {purpose}", *(np.array([number]) for number in numbers))
    return int(word[0] >> np.uint64(2))
