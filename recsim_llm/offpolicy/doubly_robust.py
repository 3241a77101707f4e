"""The direct method, and estimators that correct it by importance weights.

A reward model predicts what a slot earns; its predictions for what the target would have shown are the direct method's
estimate, which is as wrong as the model. The doubly robust ones add the weighted errors that the model made on what was logged:
with exact propensities they are unbiased for any model, and the better the model, the less the weights matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.checked_columns import as_numbers
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.offpolicy.evaluations import OffPolicyEstimate, assemble_estimate
from recsim_llm.offpolicy.logged import LoggedSlates
from recsim_llm.offpolicy.targets import TargetView
from recsim_llm.offpolicy.weights import cut, prefix_weights, slate_weights, slot_weights
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["ModelValues", "cascade_doubly_robust", "direct_method", "slate_doubly_robust", "slot_doubly_robust"]


_ONE = np.ones((1, 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelValues:
    """What a reward model predicts for the pages of a log, in its order; from ``model_values``, or of your own making.

    Raises:
        DataError: shapes do not fit, or a prediction is not finite.
    """

    logged: DoubleArray
    """float64 [n, k]: reward of the logged item at its position."""
    expected: DoubleArray
    """float64 [n, k]: expected reward at each position of the slate that the target would have shown."""
    expected_next: DoubleArray | None = None
    """float64 [n, k]: expected reward at each position of what the target would have put there after the logged items before
    it; None where the target does not tell. Only ``cascade_doubly_robust`` needs it."""

    def __post_init__(self) -> None:
        logged = as_numbers("model values, logged", self.logged, ("pages", "slots"))
        object.__setattr__(self, "logged", logged)
        object.__setattr__(self, "expected", as_numbers("model values, expected", self.expected, logged.shape))
        if self.expected_next is not None:
            after = as_numbers("model values, expected_next", self.expected_next, logged.shape)
            object.__setattr__(self, "expected_next", after)

    def take(self, rows: BoolArray | IntArray) -> ModelValues:
        """Return some of the pages, by mask or position."""
        after = None if self.expected_next is None else self.expected_next[rows]
        return ModelValues(logged=self.logged[rows], expected=self.expected[rows], expected_next=after)


def direct_method(logged: LoggedSlates, values: ModelValues, *, confidence: float = CONFIDENCE) -> OffPolicyEstimate:
    """Average what the model expects of the target: ``mean(sum over slots of E[q])``.

    Beygelzimer & Langford 2009, KDD; Dudík, Langford & Li 2011, ICML. Its interval is about the users, not about how wrong the
    model may be.

    Args:
        logged: the log.
        values: what the model predicts.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: the values do not fit the log, or are not finite.
    """
    _check(logged, values)
    terms = [(values.expected, _ONE)]
    name = "direct method"
    return assemble_estimate(name, logged.user_id, terms, weights=None, clip=None, confidence=confidence, by_position=True)


def slate_doubly_robust(
    logged: LoggedSlates,
    target: TargetView,
    values: ModelValues,
    *,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = CONFIDENCE,
) -> OffPolicyEstimate:
    """Correct the direct method by whole slates: ``mean(sum of E[q] + w * (r - q))`` with slate weights ``w``.

    Dudík, Langford & Li 2011, ICML. Self-normalised: the corrections are divided by the sum of the weights (Kallus &
    Uehara 2019, NeurIPS).

    Args:
        logged: the log.
        target: the target's probabilities of what was logged.
        values: what the model predicts.
        self_normalised: divide the corrections by the sum of the weights.
        clip: cut weights to this.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: a slate propensity is unknown, the log cannot support the target, or the values do not fit the log.
    """
    name = "self-normalised doubly robust" if self_normalised else "doubly robust"
    weights = slate_weights(logged, target, name)[:, None]
    return _corrected(name, logged, weights, values, self_normalised=self_normalised, clip=clip, confidence=confidence)


def slot_doubly_robust(
    logged: LoggedSlates,
    target: TargetView,
    values: ModelValues,
    *,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = CONFIDENCE,
) -> OffPolicyEstimate:
    """Correct the direct method slot by slot, with the weights of slot marginals.

    The doubly robust estimator (Dudík, Langford & Li 2011, ICML) of each slot as a page of its own, added up: unbiased
    where a click hangs on its item and position alone, as for ``independent_ips``. Self-normalised by position.

    Args:
        logged: the log.
        target: the target's probabilities of what was logged.
        values: what the model predicts.
        self_normalised: divide the corrections by the sums of the weights at each position.
        clip: cut weights to this.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: a slot marginal is unknown, the log cannot support the target, or the values do not fit the log.
    """
    name = "self-normalised slot-level doubly robust" if self_normalised else "slot-level doubly robust"
    weights = slot_weights(logged, target, name)
    return _corrected(name, logged, weights, values, self_normalised=self_normalised, clip=clip, confidence=confidence)


def cascade_doubly_robust(
    logged: LoggedSlates,
    target: TargetView,
    values: ModelValues,
    *,
    look_ahead: bool = True,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = CONFIDENCE,
) -> OffPolicyEstimate:
    """Correct the direct method down the page, with the weights of prefixes.

    Kiyohara et al. 2022, WSDM, section 3.1: ``mean(sum over l of w_l * (r_l - Q_l) + w_(l-1) * E[Q_l])`` with ``w_0 = 1``,
    unbiased where nobody's click hangs on what stands below. ``Q_l`` should predict what the slate earns from position l on.
    The model predicts slots, so that ``Q_l`` is its prediction for the slot, and with ``look_ahead`` what it expects of the
    target at the positions below, whatever stands above: not exact, but any ``Q`` leaves the estimate unbiased. Self-normalised
    by the sum of the weights at each position (Thomas & Brunskill 2016, ICML).

    Args:
        logged: the log.
        target: the target's probabilities of what was logged.
        values: what the model predicts, with ``expected_next``.
        look_ahead: add to ``Q_l`` what is expected further down; False takes the values as they are.
        self_normalised: divide by the sums of the weights at each position instead of the number of pages.
        clip: cut weights to this.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: a prefix propensity or ``expected_next`` is unknown, the log cannot support the target, or the values do
            not fit the log.
    """
    name = "self-normalised cascade doubly robust" if self_normalised else "cascade doubly robust"
    _check(logged, values)
    if values.expected_next is None:
        raise DataError(
            f"{name}: got no expected_next, expected what the target would put after the logged items; give the target a "
            "method next_items (recsim_llm.recommenders.propensities.GivesNextItems), or take another estimator"
        )
    weights = prefix_weights(logged, target, name)
    used = cut(weights, clip)
    before = np.hstack([np.ones((len(used), 1)), used[:, :-1]])
    below = values.expected[:, ::-1].cumsum(axis=1)[:, ::-1] - values.expected if look_ahead else np.zeros_like(used)
    error = logged.reward - values.logged - below
    expected = values.expected_next + below
    if self_normalised:
        terms = [(used * error, used), (before * expected, before)]
    else:
        terms = [(used * error + before * expected, _ONE)]
    # With what lies further down in each term, the terms add up to the page's value, but are not those of positions.
    return assemble_estimate(
        name, logged.user_id, terms, weights=weights, clip=clip, confidence=confidence, by_position=not look_ahead
    )


def _corrected(
    name: str,
    logged: LoggedSlates,
    weights: DoubleArray,
    values: ModelValues,
    *,
    self_normalised: bool,
    clip: float | None,
    confidence: float,
) -> OffPolicyEstimate:
    _check(logged, values)
    used = cut(weights, clip)
    corrections = used * (logged.reward - values.logged)
    if self_normalised:
        terms = [(values.expected, _ONE), (corrections, used)]
    else:
        terms = [(values.expected + corrections, _ONE)]
    return assemble_estimate(name, logged.user_id, terms, weights=weights, clip=clip, confidence=confidence, by_position=True)


def _check(logged: LoggedSlates, values: ModelValues) -> None:
    if not isinstance(values, ModelValues):
        got = type(values).__name__
        raise ConfigError(
            f"model values: got {got}, expected ModelValues; make them by model_values(logged, policy, model, seed=...)"
        )
    if values.logged.shape != logged.reward.shape:
        raise DataError(
            f"model values: got shape {values.logged.shape}, expected {logged.reward.shape}, one a logged slot; make them of "
            "the same rows (model_values, ModelValues.take)"
        )
