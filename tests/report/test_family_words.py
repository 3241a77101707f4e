"""Whether a verdict survives the families of users, in a line."""

from __future__ import annotations

import pytest

from recsim_llm.report.comparison_words import family_line


def effect(low, high):
    return {"value": (low + high) / 2, "low": low, "high": high, "users": 50, "confidence": 0.95}


AHEAD, BEHIND, OPEN = effect(0.1, 0.4), effect(-0.5, -0.2), effect(-0.1, 0.3)


@pytest.mark.parametrize(
    ("verdict", "effects", "said"),
    [
        ("better", {"content": AHEAD, "factors": AHEAD}, "holds with every family"),
        ("worse", {"content": BEHIND, "factors": BEHIND}, "holds with every family"),
        ("better", {"content": AHEAD, "factors": BEHIND}, "turns with factors; holds with content"),
        ("worse", {"content": AHEAD, "factors": BEHIND}, "turns with content; holds with factors"),
        ("better", {"a": AHEAD, "b": OPEN, "c": AHEAD, "d": OPEN}, "holds with a and c; undecided with b and d"),
        ("undecided", {"a": AHEAD, "b": BEHIND, "c": OPEN}, "als is ahead with a and behind with b"),
        ("undecided", {"a": OPEN, "b": OPEN}, "undecided with every family"),
        ("better", {"a": {**OPEN, "low": None, "high": None}}, "undecided with a"),
    ],
)
def test_a_verdict_holds_turns_or_is_undecided_by_family(verdict, effects, said):
    groups = {"names": list(effects), "effects": list(effects.values())}
    line = family_line({"arm": "als", "against": "random", "verdict": verdict}, {"groups": groups})
    assert line == f"als against random, by family of users: {said}."
