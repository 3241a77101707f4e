"""What can go wrong between a client and a model server, and the dice that decide when.

A fault is a function of the seed, the content of the request and how often that content was seen: the same storm comes
again for the same seed, whatever the order of the requests. Repair messages do not count as content, so that the limit of
faults in a row holds for a question however it is asked again.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from recsim_llm.errors import ConfigError
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import Call, RawReply, TokenChoice

__all__ = ["FAULTS", "HARMLESS", "FaultDice", "Faults", "plain_tokens", "possible_faults", "spoil"]

FAULTS: Mapping[str, str] = {
    "rate_limit": "status 429 with Retry-After",
    "rate_limit_bare": "status 429 without Retry-After",
    "server_error": "status 500",
    "overloaded": "status 503",
    "reset": "the connection is reset before any answer",
    "hang": "no answer for long, then the connection breaks",
    "drip": "the right answer, a few bytes at a time",
    "truncated": "status 200, half of the JSON body",
    "html": "status 200, a web page",
    "wrong_schema": "JSON that is not what was asked",
    "refusal": "an apology",
    "no_choices": "an empty list of choices or answers",
    "empty": "an empty reply",
    "out_of_range": "a rating that nobody offered",
    "extra_keys": "the right answer and a key that nobody asked for",
    "echo": "the prompt",
    "contradiction": "two answers to the same question",
}
"""Every fault by name, in the order in which the dice count them."""

HARMLESS = frozenset({"drip", "extra_keys"})
"""Faults whose reply holds the right answer."""

_ON_THE_WAY = frozenset(
    {"rate_limit", "rate_limit_bare", "server_error", "overloaded", "reset", "hang", "drip", "truncated", "html"}
)
_APOLOGY = "I'm sorry, but I can't help with that."
_NONSENSE = '{"verdict": "fine", "items": [1, 2]}'
_OUTSIDE_LABEL, _OUTSIDE_PERCENT = "1000", 250


@dataclass(frozen=True)
class Faults:
    """How often which fault happens.

    Raises:
        ConfigError: an unknown fault, or a number out of its range.
    """

    rate: float | Mapping[str, float]
    """Probability of each fault, the same for all or by name; together at most 1."""
    most_in_a_row: int = field(default=2, kw_only=True)
    """Faults after which the same content is answered, so that a bounded retry succeeds."""
    forever: float = field(default=0.0, kw_only=True)
    """Share of contents, 0 to 1, that fail every time; with rates of 0 they get ``overloaded``."""
    retry_after: float = field(default=0.05, kw_only=True)
    """Seconds in the Retry-After header."""
    hang_seconds: float = field(default=30.0, kw_only=True)
    """How long a hang lasts."""
    drip_seconds: float = field(default=0.05, kw_only=True)
    """How long a dripped answer takes."""

    def __post_init__(self) -> None:
        unknown = self.rates.keys() - FAULTS.keys()
        if unknown:
            raise ConfigError(f"faults: got {', '.join(sorted(unknown))}, expected some of {', '.join(FAULTS)}")
        total = sum(self.rates.values())
        # Equal shares of 1 may add up to slightly more.
        if not all(rate >= 0 for rate in self.rates.values()) or not total <= 1 + 1e-9:
            raise ConfigError(f"faults: got rates that sum to {total:g}, expected rates from 0 up that sum to 1 at most")
        if not 0 <= self.forever <= 1 or self.most_in_a_row < 0:
            raise ConfigError(
                f"faults: got forever {self.forever:g} and most_in_a_row {self.most_in_a_row}, expected 0 to 1 and 0 or more"
            )
        if min(self.retry_after, self.hang_seconds, self.drip_seconds) < 0:
            raise ConfigError("faults: got seconds below 0, expected 0 or more")

    @cached_property
    def rates(self) -> Mapping[str, float]:
        """Probability by name of fault."""
        return dict(self.rate) if isinstance(self.rate, Mapping) else dict.fromkeys(FAULTS, float(self.rate))

    @classmethod
    def storm(cls, share: float = 0.5, *, most_in_a_row: int = 2, forever: float = 0.0, hang_seconds: float = 30.0) -> Faults:
        """Return all faults at once.

        Args:
            share: share of requests that get one, all faults equally often.
            most_in_a_row: see the field.
            forever: see the field.
            hang_seconds: see the field; set it shorter or the client's time limit low, or a storm takes long.
        """
        return cls(share / len(FAULTS), most_in_a_row=most_in_a_row, forever=forever, hang_seconds=hang_seconds)


class _Seen(NamedTuple):
    times: int = 0
    in_a_row: int = 0
    answered: int = 0


class FaultDice:
    """Draws the fault of each request, and counts how often its content was answered.

    Args:
        faults: how often which fault happens; None: never any.
        seed: decides which requests are hit.
    """

    def __init__(self, faults: Faults | None, seed: int) -> None:
        self._faults = faults or Faults(0.0)
        self._seed = seed
        self._seen: dict[bytes, _Seen] = {}
        self._lock = threading.Lock()

    def draw(self, content: bytes, possible: Collection[str]) -> tuple[str, int]:
        """Return the fault of one more request of a content, and how often that content was answered before.

        Args:
            content: digest of what is asked.
            possible: faults that make sense for the request.

        Returns:
            The fault's name, empty for none; answers before this one, those of harmless faults included.
        """
        with self._lock:
            seen = self._seen.get(content, _Seen())
            lost = self._faults.forever > 0 and self._uniform(content, "forever") < self._faults.forever
            fault = self._fault(content, seen, possible, lost)
            answers = not fault or fault in HARMLESS
            self._seen[content] = _Seen(seen.times + 1, 0 if answers else seen.in_a_row + 1, seen.answered + answers)
            return fault, seen.answered

    def _fault(self, content: bytes, seen: _Seen, possible: Collection[str], lost: bool) -> str:
        if not lost and seen.in_a_row >= self._faults.most_in_a_row:
            return ""
        rates = {name: self._faults.rates.get(name, 0.0) for name in FAULTS if name in possible}
        if lost:
            rates = {name: rate for name, rate in rates.items() if rate > 0 and name not in HARMLESS} or {"overloaded": 1.0}
        left = self._uniform(content, str(seen.times)) * (sum(rates.values()) if lost else 1.0)
        for name, rate in rates.items():
            left -= rate
            if left < 0:
                return name
        return next(reversed(rates)) if lost else ""

    def _uniform(self, content: bytes, purpose: str) -> float:
        word = blake2b(f"{self._seed} {purpose}".encode() + content, digest_size=8).digest()
        return int.from_bytes(word, "little") / 2**64


def possible_faults(call: Call, path: str, *, alone: bool = False) -> frozenset[str]:
    """Return the faults that make sense for a call at a path: free text, for instance, knows no rating.

    Args:
        call: what is asked.
        path: where.
        alone: it is one question, whose answer is one token.
    """
    if call.form == "decision":
        inside = {"wrong_schema", "no_choices", "out_of_range", "extra_keys"}
        # System One has no way to decline.
        return _ON_THE_WAY | inside | ({"refusal"} if path.endswith("/decisions") else set())
    if alone:
        return _ON_THE_WAY | {"refusal", "no_choices", "empty", "wrong_schema"}
    if not call.questions:
        return _ON_THE_WAY | {"refusal", "no_choices", "empty"}
    return frozenset(FAULTS)


def spoil(reply: RawReply, call: Call, fault: str, place: int) -> RawReply:
    """Return a reply with a fault in its content; faults of the connection and of the body leave it as it is.

    Args:
        reply: the right one.
        call: what was asked.
        fault: a name out of ``FAULTS``.
        place: which of several samples is hit.
    """
    if call.form == "decision":
        return _spoil_decision(reply, fault)
    if call.form == "tools":
        words = {"refusal": _APOLOGY, "empty": ""}.get(fault)
        return reply if words is None else replace(reply, texts=(words,), calls=(), finish="stop")
    if fault == "refusal" and call.form == "json":
        return replace(reply, texts=("",), tokens=(), refusal=_APOLOGY)
    text = reply.texts[place % len(reply.texts)]
    spoiled = _spoil_text(text, call, fault)
    if spoiled == text:
        return reply
    texts = tuple(spoiled if number == place % len(reply.texts) else text for number, text in enumerate(reply.texts))
    if not reply.tokens:
        return replace(reply, texts=texts)
    tokens = plain_tokens(spoiled)
    if fault in HARMLESS:
        tokens = reply.tokens[place % len(reply.texts)] + plain_tokens(spoiled[len(text) :])
    lines = tuple(tokens if number == place % len(texts) else line for number, line in enumerate(reply.tokens))
    return replace(reply, texts=texts, tokens=lines)


def plain_tokens(text: str) -> tuple[TokenChoice, ...]:
    """Return a text's tokens, each of them certain."""
    return tuple(TokenChoice(piece, ((piece, 0.0),)) for piece in re.findall(r" ?\w+|\s|[^\w\s]", text))


