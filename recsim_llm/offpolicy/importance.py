"""Importance weighting: what was earned, weighed by how much likelier the target would have been to show it.

All estimate the mean reward a page that the target would have earned on the pages of the log, each page for itself: what users
had seen before is what the logging policy showed them. They differ in what they take the reward of a slot to hang on:

===============================  ==========================================  =====================
estimator                        the reward of a slot may hang on            propensities needed
===============================  ==========================================  =====================
``standard_ips``                 the whole slate                             slate
``reward_interaction_ips``       the items down to its position              prefix
``independent_ips``              its own item and position                   slot marginals
===============================  ==========================================  =====================

The fewer it may hang on, the smaller the weights, and the larger the bias where the assumption is wrong.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.checked_columns import check_choice
from recsim_llm.offpolicy.evaluations import OffPolicyEstimate, assemble_estimate
from recsim_llm.offpolicy.logged import LoggedSlates
from recsim_llm.offpolicy.targets import TargetView
from recsim_llm.offpolicy.weights import cut, prefix_weights, slate_weights, slot_weights
from recsim_llm.statistics.intervals import CONFIDENCE

__all__ = ["Outcome", "earned", "independent_ips", "reward_interaction_ips", "standard_ips"]

Outcome = Literal["slots", "page"]


def standard_ips(
    logged: LoggedSlates,
    target: TargetView,
    *,
    outcome: Outcome = "slots",
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = CONFIDENCE,
) -> OffPolicyEstimate:
    """Weigh whole slates: ``mean(w * r)`` with ``w = p_target(slate) / p_logging(slate)``; assumes nothing about users.

    Horvitz & Thompson 1952, *JASA* 47; McInerney et al. 2020, KDD, eq. 1. Self-normalised: ``sum(w * r) / sum(w)``
    (Swaminathan & Joachims 2015, NIPS), which is consistent and keeps within the range of the rewards.

    Args:
        logged: the log.
        target: the target's probabilities of what was logged.
        outcome: ``slots`` adds up what the slots earned, ``page`` takes the page's own reward.
        self_normalised: divide by the sum of the weights instead of the number of pages.
        clip: cut weights to this.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: a slate propensity is unknown, or the log cannot support the target.
    """
    name = "self-normalised IPS" if self_normalised else "IPS"
    weights = slate_weights(logged, target, name)
    wide = cut(weights, clip)[:, None]
    return assemble_estimate(
        name,
        logged.user_id,
        [(wide * earned(logged, outcome), wide if self_normalised else np.ones((1, 1)))],
        weights=weights,
        clip=clip,
        confidence=confidence,
        by_position=outcome == "slots",
    )


def reward_interaction_ips(
    logged: LoggedSlates,
    target: TargetView,
    *,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = CONFIDENCE,
) -> OffPolicyEstimate:
    """Weigh each slot by the slate down to it: right where nobody's click hangs on what stands below (a cascade).

    McInerney et al. 2020, KDD, eq. 4 (RIPS). Self-normalised by the sum of the weights at each position.

    Args:
        logged: the log.
        target: the target's probabilities of what was logged.
        self_normalised: divide by the sums of the weights instead of the number of pages.
        clip: cut weights to this.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: a prefix propensity is unknown, or the log cannot support the target.
    """
    name = "self-normalised reward-interaction IPS" if self_normalised else "reward-interaction IPS"
    weights = prefix_weights(logged, target, name)
    return _by_slot(name, logged, weights, self_normalised=self_normalised, clip=clip, confidence=confidence)


def independent_ips(
    logged: LoggedSlates,
    target: TargetView,
    *,
    self_normalised: bool = False,
    clip: float | None = None,
    confidence: float = CONFIDENCE,
) -> OffPolicyEstimate:
    """Weigh each slot by its own slot marginals: right where a click hangs on its item and position alone.

    Li et al. 2018, KDD (item-position model); McInerney et al. 2020, KDD, eq. 2 (IIPS). Self-normalised by the sum
    of the weights at each position.

    Args:
        logged: the log.
        target: the target's probabilities of what was logged.
        self_normalised: divide by the sums of the weights instead of the number of pages.
        clip: cut weights to this.
        confidence: of the intervals, 0 to 1.

    Raises:
        DataError: a slot marginal is unknown, or the log cannot support the target.
    """
    name = "self-normalised independent IPS" if self_normalised else "independent IPS"
    weights = slot_weights(logged, target, name)
    return _by_slot(name, logged, weights, self_normalised=self_normalised, clip=clip, confidence=confidence)


def earned(logged: LoggedSlates, outcome: Outcome) -> DoubleArray:
    """Return what pages earned, by slot [n, k] or as a whole [n, 1].

    Raises:
        ConfigError: the outcome is unknown.
    """
    check_choice("outcome", outcome, ("slots", "page"))
    return logged.reward if outcome == "slots" else logged.page_reward[:, None]


def _by_slot(
    name: str, logged: LoggedSlates, weights: DoubleArray, *, self_normalised: bool, clip: float | None, confidence: float
) -> OffPolicyEstimate:
    used = cut(weights, clip)
    return assemble_estimate(
        name,
        logged.user_id,
        [(used * logged.reward, used if self_normalised else np.ones((1, 1)))],
        weights=weights,
        clip=clip,
        confidence=confidence,
        by_position=True,
    )
