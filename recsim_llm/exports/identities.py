"""Whose name an export bears: the users' own ids, or ids that lead nowhere."""

from __future__ import annotations

import secrets
from hashlib import blake2b

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.errors import LogError

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
    """

    def __init__(self, user_id: IntArray, *, anonymous: bool) -> None:
        self.anonymous = anonymous
        """Whether ids were replaced."""
        self.user_id: IntArray = np.sort(user_id)
        """int64 [u]: the users' own ids, ascending."""
        self.exported: IntArray = _anonymous(self.user_id) if anonymous else self.user_id
        """int64 [u]: the exported id of each."""

    def of(self, user_id: IntArray) -> IntArray:
        """Return the exported ids of users; any shape.

        Raises:
            LogError: a user is not among those given at the start.
        """
        place = np.minimum(np.searchsorted(self.user_id, user_id), len(self.user_id) - 1)
        stranger = self.user_id[place] != user_id
        if stranger.any():
            raise LogError(f"log: got user {user_id[stranger][0]}, expected users of the run's population; give this run's")
        return self.exported[place]


def _anonymous(user_id: IntArray) -> IntArray:
    while True:
        key = secrets.token_bytes(32)
        digests = (blake2b(int(user).to_bytes(8, "big", signed=True), digest_size=8, key=key).digest() for user in user_id)
        exported = np.array([int.from_bytes(digest, "big") >> (64 - _BITS) for digest in digests], np.int64)
        if len(np.unique(exported)) == len(exported) and not np.isin(exported, user_id).any():
            return exported
