"""Conversations in the layout of ReDial: ``redial.jsonl``, a dialogue a line.

The user is the initiator, the recommender the respondent. Words name items as ``@movieId``, and ``movieMentions`` gives their
titles. The labels of a movie are ReDial's: ``suggested`` 1 where the recommender showed it, 0 where the user named it first;
``seen`` is always 2, *did not say*; ``liked`` is 1 for what the user took, 0 for what it refused or did not want to be shown
again, 2 for the rest.

Source: R. Li, S. E. Kahou, H. Schulz, V. Michalski, L. Charlin and C. Pal (2018), Towards Deep Conversational
Recommendations, NeurIPS; the datasheet at https://redialdata.github.io/website/datasheet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from recsim_llm.conversation.acts import ACCEPT, CRITIQUE, REFUSE, USER_ACTS
from recsim_llm.conversation.transcripts import LoggedAct, Transcript
from recsim_llm.exports.own_names import write_own_ids
from recsim_llm.exports.ratings_csv import dated_title
from recsim_llm.exports.source import ExportSource
from recsim_llm.exports.told_conversations import ToldConversations

__all__ = ["REDIAL_FILE", "write_redial"]

REDIAL_FILE = "redial.jsonl"
"""Name of the file in an arm's folder."""

_UNSAID, _YES, _NO = 2, 1, 0
_MAPPED = ("user_id", "who", "text", "item_ids", "item_id")
_LOST = (
    *("arm", "visit", "turn", "act", "attribute", "value", "critique", "probability", "stop_reason"),
    *("on_goal", "goal_item", "satisfaction"),
)
_NOTES = (
    "words are the log's where it has some, else made from the acts by templates; acts without words have no message",
    "liked is 1 for what was accepted, 0 for what was refused, 2 (did not say) for the rest; seen is 2, since users tell "
    "nothing of it; both sides give the same labels",
    "timeOffset counts the messages of a dialogue, since a run has no seconds; ids of conversations and messages count from 1",
    "an item that the log's own words do not name by its title is in movieMentions and the labels alone",
)


def write_redial(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``redial.jsonl``, in UTF-8, as the module describes it, and ``losses.json``; own ids as ``write_own_ids`` does.

    Returns:
        What was written, by name.
    """
    told, numbers = ToldConversations(source), count(1)
    written = {"conversations": 0, "messages": 0, "movies_mentioned": 0}
    recommender = int(source.identities.exported.max()) + 1
    with (folder / REDIAL_FILE).open("w", encoding="utf-8", newline="\n") as stream:
        for number, transcript in enumerate(told, 1):
            user = source.user_number(transcript.user_id)
            line = {"conversationId": str(number), **_line(told, transcript, (user, recommender), numbers)}
            titles = {item: dated_title(source, source.place_of(int(item))) for item in line["initiatorQuestions"]}
            line["movieMentions"] = {item: " ".join(title.split()) for item, title in titles.items()}
            stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
            written["conversations"] += 1
            written["messages"] += len(line["messages"])
            written["movies_mentioned"] += len(line["movieMentions"])
    write_own_ids(source, folder)
    told.write_losses(folder, "redial", written["conversations"], mapped=_MAPPED, lost=_LOST, notes=_NOTES)
    return written


def _line(told: ToldConversations, transcript: Transcript, who: tuple[int, int], numbers: Iterator[int]) -> dict[str, Any]:
    """Return a dialogue but for its id and the titles of its movies."""
    user, recommender = who
    texts = [said for said in told.say(transcript, named=lambda item: f"@{item}") if said.text]
    labels = {str(item): label for item, label in _labels(transcript).items()}
    messages = [
        {
            "timeOffset": place,
            "text": said.text,
            "senderWorkerId": user if said.act.who == "user" else recommender,
            "messageId": next(numbers),
        }
        for place, said in enumerate(texts)
    ]
    return {
        "messages": messages,
        "initiatorWorkerId": user,
        "respondentWorkerId": recommender,
        "initiatorQuestions": labels,
        "respondentQuestions": labels,
    }


def _labels(transcript: Transcript) -> dict[int, dict[str, int]]:
    """Return the labels of every item of a dialogue, in the order in which they came up."""
    labels: dict[int, dict[str, int]] = {}
    shown: tuple[int, ...] = ()
    for act in transcript.acts:
        for item in act.items:
            suggested = _YES if act.who == "policy" else _NO
            labels.setdefault(item, {"suggested": suggested, "seen": _UNSAID, "liked": _UNSAID})
        if act.who == "policy":
            shown = act.items if act.act == "recommend" else ()
            continue
        for item, liked in _opinions(act, shown):
            labels[item]["liked"] = liked
    return labels


def _opinions(act: LoggedAct, shown: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield the items that a user said something of, and whether it wants them."""
    if act.act == USER_ACTS[ACCEPT]:
        yield from ((item, _YES) for item in act.items)
    elif act.act == USER_ACTS[REFUSE]:
        yield from ((item, _NO) for item in shown)
    elif act.act == USER_ACTS[CRITIQUE]:
        yield from ((item, _NO) for item in act.items)
