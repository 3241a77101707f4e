"""What simulated clicks are worth, as it is printed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from recsim_llm.report.warming_table import warming_table

POOLS = ("cold", "others", "all")
FACTS = {
    "cold_items": 972,
    "held_out_ratings": 9969,
    "users": 600,
    "simulated_clicks": 9539,
    "users_asked": 60,
    "items_shown": 40,
}


def estimate(value, reach):
    return {"recall": {"value": value, "low": value - reach, "high": value + reach, "users": 600}}


def row(name, *, warmed=False, value=0.1234, gain=0.0):
    return {
        "recommender": name,
        "warmed": warmed,
        "scores": {pool: estimate(value, 0.011) for pool in POOLS},
        "gains": {pool: estimate(gain, 0.01) for pool in POOLS} if warmed else {},
    }


def printed(*rows, draws=5):
    file = io.StringIO()
    content = {"draws": draws, "page_size": 10, "facts": FACTS, "rows": list(rows)}
    Console(file=file, width=80).print(warming_table(content))
    return file.getvalue()


def test_no_figure_is_cut_in_a_terminal_of_80_columns():
    shown = printed(row("popularity"), row("simulated users"), row("item-knn"), row("item-knn", warmed=True))
    assert "…" not in shown
    assert shown.count("[0.112, 0.134]") == 12


def test_it_says_who_was_asked_about_how_much():
    shown = " ".join(printed(row("mf")).split())
    assert shown.startswith(
        "5 draws of 972 cold items, in each 9,969 held-out ratings of 600 users, and 9,539 simulated clicks of 60"
    )
    assert "asked about 40 items each" in shown
    assert printed(row("mf"), draws=1).startswith("1 draw of")


def test_users_without_a_number_are_shown_by_a_dash():
    nothing = {"value": None, "low": None, "high": None, "users": 0}
    own = {**row("simulated users"), "scores": {"cold": {"recall": nothing}, "others": {}, "all": {}}}
    line = next(line for line in printed(own).splitlines() if line.startswith("simulated users"))
    assert line.split() == ["simulated", "users", "–", "–", "–"]


@pytest.mark.parametrize(("gain", "verdict"), [(0.05, "better"), (-0.05, "worse"), (0.001, "undecided")])
def test_it_says_what_the_clicks_add(gain, verdict):
    shown = printed(row("mf", warmed=True, gain=gain))
    assert shown.count(f"({verdict})") == 3
