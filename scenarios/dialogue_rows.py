"""Turns of conversations as rows of the log."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.conversation.acts import ACCEPT, CRITIQUES, POLICY_ACTS, SILENT, STOPS, USER_ACTS
from recsim_llm.conversation.dialogue_loop import Conversations
from recsim_llm.conversation.dialogue_outcomes import BLAMES
from recsim_llm.conversation.dialogue_turns import Turn
from recsim_llm.conversation.dialogue_words import policy_words
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray, TextArray
from recsim_llm.log.schema import Part

__all__ = ["DialogueRows"]


class DialogueRows:
    """Makes rows of turns.

    Args:
        talks: the dialogues.
        user_id: int64 [u]: outside ids of the users, by row.
    """

    def __init__(self, talks: Conversations, user_id: IntArray) -> None:
        self._talks, self._user_id = talks, user_id

    def _who(self, turn: Turn, place: int) -> Part:
        rows = turn.prepared.rows
        order = np.stack([turn.turn, rows * 2 + place], axis=1)
        return {"user_id": self._user_id[rows], "visit": turn.prepared.heard.visit, "turn": turn.turn, "order": order}

    def of_policy(self, turn: Turn, *, spoken: bool) -> Part:
        """Return columns of ``TURNS``: what the policy did, in words if it is ``spoken``."""
        prepared, attributes, none = turn.prepared, self._talks.attributes, np.full(len(turn.turn), -1)
        text = policy_words(prepared.acts, self._talks.catalog, attributes) if spoken else None
        return self._who(turn, 0) | {
            "who": _constant("policy", len(turn.turn)),
            "act": np.array(POLICY_ACTS, object)[prepared.acts.act],
            "attribute": _named(attributes.names, prepared.acts.attribute),
            "value": _constant(None, len(turn.turn)),
            "critique": _constant(None, len(turn.turn)),
            "item_ids": prepared.acts.item_id,
            "probability": np.full(len(turn.turn), np.nan),
            "welcome": np.where(prepared.acts.act == SILENT, -1, prepared.welcome),
            "obeyed": prepared.obeyed,
            "bits": np.full(len(turn.turn), np.nan),
            "false": none,
            "text": _constant(None, len(turn.turn)) if text is None else text,
        }

    def of_user(self, turn: Turn, spoken: TextArray | None) -> Part:
        """Return columns of ``TURNS``: what users did, and their words, None where there are none."""
        user, attributes, none = turn.user, self._talks.attributes, np.full(len(turn.turn), -1)
        attribute = np.where(user.value < 0, -1, attributes.attribute[user.value]) if len(attributes.attribute) else none
        items = np.full(turn.prepared.heard.item_index.shape, -1)
        items[:, 0] = user.item_id
        return self._who(turn, 1) | {
            "who": _constant("user", len(turn.turn)),
            "act": np.array(USER_ACTS, object)[user.act],
            "attribute": _named(attributes.names, attribute),
            "value": _named(attributes.value_names, user.value),
            "critique": _named(CRITIQUES, user.critique),
            "item_ids": items,
            "probability": turn.probability,
            "welcome": none,
            "obeyed": none,
            "bits": turn.bits,
            "false": np.where(np.isnan(turn.bits), -1, turn.false),
            "text": _constant(None, len(turn.turn)) if spoken is None else spoken,
        }

    def of_page(self, turn: Turn) -> Part:
        """Return what ``TalkLog.page`` takes: the turn as a page."""
        prepared, state, rows = turn.prepared, self._talks.state, turn.prepared.rows
        stop = np.where(turn.ended, state.stop[rows], -1)
        clicked = self.clicked(turn)
        return {
            "user_id": self._user_id[rows],
            "visit": prepared.heard.visit,
            "page": turn.turn - 1,
            "order": np.stack([turn.turn, rows], axis=1),
            "item_id": prepared.acts.item_id,
            "click_prob": turn.accept,
            "clicked": clicked,
            "slate_propensity": np.full(len(rows), np.nan),
            "clicks": clicked.sum(axis=1),
            "invalid_slots": prepared.invalid,
            "reward": clicked.sum(axis=1).astype(np.float64),
            "satisfaction": self._satisfaction(rows),
            "leave_prob": turn.leave,
            "left": turn.ended & (stop != STOPS.index("max_turns")),
            "out_of_pages": turn.ended & (stop == STOPS.index("max_turns")),
        }

    def clicked(self, turn: Turn) -> BoolArray:
        """Return bool [m, k]: which slots were accepted."""
        shown = turn.prepared.heard.item_index
        ids = np.where(shown < 0, -2, self._talks.catalog.item_id[shown])
        clicked: BoolArray = (turn.user.act == ACCEPT)[:, None] & (ids == turn.user.item_id[:, None])
        return clicked

    def _satisfaction(self, rows: IntArray) -> FloatArray:
        """Return float32 [m]: the share of its patience that each user has left; 0 of who was sent away with nothing.

        Otherwise a policy that ends every dialogue at once would have the most satisfied users of all.
        """
        state = self._talks.state
        left = np.clip(1 - state.spent[rows] / state.patience[rows], 0.0, 1.0)
        return np.where(state.stop[rows] == STOPS.index("policy_ended"), 0.0, left).astype(np.float32)

    def of_dialogues(self, rows: IntArray, columns: Part) -> Part:
        """Return the rows of dialogues that are over; ``columns`` as ``Outcomes.of`` returns them."""
        stop, blame = columns["stop_reason"], columns["blame"]
        return columns | {
            "order": np.stack([columns["turns"], rows], axis=1),
            "user_id": self._user_id[rows],
            "visit": self._talks.state.visit[rows],
            "stop_reason": _named(STOPS, stop),
            "blame": _named(BLAMES, blame),
            "clicks": (columns["item_id"] >= 0).astype(np.int64),
            "satisfaction": self._satisfaction(rows),
            "left": stop != STOPS.index("max_turns"),
        }


def _named(names: tuple[str, ...], place: IntArray) -> npt.NDArray[Any]:
    """Return str [m]: names at places, None where there is none."""
    return np.array([*names, None], object)[place]


def _constant(value: Any, count: int) -> npt.NDArray[Any]:
    return np.full(count, value, object)
