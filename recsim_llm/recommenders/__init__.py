"""Recommenders: what one is, what it may be given and tell, and the shipped ones."""

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.recommenders.base import Recommender, check_slates, deterministic
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.recommenders.epsilon_greedy import EpsilonGreedy
from recsim_llm.recommenders.hooks import AsksModel, TakesTruth, TakesUserKeys, Truth
from recsim_llm.recommenders.item_knn import ItemKNN
from recsim_llm.recommenders.language_ranker import LanguageRanker
from recsim_llm.recommenders.linear_clicks import LinearClicks
from recsim_llm.recommenders.linucb import LinUCB
from recsim_llm.recommenders.matrix_factorization import MatrixFactorization
from recsim_llm.recommenders.oracle import Oracle
from recsim_llm.recommenders.popularity import Popularity
from recsim_llm.recommenders.propensities import (
    GivesNextItems,
    GivesPlacements,
    GivesPropensities,
    NextItems,
    Propensities,
    SamplesSlates,
)
from recsim_llm.recommenders.softmax import Softmax
from recsim_llm.recommenders.thompson import Thompson
from recsim_llm.recommenders.uniform import RandomRecommender

__all__ = [
    "AsksModel",
    "EpsilonGreedy",
    "FrozenSettings",
    "GivesNextItems",
    "GivesPlacements",
    "GivesPropensities",
    "ItemKNN",
    "LanguageRanker",
    "LinUCB",
    "LinearClicks",
    "MatrixFactorization",
    "NextItems",
    "Oracle",
    "Popularity",
    "Propensities",
    "RandomRecommender",
    "Recommender",
    "SamplesSlates",
    "Softmax",
    "TakesTruth",
    "TakesUserKeys",
    "Thompson",
    "Truth",
    "check_slates",
    "deterministic",
    "open_recommender",
]
