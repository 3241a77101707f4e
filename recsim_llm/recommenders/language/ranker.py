"""A language model as recommender: it ranks the candidates of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.questions import Ask
from recsim_llm.recommenders.base import check_slates
from recsim_llm.recommenders.language.ranking_prompts import (
    HistoryPrompt,
    RankingPrompts,
    Taken,
    questions_about,
)
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.recommenders.wrapping import Wrapper

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Judgements", "LanguageRanker"]

_PURPOSE = "order of candidates"
_REMEDY = "name one: --set models.policy=provider/name, for instance scripted/history"


class Judgements(NamedTuple):
    """What a model said about the candidates of each request; candidates in the order of the base recommender."""

    item_index: IntArray
    """int64 [u, c]: catalog positions, the base recommender's best first."""
    shown_at: IntArray
    """int64 [u, c]: place in the prompt, from 0; -1 where the model was not asked."""
    chance: npt.NDArray[np.float64]
    """float64 [u, c]: probability that the visitor would take it; NaN where the model was not asked."""
    certain: BoolArray
    """bool [u]: nothing was drawn on the way to these answers that is not keyed."""


class LanguageRanker(Wrapper):
    """Zero-shot ranking by a language model over retrieved candidates: LLMRank (Hou et al. 2024, ECIR).

    A base recommender names the candidates. One request is one call: the model is told what the visitor took, latest last,
    and is asked of each candidate whether the visitor would take it. Candidates are ranked by its probabilities, equal ones in
    the base's order. In the prompt they stand in the base's order, rotated by a draw keyed by (seed, user, visit, page), so
    that a model's liking for certain places averages out. All requests of a batch are asked at once.

    The model is told what any recommender may know: the ratings of the training part and the clicks of the run, as titles,
    years, genres and stars. Titles cannot close their line.

    Items that the user has seen fill a page only where fewer than ``k`` others are among the candidates; the model is not
    asked about them. Slates are certain (propensity 1), unless the base draws its candidates or the model's answers are
    sampled; then propensities are unknown (NaN).

    A run gives it the model of the role ``policy``.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    class Settings(FrozenSettings):
        """Settings of ``LanguageRanker``."""

        base: str = "mf"
        """Name of the recommender that retrieves candidates, or ``module:class``."""
        candidates: int = Field(default=20, ge=1)
        """How many it retrieves; at least the size of a page is taken, and at most what is on sale."""
        history: int = Field(default=20, ge=1)
        """Most entries of a visitor's history that the model is told, the latest ones."""
        prompt: HistoryPrompt = "recency"
        """How the history is told: ``recency``, ``sequential`` or ``in_context``."""
        rotate: bool = True
        """False shows the candidates in the base's order, best first."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = self.Settings.given(settings)
        self._model: LanguageModel | None = None
        self._base = self._open("language ranker, base", self.settings.base, self.settings.base_settings)

    def consult(self, model: LanguageModel) -> None:
        """Take in the model that is to be asked; to be called before ``fit``."""
        self._model = model
        self._consult(model)

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base recommender, and note what each user took in the training part.

        Raises:
            ConfigError: there is no model.
        """
        self._asked()
        super().fit(catalog, ratings, seed)
        self._prompts = RankingPrompts(catalog, self.settings.prompt)
        self._latest = _latest(catalog, ratings, self.settings.history)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the ``k`` candidates of each request that its user would most probably take.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
            RecSimError: the model failed; raised after all of these requests have ended.
        """
        judged = self.judge(requests, k)
        # Stable, so that equal chances and what was not asked about keep the base's order.
        order = np.argsort(np.where(np.isnan(judged.chance), np.inf, -judged.chance), axis=1, kind="stable")[:, :k]
        item = np.take_along_axis(judged.item_index, order, axis=1)
        certain = np.where(judged.certain, 1.0, np.nan)
        by_slot: FloatArray = np.repeat(certain[:, None], k, axis=1).astype(np.float32)
        return Slates(self._known.catalog.item_id[item], by_slot, by_slot, certain)

    def judge(self, requests: Requests, k: int) -> Judgements:
        """Ask about each request's candidates, as ``recommend`` does before it ranks them.

        Args:
            requests: of ``u`` users.
            k: slots a page.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
            RecSimError: the model failed; raised after all of these requests have ended.
        """
        self._check_size(k)
        known, users = self._known, len(requests.user_id)
        count = min(max(k, self.settings.candidates), int(np.count_nonzero(known.on_sale)))
        offered = self._base.recommend(requests, count)
        name = f"language ranker's base {self.settings.base}"
        item = check_slates(offered, known.catalog, users, count, name=name, blank_invalid=False)
        shown_at = self._places(requests, ~self._seen(requests, item))
        chance = np.full(item.shape, np.nan)
        asked = np.flatnonzero((shown_at >= 0).any(axis=1))
        replies = self._asked().ask([self._ask(requests, row, item[row], shown_at[row]) for row in asked.tolist()])
        for row, reply in zip(asked.tolist(), replies, strict=True):
            chances = np.array([answer.probabilities[0] for answer in reply.answers])
            fresh = shown_at[row] >= 0
            chance[row, fresh] = chances[shown_at[row, fresh]]
        return Judgements(item, shown_at, chance, self._certain(offered))

    def _asked(self) -> LanguageModel:
        if self._model is None:
            raise ConfigError(f"language ranker: got no language model for the role policy, expected one; {_REMEDY}")
        return self._model

    def _certain(self, offered: Slates) -> BoolArray:
        if offered.slate_propensity is None or self._asked().elicitation == "samples":
            return np.zeros(len(offered.item_id), np.bool_)
        return np.asarray(offered.slate_propensity == 1)

    def _seen(self, requests: Requests, item: IntArray) -> BoolArray:
        """Return bool [u, c]: which candidates the users have seen."""
        seen = np.zeros(item.shape, np.bool_)
        for rows, part in chunks(requests, len(self._known.catalog)):
            seen[rows] = np.take_along_axis(self._known.seen(part), item[rows], axis=1)
        return seen

    def _places(self, requests: Requests, fresh: BoolArray) -> IntArray:
        """Return int64 [u, c]: each candidate's place in the prompt, -1 for those that are not asked about."""
        count = np.count_nonzero(fresh, axis=1)[:, None]
        shift = np.zeros(len(fresh), np.int64)
        if self.settings.rotate:
            word = keyed.words(self._seed, _PURPOSE, requests.user_id, requests.visit, requests.page)
            shift = (word % np.maximum(count[:, 0], 1).astype(np.uint64)).astype(np.int64)
        place = (np.cumsum(fresh, axis=1) - 1 - shift[:, None]) % np.maximum(count, 1)
        return np.where(fresh, place, -1)

    def _ask(self, requests: Requests, row: int, item: IntArray, shown_at: IntArray) -> Ask:
        fresh = shown_at >= 0
        candidates = item[fresh][np.argsort(shown_at[fresh])].tolist()
        user_id = int(requests.user_id[row])
        nonce = f"{self._seed} {user_id} {int(requests.visit[row])} {int(requests.page[row])}"
        prompt = self._prompts.prompt(self._taken(requests, row), candidates)
        return Ask(prompt, questions_about(len(candidates)), nonce, str(user_id))

    def _taken(self, requests: Requests, row: int) -> list[Taken]:
        """Return the latest of what a user took: in the training part, then by clicks in the run."""
        clicked = requests.history_clicked[row]
        index = self._known.catalog.index_of(requests.history_item[row][clicked])
        stars = requests.history_rating[row][clicked]
        run = [Taken(item, given) for item, given in zip(index.tolist(), stars.tolist(), strict=True) if item >= 0]
        return [*self._latest.get(int(requests.user_id[row]), ()), *run][-self.settings.history :]


def _latest(catalog: Catalog, ratings: Ratings, count: int) -> dict[int, list[Taken]]:
    """Return each user's latest ratings, oldest first; equal times in file order."""
    taken: dict[int, list[Taken]] = {}
    order = np.lexsort((ratings.timestamp, ratings.user_index))
    index = catalog.index_of(ratings.item_id[order])
    for user_id, item, stars in zip(
        ratings.user_id[order].tolist(), index.tolist(), ratings.rating[order].tolist(), strict=True
    ):
        if item >= 0:
            taken.setdefault(user_id, []).append(Taken(item, stars))
    return {user_id: own[-count:] for user_id, own in taken.items()}
