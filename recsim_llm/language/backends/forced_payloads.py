"""One question asked alone of a server, in the words of the wire: behind the lead of the reply, or at the end of the message.

``grammar`` is the way of llama.cpp: under a grammar of all spellings of the answers, with probabilities after sampling, it
lists what the model would say if it had to answer, nothing left out. The server draws without the grammar first and keeps to it
only where the draw breaks it, so a token that no answer begins with is made certain: then the grammar always decides.

``prefill`` has the server continue the reply (``continue_final_message`` of vLLM and SGLang; llama.cpp and Ollama do it by
themselves), ``completions`` the whole prompt as plain text. There and in ``chat`` the likeliest tokens are listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from recsim_llm.language.answers.question_lists import hint, lead_of
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import Call, ForcedWay, Message

__all__ = ["COMPLETIONS_PATH", "begun_reply", "forced_fields", "most_forced_tokens"]

COMPLETIONS_PATH = "/completions"
"""Path of plain completions below the base URL."""

_DIGITS = ("score", "number")
_LISTED, _LISTED_AN_OPTION = 64, 6
"""Alternatives under a grammar: more than it has first tokens."""
_CERTAIN = 1000.0
_TOKEN = "0"
"""Number of a token that begins no answer: in every known vocabulary a special one or a punctuation mark."""
_ANSWER_ONLY = "Answer with nothing else."


def begun_reply(question: Question) -> str:
    """Return what a reply to one question begins with.

    Before digits it ends in a blank: most tokenizers write that blank as a token of its own.
    """
    return f"{lead_of(question)}{' ' if question.kind in _DIGITS else ''}"


def forced_fields(call: Call, way: ForcedWay, alternatives: int) -> dict[str, object]:
    """Return the fields of a request that asks one question, without those that every request has.

    Args:
        call: with one question.
        way: how.
        alternatives: of the answer's token that are wanted.
    """
    question = call.questions[0]
    listed: dict[str, object] = {"logprobs": True, "top_logprobs": alternatives}
    if way == "completions":
        prompt = "\n\n".join([*[message.content for message in call.messages], begun_reply(question)])
        return {"prompt": prompt, "logprobs": alternatives, "temperature": 0.0}
    if way == "grammar":
        continued = [*call.messages, Message("assistant", begun_reply(question).rstrip())]
        return {"messages": _wire(continued), **_grammar_fields(question)}
    if way == "prefill":
        continued = [*call.messages, Message("assistant", begun_reply(question))]
        flags = {"add_generation_prompt": False, "continue_final_message": True}
        return {"messages": _wire(continued), **flags, **listed, "temperature": 0.0}
    spoken = _wire(_spoken(call.messages, question))
    if way == "chat":
        return {"messages": spoken, **listed, "temperature": 0.0}
    drawn = {"n": call.samples} if call.samples > 1 else {}
    seeded = {} if call.seed is None else {"seed": call.seed}
    return {"messages": spoken, "temperature": 1.0, **drawn, **seeded}


def most_forced_tokens(question: Question, way: ForcedWay) -> int:
    """Return how many tokens may be written: a blank by itself can stand before digits."""
    return 2 if question.kind in _DIGITS and way in ("grammar", "prefill", "completions") else 1


def _spoken(messages: Sequence[Message], question: Question) -> list[Message]:
    """Return the messages with a question at the end of the last one."""
    asked = f"{question.lead or question.text} {hint(question)}\n{_ANSWER_ONLY}"
    return [*messages[:-1], messages[-1]._replace(content=f"{messages[-1].content}\n\n{asked}")]


def _wire(messages: Sequence[Message]) -> list[Mapping[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _grammar_fields(question: Question) -> dict[str, object]:
    spelled = dict.fromkeys(
        spelling for label in question.labels for spelling in (label, label.lower(), label.capitalize(), label.upper())
    )
    blank = '" "' if question.kind in _DIGITS else '" "?'
    return {
        "grammar": f"root ::= {blank} ({' | '.join(map(json.dumps, spelled))})",
        "logit_bias": {_TOKEN: _CERTAIN},
        "logprobs": True,
        "top_logprobs": _LISTED + _LISTED_AN_OPTION * len(question.options),
        "post_sampling_probs": True,
        "temperature": 1.0,
        "samplers": ["temperature"],
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
    }
