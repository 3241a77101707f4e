"""The metrics of a run: key, name, unit, direction, and the sums behind each; formulas stand with their functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.statistics import Estimate, mean_estimate, ratio_estimate

__all__ = ["DETAILS", "GROUPS", "RESULTS", "Definition"]

Direction = Literal["more", "less"]

GROUPS = {
    "relevance": "Relevance: the first page against what was held out",
    "diversity": "Diversity, novelty, serendipity",
    "exposure": "Exposure: popularity and the long tail",
    "bubbles": "Filter bubbles",
    "fairness": "Fairness",
    "funnel": "Funnel and position",
}
"""Groups of ``DETAILS`` in the order of the report, with their headings."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A metric of every arm of a run."""

    key: str
    """Name in ``metrics.json``."""
    label: str
    """Name in tables."""
    unit: str
    """Unit, or ``share`` for a share, shown in percent."""
    group: str | None = None
    """A key of ``GROUPS``; None for the results of every run."""
    better: Direction | None = None
    """Which direction is better for users or providers; None where that depends on what is wanted."""
    numerator: str | None = None
    """Sum by user on top: a name of ``tallies.SUMS`` for ``RESULTS``, of ``sums.TOTALS`` for ``DETAILS``; None where the metric
    is neither a mean over users nor a ratio of two sums, and has a function of its own."""
    denominator: str | None = None
    """Sum by user below; None for a mean over users."""
    low: float = 0.0
    """Smallest possible value."""
    high: float = np.inf
    """Largest possible value."""
    long_run: bool = False
    """Whether it is told of runs alone that discount what comes later."""
    by_user: bool = True
    """Whether it is taken over users; False for a property of the whole run, which has no interval by user."""
    missing: str = ""
    """Why there is no value where there is none."""

    @property
    def of_ratings(self) -> bool:
        """Whether it is of the ratings that users gave, and undefined where nobody gave any."""
        return self.denominator in ("rated", "judged") or self.numerator == "rated"

    def columns(self, sums: Mapping[str, DoubleArray]) -> tuple[DoubleArray, DoubleArray | None]:
        """Return numerator and denominator, float64 [u] each; None in place of the latter for a mean over users.

        Args:
            sums: by name, float64 [u], one a user.
        """
        if self.numerator is None:
            raise TypeError(f"{self.key}: got a metric without a numerator, expected one of sums by user; call its function")
        return sums[self.numerator], None if self.denominator is None else sums[self.denominator]

    def estimate(
        self, above: DoubleArray, below: DoubleArray | None = None, bounds: tuple[float, float] | None = None
    ) -> Estimate:
        """Estimate the metric with its interval by user, cut to what is possible.

        Args:
            above: float64 [u], the numerator, or each user's own value.
            below: float64 [u], the denominator; None for a mean over users.
            bounds: smallest and largest possible value in the run at hand; None: those of every run.
        """
        bounds = (self.low, self.high) if bounds is None else bounds
        return mean_estimate(above, bounds=bounds) if below is None else ratio_estimate(above, below, bounds=bounds)


RESULTS = (
    Definition(key="clicks_per_user", label="Clicks per user", unit="clicks", numerator="clicks"),
    Definition(key="reward_per_user", label="Reward per user", unit="reward", numerator="reward", low=-np.inf),
    Definition(
        key="discounted_return", label="Discounted return", unit="reward", numerator="discounted", low=-np.inf, long_run=True
    ),
    Definition(
        key="reward_per_page",
        label="Reward per page",
        unit="reward",
        numerator="reward",
        denominator="pages",
        low=-np.inf,
        long_run=True,
    ),
    Definition(key="visits_per_user", label="Visits per user", unit="visits", numerator="visits"),
    Definition(key="pages_per_visit", label="Pages per visit", unit="pages", numerator="visit_pages", denominator="visits"),
    Definition(key="clicks_per_page", label="Clicks per page", unit="clicks", numerator="clicks", denominator="pages"),
    Definition(
        key="click_share",
        label="Clicks per impression",
        unit="share",
        numerator="impression_clicks",
        denominator="impressions",
        high=1.0,
    ),
    Definition(key="mean_rating", label="Mean rating", unit="stars", numerator="stars", denominator="rated"),
    Definition(key="like_share", label="Liked, of rated", unit="share", numerator="liked", denominator="judged", high=1.0),
    Definition(key="watch_share", label="Share watched", unit="share", numerator="watched", denominator="watch_rows", high=1.0),
    Definition(
        key="mean_satisfaction",
        label="Satisfaction",
        unit="0 to 1",
        numerator="satisfaction",
        denominator="satisfaction_pages",
        high=1.0,
    ),
)
"""The results of every run, in the order of the tables, and what arms are compared on; a like is a rating from
``LIKE_THRESHOLD`` stars up."""

_NOTHING_SHOWN = "nothing was shown"
_NO_CLICKS = "nothing was clicked"
_FEW_CLICKS = "no user clicked often enough"
_NO_TRUTH = "no user has a held-out item that counts as liked"
_NO_MERIT = "nothing was shown, or no item is in the training part"
_ONE_PLACE = "this happened at fewer than two positions"
_UNSEEN = "the log does not say what was looked at"


