"""What the report says of a comparison: its section of the page, and its table for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from html import escape

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from recsim_llm.comparison.two_runs import WARNING
from recsim_llm.report import numbers
from recsim_llm.report.claims import Claim, claim_of_row, table_rows
from recsim_llm.report.comparison_figure import FIGURE, FIGURE_CAPTION, forest_title
from recsim_llm.report.comparison_rows import Content, Row, against_first
from recsim_llm.report.comparison_words import explain_basis, plan_lines
from recsim_llm.report.page_layout import line_with_code
from recsim_llm.report.summary_tables import WITHOUT_PAIRING, Cell, times_cell
from recsim_llm.statistics import Estimate

__all__ = ["comparison_section", "comparison_table"]

Layout = Callable[[Iterable[str], Iterable[tuple[str, list[tuple[str, list[Cell]]]]]], str]

_UNBOUNDED = (
    "A lift is unbounded where what the other recommender got cannot be told from 0 at the level of the difference (Fieller)."
)
_METHODS = {"holm": "Holm", "bh": "Benjamini-Hochberg", "benjamini-hochberg": "Benjamini-Hochberg"}


def comparison_table(content: Content) -> Table:
    """Lay out every metric against the first recommender, for a terminal."""
    users = numbers.counted(content["users"], "user")
    title = f"{content['scenario']}, seed {content['seed']}, {users}: against {content['arms'][0]}"
    table = Table(
        title=Text(title), caption=Text(f"{explain_basis(content)} {_other_intervals(content)}"), box=SIMPLE_HEAD, padding=0
    )
    table.title_justify = table.caption_justify = "left"
    for head in ("", "Difference", "Lift", "p", "Unpaired users", "Verdict"):
        table.add_column(head, justify="left" if head in ("", "Verdict") else "right")
    for metric in content["metrics"]:
        table.add_row(Text(metric["label"]))
        for row in against_first(content, metric["key"]):
            said, difference, lift, p, unpaired, *_ = _cells(content, row)
            cells = [Text(f"{cell.value}\n{cell.interval}".rstrip()) for cell in (difference, lift, p, unpaired, said)]
            table.add_row(Text(f"  {row['arm']}"), *cells)
    for pair in _against_first(content, "families"):
        table.add_row(Text(f"By family, {pair['arm']}"))
        for name, (_, difference) in _table_of(content, pair)[1]:
            words = Text(f"{difference.value}\n{difference.interval}".rstrip())
            table.add_row(Text(f"  {name}"), words)
    return table


def comparison_section(content: Content | None, figure: str, layout: Layout, link: Callable[[Claim], str]) -> str:
    """Return the section of the page; empty where nothing was compared.

    Args:
        content: as ``recsim_llm.report.comparison_rows.read_comparison`` returns.
        figure: ``svg`` element of the forest plot; empty where no difference has a value.
        layout: makes a table of heads and groups of rows.
        link: gives the link of a claim to its worst visits.
    """
    if content is None:
        return ""
    heads = ["Verdict", "Difference", "Relative lift", "p value", "Users without pairing", "Less variance by CUPED", "Power"]
    plot = f'<figure><h3 id="{FIGURE}-title">{escape(forest_title(content))}</h3>\n{figure}\n'
    plot += f"<figcaption>{escape(FIGURE_CAPTION)}</figcaption></figure>"
    if not figure:
        plot = '<p class="aside">No figure is drawn, since no difference from the first recommender has a value.</p>'
    said = "".join(f"<li>{line_with_code(line)}</li>" for line in content["verdict"])
    notes = "".join(f"<li>{line_with_code(line)}</li>" for line in content["notes"] if not line.startswith(WARNING))
    return "\n".join(
        [
            "<h2>Is it real?</h2>",
            f'<div class="beside">\n{plot}\n<ul class="notes">{said}</ul>\n</div>',
            layout(heads, list(_grouped(content, link))),
            f'<p class="aside">{escape(_explanation(content))}</p>',
            _plan(content),
            f'<ul class="notes">{notes}</ul>' if notes else "",
            _families(content, layout),
            _groups(content, layout),
        ]
    )


def _explanation(content: Content) -> str:
    judging = content["judging"]
    text = (
        "The same users with the same dice for every recommender, compared user by user. p values are corrected over all "
        f"metrics and pairs ({_METHODS[judging['correction']]}). Users without pairing: {WITHOUT_PAIRING}. "
        f"{_other_intervals(content)} "
    )
    if content["covariates"]:
        text += f"CUPED takes out what {', '.join(name.replace('_', ' ') for name in content['covariates'])} foretold. "
    text += (
        "Power: probability of finding the smallest effect of interest, or, without one, the difference found in 4 of 5 runs."
    )
    if content["sequential"] is not None:
        text += (
            " Intervals elsewhere on this page are for a fixed number of users; as these came until it was decided, judge by "
            "the table above."
        )
    return text


def _other_intervals(content: Content) -> str:
    """Say which intervals of the table do not hold together, and what is meant where a lift has none."""
    level = f"{100 * content['judging']['confidence']:.3g}%"
    alone = f"Difference and lift are at one level; intervals in other columns: {level} each, alone."
    rows = content["comparisons"]
    bare = any(row[name]["value"] is not None and row[name]["low"] is None for row in rows for name in ("effect", "lift"))
    dash = f" {numbers.NO_INTERVAL}." if bare else ""
    unbounded = f" {_UNBOUNDED}" if any(row["lift"]["unbounded"] for row in rows) else ""
    return f"{alone}{dash}{unbounded}"


def _grouped(content: Content, link: Callable[[Claim], str]) -> Iterator[tuple[str, list[tuple[str, list[Cell]]]]]:
    for metric, against, rows in table_rows(content):
        title = metric["label"] if against == content["arms"][0] else f"{metric['label']}, against the best, {against}"
        lines = []
        for row in rows:
            said, *others = _cells(content, row)
            said = said._replace(link=link(claim_of_row(content, row)))
            lines.append((f"{row['arm']} − {row['against']}", [said, *others]))
        yield title, lines


def _cells(content: Content, row: Row) -> list[Cell]:
    claim = claim_of_row(content, row)
    unpaired, reduction = (
        None if row[name] is None else numbers.read_estimate(row[name]) for name in ("variance_ratio", "adjusted_reduction")
    )
    power, p = row["power"], row["p_adjusted"]
    shown = Cell(numbers.NONE)
    if power is not None:
        found = f"finds {numbers.plain(power['detectable'], 2, share=claim.share)}"
        shown = Cell(found if power["achieved"] is None else numbers.plain(power["achieved"], 2))
    return [
        Cell(claim.said),
        _cell(claim.effect, share=claim.share, sign=True),
        _lift_cell(row["lift"]),
        Cell(numbers.NONE if p is None else "< 0.001" if p < 0.001 else numbers.plain(p, 3)),
        Cell(numbers.NONE) if unpaired is None else times_cell(unpaired),
        _cell(reduction, share=True, sign=True),
        shown,
    ]


def _lift_cell(lift: Row) -> Cell:
    cell = _cell(numbers.read_estimate(lift), share=True, sign=True)
    return cell._replace(interval="unbounded") if lift["unbounded"] else cell


def _families(content: Content, layout: Layout) -> str:
    tables = _against_first(content, "families")
    if not tables:
        return ""
    text = (
        "Every user follows one of several families of taste, drawn by user. What holds with every family does not hang on "
        "whom such users favour."
    )
    return "\n".join(
        [
            f"<h2>{escape(content['metrics'][0]['label'])} by family of users</h2>",
            f"<p>{escape(text)}</p>",
            layout(["Users", "Difference"], [_table_of(content, table) for table in tables]),
            f'<p class="aside">Intervals hold together over families and pairs (Bonferroni); seed {content["seed"]}.</p>',
        ]
    )


def _against_first(content: Content, key: str) -> list[Row]:
    """Return the differences from the first recommender by ``families`` or ``groups`` of users."""
    return [row for row in content[key] if row["against"] == content["arms"][0]]


def _table_of(content: Content, table: Row) -> tuple[str, list[tuple[str, list[Cell]]]]:
    """Return a pair's head and its rows by group."""
    share, found = content["metrics"][0]["unit"] == "share", table["groups"]
    columns = zip(found["names"], table["sizes"], found["effects"], strict=True)
    cells = [
        (name, [Cell(numbers.count(size)), _cell(numbers.read_estimate(effect), share=share, sign=True)])
        for name, size, effect in columns
    ]
    return f"{table['arm']} − {table['against']}", cells


