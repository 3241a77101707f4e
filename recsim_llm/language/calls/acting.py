"""Requests for calls of tools, as jobs of a language model."""

from __future__ import annotations

from typing import NamedTuple

from recsim_llm.language.answers.tool_calls import read_calls, tools_call
from recsim_llm.language.base.questions import Answer, Prompt, short_text
from recsim_llm.language.base.wire import Call, RawReply
from recsim_llm.language.calls.keys import tools_key
from recsim_llm.language.calls.sending import Job

__all__ = ["Acting", "acting_job"]

_ACTIONS = short_text("actions", "Which tools are wanted?")


class Acting(NamedTuple):
    """A request for calls of tools, at temperature 0."""

    prompt: Prompt
    """What the model is told, with the parts of ``recsim_llm.language.answers.tool_calls``."""
    max_tokens: int
    """Most tokens that may be written."""
    subject: str = ""
    """Whom it is about, for the record and for limits by user."""


def acting_job(model: str, acting: Acting) -> Job:
    """Return what is to be found out with one call; its answer has the actions as JSON text, or words.

    Args:
        model: ``provider/model``, for the key.
        acting: the request.
    """
    prompt, max_tokens, subject = acting
    key = tools_key(model, prompt.parts, max_tokens=max_tokens)
    return Job(key, prompt.parts, (), "", subject, tools_call(prompt, max_tokens), _read)


def _read(_: Call, raw: RawReply) -> tuple[Answer, ...]:
    return (Answer(_ACTIONS, (), read_calls(raw)),)
