"""Whether equal questions get equal probabilities, asked alone and beside others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.wire import Backend, ForcedWay, RawReply
from recsim_llm.language.probing.probe_alone import QUESTIONS
from recsim_llm.language.probing.probe_alternatives import Send
from recsim_llm.language.probing.probe_bursts import together
from recsim_llm.language.probing.probe_page import ASK, LONE

__all__ = ["find_repeats"]

_REPEATS = 3
_SAME = 1e-6


async def find_repeats(send: Send, backend: Backend, way: Elicitation, forced: ForcedWay) -> tuple[str, str]:
    """Ask the same several times, and return the finding's answer and its evidence.

    Args:
        send: sends a call.
        backend: where to, with what was found of it so far.
        way: how decisions are got out of it.
        forced: how it is asked one question alone, where that is the way.

    Raises:
        ModelReplyError: a reply cannot be read.
        BackendError: the server does not answer.
    """
    asks = [LONE._replace(questions=(question,)) for question in QUESTIONS] if way == "forced" else [ASK]
    calls = [prepare(ask, way, forced=forced) for ask in asks]

    async def probabilities() -> tuple[float, ...]:
        return read(calls[0], await send(calls[0], backend), way)[0].probabilities

    first = await probabilities()
    alone = [await probabilities() for _ in range(_REPEATS)]
    others: list[Awaitable[RawReply]] = [send(call, backend) for call in calls[1:] or calls]
    beside, _ = await asyncio.gather(probabilities(), together(others))
    apart, joined = _most_different(first, alone), _most_different(first, [beside])
    said = f"largest difference of a probability {apart:.1e} alone, {joined:.1e} beside others"
    return "yes" if max(apart, joined) <= _SAME else "no", said


def _most_different(first: Sequence[float], rows: Sequence[Sequence[float]]) -> float:
    return max(abs(one - other) for row in rows for one, other in zip(first, row, strict=True))
