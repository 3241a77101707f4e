"""Reflection: what a user makes of what happened lately, by counting the good and the bad in the same way.

Nothing here prefers one side: evidence with valence and stars mirrored gives the same reflection with likes and dislikes
exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.memory.memory_settings import MemorySettings
from recsim_llm.core.arrays import BoolArray, FloatArray

__all__ = ["Reflection", "TopicEvidence", "TopicTally", "reflect"]

_NAMED = 3


class TopicEvidence(NamedTuple):
    """What a reflection is made from: observations of one user, oldest first."""

    age: npt.NDArray[np.float64]
    """float64 [n]: pages since."""
    valence: FloatArray
    """float32 [n]: -1 to 1; above 0 liked, below 0 disliked."""
    stars: FloatArray
    """float32 [n]: NaN where none were given."""
    topics: BoolArray
    """bool [n, t]."""


class TopicTally(NamedTuple):
    """Evidence on one topic."""

    topic: str
    """Its name."""
    seen: int
    """Observations."""
    liked: int
    """Of those, with a valence above 0."""
    disliked: int
    """Of those, with a valence below 0."""
    stars: float
    """Mean of the stars given; NaN where none were."""

    @property
    def rated(self) -> bool:
        """Whether any stars were given."""
        return not np.isnan(self.stars)


class Reflection(NamedTuple):
    """What a user makes of the evidence."""

    overall: TopicTally
    """All of it; its topic is empty."""
    enjoyed: tuple[TopicTally, ...]
    """Topics that were clearly more good than bad, the weightiest first; at most three."""
    let_down: tuple[TopicTally, ...]
    """Topics that were clearly more bad than good, likewise."""
    mixed: tuple[TopicTally, ...]
    """Topics in between, those with most evidence first; at most three."""
    valence: float
    """Mean valence of the evidence, recent evidence counting more: -1 to 1."""


def reflect(evidence: TopicEvidence, topics: Sequence[str], settings: MemorySettings) -> Reflection:
    """Count what was liked and disliked, by topic and in all.

    A topic is enjoyed where its mean valence, each observation counting ``2 ** (-age / evidence_half_life)``, is above
    ``opinion_from``, a letdown where it is below minus that, and mixed in between. Topics with fewer than ``least_evidence``
    observations are not named.

    Args:
        evidence: at least one observation.
        topics: their names.
        settings: the thresholds.
    """
    # Only ratios of weights matter: counting from the youngest keeps them from vanishing after a long pause.
    weight = np.exp2((evidence.age.min() - evidence.age) / settings.evidence_half_life)
    valence = evidence.valence.astype(np.float64)
    everything = np.ones(len(valence), np.bool_)
    sides: dict[str, list[tuple[float, TopicTally]]] = {"enjoyed": [], "let_down": [], "mixed": []}
    for column, topic in enumerate(topics):
        of_topic = evidence.topics[:, column]
        if of_topic.sum() < settings.least_evidence:
            continue
        held = float(weight[of_topic].sum())
        mean = float((weight * valence)[of_topic].sum()) / held if held > 0 else 0.0
        side = "enjoyed" if mean > settings.opinion_from else "let_down" if mean < -settings.opinion_from else "mixed"
        weighty = held if side == "mixed" else abs(mean) * held
        sides[side].append((weighty, _tally(topic, of_topic, evidence)))
    named = {side: _weightiest(tallies) for side, tallies in sides.items()}
    mean = float((weight * valence).sum() / weight.sum())
    return Reflection(_tally("", everything, evidence), named["enjoyed"], named["let_down"], named["mixed"], mean)


def _weightiest(tallies: list[tuple[float, TopicTally]]) -> tuple[TopicTally, ...]:
    return tuple(tally for _, tally in sorted(tallies, key=lambda pair: -pair[0])[:_NAMED])


def _tally(topic: str, chosen: BoolArray, evidence: TopicEvidence) -> TopicTally:
    valence, stars = evidence.valence[chosen], evidence.stars[chosen]
    given = stars[~np.isnan(stars)].astype(np.float64)
    mean = float(given.sum() / len(given)) if len(given) else float("nan")
    return TopicTally(topic, len(valence), int((valence > 0).sum()), int((valence < 0).sum()), mean)
