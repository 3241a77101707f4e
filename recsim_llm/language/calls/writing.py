"""Requests for text, free or held to a JSON Schema, as jobs of a language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from recsim_llm.language.answers.elicitation import write_call
from recsim_llm.language.answers.reading import answer_text
from recsim_llm.language.base.questions import Answer, Prompt, short_text
from recsim_llm.language.base.wire import Call, RawReply
from recsim_llm.language.calls.keys import derive_seed, write_key
from recsim_llm.language.calls.sending import Job

__all__ = ["Writing", "writing_job"]

_WRITTEN = short_text("text", "What is written?")


class Writing(NamedTuple):
    """A request for free text."""

    prompt: Prompt
    """What the model is told."""
    max_tokens: int
    """Most tokens that may be written; a longer text is returned as far as it goes."""
    temperature: float = 0.0
    """0 for the likeliest text, 1 for the model's own distribution."""
    nonce: str = ""
    """Distinguishes requests of equal content above temperature 0."""
    subject: str = ""
    """Whom it is about, for the record and for limits by user."""
    schema: Mapping[str, object] | None = None
    """What is written is JSON that this JSON Schema allows; None: free."""


def writing_job(model: str, writing: Writing) -> Job:
    """Return what is to be found out with one call; its answer has the text.

    Args:
        model: ``provider/model``, for the key.
        writing: the request.
    """
    prompt, max_tokens, temperature, nonce, subject, schema = writing
    key = write_key(model, prompt.parts, temperature=temperature, max_tokens=max_tokens, nonce=nonce, schema=schema)
    call = write_call(prompt, max_tokens, temperature)
    if schema is not None:
        call = call._replace(form="json", schema=schema)
    if temperature > 0:
        call = call._replace(seed=derive_seed(key))
    return Job(key, prompt.parts, (), nonce, subject, call, _read_text)


def _read_text(_: Call, raw: RawReply) -> tuple[Answer, ...]:
    text = answer_text(raw, raw.texts[0] if raw.texts else "").strip()
    return (Answer(_WRITTEN, (), text),)
