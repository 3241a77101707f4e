"""The questionnaire that users answer after a visit: statements with the construct that each stands for.

Constructs are those of ResQue (Pu, Chen & Hu 2011, *A user-centric evaluation framework for recommender systems*, RecSys, pp.
157-164) that need no screen: what users make of the recommendations, not of an interface. Statements are in our own words, in
the templates; each is answered from 1 (not at all) to 5 (fully). Two are worded against: a model that says yes to
everything agrees with both of two opposites, and gives itself away.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["OPPOSITES", "STATEMENTS", "Statement"]


class Statement(NamedTuple):
    """One statement of the questionnaire."""

    key: str
    """Short name; also the macro of its words in ``interview.jinja``."""
    construct: str
    """What it stands for."""
    reverse: bool = False
    """Worded against: agreeing is a bad sign."""


STATEMENTS = (
    Statement("accuracy", "Perceived accuracy"),
    Statement("attractiveness", "Attractiveness"),
    Statement("novelty", "Novelty"),
    Statement("diversity", "Diversity"),
    Statement("sameness", "Diversity", reverse=True),
    Statement("usefulness", "Perceived usefulness"),
    Statement("wasted", "Perceived usefulness", reverse=True),
    Statement("satisfaction", "Overall satisfaction"),
    Statement("trust", "Confidence and trust"),
    Statement("intent_to_return", "Intention to use again"),
)
"""The statements, in the order in which they are asked."""

OPPOSITES = (("diversity", "sameness"), ("usefulness", "wasted"))
"""Pairs of keys of which nobody should agree with both."""
