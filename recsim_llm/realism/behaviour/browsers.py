"""Users who browse pages that people were shown: what they click, whether they leave, how long they stay with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import ContractError

__all__ = ["Browsed", "BrowserFactory", "Browsers", "checked_browsing", "shown_only", "what_people_did"]


class Browsed(NamedTuple):
    """What was done with the pages of a log."""

    clicked: BoolArray
    """bool [n]: a row of the log each."""
    leaves: BoolArray | DoubleArray | None = None
    """[p]: the chance that the session ends after the page, one of ``Exposures.pages`` each, float64; or whether it does, bool,
    where only that is known. None where nobody can say."""
    dwell: DoubleArray | None = None
    """float64 [n]: seconds spent with what was clicked, NaN elsewhere and where unknown; None where nobody can say."""


class Browsers(Protocol):
    """Users who can be put before the pages of a log."""

    def browse(self, shown: Exposures, seed: int) -> Browsed:
        """Return what the log's users would do with each of its pages.

        Every page is shown, also after one at which they would have left: whether they leave is asked of each page for itself.
        The dice are keyed by seed, user, session, page and position, so that an answer does not hang on what else is in the
        log; of later pages of a session nothing may be known.

        Args:
            shown: pages without anything that people did: no click, dwell, rating or purchase.
            seed: of the dice.
        """
        ...


BrowserFactory = Callable[[Exposures], Browsers]
"""Fits browsers to the training part of a log. It is given nothing else of it, so it can know nothing else."""


def shown_only(exposures: Exposures) -> Exposures:
    """Return what was shown, without anything that people did with it."""
    nothing = np.zeros(len(exposures), np.bool_)
    return replace(exposures, clicked=nothing, dwell=None, rating=None, purchased=None)


def what_people_did(exposures: Exposures) -> Browsed:
    """Return the log's own clicks, departures and dwell times."""
    return Browsed(exposures.clicked, exposures.pages.last_of_session, exposures.dwell)


def checked_browsing(browsers: Browsers, exposures: Exposures, seed: int) -> Browsed:
    """Return what users do with the pages of a log; whatever people did is hidden from them.

    Raises:
        ContractError: an answer has the wrong shape or type, or a dwell time is negative.
    """
    told = browsers.browse(shown_only(exposures), seed)
    rows, pages = (len(exposures),), exposures.pages.first.shape
    clicked = np.asarray(told.clicked)
    leaves: npt.NDArray[Any] | None = None if told.leaves is None else np.asarray(told.leaves)
    _check_flags("clicked", clicked, rows)
    if leaves is not None and leaves.dtype != np.float64:
        _check_flags("leaves", leaves, pages)
    elif leaves is not None and (leaves.shape != pages or not ((leaves >= 0.0) & (leaves <= 1.0)).all()):
        got = f"shape {leaves.shape}" if leaves.shape != pages else "a number that is no chance"
        raise ContractError(f"browse, leaves: got {got}, expected chances from 0 to 1 of shape {pages}")
    dwell = None if told.dwell is None else np.asarray(told.dwell, np.float64)
    if dwell is not None and (dwell.shape != rows or (dwell < 0).any() or np.isinf(dwell).any()):
        got = f"shape {dwell.shape}" if dwell.shape != rows else "a time below 0 or without end"
        raise ContractError(f"browse, dwell: got {got}, expected seconds, 0 or more, of shape {rows}; NaN where unknown")
    return Browsed(clicked, leaves, dwell)


def _check_flags(name: str, found: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if found.shape != shape or found.dtype != np.bool_:
        raise ContractError(f"browse, {name}: got {found.dtype} of shape {found.shape}, expected bool of shape {shape}")
