"""How the run went: who decided, what failed, and what language models cost."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recsim_llm.comparison import Summary
from recsim_llm.language.calls.call_summary import CallSummary
from recsim_llm.report import numbers
from recsim_llm.report.model_calls import call_rows, calls_line, decider_rows, failure_rows
from recsim_llm.report.page_layout import table
from recsim_llm.report.summary_tables import Cell

__all__ = ["cost_section", "deciders_section", "failures_section"]


def deciders_section(summary: Summary) -> str:
    """Return the section on which pages a language model decided; empty where the log does not say."""
    rows = list(decider_rows(summary.arms))
    if not rows:
        return ""
    heads = ["Pages", "Decided by the language model", "Audited", "Calls saved", "Disagreement", "Memories left out"]
    note = (
        "Disagreement: mean absolute difference between the click probabilities of the choice model and the language model, "
        "over the pages on which both were asked. Audited pages were decided by the choice model; the language model was asked "
        "only to compare. Memories left out did not fit a prompt's token budget."
    )
    return f"<h2>Who decided</h2>\n{table(heads, [('', rows)])}\n" + f'<p class="aside">{note}</p>'


def failures_section(summary: Summary, calls: Sequence[CallSummary], unread: str = "") -> str:
    """Return the section on what failed: attempts to ask a language model, slots that held no item, words that nobody saw."""
    slots = [f"{numbers.count(arm.invalid_slots)} by {arm.arm}" for arm in summary.arms if arm.invalid_slots]
    failures, attempts = failure_rows(calls), sum(row.calls for row in calls)
    failed = sum(count for _, count in failures)
    said = [f"Slots with an unknown, retired or repeated item, which were blanked: {', '.join(slots)}."] if slots else []
    if unread:
        said.append(unread)
    if failures:
        share = numbers.plain(failed / attempts, 1, share=True)
        said.append(
            f"{numbers.count(failed)} of {numbers.count(attempts)} calls of language models failed ({share}). Each was sent "
            "or asked again; no answer was made up."
        )
    elif calls:
        said.append("No call of a language model failed.")
    text = escape(" ".join(said) or "Nothing failed: every slot held an item that could be shown.")
    rows = [
        (cause.replace("_", " "), [Cell(numbers.count(count)), Cell(numbers.plain(count / failed, 1, share=True))])
        for cause, count in failures
    ]
    causes = table(["Failed calls", "Of all failed"], [("", rows)]) if rows else ""
    return f"<h2>Failures</h2>\n<p>{text}</p>\n{causes}"


def cost_section(calls: Sequence[CallSummary]) -> str:
    """Return the section on what language models used."""
    if not calls:
        return "<h2>Cost</h2>\n<p>No language model was asked, so nothing was paid for.</p>"
    heads = ["Calls", "From a cache", "Failed calls", "Tokens read", "Of them cached", "Tokens written", "Cost"]
    heads.append("Seconds, median / 99%")
    priced = (
        "" if any(row.cost is not None for row in calls) else " Cost is unknown: no price was set and the server named none."
    )
    note = (
        "Failed calls are among the calls. Tokens as the provider counted them. Every call with its prompt, answer or cause of "
        f"failure is in calls.sqlite.{priced}"
    )
    rows = list(call_rows(calls))
    return (
        f"<h2>Cost</h2>\n<p>{escape(calls_line(calls))}.</p>\n{table(heads, [('', rows)])}\n" + f'<p class="aside">{note}</p>'
    )
