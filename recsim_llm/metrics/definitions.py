"""The metrics of a run: key, name, unit and direction of each; formulas and sources stand with their functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DEFINITIONS", "GROUPS", "Definition"]

GROUPS = {
    "relevance": "Relevance: the first page against ratings held out",
    "diversity": "Diversity, novelty, serendipity",
    "exposure": "Exposure: popularity and the long tail",
    "bubbles": "Filter bubbles",
    "fairness": "Fairness",
    "funnel": "Funnel and position",
}
"""Groups of metrics in the order of the report, with their headings."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A metric of every arm of a run."""

    key: str
    """Name in ``metrics.json``."""
    group: str
    """A key of ``GROUPS``."""
    label: str
    """Name in tables."""
    unit: str
    """Unit, or ``share`` for a share, shown in percent."""
    better: Literal["more", "less"] | None
    """Which direction is better for users or providers; None where that depends on what is wanted."""


def _group(name: str, *rows: tuple[str, str, str, Literal["more", "less"] | None]) -> tuple[Definition, ...]:
    return tuple(Definition(key=key, group=name, label=label, unit=unit, better=better) for key, label, unit, better in rows)


DEFINITIONS = (
    *_group(
        "relevance",
        ("ndcg", "NDCG", "0 to 1", "more"),
        ("recall", "Recall", "share", "more"),
        ("precision", "Precision", "share", "more"),
        ("mrr", "Reciprocal rank (MRR)", "0 to 1", "more"),
        ("hit_rate", "Hit rate", "share", "more"),
    ),
    *_group(
        "diversity",
        ("novelty", "Novelty (bits)", "bits", None),
        ("serendipity", "Serendipity", "share", "more"),
        ("intra_list_diversity", "Diversity within a page", "0 to 1", None),
        ("genre_miscalibration", "Miscalibration of genres (bits)", "bits", "less"),
    ),
    *_group(
        "exposure",
        ("catalog_coverage", "Catalog shown", "share", "more"),
        ("exposure_gini", "Gini of exposure", "0 to 1", "less"),
        ("popularity_lift", "Popularity lift", "share", "less"),
        ("long_tail_share", "Long tail, of shown", "share", None),
        ("long_tail_clicks", "Long tail, of clicked", "share", None),
    ),
    *_group(
        "bubbles",
        ("genre_entropy", "Entropy of clicked genres (bits)", "bits", None),
        ("genre_entropy_trend", "Its trend (bits a quarter)", "bits", "more"),
        ("choice_overlap", "Overlap of two users' clicks", "0 to 1", None),
        ("choice_overlap_change", "Its change, late less early", "-1 to 1", "less"),
    ),
    *_group(
        "fairness",
        ("exposure_merit_gap", "Exposure away from merit", "share", "less"),
        ("worst_exposure_ratio", "Least exposure over merit", "ratio", "more"),
    ),
    *_group(
        "funnel",
        ("examined_of_shown", "Looked at, of shown", "share", None),
        ("clicked_of_examined", "Clicked, of looked at", "share", "more"),
        ("watched_of_clicked", "Watched to half or more, of clicked", "share", "more"),
        ("rated_of_clicked", "Rated, of clicked", "share", None),
        ("liked_of_rated", "Liked, of rated", "share", "more"),
        ("invalid_share", "Invalid slots", "share", "less"),
        ("position_bias", "Position-bias index", "exponent", None),
        ("position_bias_examination", "Of it: users look less", "exponent", None),
        ("position_bias_order", "Of it: order of the page", "exponent", None),
    ),
)
"""Every metric but the gaps between groups of users, in the order of the report."""
