"""Reasons that explanations name: typed where they are made, and read strictly out of words wherever these come from.

``reason_words`` makes the sentence of a reason, and ``ReasonReader`` gets it back to the letter. Of free text it takes what the
catalog knows, as whole words: names of genres, of providers, titles spelt as they are, years, that many or that friends liked
it; what is one word and no genre only in quotes. It understands
no grammar: "no comedy" names Comedy. What names nothing that it knows, or more than ``MOST_REASONS`` things, is counted as
unreadable, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog

__all__ = ["ALIKE", "KINDS", "LIKED", "MOST_REASONS", "POPULAR_SHARE", "Reason", "ReasonReader", "reason_words"]

KINDS = ("genre", "year", "provider", "similar", "popular", "friends")
"""What a reason can be about."""
GENRE, YEAR, PROVIDER, SIMILAR, POPULAR, FRIENDS = range(len(KINDS))
MOST_REASONS = 8
"""Most reasons of one text; what names more is a list of words and no explanation, so that nothing is read out of it."""
ALIKE = 0.7
"""Least cosine of the genres of two items that are similar, as in ``recsim_llm.metrics.obedience``."""
LIKED = 4.0
"""Stars from which an item counts as liked, as in logs."""
POPULAR_SHARE = 0.2
"""Share of the items, those with the most ratings, that "many people like"."""

_SENTENCES = {
    "genre": "Because you like {}.",
    "year": "Released in {}.",
    "provider": "From {}.",
    "similar": 'Because you liked "{}".',
    "popular": "Many people like this.",
    "friends": "Your friends liked this.",
}
_PATTERNS = {kind: re.compile(re.escape(words).replace(r"\{\}", "(.+)")) for kind, words in _SENTENCES.items()}
_WORD = re.compile(r"\w+(?:['’&./-]\w+)*")
_IN_TITLE = re.compile(r"\s*\((\d{4})\)\s*$")
_ARTICLE_LAST = re.compile(r"^(.+), (The|A|An)$")
_YEAR_WORD = re.compile(r"(?:19|20)\d\d")
_MANY = re.compile(r"\b(?:popular|trending|bestsell\w+|many (?:people|users|viewers|others))\b", re.IGNORECASE)
_FRIENDS_WORD = re.compile(r"\b(?:your|some|of your) friends?\b", re.IGNORECASE)
_QUOTES = "\"'“”‘’«»„"


class Reason(NamedTuple):
    """Why an item is recommended."""

    kind: str
    """One of ``KINDS``."""
    subject: str = ""
    """What is named: a genre, a year, a provider, a title; empty of ``popular`` and ``friends``."""


def reason_words(reason: Reason) -> str:
    """Return the sentence of a reason, as a user reads it."""
    return _SENTENCES[reason.kind].format(reason.subject)


class _Named(NamedTuple):
    """One reason in numbers."""

    kind: int
    subject: int


class ReasonReader:
    """Reads reasons out of texts and says whether they hold.

    Every different text is read once and has a number from then on; ``kind`` and ``subject`` are tables by that number.

    Args:
        title: str [n].
        genre_names: names of the genre columns.
        genres: bool [n, g].
        year: int64 [n], -1 where unknown.
        provider: str [n], None where unknown; None where nobody provides anything.
        popularity: [n]: number of ratings.
    """

    def __init__(
        self,
        *,
        title: TextArray,
        genre_names: tuple[str, ...],
        genres: BoolArray,
        year: IntArray,
        provider: TextArray | None,
        popularity: npt.NDArray[np.number],
    ) -> None:
        self._genres, self._year = genres, year
        names = sorted({name for name in ([] if provider is None else provider.tolist()) if name})
        place = {name: number for number, name in enumerate(names)}
        self._provider = np.array([-1] * len(year) if provider is None else [place.get(name, -1) for name in provider])
        many = max(round(POPULAR_SHARE * len(year)), 1)
        self._popular = popularity >= max(float(np.sort(popularity)[-many]), 1.0)
        shares: DoubleArray = genres / np.maximum(np.sqrt(genres.sum(axis=1, keepdims=True)), 1.0)
        self._directions = shares
        self._exact: list[dict[str, int]] = [{} for _ in KINDS]
        self._exact[GENRE] = {name.casefold(): number for number, name in enumerate(genre_names)}
        self._exact[PROVIDER] = {name.casefold(): number for name, number in place.items()}
        # Of two items of one title the first is meant: a reader of the page cannot tell them apart either.
        self._spelt: set[str] = set()
        for number in range(len(title) - 1, -1, -1):
            for words in _spellings(str(title[number])):
                self._exact[SIMILAR][words.casefold()] = number
                self._spelt.add(" ".join(_WORD.findall(words)))
        self._longest = max((len(_WORD.findall(words)) for part in self._exact for words in part), default=1)
        self._phrases = {
            _phrase(words): _Named(kind, n) for kind in (SIMILAR, PROVIDER, GENRE) for words, n in self._exact[kind].items()
        }
        self._number: dict[str, int] = {"": -1}
        self._kinds: list[list[int]] = []
        self._subjects: list[list[int]] = []
        self._templated: list[bool] = []

    @classmethod
    def of_catalog(cls, catalog: Catalog) -> ReasonReader:
        """Return a reader for the items of a catalog."""
        columns = {
            name: getattr(catalog, name) for name in ("title", "genre_names", "genres", "year", "provider", "popularity")
        }
        return cls(**columns)

    @property
    def kind(self) -> IntArray:
        """int64 [t, m]: places in ``KINDS`` of the reasons of each text, -1 where there are no more."""
        return np.array(self._kinds, np.int64).reshape(-1, MOST_REASONS)

    @property
    def subject(self) -> IntArray:
        """int64 [t, m]: what is named: a genre's column, a year, a provider's number, an item's position; else 0."""
        return np.array(self._subjects, np.int64).reshape(-1, MOST_REASONS)

    @property
    def templated(self) -> BoolArray:
        """Bool [t]: which texts are the sentence of a reason, so that what they say of the user is known to be meant."""
        return np.array(self._templated, np.bool_)

    def numbers(self, texts: TextArray) -> IntArray:
        """Return the number of each text, in the shape of the texts; -1 of an empty one."""
        found = np.array([self._take_in(text or "") for text in texts.reshape(-1).tolist()], np.int64)
        return found.reshape(texts.shape)

    def read(self, text: str) -> tuple[Reason, ...]:
        """Return the reasons that a text names, in words; empty where it is unreadable."""
        number = self._take_in(text)
        if number < 0:
            return ()
        pairs = zip(self._kinds[number], self._subjects[number], strict=True)
        return tuple(Reason(KINDS[kind], self._words_of(kind, subject)) for kind, subject in pairs if kind >= 0)

    def hold(self, number: IntArray, item: IntArray, friend: BoolArray | None = None) -> tuple[BoolArray, BoolArray]:
        """Return bool [c, m] twice: which reasons of each text are about the item, and which of these hold in the catalog.

        That a text names its own item's title is no reason.

        Args:
            number: int64 [c], of texts, -1 for none.
            item: int64 [c]: positions of the items beside which they stand.
            friend: bool [c]: whether a friend liked the item; None where nobody has friends, so that none did.
        """
        if not self._kinds:
            none = np.zeros((len(number), MOST_REASONS), np.bool_)
            return none, none
        kind = np.where(number[:, None] >= 0, self.kind[number], -1)
        subject, it = np.where(kind >= 0, self.subject[number], 0), item[:, None]
        about = (kind >= 0) & ~((kind == SIMILAR) & (subject == it))
        true = np.zeros(kind.shape, np.bool_)
        for which in np.unique(kind[about]).tolist():
            mine = about & (kind == which)
            true |= mine & self._true(which, it, np.where(mine, subject, 0), friend)
        return about, true

    def _true(self, kind: int, item: IntArray, subject: IntArray, friend: BoolArray | None) -> BoolArray:
        """Return bool [c, m]: whether reasons of one kind hold of items, int64 [c, 1]."""
        if kind == GENRE:
            holds = self._genres[item, subject]
        elif kind == YEAR:
            holds = self._year[item] == subject
        elif kind == PROVIDER:
            holds = self._provider[item] == subject
        elif kind == SIMILAR:
            holds = self.similar(item, subject)
        elif kind == POPULAR:
            holds = self._popular[item]
        else:
            holds = np.zeros(item.shape, np.bool_) if friend is None else friend[:, None]
        return np.broadcast_to(holds, subject.shape)

    def is_popular(self, item: IntArray) -> BoolArray:
        """Return, in the shape of the items, which of them are among those with the most ratings."""
        popular: BoolArray = self._popular[item]
        return popular

    def similar(self, one: IntArray, other: IntArray) -> BoolArray:
        """Return, for positions that broadcast, which pairs of items have genres that are alike."""
        alike: BoolArray = np.vecdot(self._directions[one], self._directions[other]) >= ALIKE
        return alike

    def _take_in(self, text: str) -> int:
        number = self._number.get(text)
        if number is None:
            number = self._number[text] = len(self._kinds)
            self._templated.append(any(pattern.fullmatch(text) for pattern in _PATTERNS.values()))
            named = list(dict.fromkeys(self._named(text)))
            if len(named) > MOST_REASONS:
                named = []
            rest = [_Named(-1, 0)] * (MOST_REASONS - len(named))
            self._kinds.append([one.kind for one in (*named, *rest)])
            self._subjects.append([one.subject for one in (*named, *rest)])
        return number

    def _named(self, text: str) -> Iterator[_Named]:
        for kind, pattern in enumerate(_PATTERNS.values()):
            if found := pattern.fullmatch(text):
                # Whoever writes the sentence of a reason means it: what is named is known, or nothing is.
                subject = self._subject(kind, found[1] if pattern.groups else "")
                if subject is not None:
                    yield _Named(kind, subject)
                return
        yield from self._mentioned(text)

    def _subject(self, kind: int, words: str) -> int | None:
        if kind == YEAR:
            return int(words) if words.isdecimal() else None
        return self._exact[kind].get(words.casefold()) if kind in (GENRE, PROVIDER, SIMILAR) else 0

    def _mentioned(self, text: str) -> Iterator[_Named]:
        """Yield what free text names: the longest known names first from left to right, then what many or friends like."""
        spans = [match.span() for match in _WORD.finditer(text)]
        at = 0
        while at < len(spans):
            taken = 1
            for count in range(min(self._longest, len(spans) - at), 0, -1):
                start, end = spans[at][0], spans[at + count - 1][1]
                named = self._phrases.get(_phrase(text[start:end]))
                if named is not None and (named.kind == GENRE or self._is_name(text, start, end, named)):
                    yield named
                    taken = count
                    break
            else:
                word = text[slice(*spans[at])]
                if _YEAR_WORD.fullmatch(word):
                    yield _Named(YEAR, int(word))
            at += taken
        if _MANY.search(text):
            yield _Named(POPULAR, 0)
        if _FRIENDS_WORD.search(text):
            yield _Named(FRIENDS, 0)

    def _is_name(self, text: str, start: int, end: int, named: _Named) -> bool:
        """Tell whether words that could be a title or a provider are one: in quotes, or several words spelt as it is.

        "Her" and "this is it" are films as well, and mostly are none where they stand.
        """
        if start > 0 and text[start - 1] in _QUOTES and end < len(text) and text[end] in _QUOTES:
            return True
        words = _WORD.findall(text[start:end])
        return len(words) > 1 and (named.kind == PROVIDER or " ".join(words) in self._spelt)

    def _words_of(self, kind: int, subject: int) -> str:
        if kind == YEAR:
            return str(subject)
        return next((words for words, number in self._exact[kind].items() if number == subject), "")


def _spellings(title: str) -> Iterator[str]:
    """Yield a title as data have it and as people write it: without its year, its article in front."""
    bare = _IN_TITLE.sub("", title)
    yield from dict.fromkeys((_ARTICLE_LAST.sub(r"\2 \1", bare), bare, title))


def _phrase(words: str) -> str:
    """Return words as they are looked up: without case and without what stands between them."""
    return " ".join(_WORD.findall(words.casefold()))
