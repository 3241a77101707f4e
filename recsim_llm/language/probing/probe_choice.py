"""Which of the ways that work a run takes: the model's own probabilities before stated ones, stated before counted ones.

A call a question costs little where the page before it is read once: on this machine, where nobody sends a bill, and where a
server is seen to keep prefixes. Elsewhere it would be paid for 22 times, and goes behind one stated reply.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.wire import Abilities

__all__ = ["give_reason", "rank"]

_REASONS: dict[Elicitation, str] = {
    "decision": "probabilities from an endpoint made for them, one call a page, nothing written",
    "logprobs": "the model's own probabilities in one call a page",
    "forced": "the model's own probabilities, a call a question behind one page",
    "json": "stated in one call a page",
    "samples": "counted in drawn replies; nothing here tells probabilities",
}
_COUNTED = "counted in one-token answers, a call a question; nothing else works"


def rank(working: Collection[Elicitation], abilities: Abilities, *, cheap: bool) -> tuple[Elicitation, ...]:
    """Return the ways that work, best first.

    Args:
        working: elicitations that gave valid answers.
        abilities: how a question is asked alone.
        cheap: reading a page again for each question costs little.
    """
    order: list[Elicitation] = ["decision", "logprobs", "json", "samples"]
    alone = len(order) if abilities.forced == "samples" else 2 if cheap or not abilities.forced else 3
    order.insert(alone, "forced")
    return tuple(way for way in order if way in working)


def give_reason(abilities: Abilities, answers: Mapping[str, str]) -> str:
    """Return why the first way is taken, and what was found of those that go before it.

    Args:
        abilities: what the server was found to do.
        answers: of the probe, by ability.
    """
    if not abilities.elicitations:
        return "no way to a decision works"
    best = abilities.elicitations[0]
    reason = _COUNTED if best == "forced" and abilities.forced == "samples" else _REASONS[best]
    if best == "json" and "forced" in abilities.elicitations:
        reason += "; a call a question would read the page again each time"
    before = [way for way in _REASONS if way not in abilities.elicitations and way in answers]
    found = ", ".join(f"{way} {answers[way]}" for way in before[: list(_REASONS).index(best)])
    return f"{reason} ({found})" if found else reason
