"""The pseudo-inverse estimator for slates (Swaminathan, Krishnamurthy, Agarwal, Dudík, Langford, Jose & Zitouni 2017, NIPS).

It takes the page's reward to be a sum of unknown effects, one for each item at each position, and needs no rewards by slot.
With ``1_s`` the 0-1 vector of a slate over (position, item), ``q`` its expectation under the target and ``G`` the second
moments ``E[1_s 1_s']`` under the logging policy, the estimate is ``mean(r * q' G^+ 1_s)``. The weights ``q' G^+ 1_s`` average
to 1 and may be negative.

For pages of ``k`` out of ``m`` items drawn uniformly without replacement the inverse has a closed form: ``G`` is a sum of
Kronecker products of identities and matrices of ones, whose eigenspaces are the averages over positions, over items, both or
neither, with eigenvalues ``k / m`` (both), ``(m - k) / (m (m - 1))`` (positions only), 0 (items only) and ``1 / (m - 1)``
(neither), so that:

    w = 1 + m (m - 1) / (m - k) * (c / k - k / m) + (m - 1) * (d - c / k)

with ``d`` the sum over the slate's items of the target's probability to put the item where it stands, and ``c`` that to put it
anywhere on the page. With ``m = k`` the middle term falls away. For positions filled independently of each other
``w = sum over l of q_l / p_l - (k - 1)`` (Swaminathan et al. 2017; Vlassis et al. 2021, ICML).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import as_numbers, as_whole_numbers
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.offpolicy.evaluations import OffPolicyEstimate, assemble_estimate
from recsim_llm.offpolicy.importance import Outcome, earned
from recsim_llm.offpolicy.logged import CHANCES, LoggedSlates
from recsim_llm.offpolicy.targets import TargetView
from recsim_llm.offpolicy.weights import check_fit, known, slot_weights
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["LoggingPolicy", "moment_weights", "pseudo_inverse"]

LoggingPolicy = Literal["uniform", "independent"]

_TOLERANCE = 1e-5


def pseudo_inverse(
    logged: LoggedSlates,
    target: TargetView,
    *,
    logging: LoggingPolicy | DoubleArray,
    outcome: Outcome = "slots",
    self_normalised: bool = False,
    confidence: float = CONFIDENCE,
) -> OffPolicyEstimate:
    """Estimate the reward of a page by the pseudo-inverse estimator (formulas in the module).

    Args:
        logged: the log.
        target: the target's probabilities of what was logged; uniform logging needs its placements, independent logging its
            slot marginals.
        logging: how the logging policy filled pages: ``uniform``, at random without replacement, or ``independent``, each
            position without regard to the others. It must be true: the log's propensities are held against it, but they cannot
            prove it. For any other policy the weights, float64 [n], from ``moment_weights``.
        outcome: ``slots`` adds up what the slots earned, ``page`` takes the page's own reward.
        self_normalised: divide by the sum of the weights instead of the number of pages (wPI in the paper).
        confidence: of the interval, 0 to 1.

    Raises:
        ConfigError: the logging policy is not one of these.
        DataError: a propensity that is needed is unknown, or does not fit the logging policy.
    """
    name = "self-normalised pseudo-inverse" if self_normalised else "pseudo-inverse"
    if not isinstance(logging, str):
        weights = as_numbers(f"{name}, weights", logging, (len(logged),))
    elif logging == "uniform":
        weights = _uniform_weights(logged, target, name)
    elif logging == "independent":
        weights = _independent_weights(logged, target, name)
    else:
        raise ConfigError(f"logging: got {logging!r}, expected uniform, independent, or weights; see moment_weights")
    wide = weights[:, None]
    return assemble_estimate(
        name,
        logged.user_id,
        [(wide * earned(logged, outcome).sum(axis=1, keepdims=True), wide if self_normalised else np.ones((1, 1)))],
        weights=weights,
        clip=None,
        confidence=confidence,
        by_position=False,
    )


def moment_weights(marginals: npt.ArrayLike, moments: npt.ArrayLike, item_index: npt.ArrayLike) -> DoubleArray:
    """Return float64 [n]: the weights ``q' G^+ 1_s`` for any logging policy whose second moments are known.

    Args:
        marginals: [n, k, m]: the target's probability of each item at each position, given the page's request.
        moments: [n, k, m, k, m] or [k, m, k, m]: the logging policy's probability of two items at two positions.
        item_index: int [n, k]: what was shown, as positions among the ``m`` items.

    Raises:
        DataError: the target puts weight where the logging policy has none, or an array has another shape, or holds no
            probabilities or places.
    """
    wanted = as_numbers("pseudo-inverse, marginals", marginals, ("pages", "slots", "items"), bounds=CHANCES)
    pages, slots, items = wanted.shape
    shown = as_whole_numbers("pseudo-inverse, item_index", item_index, (pages, slots), least=0)
    if (shown >= items).any():
        raise DataError(
            f"pseudo-inverse, item_index: got {shown.max()}, expected places below {items}, the items of the marginals; give "
            "places, not ids"
        )
    size, each = slots * items, (slots, items, slots, items)
    second = as_numbers("pseudo-inverse, moments", moments, (..., *each), bounds=CHANCES)
    if second.shape not in (each, (pages, *each)):
        raise DataError(f"pseudo-inverse, moments: got shape {second.shape}, expected {each} or a page each; give one of these")
    second = np.broadcast_to(second, (pages, *each)).reshape(pages, size, size)
    inverse = np.linalg.pinv(second, hermitian=True)
    flat = wanted.reshape(pages, 1, size)
    # What the target wants must lie in the span of what the logging policy shows.
    if np.abs(flat @ inverse @ second - flat).max(initial=0.0) > _TOLERANCE:
        raise DataError(
            "pseudo-inverse: got a target that puts items where the logging policy never does (zero support), expected one "
            "that the log supports; log with a policy that explores"
        )
    slate = np.zeros((pages, slots, items))
    np.put_along_axis(slate, shown[:, :, None], 1.0, axis=2)
    weights: DoubleArray = (flat @ inverse @ slate.reshape(pages, size, 1))[:, 0, 0]
    return weights


def _uniform_weights(logged: LoggedSlates, target: TargetView, name: str) -> DoubleArray:
    check_fit(logged, target, name)
    slot = known(logged.propensity, "propensity", name, "the log")
    prefix = known(logged.prefix_propensity, "prefix_propensity", name, "the log")
    placed = known(target.placement, "placement", name, "the target")
    slots = logged.slots
    items = np.rint(1.0 / prefix[:, 0])
    fits = np.abs(prefix * (items[:, None] - np.arange(slots)) - 1.0) < _TOLERANCE
    fits &= np.abs(slot * items[:, None] - 1.0) < _TOLERANCE
    if not fits.all():
        raise DataError(
            f"{name}: got propensities of {np.count_nonzero(~fits.all(axis=1))} logged pages that are not those of uniform "
            "draws without replacement, expected all to be; take pages where they are, or give weights (moment_weights)"
        )
    here = np.einsum("njj->n", placed)
    anywhere = placed.sum(axis=(1, 2))
    return np.asarray(_closed_form(here, anywhere, items, slots))


def _closed_form(here: DoubleArray, anywhere: DoubleArray, items: DoubleArray, slots: int) -> DoubleArray:
    spare = items - slots
    # With as many items as slots the average over positions is always the same, and its term is 0 over 0.
    share = np.where(spare > 0, items * (items - 1.0) / np.maximum(spare, 1.0), 0.0)
    return 1.0 + share * (anywhere / slots - slots / items) + (items - 1.0) * (here - anywhere / slots)


def _independent_weights(logged: LoggedSlates, target: TargetView, name: str) -> DoubleArray:
    ratio = slot_weights(logged, target, name)
    prefix = known(logged.prefix_propensity, "prefix_propensity", name, "the log")
    if (np.abs(prefix - logged.propensity) > _TOLERANCE * prefix).any():
        raise DataError(
            f"{name}: got prefix propensities that differ from the slot marginals, expected the same for positions filled "
            "independently; take logging='uniform' if it is so, or give weights (moment_weights)"
        )
    weights: DoubleArray = ratio.sum(axis=1) - (logged.slots - 1.0)
    return weights
