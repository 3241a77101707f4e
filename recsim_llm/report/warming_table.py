"""What simulated clicks on cold items are worth, laid out for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recsim_llm.report import numbers

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["gain_words", "warming_table"]

Content = Mapping[str, Any]
"""A measure as plain values, as ``warm.json`` holds it."""

_POOLS = {"cold": "Cold items", "others": "Other items", "all": "All items"}
_MEASURE = "recall"


def warming_table(content: Content) -> RenderableType:
    """Lay out recall by recommender and pool, with what the measure is of and what it says."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = content["facts"]
    table = Table(box=None, pad_edge=False)
    table.add_column("Recommender", no_wrap=True)
    for head in _POOLS.values():
        table.add_column(head, justify="right", no_wrap=True)
    for row in content["rows"]:
        cells = [_cell(row["scores"][pool]) for pool in _POOLS]
        table.add_row(f"{row['recommender']}{', warmed' if row['warmed'] else ''}", *cells)
    draws = content["draws"]
    about = (
        f"{draws} draw{'' if draws == 1 else 's'} of {facts['cold_items']:,.0f} cold items, in each "
        f"{facts['held_out_ratings']:,.0f} held-out ratings of {numbers.counted(round(facts['users']), 'user')}, and "
        f"{facts['simulated_clicks']:,.0f} simulated clicks of {numbers.counted(round(facts['users_asked']), 'user')} asked "
        f"about {facts['items_shown']:,.0f} items each. Recall among the first {content['page_size']}, 95% intervals over "
        "users and draws."
    )
    return Group(Text(about), Text(""), table, Text(""), *(Text(line) for line in gain_words(content)))


def gain_words(content: Content) -> list[str]:
    """Say of each warmed recommender what the simulated clicks add, a line each."""
    lines = []
    for row in content["rows"]:
        if not row["warmed"]:
            continue
        told = []
        for pool, head in _POOLS.items():
            gain = numbers.read_estimate(row["gains"][pool][_MEASURE])
            told.append(f"{head.lower()} {numbers.with_interval(gain, sign=True)} ({_verdict(gain)})")
        lines.append(f"{row['recommender']}, warmed against not: {', '.join(told)}")
    return lines


def _cell(scores: Content) -> str:
    """Return the number with its interval below it: side by side they are wider than a terminal of 80 columns."""
    if not scores:
        return numbers.NONE
    recall = numbers.read_estimate(scores[_MEASURE])
    digits = numbers.decimals(recall)
    return f"{numbers.plain(recall.value, digits)}\n{numbers.interval_below(recall, digits)}"


def _verdict(gain: Any) -> str:
    if not gain.excludes(0.0):
        return "undecided"
    return "better" if gain.value > 0 else "worse"