def _groups(content: Content, layout: Layout) -> str:
    tables = _against_first(content, "groups")
    if not tables:
        return ""
    groups, lines = [], []
    for table in tables:
        found = table["groups"]
        pair, cells = _table_of(content, table)
        groups.append((pair, cells))
        if found["harmed"]:
            lines.append(f"{table['arm']} gives less than {table['against']} to {', '.join(found['harmed'])}.")
        if found["worst"] is not None:
            lines.append(f"{pair}: {found['worst']} gains least, certainly less than every other group.")
    text = " ".join(lines) or "No group is certainly harmed, and none is certainly worse off than all others."
    label = content["metrics"][0]["label"]
    return "\n".join(
        [
            f"<h2>{escape(label)} by group of users</h2>",
            f"<p>{escape(text)}</p>",
            layout(["Users", "Difference"], groups),
            f'<p class="aside">Intervals hold together over groups and pairs (Bonferroni); seed {content["seed"]}.</p>',
        ]
    )


def _plan(content: Content) -> str:
    if content["plan"] is None:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in plan_lines(content["plan"]))
    return f'<details><summary>Planned before the run</summary>\n<ul class="notes">{lines}</ul></details>'


def _cell(estimate: Estimate | None, *, share: bool = False, sign: bool = False) -> Cell:
    if estimate is None or estimate.value is None:
        return Cell(numbers.NONE)
    digits = numbers.decimals(estimate, share=share)
    below = numbers.interval_below(estimate, digits, share=share)
    return Cell(numbers.plain(estimate.value, digits, share=share, sign=sign), below)
