"""Which of the ways that work a run takes: the model's own probabilities before stated ones, stated before counted ones.

A call a question costs little where the page before it is read once: on this machine, where nobody sends a bill, and where a
server is seen to keep prefixes. Elsewhere it would be paid for 22 times, and goes behind one stated reply. A model in this
process is asked all questions of a page alone in one call: that costs no more than a list of them, and small models understand
no list.
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
_SIDE_BY_SIDE = "the model's own probabilities, each question asked alone, all of a page in one call"
_IN_PROCESS = 1
"""Ways that go before ``forced`` where a model in this process answers all questions in one call."""


def rank(working: Collection[Elicitation], abilities: Abilities, *, cheap: bool) -> tuple[Elicitation, ...]:
    """Return the ways that work, best first.

    Args:
        working: elicitations that gave valid answers.
        abilities: how a question is asked alone.
        cheap: reading a page again for each question costs little.
    """
    alone = 4 if abilities.forced == "samples" else _IN_PROCESS if not abilities.forced else 2 if cheap else 3
    return tuple(way for way in _order(alone) if way in working)


def give_reason(abilities: Abilities, answers: Mapping[str, str]) -> str:
    """Return why the first way is taken, and what was found of those that go before it.

    Args:
        abilities: what the server was found to do.
        answers: of the probe, by ability.
    """
    if not abilities.elicitations:
        return "no way to a decision works"
    best = abilities.elicitations[0]
    alone = {"samples": _COUNTED, "": _SIDE_BY_SIDE} if best == "forced" else {}
    reason = alone.get(abilities.forced, _REASONS[best])
    if best == "json" and "forced" in abilities.elicitations:
        reason += "; a call a question would read the page again each time"
    order = _order(2 if abilities.forced else _IN_PROCESS)
    before = [way for way in order[: order.index(best)] if way not in abilities.elicitations and way in answers]
    found = ", ".join(f"{way} {answers[way]}" for way in before)
    return f"{reason} ({found})" if found else reason


def _order(alone: int) -> list[Elicitation]:
    """Return all ways, best first, ``forced`` behind so many of the others."""
    order: list[Elicitation] = ["decision", "logprobs", "json", "samples"]
    order.insert(alone, "forced")
    return order
