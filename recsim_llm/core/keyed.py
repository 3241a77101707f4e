"""Keyed randomness: every draw is a function of (seed, user, visit, page, slot, purpose).

A counter-based generator: the coordinates of a draw are absorbed one after another into a 64-bit word, each time through
the finaliser of MurmurHash3 (Appleby 2011; a bijection with full avalanche). Nothing depends on the order in which draws
are made, so batches, shards, subsets and resumed runs see the same dice, and two policies share them (common random
numbers, Glasserman & Yao 1992).

>>> words(7, "example", np.arange(3)).tolist() == [words(7, "example", np.array([i])).item() for i in range(3)]
True
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["absorb", "log_odds", "mix", "purpose_word", "sample", "steps", "uniform", "words"]

Words = npt.NDArray[np.uint64]

_PHI = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xFF51AFD7ED558CCD)
_SECOND = np.uint64(0xC4CEB9FE1A85EC53)
_33 = np.uint64(33)
_12 = np.uint64(12)
_MASK = (1 << 64) - 1


@cache
def purpose_word(purpose: str) -> int:
    """Return the 64-bit word that stands for a purpose such as ``"click"``."""
    return int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "little")


def mix(word: Words) -> Words:
    """Apply the 64-bit finaliser of MurmurHash3 in place and return the same array."""
    word ^= word >> _33
    word *= _FIRST
    word ^= word >> _33
    word *= _SECOND
    word ^= word >> _33
    return word


def absorb(word: Words | int, column: npt.ArrayLike) -> Words:
    """Return a new word for each element of ``word`` broadcast with an integer coordinate.

    Args:
        word: words so far, any shape, or one integer.
        column: the next coordinate (user, visit, page, …), integers that broadcast with ``word``.
    """
    base = np.uint64(word & _MASK) if isinstance(word, int) else word
    return mix(np.atleast_1d(base + steps(column)))


def steps(column: npt.ArrayLike) -> Words:
    """Return what ``absorb`` adds for a coordinate: multiples of 2**64 over the golden ratio, modulo 2**64."""
    return np.atleast_1d(np.asarray(column).astype(np.uint64)) * _PHI


def words(seed: int, purpose: str, *columns: npt.ArrayLike) -> Words:
    """Return one well-mixed 64-bit word for every combination of the coordinates.

    Args:
        seed: the run's seed, any integer.
        purpose: what the draw is for; draws for different purposes are independent.
        *columns: integer coordinates that broadcast against each other.

    Returns:
        uint64 words of the broadcast shape (at least one-dimensional).
    """
    word = absorb(np.array([purpose_word(purpose)], dtype=np.uint64), seed & _MASK)
    for column in columns:
        word = absorb(word, column)
    return word


def uniform(word: Words) -> npt.NDArray[np.float64]:
    """Turn words into uniforms in the open interval (0, 1), 52 bits each (with 53 the largest would round to 1)."""
    return ((word >> _12).astype(np.float64) + 0.5) * 2.0**-52


def log_odds(bits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn 23-bit integers into standard logistic draws, ``log(u / (1 - u))`` with ``u = (bits + 1/2) / 2**23``, in place.

    ``draw < x`` then holds with probability ``1 / (1 + exp(-x))``, to within 2**-23; comparing on this scale spares the
    exponential. With 23 bits both ``u`` and ``1 - u`` are exact in float32 and never 0 or 1.

    Args:
        bits: float32 holding integers from 0 to 2**23 - 1; overwritten.
    """
    bits += np.float32(0.5)
    bits *= np.float32(2.0**-23)
    bits /= np.float32(1.0) - bits
    return np.log(bits, out=bits)


def sample(word: Words, population: int, size: int) -> npt.NDArray[np.int64]:
    """Return ``size`` different integers below ``population`` for each word: a uniform ordered sample.

    Floyd's algorithm (Bentley & Floyd 1987) picks the set, a keyed sort puts it into random order.

    Args:
        word: uint64 [m].
        population: how many integers there are to choose from.
        size: at most ``population``.

    Returns:
        int64 [m, size].
    """
    draw = uniform(absorb(word[:, None], np.arange(2 * size)))
    chosen = np.full((len(word), size), -1, np.int64)
    for place, last in enumerate(range(population - size, population)):
        pick = (draw[:, place] * (last + 1)).astype(np.int64)
        taken = (chosen[:, :place] == pick[:, None]).any(axis=1)
        chosen[:, place] = np.where(taken, last, pick)
    return np.take_along_axis(chosen, np.argsort(draw[:, size:], axis=1, kind="stable"), axis=1)
