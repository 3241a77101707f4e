"""Metrics beyond clicks: relevance, diversity, exposure, filter bubbles, fairness, funnel.

Pure functions of NumPy columns stand in ``relevance``, ``diversity``, ``exposure``, ``bubbles``, ``fairness``, ``contagion``
and ``behaviour``, each with its formula and source. ``measure_run`` computes them all for a run folder, with intervals by
user, in memory that does not grow with the log.
"""

from recsim_llm.metrics.behaviour import position_exponent
from recsim_llm.metrics.bubbles import entropy, overlap_by_user, trend
from recsim_llm.metrics.contagion import Cascades, consumption_assortativity, measure_cascades, traceable_share
from recsim_llm.metrics.definitions import DETAILS, GROUPS, RESULTS, Definition
from recsim_llm.metrics.diversity import (
    cosine_diversity,
    genre_diversity,
    genre_shares,
    miscalibration,
    most_popular,
    self_information,
    serendipitous,
)
from recsim_llm.metrics.exposure import (
    catalog_coverage,
    exposure_by_group,
    exposure_merit_gap,
    gini,
    long_tail,
    popularity_lift,
    worst_exposure_ratio,
)
from recsim_llm.metrics.fairness import GroupGap, group_gap, terciles
from recsim_llm.metrics.relevance import hit_rate, ndcg, precision, recall, reciprocal_rank
from recsim_llm.metrics.run_metrics import measure_run
from recsim_llm.metrics.values import ArmMetrics, MetricValue, RunMetrics

__all__ = [
    "DETAILS",
    "GROUPS",
    "RESULTS",
    "ArmMetrics",
    "Cascades",
    "Definition",
    "GroupGap",
    "MetricValue",
    "RunMetrics",
    "catalog_coverage",
    "consumption_assortativity",
    "cosine_diversity",
    "entropy",
    "exposure_by_group",
    "exposure_merit_gap",
    "genre_diversity",
    "genre_shares",
    "gini",
    "group_gap",
    "hit_rate",
    "long_tail",
    "measure_cascades",
    "measure_run",
    "miscalibration",
    "most_popular",
    "ndcg",
    "overlap_by_user",
    "popularity_lift",
    "position_exponent",
    "precision",
    "recall",
    "reciprocal_rank",
    "self_information",
    "serendipitous",
    "terciles",
    "traceable_share",
    "trend",
    "worst_exposure_ratio",
]
