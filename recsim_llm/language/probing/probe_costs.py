"""What a page would cost by each way to a decision, estimated from the calls that a probe has seen.

Seconds of a call are taken to be ``a + b * tokens read anew + c * tokens written``, fitted by least squares with no coefficient
below 0; tokens of ten items are those of the probe's own page of two, by the words that are sent.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np

from recsim_llm.core.arrays import DoubleArray
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.tokens import estimate_tokens
from recsim_llm.language.base.wire import Abilities, Call, RawReply
from recsim_llm.language.probing.probe_page import page_of

__all__ = ["CostMeter", "WayCost"]

_ITEMS = 10
_SAMPLES = 8
_WRITTEN = {"decision": 0.0, "logprobs": 6.0, "samples": 6.0, "json": 14.0, "forced": 1.5}
"""Tokens an answer where none was seen."""


class WayCost(NamedTuple):
    """What one page of ten items costs by one way, estimated."""

    calls: int
    """Requests."""
    read: int
    """Tokens read, those from a prefix cache included."""
    cached: int
    """Of those, tokens from a prefix cache."""
    written: int
    """Tokens written."""
    seconds: float | None
    """Time for a page alone; None where the server does not count tokens."""

    def text(self) -> str:
        """Say it in a few words."""
        time = "time unknown" if self.seconds is None else f"about {self.seconds:.1f} s"
        calls = f"{self.calls} call{'s' * (self.calls > 1)}"
        return f"{calls}, {self.read:,} tokens read ({self.cached:,} cached), {self.written:,} written, {time}"


class CostMeter:
    """Remembers the calls of a probe that were alone on the wire."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, float, float]] = []
        self._ratios: list[float] = []
        self._written: dict[str, list[float]] = {}
        self.saves_prefix = False
        """A reply told that a part of its prompt came from a cache."""

    def add(self, call: Call, reply: RawReply, seconds: float) -> None:
        """Remember one call."""
        prompt, cached, written = reply.usage
        self.saves_prefix = self.saves_prefix or bool(cached)
        # Decision endpoints count the page once for every question.
        if prompt is None or call.form == "decision":
            return
        self._seen.append((float(prompt - (cached or 0)), float(written or 0), seconds))
        told = sum(estimate_tokens(message.content) for message in call.messages)
        self._ratios.append(prompt / max(told, 1))
        if call.questions and written is not None:
            self._written.setdefault(call.form, []).append(written / len(call.questions) / max(call.samples, 1))

    def cost(self, way: Elicitation, abilities: Abilities) -> WayCost:
        """Return what a page would cost.

        Args:
            way: how decisions are got.
            abilities: what the server was found to do.
        """
        alone = way == "forced" and abilities.forced != ""
        call = prepare(page_of(_ITEMS, leads=way == "forced"), way)
        questions = len(call.questions)
        ratio = float(np.median(self._ratios)) if self._ratios else 1.0
        prompt = ratio * sum(estimate_tokens(message.content) for message in call.messages)
        leads = ratio * sum(estimate_tokens(question.lead) for question in call.questions)
        sampled = way == "samples" or (alone and abilities.forced == "samples")
        repeats = math.ceil(_SAMPLES / abilities.samples) if sampled else 1
        calls = repeats * (questions if alone else 1)
        read = calls * prompt + (repeats * leads if way == "forced" else 0.0)
        cached = (calls - 1) * prompt if self.saves_prefix else 0.0
        each = self._written.get(call.form)
        written = questions * (float(np.mean(each)) if each else _WRITTEN[way]) * (_SAMPLES if sampled else 1)
        rates = self._rates()
        seconds = None
        if rates is not None:
            at_once = min(calls, abilities.concurrency)
            seconds = float(rates @ (calls / at_once, read - cached, written))
        return WayCost(calls, round(read), round(cached), round(written), seconds)

    def _rates(self) -> DoubleArray | None:
        """Return seconds a call, a token read anew and a token written; None where no tokens were counted."""
        if len(self._seen) < 3:
            return None
        seen = np.array(self._seen)
        columns = np.column_stack([np.ones(len(seen)), seen[:, :2]])
        best: tuple[float, DoubleArray] | None = None
        # The best fit without negative rates is the best of the plain fits with some rates at 0.
        for size in (3, 2, 1):
            for kept in combinations(range(3), size):
                found = np.linalg.lstsq(columns[:, kept], seen[:, 2], rcond=None)[0]
                rates = np.zeros(3)
                rates[list(kept)] = found
                error = float(np.sum((columns @ rates - seen[:, 2]) ** 2))
                if rates.min() >= 0 and (best is None or error < best[0]):
                    best = error, rates
        return None if best is None else best[1]
