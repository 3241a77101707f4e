"""What comes of dialogues, added up turn by turn: how they ended, what was asked, whom to blame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.conversation.acts import ACCEPT, ANSWER, ASK, CHANGE_MIND, LEAVE, RECOMMEND
from recsim_llm.conversation.dialogue_loop import Conversations
from recsim_llm.conversation.dialogue_turns import Turn
from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray

__all__ = ["BLAMES", "Outcomes"]

BLAMES = ("refused what it wanted", "answered falsely", "left too early")
"""What a user can do against its own goal or patience."""
_REFUSED, _ANSWERED, _LEFT = range(len(BLAMES))


class Outcomes:
    """Adds up what comes of dialogues, a row each.

    A dialogue that found nothing is the user's fault where the user refused what it was looking for, gave an answer that is not
    true of it, or left before its patience was used up. Whether it would do so again is asked of the same decision: its
    probability says in how many of all cases it would.

    Args:
        rows: dialogues at the same time.
    """

    def __init__(self, rows: int) -> None:
        self._counts = {
            name: np.zeros(rows, np.int64) for name in ("questions", "recommended", "interruptions", "welcome", "invalid")
        }
        self._bits, self._again = np.zeros(rows), np.full(rows, np.nan)
        self._blame, self._accepted = np.full(rows, -1), np.full(rows, -1)
        self._on_goal, self._regret = np.zeros(rows, np.bool_), np.full(rows, np.nan)

    def add(self, turn: Turn, conversations: Conversations) -> None:
        """Take in a turn."""
        prepared, rows = turn.prepared, turn.prepared.rows
        counts = {
            "questions": prepared.acts.act == ASK,
            "recommended": prepared.acts.act == RECOMMEND,
            "interruptions": prepared.welcome == 0,
            "welcome": prepared.welcome == 1,
            "invalid": prepared.invalid,
        }
        for name, values in counts.items():
            self._counts[name][rows] += values
        # What users say unasked tells bits, too, but no question got them.
        self._bits[rows] += np.where(prepared.acts.act == ASK, np.nan_to_num(turn.bits), 0.0)
        self._accuse(turn)
        taken = np.flatnonzero(turn.user.act == ACCEPT)
        if taken.size:
            at, item = rows[taken], turn.user.item_id[taken]
            index = conversations.catalog.index_of(item)
            heard = prepared.heard
            self._accepted[at], self._regret[at] = item, conversations.regret(at, index)
            hit = heard.wanted[taken] & (heard.item_index[taken] == index[:, None])
            self._on_goal[at] = hit.any(axis=1) | (not heard.has_goal)

    def _accuse(self, turn: Turn) -> None:
        """Note the first thing that each user did against itself."""
        heard, act = turn.prepared.heard, turn.user.act
        wanted = np.where(heard.wanted, turn.accept, 0.0).sum(axis=1)
        faults: tuple[tuple[int, BoolArray, DoubleArray], ...] = (
            (_REFUSED, heard.wanted.any(axis=1) & ~np.isin(act, (ACCEPT, CHANGE_MIND)), 1 - wanted),
            (_ANSWERED, (act == ANSWER) & turn.false, turn.probability),
            (_LEFT, (act == LEAVE) & ~heard.out_of_patience, turn.leave),
        )
        for kind, did, again in faults:
            new = did & (self._blame[turn.prepared.rows] < 0)
            self._blame[turn.prepared.rows[new]], self._again[turn.prepared.rows[new]] = kind, again[new]

    def of(self, rows: IntArray, conversations: Conversations) -> dict[str, npt.NDArray[Any]]:
        """Return columns of the table ``dialogues`` for rows int64 [m] that are over."""
        state, leak = conversations.state, conversations.leak.sums[rows]
        failed = self._accepted[rows] < 0
        goal = conversations.catalog.item_id[conversations.goal_item(rows)]
        watched = conversations.goals.certain
        return {
            "turns": state.turn[rows] - 1,
            "stop_reason": state.stop[rows],
            "item_id": self._accepted[rows],
            "on_goal": self._on_goal[rows],
            "goal_item": np.where(watched, goal, -1),
            **{name: column[rows] for name, column in self._counts.items()},
            "bits": self._bits[rows],
            "regret": self._regret[rows],
            "patience": state.patience[rows],
            "spent": state.spent[rows],
            "blame": np.where(failed, self._blame[rows], -1),
            "blame_again": np.where(failed, self._again[rows], np.nan),
            "leak_hits": leak[:, 0],
            "leak_expected": leak[:, 1],
            "leak_variance": leak[:, 2],
        }
