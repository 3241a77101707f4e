"""Raw replies as bodies of the OpenAI protocol, with token counts that know prefixes seen before."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from recsim_llm.language.backends.scripted_forms import CHARACTERS_A_TOKEN
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import RawReply, TokenChoice
from recsim_llm.language.chaos.faults import plain_tokens
from recsim_llm.language.chaos.requests import Wanted

__all__ = ["SeenPrefixes", "chat_body", "completion_body", "decisions_body", "systemone_body"]

_BLOCK = 256
_MOST_PREFIXES = 16_384


class SeenPrefixes:
    """Counts the tokens of a prompt that an earlier one began with, in blocks of 64 tokens."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, prompt: str) -> tuple[int, int]:
        """Return the tokens of a prompt and how many of them are cached, and remember it."""
        digest, cached, hit = blake2b(digest_size=16), 0, True
        with self._lock:
            for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
                digest.update(prompt[start : start + _BLOCK].encode())
                key = digest.digest()
                hit = hit and key in self._seen
                cached += _BLOCK * hit
                self._seen[key] = None
                self._seen.move_to_end(key)
            while len(self._seen) > _MOST_PREFIXES:
                self._seen.popitem(last=False)
        return len(prompt) // CHARACTERS_A_TOKEN, cached // CHARACTERS_A_TOKEN


def chat_body(reply: RawReply, wanted: Wanted, model: str, tokens: tuple[int, int]) -> dict[str, Any]:
    """Return the body of a chat completion.

    Args:
        reply: what was generated.
        wanted: the request.
        model: the model's name.
        tokens: of the prompt, and how many of them came from the prefix cache.
    """
    read, cached = tokens
    written = sum(max(len(text) // CHARACTERS_A_TOKEN, 1) for text in reply.texts)
    return {
        "id": f"chatcmpl-{wanted.content.hex()}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [_choice(reply, wanted, place) for place in range(len(reply.texts) or 1)],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


def completion_body(reply: RawReply, wanted: Wanted, model: str, tokens: tuple[int, int]) -> dict[str, Any]:
    """Return the body of a plain completion, whose tokens have a layout of their own; arguments as for ``chat_body``."""
    body = chat_body(reply, wanted, model, tokens)
    for place, choice in enumerate(body["choices"]):
        message, logprobs = choice.pop("message"), choice["logprobs"]
        choice["text"] = message["content"] or ""
        if logprobs is not None:
            line = reply.tokens[place] if reply.tokens else plain_tokens(reply.texts[place])
            choice["logprobs"] = {
                "tokens": [choice.token for choice in line],
                "top_logprobs": [dict(choice.alternatives[: wanted.alternatives]) for choice in line],
            }
    return body | {"object": "text_completion"}


def systemone_body(reply: RawReply, wanted: Wanted, model: str, tokens: tuple[int, int]) -> dict[str, Any]:
    """Return the body of a System One answer; arguments as for ``chat_body``."""
    pairs = zip(wanted.call.questions, reply.probabilities, strict=True)
    answers = {question.key: _systemone_answer(question, chances) for question, chances in pairs}
    return {"model": model, "answers": answers, "usage": {"input_tokens": tokens[0], "output_tokens": 0}}


def decisions_body(reply: RawReply, wanted: Wanted, model: str, tokens: tuple[int, int]) -> dict[str, Any]:
    """Return the body of OpenAI's decisions; arguments as for ``chat_body``."""
    pairs = zip(wanted.call.questions, reply.probabilities, strict=True)
    read, cached = tokens
    return {
        "model": model,
        "answers": [_decisions_answer(question, chances) for question, chances in pairs],
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": cached},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read,
        },
    }


def _choice(reply: RawReply, wanted: Wanted, place: int) -> dict[str, Any]:
    text = reply.texts[place] if reply.texts else ""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if reply.refusal else text,
        "refusal": reply.refusal or None,
    }
    if reply.calls:
        calls = [{"name": call.name, "arguments": call.arguments} for call in reply.calls]
        message["tool_calls"] = [
            {"id": f"chaos_{wanted.content.hex()[:8]}_{number}", "type": "function", "function": call}
            for number, call in enumerate(calls)
        ]
    logprobs = None
    if wanted.call.logprobs and not reply.refusal:
        tokens = reply.tokens[place] if reply.tokens else plain_tokens(text)
        write = _sampled_token if wanted.sampled else _token
        logprobs = {"content": [write(choice, wanted.alternatives) for choice in tokens], "refusal": None}
    return {"index": place, "message": message, "logprobs": logprobs, "finish_reason": reply.finish}


def _token(choice: TokenChoice, alternatives: int) -> dict[str, Any]:
    own = next(chance for token, chance in choice.alternatives if token == choice.token)
    others = [_logprob(token, chance) for token, chance in choice.alternatives[:alternatives]]
    return {**_logprob(choice.token, own), "top_logprobs": others}


def _sampled_token(choice: TokenChoice, alternatives: int) -> dict[str, Any]:
    listed = [{"token": token, "prob": math.exp(chance)} for token, chance in choice.alternatives[:alternatives]]
    own = next(entry for entry in listed if entry["token"] == choice.token)
    return {**own, "top_probs": listed}


def _logprob(token: str, chance: float) -> dict[str, Any]:
    return {"token": token, "logprob": chance, "bytes": list(token.encode())}


def _confidence(chances: Sequence[float]) -> float:
    return max(0.0, (max(chances) - 1 / len(chances)) / (1 - 1 / len(chances))) if len(chances) > 1 else 1.0


def _systemone_answer(question: Question, chances: Sequence[float]) -> dict[str, Any]:
    if question.kind == "yes_no":
        return {"type": "noul", "noul": chances[0]}
    best = max(range(len(chances)), key=chances.__getitem__)
    if question.kind == "score":
        return {
            "type": "score",
            "score": sum(level * chance for level, chance in enumerate(chances)),
            "legend": {str(level): option for level, option in enumerate(question.options)},
            "confidence": _confidence(chances),
            "probabilities": {str(level): chance for level, chance in enumerate(chances)},
        }
    table = dict(zip(question.options, chances, strict=True))
    return {"type": "choice", "choice": question.options[best], "confidence": _confidence(chances), "probabilities": table}


def _decisions_answer(question: Question, chances: Sequence[float]) -> dict[str, Any]:
    if not chances:
        return {"type": "refusal", "name": question.key}
    if question.kind == "yes_no":
        return {"type": "predicate", "name": question.key, "probability": chances[0]}
    about = {"name": question.key, "confidence": _confidence(chances)}
    pairs = list(zip(question.options, chances, strict=True))
    if question.kind == "score":
        listed = [{"label": label, "probability": chance, "value": level} for level, (label, chance) in enumerate(pairs)]
        mean = sum(level * chance for level, chance in enumerate(chances))
        return {"type": "score", **about, "score": mean, "probabilities": listed}
    options = [{"value": option, "probability": chance} for option, chance in pairs]
    best = max(pairs, key=lambda pair: pair[1])[0]
    return {"type": "choice", **about, "choice": best, "probabilities": options}