def _spoil_decision(reply: RawReply, fault: str) -> RawReply:
    if fault == "refusal":
        return replace(reply, probabilities=((),) * len(reply.probabilities))
    if fault == "out_of_range":
        return replace(reply, probabilities=tuple((1.7, *chances[1:]) for chances in reply.probabilities))
    return reply


def _spoil_text(text: str, call: Call, fault: str) -> str:
    if fault == "wrong_schema":
        return _NONSENSE
    if fault == "refusal":
        return _APOLOGY
    if fault == "empty":
        return ""
    if fault == "echo":
        return "\n\n".join(message.content for message in call.messages)
    if fault not in ("out_of_range", "extra_keys", "contradiction"):
        return text
    return _spoil_json(text, call.questions, fault) if call.form == "json" else _spoil_lines(text, call.questions, fault)


def _victim(questions: tuple[Question, ...]) -> Question | None:
    rated = [question for question in questions if question.kind in ("score", "number")]
    return next(iter(rated + [question for question in questions if question.options]), None)


def _spoil_lines(text: str, questions: tuple[Question, ...], fault: str) -> str:
    if fault == "extra_keys":
        return f"{text}\nextra: cheerful"
    victim = _victim(questions)
    if victim is None:
        return text
    said = re.search(rf"^{victim.key}: (.*)$", text, re.MULTILINE)
    if said is None:
        return text
    if fault == "out_of_range":
        return f"{text[: said.start(1)]}{_OUTSIDE_LABEL}{text[said.end(1) :]}"
    other = next(label for label in victim.labels if label != said[1])
    return f"{text}\n{victim.key}: {other}"


def _spoil_json(text: str, questions: tuple[Question, ...], fault: str) -> str:
    try:
        stated = json.loads(text)
    except ValueError:  # cut off already
        return text
    if fault == "extra_keys":
        return json.dumps({**stated, "extra": "cheerful"})
    victim = _victim(tuple(question for question in questions if question.key in stated))
    if victim is None:
        return text
    value = stated[victim.key]
    if fault == "out_of_range":
        outside = [_OUTSIDE_PERCENT, *value[1:]] if isinstance(value, list) else _OUTSIDE_PERCENT
        return json.dumps({**stated, victim.key: outside})
    return f"{json.dumps(stated)[:-1]}, {json.dumps(victim.key)}: {json.dumps(_opposite(value))}}}"


def _opposite(value: object) -> object:
    if isinstance(value, list):
        turned = value[::-1]
        return turned if turned != value else [100] + [0] * (len(value) - 1)
    return 0 if not isinstance(value, int) or value >= 50 else 100
