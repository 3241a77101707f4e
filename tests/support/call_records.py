"""Rows for calls files."""

from __future__ import annotations

from recsim_llm.language.base.questions import Part, score, yes_no
from recsim_llm.language.base.wire import RawReply, TokenUsage
from recsim_llm.language.calls.store import CallRecord

QUESTIONS = (yes_no("leave", "Do you leave?"), score("stars", "How many stars?"))
RULES = Part("rules", "You answer for a user.")


def key(number):
    return number.to_bytes(32, "little")


def answer(number):
    return RawReply((f"leave: no {number}",), usage=TokenUsage(100, 64, 8))


def record(number, **changes):
    made = CallRecord(
        key=key(number),
        role="user",
        model="test/model",
        elicitation="logprobs",
        form="labels",
        parts=(RULES, Part("page", f"page {number}")),
        questions=QUESTIONS,
        nonce="",
        subject=str(number),
        attempt=1,
        status="answered",
        started="2030-01-01T00:00:00+00:00",
        reply=answer(number),
        seconds=0.25 + number,
        cost=0.5,
    )
    return made._replace(**changes)
