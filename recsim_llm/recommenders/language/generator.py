"""A language model that names titles of its own, each of which is then looked for in the catalog."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ModelReplyError
from recsim_llm.language.calls.writing import Writing
from recsim_llm.recommenders.base import deterministic
from recsim_llm.recommenders.language.grounding import Grounding, Title, read_titles
from recsim_llm.recommenders.language.policy import LanguagePolicy, PageAsks, ToldHistory
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.recommenders.wrapping import Candidates

__all__ = ["LanguageGenerator"]

_TOKENS_A_TITLE = 24
_WRITTEN, _NEAREST = "titles written", "titles taken for the nearest item"
_NO_ITEM = -1
_UNKNOWN = "titles that the catalog does not have"


class _Room(NamedTuple):
    """What may still be put on a page."""

    free: BoolArray
    """bool [n]: on sale, new to the user, and not on the page."""
    on_sale: BoolArray
    """bool [n]: what is on sale at all."""


class LanguageGenerator(LanguagePolicy):
    """Recommends what a language model names by title, grounded in the catalog: BIGRec (Bao et al. 2023).

    The model is told what the visitor took and said, latest last, and writes as many titles as a page has slots, one a line;
    it is told no candidates. A title with its year that is an item's own is that item (case, accents, punctuation and
    articles do not matter). Any other is not in the catalog: it is counted, and taken for the item nearest to it among those
    that may be shown, by the cosine of weighted words and runs of letters of titles and years; what is like none of them
    stands for nothing. What is off sale, on the page already or known to the user is counted and not shown. The rest of the
    page is the base recommender's.

    Counted by user, and told in the report: titles that the catalog does not have and how far they lie from what they were
    taken for (1 less the cosine), titles like nothing, off sale, or repeated, texts that could not be used, and slots that
    the base filled. Titles on the page are the catalog's.

    With ``grounding: none`` a page is what the model wrote and nothing else: a title that the catalog does not have is an item
    that does not exist, and so is a slot for which nothing was written; what is off sale, repeated or known stays. A run
    refuses such items, or blanks and counts them (``invalid: count``). It shows what grounding is worth.

    Slates are certain (propensity 1), unless the base draws; then propensities are unknown (NaN). A run gives it the model of
    the role ``policy``.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    class Settings(ToldHistory):
        """Settings of ``LanguageGenerator``."""

        grounding: Literal["nearest", "none"] = "nearest"
        """What a title stands for that the catalog does not have: the nearest item, or none, so that its slot holds nothing."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        super().__init__(self.settings, "language generator")

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base, note what each user took, and learn the titles of the catalog.

        Raises:
            ConfigError: there is no model.
        """
        super().fit(catalog, ratings, seed)
        self._grounding = Grounding(catalog)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return what the model names for each request, then what the base recommends.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
            RecSimError: the model failed; raised after all of these requests have ended.
        """
        self._check_size(k)
        # As many again, since those that the model names may be among them.
        rest = self._retrieve(self._base, requests, 2 * k)
        said = self._statements.of(requests)
        rows = range(len(requests.user_id))
        texts = self._asked().write_each([self._writing(requests, row, said[row], k) for row in rows])
        if self.settings.grounding == "none":
            return self._as_written(requests, texts, k)
        page = np.empty((len(texts), k), np.int64)
        for part, some in chunks(requests, len(self._known.catalog)):
            seen = self._known.seen(some)
            for row, known in zip(rows[part], seen, strict=True):
                named = self._named(int(requests.user_id[row]), texts[row], known, k)
                page[row] = _filled(named, rest.item_index[row], rest.seen[row], k)
        everything = Candidates(page, np.zeros(page.shape, np.bool_), rest.certain)
        return self._slates(everything, np.broadcast_to(np.arange(k), page.shape))

    def page_asks(self, k: int) -> PageAsks:
        """Return the most that it asks the model for a page of ``k`` slots."""
        return PageAsks(1, k)

    def _as_written(self, requests: Requests, texts: list[str | ModelReplyError], k: int) -> Slates:
        """Return the items of the very titles, -1 where there is none."""
        page = np.full((len(texts), k), _NO_ITEM, np.int64)
        for row, text in enumerate(texts):
            user_id, titles = int(requests.user_id[row]), self._read(int(requests.user_id[row]), text, k)
            for place, title in enumerate(titles):
                item = self._grounding.exact(title)
                self._book.meet(_WRITTEN, user_id)
                self._book.add(_UNKNOWN, _WRITTEN, user_id, item < 0, share=True)
                page[row, place] = self._known.catalog.item_id[item] if item >= 0 else _NO_ITEM
        return deterministic(page)

    def _read(self, user_id: int, text: str | ModelReplyError, k: int) -> list[Title]:
        """Return the titles in a text, and count it where there are none."""
        failed = isinstance(text, ModelReplyError)
        titles = [] if isinstance(text, ModelReplyError) else read_titles(text, k)
        self._book.meet("pages", user_id)
        self._book.add("texts that could not be used", "pages", user_id, failed or not titles, share=True)
        return titles

    def _writing(self, requests: Requests, row: int, said: tuple[str, ...], k: int) -> Writing:
        count = "1 title" if k == 1 else f"{k} titles"
        order = f"Name {count}, one a line as Title (year), the best first, and write nothing else."
        prompt = self._prompts.prompt("title", self._taken(requests, row), (), said=said, order=order)
        return Writing(prompt, _TOKENS_A_TITLE * k, nonce=self._nonce(requests, row), subject=str(int(requests.user_id[row])))

    def _named(self, user_id: int, text: str | ModelReplyError, seen: BoolArray, k: int) -> list[int]:
        """Return the items that a text names, in its order, and count what it names besides."""
        titles = self._read(user_id, text, k)
        on_sale = self._known.on_sale
        room = _Room(on_sale & ~seen, on_sale)
        like = self._grounding.likeness(titles) if titles else np.empty((0, len(on_sale)))
        found = [self._found(user_id, title, row, room) for title, row in zip(titles, like, strict=True)]
        named = [item for item in found if item >= 0]
        self._book.meet("slots", user_id, k)
        self._book.add("slots filled by the base", "slots", user_id, k - len(named), share=True)
        return named

    def _found(self, user_id: int, title: Title, like: DoubleArray, room: _Room) -> int:
        """Return the item that a title stands for, -1 for none; it is taken out of what is left."""
        item, fate = self._grounding.exact(title), "shown"
        if item >= 0 and not room.free[item]:
            fate = "repeated" if room.on_sale[item] else "retired"
        elif item < 0:
            item = int(np.argmax(np.where(room.free, like, -1.0)))
            fate = "near" if room.free[item] and like[item] > 0 else "like nothing"
        self._count(user_id, fate, 1 - float(like[item]))
        if fate not in ("shown", "near"):
            return -1
        room.free[item] = False
        return item

    def _count(self, user_id: int, fate: str, distance: float) -> None:
        unknown = fate in ("near", "like nothing")
        self._book.meet(_WRITTEN, user_id)
        self._book.add(_UNKNOWN, _WRITTEN, user_id, unknown, share=True)
        self._book.add("titles off sale", _WRITTEN, user_id, fate == "retired", share=True)
        self._book.add("titles on the page already, or known to the user", _WRITTEN, user_id, fate == "repeated", share=True)
        self._book.add("titles like nothing that may be shown", _WRITTEN, user_id, fate == "like nothing", share=True)
        if fate == "near":
            self._book.meet(_NEAREST, user_id)
            self._book.add("distance to the item that a title was taken for, 0 to 1", _NEAREST, user_id, distance)


def _filled(named: list[int], rest: IntArray, seen: BoolArray, k: int) -> IntArray:
    """Return a page: what was named, then the rest without it, what the user has not seen first."""
    kept = ~np.isin(rest, named)
    # Stable, so that the base's order stays.
    order = np.argsort(seen[kept], kind="stable")
    return np.concatenate([np.array(named, np.int64), rest[kept][order]])[:k]
