"""Biases of a language model that recommends: by where a candidate stands in the prompt, and by how popular it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.audits.spread import spread_index
from recsim_llm.core.arrays import DoubleArray
from recsim_llm.core.pages import Requests
from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.language.ranker import LanguageRanker
from recsim_llm.statistics.intervals import Estimate, mean_estimate

__all__ = ["RankingBias", "ranking_bias"]


@dataclass(frozen=True, kw_only=True)
class RankingBias:
    """The two probes of LLMRank (Hou et al. 2024, section 3.2)."""

    users: int
    """Users that candidates were ranked for."""
    asks: int
    """Lists put to the model."""
    curve: tuple[float, ...]
    """Mean chance of being taken by place in the prompt, less the candidates' own means; 0 everywhere is sound."""
    position: Estimate
    """Standard deviation of that between places, over the mean chance, see ``spread_index``; 0 is sound."""
    popularity: Estimate
    """Rank correlation of the model's chances with popularity among the candidates, mean over users: 1 ranks as popularity."""
    base_popularity: Estimate
    """The same for the base recommender's order: what the model started from."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names of the fields."""
        return asdict(self)


def ranking_bias(
    ranker: LanguageRanker, requests: Requests, popularity: npt.ArrayLike, *, k: int = 10, rotations: int = 8
) -> RankingBias:
    """Have the same candidates ranked in several orders.

    Args:
        ranker: fitted; its base must name the same candidates on every page of the same request.
        requests: of ``u`` users; page numbers are set by this function, since the order of candidates hangs on them.
        popularity: float [n]: of each item of the catalog.
        k: slots a page.
        rotations: orders a user.

    Raises:
        ConfigError: nobody has all candidates unseen, fewer than two rotations, a ranker that does not rotate, or candidates
            that differ between pages.
        RecSimError: the model failed.
    """
    if rotations < 2 or not ranker.settings.rotate:
        raise ConfigError(
            f"ranking bias: got {rotations} rotations, rotate={ranker.settings.rotate}, expected 2 or more, and true"
        )
    judged = [ranker.judge(requests._replace(page=np.full_like(requests.page, number)), k) for number in range(rotations)]
    item = judged[0].item_index
    if any(not np.array_equal(one.item_index, item) for one in judged):
        raise ConfigError(
            "ranking bias: got other candidates on another page, expected the same; take a base that does not draw"
        )
    asked = (judged[0].shown_at >= 0).all(axis=1)
    if not asked.any():
        raise ConfigError(
            f"ranking bias: got nobody with {item.shape[1]} candidates unseen, expected at least one user; use fewer candidates"
        )
    chance = np.stack([one.score[asked] for one in judged])
    place = np.stack([one.shown_at[asked] for one in judged])
    usual = chance.mean(axis=0)
    # An item's mean holds a share of each of its own values; without it, deviations would come out too small by that share.
    deviation = _by_place(chance - usual, place) * rotations / (rotations - 1)
    weight = np.asarray(popularity, np.float64)[item[asked]]
    order = np.broadcast_to(-np.arange(item.shape[1], dtype=np.float64), weight.shape)
    return RankingBias(
        users=int(asked.sum()),
        asks=rotations * int(asked.sum()),
        curve=tuple(deviation.mean(axis=0).tolist()),
        position=spread_index(deviation, usual.mean(axis=1)),
        popularity=_rank_correlations(usual, weight),
        base_popularity=_rank_correlations(order, weight),
    )


def _by_place(values: DoubleArray, place: npt.NDArray[np.int64]) -> DoubleArray:
    """Return float64 [u, c]: mean over rotations of what stood at each place."""
    return np.asarray(np.take_along_axis(values, place.argsort(axis=2), axis=2).mean(axis=0))


def _rank_correlations(one: DoubleArray, other: DoubleArray) -> Estimate:
    """Estimate the mean over users of rank correlations; users to whom all candidates are alike are left out."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=1) for values in (one, other)]
    left, right = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    size = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    able = size > 0
    return mean_estimate((left * right).sum(axis=1)[able] / size[able], bounds=(-1, 1))
