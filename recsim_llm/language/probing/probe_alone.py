"""How a server answers one question alone: the ways are tried from the exact to the counted, until one works."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from recsim_llm.errors import BackendError, ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.answers.reading import FLOOR
from recsim_llm.language.backends.http_backend import HttpBackend
from recsim_llm.language.base.questions import Answer, Question, yes_no
from recsim_llm.language.base.wire import Abilities, ForcedWay, RawReply, TokenChoice
from recsim_llm.language.probing.probe_alternatives import MOST_ALTERNATIVES, Send, find_most_alternatives
from recsim_llm.language.probing.probe_page import LONE

__all__ = ["QUESTIONS", "Alone", "find_way"]

QUESTIONS = tuple(question for question in LONE.questions if question.key in ("click_1", "stars_1", "leave"))
"""What is asked, one by one: a word and a digit are written differently."""

_BY_TOKENS: tuple[ForcedWay, ...] = ("grammar", "prefill", "completions", "chat")
_WIDER = (100, 500)
_DRAWS = 3
_HALF_A_WORD = yes_no("colour", "Which colour?", "Ripe bananas are yell")
_GOES_ON = re.compile(r"[a-xz]")
_BOUND = 0.999
_NOT_NOW = ("timeout", "connection", "rate_limit", "overloaded")


class Alone(NamedTuple):
    """How one question can be asked alone."""

    way: ForcedWay
    """How."""
    alternatives: int
    """Alternatives that list all answers."""
    most: int
    """Most that the server lets one ask for, as far as that was tried."""
    evidence: str
    """What was seen."""


async def find_way(send: Send, backend: HttpBackend) -> Alone:
    """Return the first way that gives answers, the exact ones first.

    Args:
        send: sends a call.
        backend: the server.

    Raises:
        ModelReplyError: none does; the text says what was seen of each.
        BackendError: the server does not answer at present.
    """
    seen = []
    for way in _BY_TOKENS:
        try:
            return await _by_tokens(send, backend, way)
        except (BackendError, ModelReplyError) as error:
            seen.append(f"{way}: {_why(error)}")
    try:
        return await _by_samples(send, backend)
    except (BackendError, ModelReplyError) as error:
        raise ModelReplyError("; ".join([*seen, f"samples: {_why(error)}"])) from None


async def _by_tokens(send: Send, backend: HttpBackend, way: ForcedWay) -> Alone:
    if way == "prefill":
        await _check_continues(send, backend)
    if way == "grammar":
        answers = await _ask(send, backend, way)
        return Alone(way, MOST_ALTERNATIVES, MOST_ALTERNATIVES, _said(way, answers))
    asked = await _most_listed(send, backend, way)
    answers, asked = await _widen(send, backend, way, asked)
    most = asked
    if asked >= MOST_ALTERNATIVES and await _takes(send, backend, way, _WIDER[-1]):
        most = _WIDER[-1]
    return Alone(way, asked, most, f"{_said(way, answers)}; {asked} alternatives of {most} that may be asked for")


async def _widen(send: Send, backend: HttpBackend, way: ForcedWay, asked: int) -> tuple[list[Answer], int]:
    """Return the answers, and how many alternatives it took to prove them."""
    for wanted in (asked, *(wider for wider in _WIDER if asked >= MOST_ALTERNATIVES)):
        try:
            return await _ask(send, backend, way, alternatives=wanted), wanted
        except ModelReplyError as error:
            if error.cause not in ("options_missing", "no_logprobs") or wanted == _WIDER[-1] or asked < MOST_ALTERNATIVES:
                raise
    raise AssertionError("the last one returns or raises")


async def _by_samples(send: Send, backend: HttpBackend) -> Alone:
    for number in range(_DRAWS):
        answers = await _ask(send, backend, "samples", seed=number)
    return Alone("samples", 0, 0, f"samples: {_DRAWS * len(answers)} one-token answers could be read")


async def _ask(
    send: Send, backend: HttpBackend, way: ForcedWay, *, alternatives: int = 20, seed: int = 0, most: int = len(QUESTIONS)
) -> list[Answer]:
    known = Abilities(elicitations=("forced",), forced=way, forced_alternatives=alternatives)
    own = backend.with_abilities(known)
    answers: list[Answer] = []
    try:
        for question in QUESTIONS[:most]:
            call = prepare(LONE._replace(questions=(question,)), "forced", samples=1, forced=way)
            if way == "samples":
                call = call._replace(seed=seed)
            reply = await send(call, own)
            _check_listing(reply, question, way)
            answers += read(call, reply, "forced")
    finally:
        await own.close()
    if way != "samples" and all(max(answer.probabilities) > 1 - len(answer.probabilities) * FLOOR for answer in answers):
        raise ModelReplyError("each answer has probability 1: those of temperature 0, not the model's own")
    return answers


async def _takes(send: Send, backend: HttpBackend, way: ForcedWay, alternatives: int) -> bool:
    try:
        await _ask(send, backend, way, alternatives=alternatives, most=1)
    except (BackendError, ModelReplyError):
        return False
    return True


async def _most_listed(send: Send, backend: HttpBackend, way: ForcedWay) -> int:
    """Return how many alternatives the server allows, at most the usual number."""
    call = prepare(LONE._replace(questions=QUESTIONS[:1]), "forced", forced=way)
    own = backend.with_abilities(Abilities(elicitations=("forced",), forced=way))
    try:
        reply, most = await find_most_alternatives(send, call, own)
    finally:
        await own.close()
    if not reply.tokens:
        raise ModelReplyError("no alternatives of any token")
    return most


async def _check_continues(send: Send, backend: HttpBackend) -> None:
    """Raise where half a word at the end of the assistant's message is not gone on with."""
    call = prepare(LONE._replace(questions=(_HALF_A_WORD,)), "forced", forced="prefill")
    own = backend.with_abilities(Abilities(elicitations=("forced",), forced="prefill", forced_alternatives=2))
    try:
        reply = await send(call, own)
    finally:
        await own.close()
    token = reply.tokens[0][0].token if reply.tokens and reply.tokens[0] else "".join(reply.texts[:1])
    if not _GOES_ON.match(token):
        raise ModelReplyError(f"begins a new message where one is to be continued: {token[:20]!a} after half a word")


def _check_listing(reply: RawReply, question: Question, way: ForcedWay) -> None:
    if way == "samples":
        return
    if not reply.tokens:
        raise ModelReplyError("no alternatives of any token")
    if way == "grammar" and any(_allowed(choice, question) < _BOUND for choice in reply.tokens[0]):
        raise ModelReplyError("accepted, and something else than the allowed answers is listed")


def _allowed(choice: TokenChoice, question: Question) -> float:
    """Return the probability of what a grammar of the labels allows, of what is listed."""
    labels = [label.lower() for label in question.labels]
    allowed = [
        math.exp(chance)
        for token, chance in choice.alternatives
        if any(label.startswith(token.strip(" \u2581\u0120").lower()) for label in labels)
    ]
    return sum(allowed)


def _said(way: ForcedWay, answers: Sequence[Answer]) -> str:
    click, stars, leave = answers
    chances = f"click {click.probabilities[0]:.3f}, stars {stars.mean:.2f}, leave {leave.probabilities[0]:.3f}"
    return f"{way}: {chances}"


def _why(error: BackendError | ModelReplyError) -> str:
    """Return in a few words what was seen; a server that does not answer now is no finding."""
    if isinstance(error, BackendError):
        if error.cause in _NOT_NOW:
            raise error
        return f"status {error.status}" if error.status else str(error)[:100]
    return str(error)[:160]
