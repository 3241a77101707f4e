"""What a conversation is made of: the acts of both sides, and what was said so far.

All of it is columns over a batch of dialogues; treat the arrays as read-only. Items are outside ids on the side of policies,
values are value indices of ``recsim_llm.conversation.attributes.Attributes``, and -1 stands for none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim_llm.conversation.attributes import Attributes
from recsim_llm.core.arrays import IntArray, TextArray
from recsim_llm.core.pages import Requests

__all__ = [
    "ACCEPT",
    "ANSWER",
    "ASK",
    "CHANGE_MIND",
    "CRITIQUE",
    "CRITIQUES",
    "END",
    "EXPLAIN",
    "LEAVE",
    "LESS",
    "MORE",
    "NOTHING",
    "NOT_THIS",
    "POLICY_ACTS",
    "RECOMMEND",
    "REFUSE",
    "SAY",
    "SILENT",
    "STOPS",
    "USER_ACTS",
    "Dialogues",
    "PolicyActs",
    "Said",
    "UserActs",
    "silent_acts",
]

POLICY_ACTS = ("silent", "say", "ask", "recommend", "explain", "end")
"""What a policy may do in its turn."""
SILENT, SAY, ASK, RECOMMEND, EXPLAIN, END = range(len(POLICY_ACTS))

USER_ACTS = ("nothing", "answer", "critique", "accept", "refuse", "change_mind", "leave")
"""What a user may do in its turn."""
NOTHING, ANSWER, CRITIQUE, ACCEPT, REFUSE, CHANGE_MIND, LEAVE = range(len(USER_ACTS))

CRITIQUES = ("less", "more", "not_this")
"""What a critique asks for: less of a value, more of a value, not this item again."""
LESS, MORE, NOT_THIS = range(len(CRITIQUES))

STOPS = ("accepted", "left", "max_turns", "policy_ended")
"""How a dialogue can end."""


class PolicyActs(NamedTuple):
    """What a policy does in its turn; ``silent_acts`` makes some to start from."""

    act: IntArray
    """int64 [d]: place in ``POLICY_ACTS``."""
    attribute: IntArray
    """int64 [d]: of ``ask`` what is asked about, as a place in ``Attributes.names``; -1 asks openly what the user wants."""
    item_id: IntArray
    """int64 [d, k]: of ``recommend`` and ``explain`` the items, outside ids, first slot first, -1 where there is none."""
    text: TextArray | None = None
    """str [d]: its own words, empty where there are none; None where there never are. Then words are made from the act."""


class UserActs(NamedTuple):
    """What users did in their turn."""

    act: IntArray
    """int64 [d]: place in ``USER_ACTS``."""
    value: IntArray
    """int64 [d]: value index of an ``answer`` or of a ``critique`` by value; -1 where there is none."""
    critique: IntArray
    """int64 [d]: place in ``CRITIQUES``; -1 where there is none."""
    item_id: IntArray
    """int64 [d]: item accepted, or criticised as ``not_this``; -1 where there is none."""


class Said(NamedTuple):
    """What was said in every turn so far, oldest first; turn 0 is the user's opening, in which the policy was silent."""

    policy_act: IntArray
    """int64 [d, t]: place in ``POLICY_ACTS``."""
    attribute: IntArray
    """int64 [d, t]: what was asked about."""
    item_id: IntArray
    """int64 [d, t, k]: what was recommended or explained; -1 also for slots that were blanked as invalid."""
    user_act: IntArray
    """int64 [d, t]: place in ``USER_ACTS``."""
    value: IntArray
    """int64 [d, t]: value of the user's answer or critique."""
    critique: IntArray
    """int64 [d, t]: place in ``CRITIQUES``."""
    item: IntArray
    """int64 [d, t]: item id that the user accepted or criticised."""


class Dialogues(NamedTuple):
    """All that a policy may know now about each dialogue of a batch; never the goal, the taste or the persona."""

    requests: Requests
    """What it knows of the users as for a page: ``page`` is the turn from 0, the history what was recommended in the run, with
    what was accepted as clicked; ``text`` the user's last words, where anybody reads them."""
    turn: IntArray
    """int64 [d]: which turn of the dialogue this is, from 1."""
    said: Said
    """Every turn before it."""
    attributes: Attributes
    """What can be asked about."""


def silent_acts(dialogues: int, slots: int) -> PolicyActs:
    """Return acts of a policy that says nothing, in arrays that may be written to."""
    return PolicyActs(act=np.full(dialogues, SILENT), attribute=np.full(dialogues, -1), item_id=np.full((dialogues, slots), -1))
