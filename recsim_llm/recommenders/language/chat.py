"""Retrieve, then re-rank and explain: a language model over a base's candidates and over what is said of the items."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
from pydantic import Field

from recsim_llm.core.arrays import DoubleArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ModelReplyError
from recsim_llm.language.calls.writing import Writing
from recsim_llm.numerics.ranking import top_k
from recsim_llm.recommenders.language.explanations import explain_by_template, explanation_order, read_explanations
from recsim_llm.recommenders.language.policy import PageAsks
from recsim_llm.recommenders.language.ranker import LanguageRanker
from recsim_llm.recommenders.language.text_vectors import TextVectors, item_texts
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.recommenders.statements import wanted_words
from recsim_llm.recommenders.wrapping import Candidates

__all__ = ["ChatRecommender"]

_TOKENS_A_REASON = 40
_EXPLAINED = "titles explained"


class ChatRecommender(LanguageRanker):
    """Retrieves, re-ranks by a language model, explains, and heeds what users say: Chat-Rec (Gao et al. 2023).

    Candidates are the base recommender's, and beside them the items whose words are nearest to what the visitor said, or, where
    the visitor said nothing, to what the visitor took: a store of vectors over titles, genres, providers, descriptions and
    captions, which holds new items without a rating like all others. The model judges them as ``language`` does, told what the
    visitor said so far in the run, so that pages follow the visitor's words, and then says in one call why each title of the
    page is there. Where it wrote nothing that can be read about a title, a template tells what is true of it, and that is
    counted.

    What is known, certain and repeated is as for ``language``. A run gives it the model of the role ``policy``.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    class Settings(LanguageRanker.Settings):
        """Settings of ``ChatRecommender``."""

        near: int = Field(default=10, ge=0)
        """How many candidates come from the store of item texts, beside the base's."""
        explain: Literal["written", "template"] = "written"
        """Who explains: the model, in one more call a page, or a template alone."""

        def _listed(self) -> int:
            return self.candidates + self.near

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(self.Settings.given(settings))

    settings: Settings

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base, note what each user took, and store what is said of the items.

        Raises:
            ConfigError: there is no model.
        """
        super().fit(catalog, ratings, seed)
        self._texts = item_texts(catalog)
        self._store = TextVectors(self._texts)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the ``k`` best candidates of each request, each with the reason that its user reads.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
            RecSimError: the model failed; raised after all of these requests have ended.
        """
        slates = super().recommend(requests, k)
        item, said = self._known.catalog.index_of(slates.item_id), self._statements.of(requests)
        rows = range(len(item))
        texts: list[str | ModelReplyError] = [""] * len(item)
        if self.settings.explain == "written":
            texts = self._asked().write_each([self._writing(requests, row, item[row], said[row]) for row in rows])
        why = np.empty(item.shape, object)
        for row, text in zip(rows, texts, strict=True):
            why[row] = self._explained(requests, row, item[row], text)
        return slates._replace(explanation=why)

    def page_asks(self, k: int) -> PageAsks:
        """Return the most that it asks the model for a page of ``k`` slots."""
        asked = super().page_asks(k)
        return asked._replace(asks=asked.asks + (self.settings.explain == "written"))

    def _width(self, k: int) -> int:
        return super()._width(k) + self.settings.near

    def _offered(self, requests: Requests, k: int) -> Candidates:
        base = super()._offered(requests, k)
        count = min(self.settings.near, int(np.count_nonzero(self._known.on_sale)) - base.item_index.shape[1])
        if count < 1:
            return base
        near = np.empty((len(base.item_index), count), np.int64)
        strange = np.empty(near.shape, np.bool_)
        queries = [self._query(requests, row, said) for row, said in enumerate(self._statements.of(requests))]
        for rows, part in chunks(requests, len(self._texts)):
            like = self._fitting(part, base.item_index[rows], queries[rows])
            near[rows] = top_k(like, count)
            strange[rows] = np.take_along_axis(like, near[rows], axis=1) <= 0
        item, seen = np.hstack([base.item_index, near]), np.hstack([base.seen, strange])
        return Candidates(item, seen, base.certain)

    def _query(self, requests: Requests, row: int, said: tuple[str, ...]) -> str:
        """Return what is to be looked for: what the user wants in words, else what is said of what the user took."""
        words = " ".join(wanted_words(text) for text in said).strip()
        return words or " ".join(self._texts[one.item] for one in self._taken(requests, row))

    def _fitting(self, requests: Requests, offered: IntArray, queries: list[str]) -> DoubleArray:
        """Return float64 [u, n]: likeness to the queries; what the user has seen, was offered or may not get lies below 0."""
        like = self._store.likeness(queries)
        like[self._known.seen(requests)] = -1.0
        np.put_along_axis(like, offered, -2.0, axis=1)
        like[:, ~self._known.on_sale] = -2.0
        return like

    def _writing(self, requests: Requests, row: int, item: IntArray, said: tuple[str, ...]) -> Writing:
        order = explanation_order(len(item))
        prompt = self._prompts.prompt("reason", self._taken(requests, row), item.tolist(), said=said, order=order)
        user = str(int(requests.user_id[row]))
        return Writing(prompt, _TOKENS_A_REASON * len(item), nonce=self._nonce(requests, row), subject=user)

    def _explained(self, requests: Requests, row: int, item: IntArray, text: str | ModelReplyError) -> TextArray:
        """Return object [k]: what is told of each title of a page."""
        written = [""] * len(item) if isinstance(text, ModelReplyError) else read_explanations(text, len(item))
        taken, said = self._taken(requests, row), self._statements.of(requests)[row]
        told = partial(explain_by_template, self._known.catalog, taken=taken, said=said)
        why = [words or told(one) for words, one in zip(written, item.tolist(), strict=True)]
        if self.settings.explain == "written":
            user_id, lacking = int(requests.user_id[row]), sum(not words for words in written)
            self._book.meet(_EXPLAINED, user_id, len(item))
            self._book.add("explanations told by a template", _EXPLAINED, user_id, lacking, share=True)
        return np.array(why, object)
