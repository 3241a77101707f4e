"""Whose name an export bears: the users' own ids, numbers or texts, or ids that lead nowhere."""

from __future__ import annotations

import secrets
from hashlib import blake2b

import numpy as np

from recsim_llm.core.arrays import IntArray, TextArray
from recsim_llm.errors import DataError, LogError

__all__ = ["Identities"]


_BITS = 53  # whole numbers that every reader keeps, those that hold numbers as doubles included


class Identities:
    """Maps user ids to the ids of an export.

    Anonymous ids are the first 53 bits of keyed BLAKE2b (RFC 7693, section 2.9) of the user id. The key is drawn from the
    operating system, used here, and kept nowhere; no id is that of another user. Whatever is written in the order of the
    exported ids tells nothing of the order of the users.

    Args:
        user_id: int64 [u]: every user that may turn up, unique.
        anonymous: give new ids; otherwise users keep their own.
        user_key: str [u]: the data's own ids, as in ``Population.user_key``; None where these are the numbers.

    Raises:
        DataError: two users bear the same id.
    """

    def __init__(self, user_id: IntArray, *, anonymous: bool, user_key: TextArray | None = None) -> None:
        self.anonymous = anonymous
        """Whether ids were replaced."""
        order = np.argsort(user_id, kind="stable")
        self.user_id: IntArray = user_id[order]
        """int64 [u]: the users' numbers, ascending."""
        self.user_key: TextArray | None = None if anonymous or user_key is None else _own(self.user_id, user_key[order])
        """str [u]: the data's own ids; None where these are the numbers, or must not be known."""
        self.exported: IntArray = _anonymous(self.user_id) if anonymous else self.user_id
        """int64 [u]: the exported id of each."""

    def of(self, user_id: IntArray) -> IntArray:
        """Return the exported ids of users; any shape.

        Raises:
            LogError: a user is not among those given at the start.
        """
        return self.exported[self._places(user_id)]

    def labels(self, user_id: IntArray) -> list[int] | list[str]:
        """Return what stands for users [m] where a format takes texts: the data's own ids, or the exported numbers.

        Raises:
            LogError: a user is not among those given at the start.
        """
        column = self.exported if self.user_key is None else self.user_key
        labels: list[int] | list[str] = column[self._places(user_id)].tolist()
        return labels

    def _places(self, user_id: IntArray) -> IntArray:
        place = np.minimum(np.searchsorted(self.user_id, user_id), len(self.user_id) - 1)
        stranger = self.user_id[place] != user_id
        if stranger.any():
            raise LogError(f"log: got user {user_id[stranger][0]}, expected users of the run's population; give this run's")
        return place


def _own(user_id: IntArray, user_key: TextArray) -> TextArray:
    own = np.array([key or str(user) for user, key in zip(user_id.tolist(), user_key, strict=True)], object)
    names, counts = np.unique(own.astype(str), return_counts=True)
    if counts.max() > 1:
        raise DataError(f"users: got the id {str(names[counts > 1][0])!r} of two users, expected different ones; rename one")
    return own


def _anonymous(user_id: IntArray) -> IntArray:
    while True:
        key = secrets.token_bytes(32)
        digests = (blake2b(int(user).to_bytes(8, "big", signed=True), digest_size=8, key=key).digest() for user in user_id)
        exported = np.array([int.from_bytes(digest, "big") >> (64 - _BITS) for digest in digests], np.int64)
        if len(np.unique(exported)) == len(exported) and not np.isin(exported, user_id).any():
            return exported
