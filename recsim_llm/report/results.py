"""The result tables of the report: one column a recommender, and the differences between recommenders."""

from __future__ import annotations

from html import escape

from recsim_llm.report import drawing
from recsim_llm.report.layout import fold, table, whole_table
from recsim_llm.report.tables import comparison_rows, metric_rows
from recsim_llm.summary import Summary

__all__ = ["differences_section", "results_section"]

def _results(summary: Summary) -> str:
    swatch = '<span style="color:var(--arm{})">●</span>&nbsp;{}'
    colours = len(drawing.COLOURS)
    heads = [swatch.format(n % colours, escape(arm.arm)) for n, arm in enumerate(summary.arms)]
    note = (
        f"In brackets: {summary.confidence:.0%} intervals with the user as the unit, Student's t for means and the delta "
        "method for ratios. No bracket: a count, a property of the whole run, or users who all agree. Rating, likes and share "
        "watched are of clicked items; satisfaction is that after a page, 0 to 1; catalog shown is the share of items shown "
        "at least once; Gini of exposure is 0 when all items are shown alike and near 1 when one item takes all."
    )
    return _table(heads, [("", list(metric_rows(summary)))]) + f'\n<p class="aside">{note}</p>'


def _differences(summary: Summary) -> str:
    groups = [
        (f"Against the first, {summary.arms[0].arm}", list(comparison_rows(summary.against_first))),
        (f"Against the best, {summary.best}", list(comparison_rows(summary.against_best))),
        ("Regret: what the oracle got more", list(comparison_rows(summary.regret))),
    ]
    if summary.best == summary.arms[0].arm:
        groups.pop(1)
    groups = [group for group in groups if group[1]]
    if not groups:
        return ""
    heads = ["Users", "Clicks per user", "Times the clicks", "Reward per user", "Users saved by pairing"]
    pairs = len(summary.arms) * (len(summary.arms) - 1) // 2
    note = (
        f"The same users served by both, compared user by user; {summary.confidence:.0%} intervals"
        + (f" that hold together over all {pairs} pairs of recommenders (Bonferroni)" if pairs > 1 else "")
        + ". Users saved by pairing: how many times as many users a test on separate users would need for the same interval."
    )
    return "<h2>Paired differences</h2>\n" + _table(heads, groups) + f'\n<p class="aside">{note}</p>'
