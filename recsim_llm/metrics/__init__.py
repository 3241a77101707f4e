"""Metrics beyond clicks: relevance, diversity, exposure, filter bubbles, fairness, funnel.

Pure functions of NumPy columns stand in ``relevance``, ``diversity``, ``exposure``, ``bubbles``, ``fairness``,
``list_similarity``, ``contagion``, ``obedience``, ``funnel`` and ``behaviour``, each with its formula and source.
``measure_run`` computes all that a log can tell for a run folder, with intervals by user, in memory that does not grow with the
log.
"""

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
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
    from recsim_llm.metrics.list_similarity import jaccard_similarity, prag_similarity, serp_similarity
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
    "jaccard_similarity",
    "long_tail",
    "measure_cascades",
    "measure_run",
    "miscalibration",
    "most_popular",
    "ndcg",
    "overlap_by_user",
    "popularity_lift",
    "position_exponent",
    "prag_similarity",
    "precision",
    "recall",
    "reciprocal_rank",
    "self_information",
    "serendipitous",
    "serp_similarity",
    "terciles",
    "traceable_share",
    "trend",
    "worst_exposure_ratio",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ArmMetrics": "values",
        "Cascades": "contagion",
        "DETAILS": "definitions",
        "Definition": "definitions",
        "GROUPS": "definitions",
        "GroupGap": "fairness",
        "MetricValue": "values",
        "RESULTS": "definitions",
        "RunMetrics": "values",
        "catalog_coverage": "exposure",
        "consumption_assortativity": "contagion",
        "cosine_diversity": "diversity",
        "entropy": "bubbles",
        "exposure_by_group": "exposure",
        "exposure_merit_gap": "exposure",
        "genre_diversity": "diversity",
        "genre_shares": "diversity",
        "gini": "exposure",
        "group_gap": "fairness",
        "hit_rate": "relevance",
        "jaccard_similarity": "list_similarity",
        "long_tail": "exposure",
        "measure_cascades": "contagion",
        "measure_run": "run_metrics",
        "miscalibration": "diversity",
        "most_popular": "diversity",
        "ndcg": "relevance",
        "overlap_by_user": "bubbles",
        "popularity_lift": "exposure",
        "position_exponent": "behaviour",
        "prag_similarity": "list_similarity",
        "precision": "relevance",
        "recall": "relevance",
        "reciprocal_rank": "relevance",
        "self_information": "diversity",
        "serendipitous": "diversity",
        "serp_similarity": "list_similarity",
        "terciles": "fairness",
        "traceable_share": "contagion",
        "trend": "bubbles",
        "worst_exposure_ratio": "exposure",
    },
)
