"""A language model as recommender: it ranks the candidates of another one."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.recommenders.language.judging import Case, Judges, Way, judge
from recsim_llm.recommenders.language.policy import LanguagePolicy, PageAsks, ToldHistory
from recsim_llm.recommenders.language.policy_prompts import Facts, PolicyPrompts, Tells
from recsim_llm.recommenders.wrapping import Candidates

__all__ = ["Judgements", "LanguageRanker"]

_PURPOSE = "order of candidates"
_LETTERS = 26


class Judgements(NamedTuple):
    """What a model said about the candidates of each request; candidates in the order of the base recommender."""

    item_index: IntArray
    """int64 [u, c]: catalog positions, the base recommender's best first."""
    shown_at: IntArray
    """int64 [u, c]: place in the prompt, from 0; -1 where the model was not asked."""
    score: npt.NDArray[np.float64]
    """float64 [u, c]: what the model said of it: probability that the visitor would take it, expected stars, or probability of
    standing first; NaN where it was not asked, or gave no number."""
    order: IntArray
    """int64 [u, c]: columns of the above in the order in which they are recommended, best first; what the model was not asked
    about comes last."""
    whole: BoolArray
    """bool [u]: every reply about the request could be read."""
    certain: BoolArray
    """bool [u]: nothing was drawn on the way to these answers that is not keyed."""


