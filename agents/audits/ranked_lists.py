"""Biases of a language model that recommends: by where a candidate stands in the prompt, and by how popular it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.agents.audits.spread import spread_index
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.pages import Requests
from recsim_llm.errors import ConfigError, ModelReplyError
from recsim_llm.numerics.ranking import mean_ranks
from recsim_llm.recommenders.language.judging import Way
from recsim_llm.recommenders.language.ranker import Judgements, LanguageRanker
from recsim_llm.statistics.intervals import Estimate, mean_estimate, share_estimate

__all__ = ["POPULAR", "RankingBias", "ranking_bias"]

POPULAR = 0.2
"""Share of the catalog's items, those consumed most, that count as popular."""


@dataclass(frozen=True, kw_only=True)
class RankingBias:
    """The two probes of LLMRank (Hou et al. 2024, section 3.2), of chances and of picks.

    The pick is what stands first in the order that comes out. Each user's candidates are shown in several rotations, so that a
    model that goes by the candidates alone picks the same wherever it stands: its picks fall on all places alike.
    """

    users: int
    """Users whose candidates were ranked in every order."""
    unread: Estimate
    """Share of users left out, since a reply about them could not be read: the base's order says nothing of the model."""
    asks: int
    """Lists put to the model."""
    ask: Way
    """How the model was asked."""
    curve: tuple[float, ...]
    """Mean of what the model said by place in the prompt, less the candidates' own means; 0 everywhere is sound. Empty where it
    gives no numbers."""
    position: Estimate
    """Standard deviation of that between places, over the mean, see ``spread_index``; 0 is sound. Undefined without numbers."""
    picks: tuple[float, ...]
    """Share of picks that stood at each place of the prompt; the same everywhere is sound."""
    pick_position: Estimate
    """Standard deviation of that between places, over the mean; 0 is sound."""
    first_place: Estimate
    """Share of picks that stood first in the prompt, mean over users; one over the number of candidates is sound."""
    popularity: Estimate
    """Rank correlation of the model's order with popularity among the candidates, mean over users: 1 ranks as popularity."""
    base_popularity: Estimate
    """The same for the base recommender's order: what the model started from."""
    popular_picks: Estimate
    """Share of picks that are popular less that of the candidates, mean over users; above 0 the model seeks what is popular."""
    popular_truth: Estimate
    """Share of picks that are popular less that of what the users took later, mean over those who took something."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values under the names of the fields."""
        return asdict(self)


def ranking_bias(
    ranker: LanguageRanker,
    requests: Requests,
    popularity: npt.ArrayLike,
    *,
    k: int = 10,
    rotations: int = 8,
    later: Sequence[IntArray] | None = None,
) -> RankingBias:
    """Have the same candidates ranked in several orders.

    Args:
        ranker: fitted; its base must name the same candidates on every page of the same request.
        requests: of ``u`` users; page numbers are set by this function, since the order of candidates hangs on them.
        popularity: float [n]: of each item of the catalog.
        k: slots a page.
        rotations: orders a user.
        later: [u]: catalog positions of what each user took later; None where nobody knows.

    Raises:
        ConfigError: nobody has all candidates unseen, fewer than two rotations, a ranker that does not rotate or that compares
            pairs, which stand at no places of a list, or candidates that differ between pages.
        ModelReplyError: there is nobody of whom all replies could be read.
        RecSimError: the model could not be asked.
    """
    if rotations < 2 or not ranker.settings.rotate or ranker.settings.ask == "pairs":
        raise ConfigError(
            f"ranking bias: got {rotations} rotations, rotate={ranker.settings.rotate}, ask={ranker.settings.ask}, expected 2 "
            "or more, true, and a way that shows all candidates together"
        )
    judged = [ranker.judge(requests._replace(page=np.full_like(requests.page, number)), k) for number in range(rotations)]
    item = judged[0].item_index
    if any(not np.array_equal(one.item_index, item) for one in judged):
        raise ConfigError(
            "ranking bias: got other candidates on another page, expected the same; take a base that does not draw"
        )
    asked: BoolArray = np.asarray((judged[0].shown_at >= 0).all(axis=1))
    if not asked.any():
        raise ConfigError(
            f"ranking bias: got nobody with {item.shape[1]} candidates unseen, expected at least one user; use fewer candidates"
        )
    unread = _leave_out_unread(judged, asked)
    weight = np.asarray(popularity, np.float64)
    truth = None if later is None else [own for own, kept in zip(later, asked.tolist(), strict=True) if kept]
    return RankingBias(
        users=int(asked.sum()),
        unread=unread,
        asks=rotations * int(asked.sum()),
        ask=ranker.settings.ask,
        **_by_number(judged, asked),
        **_by_pick(judged, asked),
        **_by_popularity(judged, asked, weight),
        **_popular(judged, asked, _most_popular(weight), truth),
    )


