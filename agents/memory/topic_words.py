"""What words weigh: how much sharing a word says about two texts, from a fixed collection of texts.

The weight of a word is its smoothed inverse document frequency, ``log((1 + n) / (1 + n_w)) + 1`` over the ``n`` texts of the
collection, of which ``n_w`` hold the word (Spärck Jones 1972; smoothed as in scikit-learn). The collection is the catalog or
another fixed one, never the users' memories: what one user recalls must not depend on what others have seen.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from math import log

from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ConfigError

__all__ = ["BUCKETS", "WordWeights", "split_words"]

BUCKETS = 1 << 16
"""Words are told apart by 16 bits; two given words are taken for one with a chance of 1 in 65,535."""

_FUNCTION_WORDS = """
    about after again all also am an and any are as at be because been before being but by can could did do does doing
    done dont down each even ever few for from further get give had has have having he her here hers him his how if in
    into is it its itself just ll made make many me might more most much must my myself no nor not now of off on once one
    only or other our ours out over own please re same say see she should so some such take tell than that the their
    theirs them then there these they this those through to too under until up upon us ve very want was we were what when
    where whether which while who whom whose why will with would you your yours yourself
"""
_STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
_LOWER = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else ord(" ") for code in range(256))
_REMEMBERED = 1 << 18
_NOT_COUNTED = 0
"""Stands for words that count for nothing."""


class WordWeights:
    """Weights of words, and the 16-bit numbers that stand for them.

    Words are runs of letters or digits without case, accents and the ends of English plurals; single characters and a
    hundred English function words count for nothing. Writing without spaces between words (Chinese, Japanese, Thai) is not
    taken apart: there, use an embedder.

    Args:
        weights: weight of each known word.
        unseen: weight of any other word.
    """

    def __init__(self, weights: dict[str, float], unseen: float) -> None:
        if not unseen > 0 or any(not weight > 0 for weight in weights.values()):
            raise ConfigError("word weights: got a weight that is not positive, expected all above 0")
        self.weights = weights
        self.unseen = unseen
        self._known = _KnownWords(weights, unseen)

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> WordWeights:
        """Count words in a fixed collection of texts; an empty one makes all words weigh the same."""
        counts: Counter[str] = Counter()
        total = 0
        for text in texts:
            total += 1
            counts.update({stem(word) for word in split_words(text) if _counts(word)})
        weights = {word: log((1 + total) / (1 + count)) + 1 for word, count in sorted(counts.items())}
        return cls(weights, log(1 + total) + 1)

    @classmethod
    def from_catalog(cls, catalog: Catalog) -> WordWeights:
        """Count words in titles, genres, providers, descriptions and captions, one text an item."""
        texts = (catalog.title, catalog.provider, catalog.description, catalog.caption)
        columns = [column for column in texts if column is not None]
        return cls.from_texts(
            " ".join([*catalog.genres_of(item), *(str(column[item]) for column in columns)]) for item in range(len(catalog))
        )

    def weigh(self, text: str) -> dict[int, float]:
        """Return the weights of a text's different words by their number, 1 to 65,535, in the order of the text."""
        found = dict(map(self._known.__getitem__, split_words(text)))
        found.pop(_NOT_COUNTED, None)
        return found


class _KnownWords(dict[str, tuple[int, float]]):
    """Number and weight of each word that was met; others are looked up on their way in."""

    def __init__(self, weights: dict[str, float], unseen: float) -> None:
        super().__init__()
        self._weights, self._unseen = weights, unseen

    def __missing__(self, word: str) -> tuple[int, float]:
        if len(self) >= _REMEMBERED:
            self.clear()
        root = stem(word)
        known = (_number(root), self._weights.get(root, self._unseen)) if _counts(word) else (_NOT_COUNTED, 0.0)
        self[word] = known
        return known


def split_words(text: str) -> list[str]:
    """Return the words of a text in order: runs of letters or digits, lower case, without accents and apostrophes."""
    if text.isascii():
        return text.encode().translate(_LOWER, b"'").decode().split()
    parts = unicodedata.normalize("NFKD", text.casefold().replace("'", "").replace("’", ""))
    return "".join(sign if sign.isalnum() else " " for sign in parts if not unicodedata.combining(sign)).split()


def stem(word: str) -> str:
    """Take the end of an English plural off a word (the S stemmer of Harman 1991)."""
    if len(word) < 4 or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith(("us", "ss")) or (word.endswith("es") and word.endswith(("aes", "ees", "oes"))):
        return word
    return word[:-1]


def _counts(word: str) -> bool:
    return len(word) > 1 and word not in _STOP_WORDS


def _number(word: str) -> int:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "little") % (BUCKETS - 1)
