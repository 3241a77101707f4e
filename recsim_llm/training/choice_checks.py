"""What a policy answers, checked: a plug-in may answer anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from recsim_llm.errors import ContractError
from recsim_llm.training.learners import Choice

__all__ = ["check_choice"]


def check_choice(choice: object, space: spaces.Space[Any], rows: int, algorithm: str) -> Choice:
    """See to it that a policy answered with one action for each row.

    Args:
        choice: what ``Policy.act`` returned.
        space: actions of one user.
        rows: users that it was asked about.
        algorithm: name of its learner, for the error text.

    Raises:
        ContractError: it did not.
    """
    what, shape = f"algorithm {algorithm!r}, act of its policy", (rows, *(space.shape or ()))
    if not isinstance(choice, Choice):
        raise ContractError(f"{what}: got {type(choice).__name__}, expected a Choice of recsim_llm.training.learners")
    action = np.asarray(choice.action)
    # A page of one item may also be named by one number a user.
    named = action.shape == shape or (shape[1:] == (1,) and action.shape == (rows,))
    if isinstance(space, spaces.MultiDiscrete):
        options, kind = int(space.nvec[0]), "integers"
        right = named and np.issubdtype(action.dtype, np.integer)
        if right and not ((action >= 0) & (action < options)).all():
            raise ContractError(f"{what}: got actions from {action.min()} to {action.max()}, expected 0 to {options - 1}")
    else:
        options, kind = 0, "finite numbers"
        right = named and np.issubdtype(action.dtype, np.floating) and bool(np.isfinite(action).all())
    if not right:
        raise ContractError(f"{what}: got {action.dtype} of shape {action.shape}, expected {kind} of shape {shape}")
    scores = choice.scores
    if scores is not None and (scores.shape != (*shape, options) or np.isnan(scores).any()):
        raise ContractError(f"{what}: got scores of shape {scores.shape}, expected numbers of shape {(*shape, options)}")
    return choice
