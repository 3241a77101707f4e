"""Importance weights, and the refusal to make them of what is not known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import check_number
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.offpolicy.logged import LoggedSlates
from recsim_llm.offpolicy.targets import TargetView

__all__ = ["check_fit", "cut", "known", "prefix_weights", "slate_weights", "slot_weights"]


_CERTAIN = 1e-6


class _Column(NamedTuple):
    """A propensity column and what needs it."""

    name: str
    """As in the log."""
    needs: str
    """What needs it, for the error's text."""


def slate_weights(logged: LoggedSlates, target: TargetView, estimator: str) -> DoubleArray:
    """Return float64 [n]: probability of the whole slate under the target over that under the logging policy.

    Raises:
        DataError: a slate propensity is unknown on either side, or the log cannot support the target.
    """
    check_fit(logged, target, estimator)
    column = _Column("slate_propensity", estimator)
    return _ratio(logged.slate_propensity, target.slate_propensity, column)


def slot_weights(logged: LoggedSlates, target: TargetView, estimator: str) -> DoubleArray:
    """Return float64 [n, k]: slot marginal under the target over that under the logging policy.

    Raises:
        DataError: a slot marginal is unknown on either side, or the log cannot support the target.
    """
    check_fit(logged, target, estimator)
    return _ratio(logged.propensity, target.propensity, _Column("propensity", estimator))


def prefix_weights(logged: LoggedSlates, target: TargetView, estimator: str) -> DoubleArray:
    """Return float64 [n, k]: probability of the slate down to each position under the target over the logging policy's.

    Raises:
        DataError: a prefix propensity is unknown on either side, or the log cannot support the target.
    """
    check_fit(logged, target, estimator)
    column = _Column("prefix_propensity", estimator)
    above = known(target.prefix_propensity, column.name, estimator, "the target")
    below = _positive(known(logged.prefix_propensity, column.name, estimator, "the log"), column)
    _check_support(_down(below), _down(above), column)
    return _down(above / below)


def check_fit(logged: LoggedSlates, target: TargetView, estimator: str) -> None:
    """Check that the target was asked about these very pages.

    Raises:
        ConfigError: one of them is something else.
        DataError: it has another number of pages or slots.
    """
    if not isinstance(logged, LoggedSlates):
        raise ConfigError(f"{estimator}: got {type(logged).__name__} as the log, expected LoggedSlates; make them by read_log")
    if not isinstance(target, TargetView):
        got = type(target).__name__
        raise ConfigError(
            f"{estimator}: got {got} as the target, expected a TargetView; make it by target_view(logged, policy)"
        )
    if target.prefix_propensity.shape != logged.item_id.shape:
        got, expected = target.prefix_propensity.shape, logged.item_id.shape
        raise DataError(
            f"{estimator}: got a target with {got[0]} pages of {got[1]} slots, expected {expected[0]} pages of {expected[1]}, "
            "those of the log in its order; make it of the same rows (target_view, TargetView.take)"
        )


def cut(weights: DoubleArray, clip: float | None) -> DoubleArray:
    """Return the weights, none above ``clip`` (Ionides 2008, *Journal of Computational and Graphical Statistics* 17).

    Raises:
        ConfigError: ``clip`` is not above 0.
    """
    if clip is None:
        return weights
    check_number("clip", clip, above=0.0)
    return np.minimum(weights, clip)


def known(values: DoubleArray, column: str, estimator: str, side: str) -> DoubleArray:
    """Return the values, all of which are known.

    Raises:
        DataError: some are not; nothing is put in their place.
    """
    unknown = int(np.count_nonzero(np.isnan(values)))
    if unknown:
        raise DataError(
            f"{estimator}: got {column} of {side} unknown in {unknown} of {values.size} entries, expected all of them; take an "
            "estimator that does not need it, or pages where it is known (LoggedSlates.take, TargetView.take)"
        )
    return values


def _ratio(below: DoubleArray, above: DoubleArray, column: _Column) -> DoubleArray:
    above = known(above, column.name, column.needs, "the target")
    below = _positive(known(below, column.name, column.needs, "the log"), column)
    _check_support(below, above, column)
    return above / below


def _down(prefix: DoubleArray) -> DoubleArray:
    """Return the products down the page."""
    return np.cumprod(prefix, axis=1).astype(np.float64)


def _positive(values: DoubleArray, column: _Column) -> DoubleArray:
    wrong = ~((values > 0.0) & (values <= 1.0 + _CERTAIN))
    if wrong.any():
        raise DataError(
            f"{column.needs}: got {column.name} {values[wrong][0]:g} in the log, expected above 0 and at most 1, since what "
            "was shown was possible; write NaN for unknown"
        )
    return values


def _check_support(below: DoubleArray, above: DoubleArray, column: _Column) -> None:
    """Refuse where the log holds nothing of the target, or is known not to hold all of it."""
    if ((above < 0.0) | (above > 1.0 + _CERTAIN)).any():
        raise DataError(
            f"{column.needs}: got {column.name} of the target outside 0 to 1, expected probabilities; check the target"
        )
    never = np.flatnonzero((above.reshape(len(above), -1) == 0.0).all(axis=0))
    if never.size:
        place = f" at position {never[0]}" if above.ndim > 1 else ""
        raise DataError(
            f"{column.needs}: got no logged page that the target could have shown{place} (zero support), expected some; log "
            "with a policy that explores, or take an estimator that needs less than whole slates"
        )
    short = (below >= 1.0 - _CERTAIN) & (above < 1.0 - _CERTAIN)
    if short.any():
        raise DataError(
            f"{column.needs}: got a logging policy that was certain ({column.name} 1) in {np.count_nonzero(short)} entries "
            "where the target is not (zero support), expected one that can show all that the target does; "
            "log with one that explores"
        )
