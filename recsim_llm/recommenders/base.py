"""What a recommender is, and what it may know."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.visits import blank_slots
from recsim_llm.errors import SlateError
from recsim_llm.recommenders.hooks import users_apart

__all__ = ["LONGEST_WORDS", "Recommender", "check_slates", "check_words", "deterministic"]

LONGEST_WORDS = 500
"""Most characters of an explanation, or of a title of the recommender's own."""


class Recommender(Protocol):
    """Fills pages. Subclass it, or write any class with these three methods."""

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Learn from what a recommender may know: the catalog and the training part of the ratings.

        Args:
            catalog: the items.
            ratings: the training ratings; users of the run may or may not occur in them.
            seed: for all that is random in the recommender; draws must be keyed (``recsim_llm.core.keyed``), so that they
                depend on user, visit and page and not on the order of requests.
        """

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return a page of ``k`` different items for each request, with propensities where they are known."""
        ...

    @users_apart
    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Take in what came of the slates last recommended.

        Args:
            requests: what was asked.
            slates: what was shown.
            clicked: bool [u, k].
            rating: float32 [u, k]: stars, NaN where not rated.
        """


def deterministic(item_id: IntArray) -> Slates:
    """Return slates that were certain: every propensity is 1.

    Args:
        item_id: int64 [u, k].
    """
    ones = np.ones(item_id.shape, np.float32)
    return Slates(item_id, ones, ones, np.ones(len(item_id)))


def check_slates(slates: Slates, catalog: Catalog, users: int, k: int, *, name: str, blank_invalid: bool) -> IntArray:
    """Return the catalog positions of slates, -1 where a slot must stay blank.

    Args:
        slates: what a recommender returned.
        catalog: the items.
        users: expected rows.
        k: expected slots.
        name: of the recommender, for the error text.
        blank_invalid: blank unknown, retired and repeated items instead of raising.

    Returns:
        int64 [users, k].

    Raises:
        SlateError: wrong shape or type, propensities outside (0, 1], words too long, or an invalid item unless they are
            blanked.
    """
    if not isinstance(slates, Slates):
        raise SlateError(
            f"{name}: got {type(slates).__name__} from recommend, expected Slates; see recsim_llm.core.pages.Slates"
        )
    ids = np.asarray(slates.item_id)
    if ids.dtype.kind not in "iu" or ids.shape != (users, k):
        raise SlateError(f"{name}: got item_id {ids.dtype} of shape {ids.shape}, expected integers of shape ({users}, {k})")
    for field, shape in (("propensity", (users, k)), ("prefix_propensity", (users, k)), ("slate_propensity", (users,))):
        _check_propensity(getattr(slates, field), f"{name}: {field}", shape)
    for field in ("explanation", "title"):
        words = getattr(slates, field)
        check_words(words, f"{name}: {field}", (users, k))
        if words is not None and any(map(_unseen, np.asarray(words).flat)):
            raise SlateError(
                f"{name}: {field}: got a text that nobody sees, blanks alone, expected '' where nothing is written"
            )
    index = catalog.index_of(ids)
    blank = blank_slots(index, catalog.retired)
    if blank is None:
        return index
    if not blank_invalid:
        row, position = np.argwhere(blank)[0]
        reason = "an unknown" if index[row, position] < 0 else "a repeated or retired"
        raise SlateError(
            f"{name}: got {reason} item {ids[row, position]} in row {row}, position {position}, expected {k} different items "
            "of the catalog that are on sale; set invalid=count to blank and count such slots"
        )
    index[blank] = -1
    return index


def check_words(words: npt.ArrayLike | None, what: str, shape: tuple[int, ...]) -> None:
    """Check words that a policy writes; None is none.

    Args:
        words: str of the shape.
        what: whose they are, for error texts.
        shape: expected.

    Raises:
        SlateError: no texts of that shape, too long ones, or halves of characters, which no log can keep.
    """
    if words is None:
        return
    texts = np.asarray(words)
    if texts.shape != shape or not all(isinstance(text, str) for text in texts.flat):
        raise SlateError(
            f"{what}: got {texts.dtype} of shape {texts.shape}, expected texts of shape {shape}, empty where there are none, "
            "or None"
        )
    longest = max(map(len, texts.flat), default=0)
    if longest > LONGEST_WORDS:
        raise SlateError(f"{what}: got a text of {longest} characters, expected at most {LONGEST_WORDS}; shorten it")
    try:
        "".join(texts.flat).encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(error.object[error.start]):04X}"
        raise SlateError(f"{what}: got half of a character ({half}), expected whole ones; replace it") from error


def _unseen(text: str) -> bool:
    """Return whether a text that is not empty has no character that is seen; it would do to users what words do."""
    return bool(text) and not any(letter.isprintable() and not letter.isspace() for letter in text)


def _check_propensity(values: npt.ArrayLike | None, what: str, shape: tuple[int, ...]) -> None:
    if values is None:
        return
    column = np.asarray(values)
    if column.shape != shape:
        raise SlateError(f"{what}: got shape {column.shape}, expected {shape}, or None where unknown")
    wrong = ~np.isnan(column) & ~((column > 0) & (column <= 1 + 1e-6))
    if wrong.any():
        raise SlateError(f"{what}: got {column[wrong][0]}, expected above 0 and at most 1, or NaN where unknown")
