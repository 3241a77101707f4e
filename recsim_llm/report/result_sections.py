"""The result tables of the report: one column a recommender, and the differences between recommenders."""

from __future__ import annotations

from html import escape

from recsim_llm.comparison import Summary
from recsim_llm.report import drawing, numbers
from recsim_llm.report.page_layout import fold, table, whole_table
from recsim_llm.report.summary_tables import WITHOUT_PAIRING, comparison_rows, metric_rows

__all__ = ["differences_section", "results_section"]

_FIRST = ("Users", "Clicks per user", "Pages per visit", "Mean rating (stars)", "Satisfaction", "Catalog shown")
_REST = "All other results: reward, visits, rates, {likes}share watched, concentration, invalid slots"


def results_section(summary: Summary) -> str:
    """Return the section with one column a recommender: what decides first, the rest folded."""
    heads = [drawing.swatch(arm.arm, escape(arm.arm)) for arm in summary.arms]
    clicked = "Rating, likes and share watched are" if summary.rated else "Share watched is"
    note = (
        f"In brackets: {summary.confidence:.0%} intervals with the user as the unit, Student's t for means and the delta "
        f"method for ratios. No bracket: a count, or a property of the whole run; {numbers.NO_INTERVAL}. "
        f"{clicked} of clicked items; satisfaction is that after a page, 0 to 1; catalog shown is the share of items shown "
        "at least once; Gini of exposure is 0 when all items are shown alike and near 1 when one item takes all."
    )
    note += f" {numbers.counted(max(arm.users for arm in summary.arms), 'user')}, seed {summary.seed}."
    rows = list(metric_rows(summary))
    first = [row for row in rows if row[0] in _FIRST]
    rest = whole_table(heads, [("", [row for row in rows if row[0] not in _FIRST])])
    about = f'<p class="aside">{note}</p>'
    rest = fold(_REST.format(likes="likes, " if summary.rated else ""), rest)
    return f"<h2>Results</h2>\n{whole_table(heads, [('', first)])}{rest}\n{about}"


def differences_section(summary: Summary, *, judged: bool) -> str:
    """Return the section of paired differences; empty with one recommender.

    Args:
        summary: of the run.
        judged: whether a comparison stands on the page already; the section is then folded.
    """
    groups = [
        (f"Against the first, {summary.arms[0].arm}", list(comparison_rows(summary.against_first))),
        (f"Against the best, {summary.best}", list(comparison_rows(summary.against_best))),
        ("Regret: what those who know the users got more", list(comparison_rows(summary.regret))),
    ]
    if summary.best == summary.arms[0].arm or len(summary.arms) == 2:
        groups.pop(1)
    groups = [group for group in groups if group[1]]
    if not groups:
        return ""
    heads = ["Users", "Clicks per user", "Times the clicks", "Reward per user", "Users without pairing"]
    pairs = len(summary.arms) * (len(summary.arms) - 1) // 2
    note = (
        f"The same users served by both, compared user by user; {summary.confidence:.0%} intervals"
        + (f" that hold together over all {pairs} pairs of recommenders (Bonferroni)" if pairs > 1 else "")
        + f"; {numbers.NO_INTERVAL}. Users without pairing: {WITHOUT_PAIRING}. Seed {summary.seed}."
    )
    about = f'<p class="aside">{note}</p>'
    if judged:
        return fold(
            "The same differences with intervals of the plain report, which tests clicks and reward alone",
            f"{whole_table(heads, groups)}\n{about}",
        )
    return f"<h2>Paired differences</h2>\n{table(heads, groups)}\n{about}"
