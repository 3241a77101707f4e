"""Print the tables of docs/results.md from files of the suite: ``python scripts/documentation/suite_tables.py suite.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recsim_llm.report import numbers
from recsim_llm.statistics import Estimate


def table_lines(content: dict[str, Any]) -> Iterator[str]:
    """Yield the Markdown of one file."""
    yield from _findings(content) if content["kind"] == "findings" else _profiles(content)


def _findings(content: dict[str, Any]) -> Iterator[str]:
    yield from ("| scenario | finding | answer | mean over seeds | seeds | pages |", "| --- | --- | --- | --: | --- | --: |")
    for scenario in content["scenarios"]:
        for place, finding in enumerate(scenario["findings"]):
            share = next(iter(finding["by_seed"].values()))["contrast"]["unit"] == "share"
            mean = numbers.with_interval(numbers.read_estimate(finding["mean"]), share=share)
            seeds, pages = ", ".join(map(str, scenario["seeds"])), numbers.count(scenario["pages"])
            once = (f"`{scenario['name']}`", seeds, pages) if place == 0 else ("", "", "")
            yield f"| {once[0]} | {finding['claim']} | {finding['answer']} | {mean} | {once[1]} | {once[2]} |"


def _profiles(content: dict[str, Any]) -> Iterator[str]:
    rows = content["rows"]
    names = [row["recommender"]["name"] for row in rows]
    yield f"| measure | {rows[0]['against']['name']} | {' | '.join(names)} |"
    yield f"| --- | {'--: | ' * (len(rows) + 1)}".rstrip()
    for place, measure in enumerate(rows[0]["measures"]):
        share = measure["unit"] == "share"
        cells = []
        for row in rows:
            one = row["measures"][place]
            estimate = Estimate(value=one["difference"], low=one["low"], high=one["high"], users=0)
            cells.append(numbers.with_interval(estimate, share=share, sign=True))
        yield f"| {measure['label']} | {numbers.plain(measure['baseline'], 3 - 2 * share, share=share)} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print("\n".join(table_lines(json.loads(Path(name).read_text(encoding="utf-8")))), end="\n\n")  # noqa: T201
