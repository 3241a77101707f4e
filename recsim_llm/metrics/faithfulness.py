"""Whether explanations are true, and whether they stay the same.

What an explanation says of the item is held against the catalog, what it says of the user against what the user had consumed
before the page: "Because you like Drama." holds of who rated or clicked a drama, 'Because you liked "X".' of who gave X four
stars or more. In free text a genre is said of the item alone, and a title holds of who rated or clicked it at all. An
explanation is faithful where all of its reasons hold. It is consistent where the same user is told the same of the same item
as the time before. What cannot be read (see ``recsim_llm.dynamics.reasons``) is neither, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray, TextArray
from recsim_llm.dynamics.reasons import GENRE, KINDS, LIKED, SIMILAR, ReasonReader
from recsim_llm.statistics import Estimate, share_estimate

__all__ = ["Explained", "Faithfulness", "Past", "judge_faithfulness", "sum_faithfulness"]

_YES, _KIND = "yes to ", "kind "


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """How true explanations are; intervals by user."""

    explanations: int
    """Slots with an explanation."""
    readable: Estimate
    """Share of them of which a reason could be read."""
    kinds: Mapping[str, int]
    """How often each kind of reason was named."""
    in_catalog: Estimate
    """Share of the readable ones whose reasons hold of the item."""
    of_user: Estimate
    """Share of those that say something of the user which hold of the user."""
    faithful: Estimate
    """Share of the readable ones whose reasons all hold."""
    repeated: int
    """Readable explanations of an item that had been explained to the same user before."""
    consistent: Estimate
    """Share of these that name the reasons of the time before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """Slots with an explanation, in the order of the log of one arm; [e] each."""

    user: IntArray
    """Row of the user."""
    order: IntArray
    """Place of the page among all of the user's, from 0."""
    item: IntArray
    """Position of the item in the reader's catalog."""
    text: TextArray
    """The explanation."""
    friend: BoolArray | None
    """Whether a friend liked the item; None where nobody has friends."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Past:
    """What users consumed; [c] each."""

    user: IntArray
    """Row of the user."""
    order: IntArray
    """Place of the page on which it was clicked; -1 before the first page."""
    item: IntArray
    """Position of the item."""
    rating: npt.NDArray[np.floating]
    """Stars; NaN where none were given."""


def sum_faithfulness(
    reader: ReasonReader, slots: Explained, past: Past, *, genres: BoolArray, users: int
) -> dict[str, DoubleArray]:
    """Add up by user what explanations say and whether it holds; of a few users at a time, if need be.

    Args:
        reader: of the catalog.
        slots: what was explained.
        past: what users consumed, before the run and in it.
        genres: bool [n, g].
        users: how many there are.

    Returns:
        float64 [users] each, for ``judge_faithfulness``; those of different users may be added.
    """
    number = reader.numbers(slots.text)
    about, true = reader.hold(number, slots.item, slots.friend)
    kind = np.where(about, reader.kind[number] if reader.kind.size else -1, -1)
    subject = np.where(about, reader.subject[number] if reader.kind.size else 0, 0)
    meant = reader.templated[number] if reader.kind.size else np.zeros(len(number), np.bool_)
    known = _known_of_user(slots, past, (kind, subject, meant), genres)
    of_user = about & (((kind == GENRE) & meant[:, None]) | (kind == SIMILAR))
    readable: BoolArray = np.logical_or.reduce(about, axis=1)
    in_catalog: BoolArray = readable & np.logical_and.reduce(true | ~about, axis=1)
    own: BoolArray = np.logical_and.reduce(known | ~of_user, axis=1)
    personal: BoolArray = np.logical_or.reduce(of_user, axis=1)
    again, same = _repeats(slots, kind, subject, readable)

    def by_user(column: npt.NDArray[Any]) -> DoubleArray:
        return np.bincount(slots.user, column, users).astype(np.float64)

    shares = {
        "readable": (readable, np.ones(len(readable), np.bool_)),
        "in_catalog": (in_catalog, readable),
        "of_user": (own, personal),
        "faithful": (in_catalog & own, readable),
        "consistent": (same, again),
    }
    sums = {f"{_YES}{name}": by_user(yes & among) for name, (yes, among) in shares.items()}
    sums |= {name: by_user(among) for name, (_, among) in shares.items()}
    return sums | {f"{_KIND}{name}": by_user((kind == place).sum(axis=1)) for place, name in enumerate(KINDS)}


def judge_faithfulness(sums: Mapping[str, DoubleArray]) -> Faithfulness:
    """Return how true explanations are.

    Args:
        sums: float64 [users] each, as ``sum_faithfulness`` returns them.
    """

    def share(name: str) -> Estimate:
        return share_estimate(sums[f"{_YES}{name}"], sums[name])

    named = {name: int(sums[f"{_KIND}{name}"].sum()) for name in KINDS}
    return Faithfulness(
        explanations=int(sums["readable"].sum()),
        readable=share("readable"),
        kinds={name: count for name, count in named.items() if count},
        in_catalog=share("in_catalog"),
        of_user=share("of_user"),
        faithful=share("faithful"),
        repeated=int(sums["consistent"].sum()),
        consistent=share("consistent"),
    )


def _known_of_user(slots: Explained, past: Past, reasons: tuple[IntArray, IntArray, BoolArray], genres: BoolArray) -> BoolArray:
    """Return bool [e, m]: of reasons that are about the user, which hold of what the user had consumed before the page."""
    kind, subject, meant = reasons
    users = int(max(slots.user.max(initial=0), past.user.max(initial=0))) + 1
    never = np.iinfo(np.int64).max
    first_genre = np.full((users, genres.shape[1]), never)
    for column in range(genres.shape[1]):
        mine = genres[past.item, column]
        np.minimum.at(first_genre[:, column], past.user[mine], past.order[mine])
    known = np.zeros(kind.shape, np.bool_)
    row, place = np.nonzero(kind == GENRE)
    known[row, place] = first_genre[slots.user[row], subject[row, place]] < slots.order[row]
    for which, some in ((meant, past.rating >= LIKED), (~meant, np.ones(len(past.user), np.bool_))):
        row, place = np.nonzero((kind == SIMILAR) & which[:, None])
        known[row, place] = _earlier(slots, row, subject[row, place], past, some=some, items=len(genres))
    return known


def _earlier(slots: Explained, row: IntArray, item: IntArray, past: Past, *, some: BoolArray, items: int) -> BoolArray:
    """Return bool [r]: whether the users of these explanations consumed items, in some way, before the page."""
    key, order = past.user[some] * items + past.item[some], past.order[some]
    by_key = np.lexsort([order, key])
    key, order = np.append(key[by_key], -1), np.append(order[by_key], 0)
    wanted = slots.user[row] * items + item
    at = np.searchsorted(key[:-1], wanted)
    earlier: BoolArray = (key[at] == wanted) & (order[at] < slots.order[row])
    return earlier


def _repeats(slots: Explained, kind: IntArray, subject: IntArray, readable: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Return bool [e] twice: which readable explanations had one before for the same user and item, and which name the same."""
    named = np.sort((subject + 1) * len(KINDS) * (kind >= 0) + kind, axis=1)
    rows = np.flatnonzero(readable)
    rows = rows[np.lexsort([slots.order[rows], slots.item[rows], slots.user[rows]])]
    before, after = rows[:-1], rows[1:]
    alike = (slots.user[before] == slots.user[after]) & (slots.item[before] == slots.item[after])
    again, same = np.zeros(len(readable), np.bool_), np.zeros(len(readable), np.bool_)
    again[after] = alike
    same[after] = alike & (named[before] == named[after]).all(axis=1)
    return again, same