def _leave_out_unread(judged: Sequence[Judgements], asked: BoolArray) -> Estimate:
    """Leave out, in bool [u] who was asked about, those about whom a reply could not be read; return their share."""
    whole = np.logical_and.reduce([one.whole for one in judged])
    unread = share_estimate((~whole[asked]).astype(np.float64))
    asked &= whole
    if not asked.any():
        raise ModelReplyError(
            f"ranking bias: got no readable replies in all {len(judged)} orders for any of {unread.users} users, expected at "
            "least one; ask in another way, see the setting ask, or take another model"
        )
    return unread


def _by_number(judged: Sequence[Judgements], asked: BoolArray) -> dict[str, Any]:
    """Return what places do to what the model said."""
    said = np.stack([one.score[asked] for one in judged])
    if np.isnan(said).any():
        return {"curve": (), "position": Estimate(value=None, users=0)}
    place, usual, rotations = np.stack([one.shown_at[asked] for one in judged]), said.mean(axis=0), len(judged)
    # An item's mean holds a share of each of its own values; without it, deviations would come out too small by that share.
    deviation = _by_place(said - usual, place) * rotations / (rotations - 1)
    return {"curve": tuple(deviation.mean(axis=0).tolist()), "position": spread_index(deviation, usual.mean(axis=1))}


def _by_pick(judged: Sequence[Judgements], asked: BoolArray) -> dict[str, Any]:
    """Return what places do to what is picked."""
    picked_at = np.stack([np.take_along_axis(one.shown_at, one.order[:, :1], axis=1)[asked, 0] for one in judged])
    count = judged[0].item_index.shape[1]
    # Rotations are drawn, so that all places are equally likely for whatever is picked by itself.
    share = (picked_at[:, :, None] == np.arange(count)).mean(axis=0)
    return {
        "picks": tuple(share.mean(axis=0).tolist()),
        "pick_position": spread_index(share, np.full(len(share), 1 / count)),
        "first_place": mean_estimate(share[:, 0], bounds=(0, 1)),
    }


def _by_popularity(judged: Sequence[Judgements], asked: BoolArray, weight: DoubleArray) -> dict[str, Any]:
    """Return how the orders, of the model and of its base, stand to popularity."""
    numbers = np.stack([one.score[asked] for one in judged])
    if np.isnan(numbers).any():
        numbers = np.stack([-one.order[asked].argsort(axis=1).astype(np.float64) for one in judged])
    known = weight[judged[0].item_index[asked]]
    order = np.broadcast_to(-np.arange(known.shape[1], dtype=np.float64), known.shape)
    return {
        "popularity": _rank_correlations(numbers.mean(axis=0), known),
        "base_popularity": _rank_correlations(order, known),
    }


def _popular(
    judged: Sequence[Judgements], asked: BoolArray, popular: BoolArray, later: Sequence[IntArray] | None
) -> dict[str, Any]:
    """Return how much more popular picks are than the candidates, and than what users took later."""
    item = judged[0].item_index[asked]
    picks = np.stack([np.take_along_axis(item, one.order[asked][:, :1], axis=1)[:, 0] for one in judged])
    share = popular[picks].mean(axis=0)
    told = [] if later is None else [(one, popular[own].mean()) for one, own in zip(share, later, strict=True) if len(own)]
    return {
        "popular_picks": mean_estimate(share - popular[item].mean(axis=1), bounds=(-1, 1)),
        "popular_truth": mean_estimate(np.array([one - truth for one, truth in told]), bounds=(-1, 1)),
    }


def _most_popular(weight: DoubleArray) -> BoolArray:
    """Return bool [n]: the share ``POPULAR`` of the items, those of most weight; of equals those that come first."""
    popular = np.zeros(len(weight), np.bool_)
    popular[np.argsort(-weight, kind="stable")[: max(1, round(POPULAR * len(weight)))]] = True
    return popular


def _by_place(values: DoubleArray, place: npt.NDArray[np.int64]) -> DoubleArray:
    """Return float64 [u, c]: mean over rotations of what stood at each place."""
    return np.asarray(np.take_along_axis(values, place.argsort(axis=2), axis=2).mean(axis=0))


def _rank_correlations(one: DoubleArray, other: DoubleArray) -> Estimate:
    """Estimate the mean over users of rank correlations; users to whom all candidates are alike are left out."""
    ranks = [np.apply_along_axis(mean_ranks, 1, values) for values in (one, other)]
    left, right = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    size = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1))
    able = size > 0
    return mean_estimate((left * right).sum(axis=1)[able] / size[able], bounds=(-1, 1))
