"""What the report says of language models: who decided, what was asked, what failed and why, what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from recsim_llm.language.calls.call_summary import CallSummary, summary
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.calls.store import RENORMALISED
from recsim_llm.metrics.summary import ArmSummary
from recsim_llm.report import numbers
from recsim_llm.report.summary_tables import Cell

__all__ = ["call_rows", "calls_line", "decider_rows", "failure_rows", "read_calls"]


def read_calls(run: Path) -> tuple[CallSummary, ...]:
    """Return the totals of a run's calls; nothing where no language model was asked.

    Raises:
        LogError: the calls file is damaged.
    """
    return summary(run) if (run / FILE_NAME).is_file() else ()


def calls_line(calls: Sequence[CallSummary]) -> str:
    """Say in one line what was asked of language models and what became of it; empty where none was."""
    if not calls:
        return ""
    sent, hits = sum(row.calls for row in calls), sum(row.hits for row in calls)
    failed = sum(row.calls for row in calls if row.status == "failed")
    read, written = sum(row.prompt_tokens for row in calls), sum(row.completion_tokens for row in calls)
    costs = [row.cost for row in calls if row.cost is not None]
    price = f", ${sum(costs):,.2f}" if costs else ""
    contrast = sum(row.contrast_calls for row in calls), sum(row.contrast_tokens for row in calls)
    extra = f", of which {numbers.counted(contrast[0], 'call')} and {numbers.count(contrast[1])} tokens for the contrast"
    renormalised = sum(row.calls + row.hits for row in calls if row.cause == RENORMALISED)
    divided = f", {numbers.count(renormalised)} answers whose percentages did not sum to 100 and were divided by their sum"
    return (
        f"{numbers.counted(sent, 'call')} of language models, {numbers.counted(hits, 'answer')} from a cache, "
        f"{numbers.counted(failed, 'failed attempt')}, {numbers.count(read)} tokens read, {numbers.count(written)} written"
        f"{price}{extra if any(contrast) else ''}{divided if renormalised else ''}"
    )


def decider_rows(arms: Sequence[ArmSummary]) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a row an arm: pages, decided by the language model, audited, disagreement, memories left out."""
    for arm in arms:
        deciders = arm.deciders
        if deciders is None or not deciders.pages:
            continue
        share = numbers.plain(deciders.language_pages / deciders.pages, 1, share=True)
        saved = numbers.plain(1 - (deciders.language_pages + deciders.audited_pages) / deciders.pages, 1, share=True)
        gap = deciders.disagreement
        digits = numbers.decimals(gap)
        yield (
            arm.arm,
            [
                Cell(numbers.count(deciders.pages)),
                Cell(share),
                Cell(numbers.count(deciders.audited_pages)),
                Cell(saved),
                Cell(numbers.plain(gap.value, digits), numbers.interval(gap, digits)),
                Cell(numbers.count(deciders.memories_dropped)),
            ],
        )


def call_rows(calls: Sequence[CallSummary]) -> Iterator[tuple[str, list[Cell]]]:
    """Yield a row a role and model: calls, cache, failed attempts, tokens, cached share of them, cost, latency."""
    for role, model in dict.fromkeys((row.role, row.model) for row in calls):
        mine = [row for row in calls if (row.role, row.model) == (role, model)]
        answered = next((row for row in mine if row.status == "answered"), mine[0])
        read, cached = sum(row.prompt_tokens for row in mine), sum(row.cached_tokens for row in mine)
        costs = [row.cost for row in mine if row.cost is not None]
        latency = [numbers.plain(value, 2) for value in (answered.seconds_50, answered.seconds_99)]
        yield (
            f"{role}: {model}",
            [
                Cell(numbers.count(sum(row.calls for row in mine))),
                Cell(numbers.count(sum(row.hits for row in mine))),
                Cell(numbers.count(sum(row.calls for row in mine if row.status == "failed"))),
                Cell(numbers.count(read)),
                Cell(numbers.plain(cached / read if read else None, 0, share=True)),
                Cell(numbers.count(sum(row.completion_tokens for row in mine))),
                Cell(f"${sum(costs):,.2f}" if costs else numbers.NONE),
                Cell(" / ".join(latency)),
            ],
        )


def failure_rows(calls: Sequence[CallSummary]) -> list[tuple[str, int]]:
    """Return failed attempts by cause, most frequent first."""
    causes = Counter[str]()
    for row in calls:
        if row.status == "failed":
            causes[row.cause] += row.calls
    return sorted(causes.items(), key=lambda pair: (-pair[1], pair[0]))
