"""Recommenders: what one is, and the shipped ones."""

from recsim_llm.recommenders.base import Recommender, check_slates, deterministic
from recsim_llm.recommenders.item_knn import ItemKNN
from recsim_llm.recommenders.language_ranker import LanguageRanker
from recsim_llm.recommenders.linucb import LinUCB
from recsim_llm.recommenders.matrix_factorization import MatrixFactorization
from recsim_llm.recommenders.oracle import Oracle
from recsim_llm.recommenders.popularity import Popularity
from recsim_llm.recommenders.softmax import Softmax
from recsim_llm.recommenders.uniform import RandomRecommender

__all__ = [
    "ItemKNN",
    "LanguageRanker",
    "LinUCB",
    "MatrixFactorization",
    "Oracle",
    "Popularity",
    "RandomRecommender",
    "Recommender",
    "Softmax",
    "check_slates",
    "deterministic",
]
