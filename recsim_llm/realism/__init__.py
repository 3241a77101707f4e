"""How like real people a user model is: the realism card, on held-out ratings, beside baselines."""

from recsim_llm.realism.behaviour.browsers import Browsed, BrowserFactory, Browsers
from recsim_llm.realism.candidates import Candidate, Factory, UserModelCandidate, world_factory
from recsim_llm.realism.card import Card, realism_card
from recsim_llm.realism.held_out import HeldOut, hold_out
from recsim_llm.realism.line import Line, Measure, Row, not_assessed
from recsim_llm.realism.random_exposure import random_exposure_error, score_on_random_exposure
from recsim_llm.realism.resampling import Resampler, Series
from recsim_llm.realism.taste_measure import Taste, TasteCost, measure_taste
from recsim_llm.realism.trials import CardSettings
from recsim_llm.realism.whole_card import Subject, behaviour_card, whole_card

__all__ = [
    "Browsed",
    "BrowserFactory",
    "Browsers",
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
    "Subject",
    "Taste",
    "TasteCost",
    "UserModelCandidate",
    "behaviour_card",
    "hold_out",
    "measure_taste",
    "not_assessed",
    "random_exposure_error",
    "realism_card",
    "score_on_random_exposure",
    "whole_card",
    "world_factory",
]
