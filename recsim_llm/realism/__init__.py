"""How like real people a user model is: the realism card, on held-out ratings, beside baselines."""

from recsim_llm.realism.adapters import choice_candidate, language_factory, world_factory
from recsim_llm.realism.candidates import Candidate, Factory, UserModelCandidate
from recsim_llm.realism.card import Card, card_lines, realism_card
from recsim_llm.realism.held_out import HeldOut, hold_out
from recsim_llm.realism.lines.line import Line, Measure, Row, not_assessed
from recsim_llm.realism.resampling import Resampler, Series
from recsim_llm.realism.trials import CardSettings

__all__ = [
    "Candidate",
    "Card",
    "CardSettings",
    "Factory",
    "HeldOut",
    "Line",
    "Measure",
    "Resampler",
    "Row",
    "Series",
    "UserModelCandidate",
    "card_lines",
    "choice_candidate",
    "hold_out",
    "language_factory",
    "not_assessed",
    "realism_card",
    "world_factory",
]