def _group(name: str, *definitions: Definition) -> tuple[Definition, ...]:
    return tuple(replace(definition, group=name) for definition in definitions)


def _share(key: str, label: str, *, of: tuple[str, str], missing: str, better: Direction | None = None) -> Definition:
    """Define a ratio of two sums that lies within 0 and 1."""
    above, below = of
    kind = Definition(key=key, label=label, unit="share", better=better, high=1.0, missing=missing)
    return replace(kind, numerator=above, denominator=below)


def _first_page(key: str, label: str, unit: str) -> Definition:
    """Define a measure of the first page, whose mean is taken over the users with truth."""
    return Definition(key=key, label=label, unit=unit, better="more", high=1.0, missing=_NO_TRUTH)


def _exponent(key: str, label: str) -> Definition:
    """Define an exponent of the position, of either sign."""
    return Definition(key=key, label=label, unit="exponent", low=-np.inf, missing=_ONE_PLACE)


def _whole_run(key: str, label: str, unit: str, *, better: Direction, high: float = 1.0, missing: str = "") -> Definition:
    """Define a property of the whole run, without an interval by user."""
    return Definition(key=key, label=label, unit=unit, better=better, high=high, by_user=False, missing=missing)


DETAILS = (
    *_group(
        "relevance",
        _first_page("ndcg", "NDCG", "0 to 1"),
        _first_page("recall", "Recall", "share"),
        _first_page("precision", "Precision", "share"),
        _first_page("mrr", "Reciprocal rank (MRR)", "0 to 1"),
        _first_page("hit_rate", "Hit rate", "share"),
    ),
    *_group(
        "diversity",
        Definition(
            key="novelty",
            label="Novelty (bits)",
            unit="bits",
            numerator="information",
            denominator="impressions",
            missing=_NOTHING_SHOWN,
        ),
        _share("serendipity", "Serendipity", of=("serendipitous", "impressions"), better="more", missing=_NOTHING_SHOWN),
        Definition(
            key="intra_list_diversity",
            label="Diversity within a page",
            unit="0 to 1",
            numerator="diversity",
            denominator="diversity_pages",
            high=1.0,
            missing="no page held two items with genres",
        ),
        Definition(
            key="genre_miscalibration",
            label="Miscalibration of genres (bits)",
            unit="bits",
            better="less",
            missing="no user has a history with genres",
        ),
    ),
    *_group(
        "exposure",
        _whole_run("catalog_coverage", "Catalog shown", "share", better="more"),
        _whole_run("exposure_gini", "Gini of exposure", "0 to 1", better="less", missing=_NOTHING_SHOWN),
        Definition(
            key="popularity_lift",
            label="Popularity lift",
            unit="share",
            better="less",
            low=-1.0,
            missing="no user has a history",
        ),
        _share("long_tail_share", "Long tail, of shown", of=("tail", "impressions"), missing=_NOTHING_SHOWN),
        _share("long_tail_clicks", "Long tail, of clicked", of=("tail_clicks", "clicks"), missing=_NO_CLICKS),
    ),
    *_group(
        "bubbles",
        Definition(key="genre_entropy", label="Entropy of clicked genres (bits)", unit="bits", missing=_NO_CLICKS),
        Definition(
            key="genre_entropy_trend",
            label="Its trend (bits a quarter)",
            unit="bits",
            better="more",
            low=-np.inf,
            missing=_FEW_CLICKS,
        ),
        Definition(
            key="choice_overlap",
            label="Overlap of two users' clicks",
            unit="0 to 1",
            high=1.0,
            missing="fewer than two users clicked",
        ),
        Definition(
            key="choice_overlap_change",
            label="Its change, late less early",
            unit="-1 to 1",
            better="less",
            low=-1.0,
            high=1.0,
            missing=_FEW_CLICKS,
        ),
    ),
    *_group(
        "fairness",
        _whole_run("exposure_merit_gap", "Exposure away from merit", "share", better="less", missing=_NO_MERIT),
        _whole_run("worst_exposure_ratio", "Least exposure over merit", "ratio", better="more", high=np.inf, missing=_NO_MERIT),
    ),
    *_group(
        "funnel",
        _share("examined_of_shown", "Looked at, of shown", of=("examined", "known_examined"), missing=_UNSEEN),
        _share(
            "clicked_of_examined",
            "Clicked, of looked at",
            of=("clicks", "examined"),
            better="more",
            missing=f"{_UNSEEN}, or nothing was",
        ),
        _share(
            "watched_of_clicked",
            "Watched to half or more, of clicked",
            of=("watched", "watch_known"),
            better="more",
            missing="no share watched is known",
        ),
        _share("rated_of_clicked", "Rated, of clicked", of=("rated", "clicks"), missing=_NO_CLICKS),
        _share("liked_of_rated", "Liked, of rated", of=("liked", "judged"), better="more", missing="nothing was rated"),
        _share("invalid_share", "Invalid slots", of=("invalid", "slots"), better="less", missing="no page was shown"),
        _exponent("position_bias", "Position-bias index"),
        _exponent("position_bias_examination", "Of it: users look less"),
        _exponent("position_bias_order", "Of it: order of the page"),
    ),
)
"""What is measured on top of the results where a run folder tells of its items and users, in the order of the report; the gaps
between groups of users come beside it."""
