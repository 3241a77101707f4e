"""Recommenders: what one is, what it may be given and tell, and the shipped ones."""

from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.recommenders.base import Recommender, check_slates, deterministic
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.recommenders.classics import UserKNN
from recsim_llm.recommenders.clickbait import Clickbait
from recsim_llm.recommenders.content_based import ContentBased
from recsim_llm.recommenders.ease import EASE
from recsim_llm.recommenders.epsilon_greedy import EpsilonGreedy
from recsim_llm.recommenders.explained import Explained
from recsim_llm.recommenders.exposure_fairness import ExposureFair
from recsim_llm.recommenders.group_fairness import GroupFair
from recsim_llm.recommenders.heeding import Heeding
from recsim_llm.recommenders.hooks import (
    AsksModel,
    Count,
    Forgets,
    RunsElsewhere,
    TakesRules,
    TakesTruth,
    TakesUserKeys,
    TellsCounts,
    TrainedBefore,
    Truth,
)
from recsim_llm.recommenders.http_recommender import HttpRecommender
from recsim_llm.recommenders.http_schema import http_openapi
from recsim_llm.recommenders.implicit_models import ALS, BPR, ImplicitRecommender
from recsim_llm.recommenders.interactions import Interactions
from recsim_llm.recommenders.item_knn import ItemKNN
from recsim_llm.recommenders.language.chat import ChatRecommender
from recsim_llm.recommenders.language.generator import LanguageGenerator
from recsim_llm.recommenders.language.ranker import LanguageRanker
from recsim_llm.recommenders.lenskit_pipelines import LensKit, LensKitRecommender
from recsim_llm.recommenders.linear_clicks import LinearClicks
from recsim_llm.recommenders.linucb import LinUCB
from recsim_llm.recommenders.markov import Markov
from recsim_llm.recommenders.matrix_factorization import MatrixFactorization
from recsim_llm.recommenders.obliging import Obliging
from recsim_llm.recommenders.oracle import Oracle
from recsim_llm.recommenders.planner import Planner
from recsim_llm.recommenders.popularity import Popularity
from recsim_llm.recommenders.propensities import (
    GivesNextItems,
    GivesPlacements,
    GivesPropensities,
    NextItems,
    Propensities,
    SamplesSlates,
)
from recsim_llm.recommenders.reranking import Calibrated, MaximalMarginalRelevance, PopularityDiscounted, Reranker
from recsim_llm.recommenders.retraining import Retrained, RetrainEvery
from recsim_llm.recommenders.sasrec import SASRec
from recsim_llm.recommenders.saved_scores import SavedScores
from recsim_llm.recommenders.screened import Screened
from recsim_llm.recommenders.sklearn_estimators import Sklearn, SklearnRecommender
from recsim_llm.recommenders.slim import SLIM
from recsim_llm.recommenders.softmax import Softmax
from recsim_llm.recommenders.thompson import Thompson
from recsim_llm.recommenders.two_stage import TwoStage
from recsim_llm.recommenders.uniform import RandomRecommender

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "SLIM",
    "AsksModel",
    "Calibrated",
    "ChatRecommender",
    "Clickbait",
    "ContentBased",
    "Count",
    "EpsilonGreedy",
    "Explained",
    "ExposureFair",
    "Forgets",
    "FrozenSettings",
    "GivesNextItems",
    "GivesPlacements",
    "GivesPropensities",
    "GroupFair",
    "Heeding",
    "HttpRecommender",
    "ImplicitRecommender",
    "Interactions",
    "ItemKNN",
    "LanguageGenerator",
    "LanguageRanker",
    "LensKit",
    "LensKitRecommender",
    "LinUCB",
    "LinearClicks",
    "Markov",
    "MatrixFactorization",
    "MaximalMarginalRelevance",
    "NextItems",
    "Obliging",
    "Oracle",
    "Planner",
    "Popularity",
    "PopularityDiscounted",
    "Propensities",
    "RandomRecommender",
    "Recommender",
    "Reranker",
    "RetrainEvery",
    "Retrained",
    "RunsElsewhere",
    "SASRec",
    "SamplesSlates",
    "SavedScores",
    "Screened",
    "Sklearn",
    "SklearnRecommender",
    "Softmax",
    "TakesRules",
    "TakesTruth",
    "TakesUserKeys",
    "TellsCounts",
    "Thompson",
    "TrainedBefore",
    "Truth",
    "TwoStage",
    "UserKNN",
    "check_slates",
    "deterministic",
    "http_openapi",
    "open_recommender",
]