class LanguageRanker(LanguagePolicy):
    """Zero-shot ranking by a language model over retrieved candidates: LLMRank (Hou et al. 2024, ECIR).

    A base recommender names the candidates. The model is told what the visitor took and said, latest last, and judges the
    candidates. One request is one call; where it compares ``pairs``, each comparison is. Candidates are ranked by what the
    model says, equal ones in the base's order. In the prompt they stand in the base's order, rotated by a draw keyed by
    (seed, user, visit, page), and of a pair the sides are drawn likewise, so that a model's liking for certain places averages
    out. All requests of a batch are asked at once.

    The model is told what any recommender may know: the ratings of the training part and the clicks of the run, as titles,
    years, genres, captions and stars, what users say, and where ``profile`` says so the observable profile. None of that can
    close its line.

    What the model says and what cannot be read, though it was told so, is counted with its cause, and nothing is made of it:
    candidates without an answer come after those that were judged, two that were compared keep their order, and without a list
    the page is the base's own.

    Items that the user has seen fill a page only where fewer than ``k`` others are among the candidates; the model is not
    asked about them. Slates are certain (propensity 1), unless the base draws its candidates or the model's answers are
    sampled; then propensities are unknown (NaN).

    A run gives it the model of the role ``policy``.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    class Settings(ToldHistory):
        """Settings of ``LanguageRanker``."""

        candidates: int = Field(default=20, ge=1)
        """How many the base retrieves; at least the size of a page is taken, and at most what is on sale."""
        ask: Way = "yes_no"
        """How the model is asked: of each candidate by itself (``yes_no``, or ``rating`` for stars), which of two is better
        (``pairs``), for each place of a list which candidate stands there (``list``), or to write the list
        (``written_list``)."""
        comparisons: int = Field(default=60, ge=1)
        """Of ``pairs``: most comparisons a page, each of which is a call."""
        rotate: bool = True
        """False shows the candidates in the base's order, best first."""
        profile: Tells = "untold"
        """Whether the model is told the visitor's profile, such as age and gender: ``untold``, ``told``, or ``told_fairly``,
        with the order not to go by it."""

        @model_validator(mode="after")
        def _lists_have_letters(self) -> Self:
            # Each candidate of a typed list is an option with a letter of its own.
            if self.ask == "list" and self._listed() > _LETTERS:
                raise ValueError(
                    f"expected at most {_LETTERS} candidates where ask is list; lower candidates, or write the list"
                )
            return self

        def _listed(self) -> int:
            return self.candidates

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        super().__init__(self.settings, "language ranker")

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base, and note what each user took in the training part.

        Raises:
            ConfigError: there is no model.
        """
        super().fit(catalog, ratings, seed)
        self._prompts = PolicyPrompts(catalog, self.settings.prompt, fair=self.settings.profile == "told_fairly")

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the ``k`` candidates of each request that its user would most probably take.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
            RecSimError: the model could not be asked; raised after all of these requests have ended.
        """
        judged = self.judge(requests, k)
        return self._slates(_candidates(judged), judged.order[:, :k])

    def judge(self, requests: Requests, k: int) -> Judgements:
        """Ask about each request's candidates, as ``recommend`` does before it ranks them.

        Args:
            requests: of ``u`` users.
            k: slots a page.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
            RecSimError: the model could not be asked; raised after all of these requests have ended.
        """
        self._check_size(k)
        offered = self._offered(requests, k)
        item, fresh = offered.item_index, ~offered.seen
        shown_at = self._places(requests, fresh)
        score, value = np.full(item.shape, np.nan), np.full(item.shape, -np.inf)
        whole = np.ones(len(item), np.bool_)
        asked = np.flatnonzero(fresh.any(axis=1)).tolist()
        said, about = self._statements.of(requests), self._about(requests)
        cases = [
            self._case(requests, row, item[row], shown_at[row])._replace(said=said[row], about=about[row]) for row in asked
        ]
        for row, verdict in zip(asked, judge(self.settings.ask, self._judges(k), cases), strict=True):
            score[row, fresh[row]], value[row, fresh[row]], whole[row] = verdict
        # Stable, so that equal values and what was not asked about keep the base's order.
        order = np.argsort(-value, axis=1, kind="stable")
        return Judgements(item, shown_at, score, order, whole, offered.certain & self._repeats_itself)

    def page_asks(self, k: int) -> PageAsks:
        """Return the most that it asks the model for a page of ``k`` slots."""
        count = self._width(k)
        if self.settings.ask == "pairs":
            return PageAsks(min(self.settings.comparisons, k * (count - 1)), 1)
        return PageAsks(1, {"list": min(k, count), "written_list": 1}.get(self.settings.ask, count))

    def _width(self, k: int) -> int:
        """Return the most candidates of a page. For subclasses, too."""
        return max(k, self.settings.candidates)

    def _offered(self, requests: Requests, k: int) -> Candidates:
        """Return the candidates of each request. For subclasses, too."""
        return self._retrieve(self._base, requests, max(k, self.settings.candidates))

    def _judges(self, k: int) -> Judges:
        return Judges(self._asked(), self._prompts, self._book, self._seed, k, self.settings.comparisons)

    @property
    def _repeats_itself(self) -> bool:
        return self.settings.ask == "written_list" or self._asked().elicitation != "samples"

    def _places(self, requests: Requests, fresh: BoolArray) -> IntArray:
        """Return int64 [u, c]: each candidate's place in the prompt, -1 for those that are not asked about."""
        count = np.count_nonzero(fresh, axis=1)[:, None]
        shift = np.zeros(len(fresh), np.int64)
        if self.settings.rotate:
            word = keyed.words(self._seed, _PURPOSE, requests.user_id, requests.visit, requests.page)
            shift = (word % np.maximum(count[:, 0], 1).astype(np.uint64)).astype(np.int64)
        place = (np.cumsum(fresh, axis=1) - 1 - shift[:, None]) % np.maximum(count, 1)
        return np.where(fresh, place, -1)

    def _about(self, requests: Requests) -> list[Facts]:
        """Return what is told of each user's profile.

        Raises:
            DataError: it is to be told, and nobody knows it, as of requests that were rebuilt from a log.
        """
        if self.settings.profile == "untold":
            return [()] * len(requests.user_id)
        known = [(field, requests.profile.values(field).tolist()) for field in requests.profile.fields]
        return [tuple((field, values[row]) for field, values in known if values[row]) for row in range(len(requests.user_id))]

    def _case(self, requests: Requests, row: int, item: IntArray, shown_at: IntArray) -> Case:
        fresh = shown_at >= 0
        return Case(
            user_id=int(requests.user_id[row]),
            visit=int(requests.visit[row]),
            page=int(requests.page[row]),
            nonce=self._nonce(requests, row),
            taken=self._taken(requests, row),
            about=(),
            said=(),
            candidates=item[fresh].tolist(),
            shown=item[fresh][np.argsort(shown_at[fresh])].tolist(),
        )


def _candidates(judged: Judgements) -> Candidates:
    return Candidates(judged.item_index, judged.shown_at < 0, judged.certain)
