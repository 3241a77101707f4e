"""Calling a plug-in under test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.errors import ContractError

__all__ = ["checked_call"]


def checked_call(name: str, verb: str, inputs: tuple[npt.NDArray[Any], ...], act: Callable[[], Any]) -> Any:
    """Return what the call returns, and see to it that it raises nothing and leaves its inputs alone.

    Args:
        name: of the plug-in.
        verb: of the call.
        inputs: the arrays that it is given.
        act: makes the call.

    Raises:
        ContractError: it raised, or an input changed.
    """
    before = [column.copy() for column in inputs]
    try:
        outcome = act()
    except ContractError:
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise ContractError(f"{name}: got {got} from {verb}, expected it to serve any valid input; see its cause") from error
    for column, copy in zip(inputs, before, strict=True):
        if not np.array_equal(column, copy, equal_nan=column.dtype.kind == "f"):
            raise ContractError(f"{name}: got inputs changed by {verb}, expected them as they were; work on copies")
    return outcome
