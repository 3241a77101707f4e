"""How the run went: who decided, what failed, and what language models cost."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recsim_llm.language.call_summary import CallSummary
from recsim_llm.report import numbers
from recsim_llm.report.language import call_rows, calls_line, decider_rows, failure_rows
from recsim_llm.report.layout import table
from recsim_llm.report.tables import Cell
from recsim_llm.summary import Summary

__all__ = ["cost_section", "deciders_section", "failures_section"]

def _deciders(summary: Summary) -> str:
    rows = list(decider_rows(summary.arms))
    if not rows:
        return ""
    heads = ["Pages", "Decided by the language model", "Audited", "Calls saved", "Disagreement", "Memories left out"]
    note = (
        "Disagreement: mean absolute difference between the click probabilities of the choice model and the language model, "
        "over the pages on which both were asked. Audited pages were decided by the choice model; the language model was asked "
        "only to compare. Memories left out did not fit a prompt's token budget."
    )
    return f"<h2>Who decided</h2>\n{_table(heads, [('', rows)])}\n" + f'<p class="aside">{note}</p>'


def _calls(calls: Sequence[CallSummary]) -> str:
    if not calls:
        return ""
    heads = ["Calls", "From a cache", "Failed attempts", "Tokens read", "Of them cached", "Tokens written", "Cost"]
    heads.append("Seconds, median / 99%")
    failures = failure_rows(calls)
    listed = ", ".join(f"{escape(cause)} {numbers.count(count)}" for cause, count in failures)
    text = (
        f"Attempts failed for these causes: {listed}. Each was sent again or asked again; no answer was made up."
        if failures
        else "No attempt failed."
    )
    note = "Tokens as the provider counted them. Every call with its prompt, answer or cause of failure is in calls.sqlite."
    rows = list(call_rows(calls))
    return f"<h2>Language models</h2>\n<p>{text}</p>\n{_table(heads, [('', rows)])}\n" + f'<p class="aside">{note}</p>'
