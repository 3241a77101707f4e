"""Conversations as instruction data: ``conversations.jsonl``, a dialogue a line, chat messages beside the typed acts.

==================  ==================================================================================================
arm                 name of the recommender
conversation_id     ``USER-VISIT``, unique in the file
user_id, visit      who, and which visit
messages            list of ``{"role": "user" | "assistant", "content": text}``; what one side says twice in a row is one
                    message of two lines, so that roles take turns
acts                list of ``{"message", "turn", "who", "act", "attribute", "value", "critique", "item_id", "probability"}``:
                    everything that was done, as in the log; ``message`` is the place in ``messages``, null where nothing
                    was said; ``item_id`` a list; ``probability`` that of the act the user was drawn to do
ended               ``accepted``, ``left``, ``max_turns`` or ``policy_ended``
accepted, goal      id of the item that was taken, and of what the user looked for at the end; null where there is none
satisfaction        at the end, 0 to 1
turn_satisfaction   list of the same after each turn
==================  ==================================================================================================

Runs page by page whose users read words on pages or say some are told likewise, see
``recsim_llm.exports.page_conversations``.

The goal stands in no message: who trains a recommender on ``messages`` tells it nothing that it could not know. Ids are the
data's own: texts where the data has texts, otherwise numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recsim_llm.conversation.transcripts import LoggedAct, Transcript
from recsim_llm.exports.source import ExportSource
from recsim_llm.exports.told_conversations import Said, ToldConversations

__all__ = ["CONVERSATIONS_FILE", "write_conversations"]

CONVERSATIONS_FILE = "conversations.jsonl"
"""Name of the file in an arm's folder."""

_MAPPED = (
    *("arm", "user_id", "visit", "turn", "who", "act", "attribute", "value", "critique", "item_ids", "probability"),
    *("text", "stop_reason", "item_id", "goal_item", "satisfaction"),
)
_LOST = ("on_goal",)
_NOTES = (
    "words are the log's where it has some, else made from the acts by templates",
    "what one side says twice in a row is one message of two lines",
)


def write_conversations(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``conversations.jsonl``, in UTF-8, as the module describes it, and ``losses.json``.

    Returns:
        What was written, by name.
    """
    told = ToldConversations(source)
    written = {"conversations": 0, "messages": 0, "acts": 0}
    with (folder / CONVERSATIONS_FILE).open("w", encoding="utf-8", newline="\n") as stream:
        for transcript in told:
            line = _line(source, told, transcript)
            stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
            written["conversations"] += 1
            written["messages"] += len(line["messages"])
            written["acts"] += len(line["acts"])
    told.write_losses(folder, "conversations", written["conversations"], mapped=_MAPPED, lost=_LOST, notes=_NOTES)
    return written


def _line(source: ExportSource, told: ToldConversations, transcript: Transcript) -> dict[str, Any]:
    user = source.user_label(transcript.user_id)
    messages, places = _messages(told.say(transcript))
    return {
        "arm": source.log.arm,
        "conversation_id": f"{user}-{transcript.visit}",
        "user_id": user,
        "visit": transcript.visit,
        "messages": messages,
        "acts": [_act(told, act, place) for act, place in zip(transcript.acts, places, strict=True)],
        "ended": transcript.stop_reason,
        "accepted": None if transcript.accepted is None else told.label(transcript.accepted),
        "goal": None if transcript.goal_item is None else told.label(transcript.goal_item),
        "satisfaction": transcript.satisfaction,
        "turn_satisfaction": list(transcript.turn_satisfaction),
    }


def _messages(said: list[Said]) -> tuple[list[dict[str, str]], list[int | None]]:
    """Return messages whose roles take turns, and the place of each act among them."""
    messages: list[dict[str, str]] = []
    places: list[int | None] = []
    for act, text in said:
        role = "user" if act.who == "user" else "assistant"
        if text and messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{text}"
        elif text:
            messages.append({"role": role, "content": text})
        places.append(len(messages) - 1 if text else None)
    return messages, places


def _act(told: ToldConversations, act: LoggedAct, message: int | None) -> dict[str, Any]:
    return {
        "message": message,
        "turn": act.turn,
        "who": act.who,
        "act": act.act,
        "attribute": act.attribute,
        "value": act.value,
        "critique": act.critique,
        "item_id": [told.label(item) for item in act.items],
        "probability": act.probability,
    }
