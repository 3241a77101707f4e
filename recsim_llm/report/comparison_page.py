"""What the report says of a comparison: verdicts in words, tables, and a forest plot; all from ``comparison.json`` alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from recsim_llm.errors import LogError
from recsim_llm.report import drawing, numbers
from recsim_llm.report.summary_tables import Cell
from recsim_llm.statistics.intervals import Estimate

__all__ = [
    "FIGURE",
    "FIGURE_CAPTION",
    "FIGURE_COLUMNS",
    "comparison_of",
    "comparison_section",
    "comparison_table",
    "draw_forest",
    "forest_rows",
    "forest_title",
    "plan_lines",
    "verdict_lines",
]

Content = Mapping[str, Any]
Row = Mapping[str, Any]
Layout = Callable[[Iterable[str], Iterable[tuple[str, list[tuple[str, list[Cell]]]]]], str]

FIGURE = "paired_differences"
"""Name of the figure's files."""
FIGURE_COLUMNS = ("metric", "arm", "against", "value", "low", "high", "users", "confidence", "verdict")
"""Header of the figure's CSV."""
FIGURE_CAPTION = (
    "Differences from the first recommender on the same users, one panel a metric with a scale of its own; the bars are "
    "intervals of the verdicts in the table. A bar that touches the line leaves the size open, and unless the table says "
    "otherwise the sign too."
)
_FILE = "comparison.json"
_MORE = {
    "clicks_per_user": "got more clicks per user",
    "reward_per_user": "got more reward per user",
    "visits_per_user": "got more visits per user",
    "pages_per_visit": "got more pages per visit",
    "clicks_per_page": "got more clicks per page",
}
_METHODS = {"holm": "Holm", "bh": "Benjamini-Hochberg", "benjamini-hochberg": "Benjamini-Hochberg"}


def comparison_of(run: Path) -> dict[str, Any] | None:
    """Return what ``comparison.json`` of a run folder holds; None where nothing was compared.

    Raises:
        LogError: the file is damaged.
    """
    path = run / _FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content["comparisons"][0]["effect"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise LogError(f"{path}: got {error!r}, expected what `recsim-llm compare` writes; compare the run again") from error
    return content


def verdict_lines(content: Content) -> list[str]:
    """Say what the primary metric's comparisons carry: against the first, then against the best, then how it was judged."""
    metric = content["metrics"][0]["key"]
    rows = {(row["arm"], row["against"]): row for row in content["comparisons"] if row["metric"] == metric}
    first, best = content["arms"][0], content["best"]
    wanted = [pair for pair in rows if pair[1] == first] + [pair for pair in rows if best in pair and first not in pair]
    return [*(_sentence(content, rows[pair]) for pair in wanted), _basis(content)]


def plan_lines(plan: Content) -> list[str]:
    """Say what the planned users can show."""
    where = f"a pilot of {numbers.count(plan['pilot'])} users" if plan["pilot"] else "the deviation stated"
    lines = [
        f"{numbers.count(plan['users'])} users, by {where}; each test at level {plan['alpha']:.2g}, after dividing by the "
        "number of comparisons; a difference counts as found if 4 of 5 such runs find it."
    ]
    for pair in plan["pairs"]:
        found = numbers.with_interval(_estimate(pair["detectable"]))
        text = f"{pair['arm']} against {plan['against']}: smallest difference found {found} {plan['unit']}"
        if pair["users_needed"] is not None:
            text += (
                f"; for the {plan['effect']:g} that matters {numbers.count(pair['users_needed'])} users"
                f" (these users find it with probability {numbers.plain(pair['power'], 2)})"
            )
        if pair["unpaired_users"] is not None:
            text += f", {numbers.count(pair['unpaired_users'])} an arm without pairing"
        lines.append(text + ".")
    return lines


def comparison_table(content: Content) -> Table:
    """Lay out every metric against the first recommender, for a terminal."""
    title = (
        f"{content['scenario']}, seed {content['seed']}, {numbers.count(content['users'])} users: against {content['arms'][0]}"
    )
    table = Table(title=Text(title), caption=Text(_basis(content)), box=SIMPLE_HEAD, padding=0)
    table.title_justify = table.caption_justify = "left"
    for head in ("", "Difference", "Lift", "p", "Pairing saves", "Verdict"):
        table.add_column(head, justify="left" if head in ("", "Verdict") else "right")
    for metric in content["metrics"]:
        table.add_row(Text(metric["label"]))
        for row in _against_first(content, metric["key"]):
            said, difference, lift, p, saved, *_ = _cells(row, metric["unit"] == "share")
            cells = [Text(f"{cell.value}\n{cell.interval}".rstrip()) for cell in (difference, lift, p, saved, said)]
            table.add_row(Text(f"  {row['arm']}"), *cells)
    return table


def comparison_section(content: Content | None, figure: str, layout: Layout) -> str:
    """Return the section of the page; empty where nothing was compared.

    Args:
        content: as ``comparison_of`` returns.
        figure: ``svg`` element of the forest plot.
        layout: makes a table of heads and groups of rows.
    """
    if content is None:
        return ""
    heads = ["Verdict", "Difference", "Relative lift", "p value", "Users saved by pairing", "Less variance by CUPED", "Power"]
    title = escape(forest_title(content))
    said, notes = ("".join(f"<li>{escape(line)}</li>" for line in content[name]) for name in ("verdict", "notes"))
    return "\n".join(
        [
            "<h2>Is it real?</h2>",
            f'<div class="beside">\n<figure><h3 id="{FIGURE}-title">{title}</h3>\n{figure}\n',
            f"<figcaption>{escape(FIGURE_CAPTION)}</figcaption></figure>",
            f'<ul class="notes">{said}</ul>\n</div>',
            layout(heads, list(_grouped(content))),
            f'<p class="aside">{escape(_explanation(content))}</p>',
            _plan(content),
            f'<ul class="notes">{notes}</ul>' if notes else "",
            _groups(content, layout),
        ]
    )


def draw_forest(content: Content) -> Figure:
    """Draw the differences from the first recommender, one panel a metric."""
    metrics = content["metrics"]
    rows = len(content["arms"]) - 1
    height = 0.45 + len(metrics) * (0.55 + 0.25 * rows)
    longest = max(len(drawing.shorten(name)) for name in content["arms"][1:])
    figure = Figure(figsize=(drawing.WIDTH, height), facecolor="none")
    grid = {"left": min(0.06 + 0.021 * longest, 0.4), "right": 0.95, "bottom": 0.3 / height, "top": 1.0 - 0.3 / height}
    panels = figure.subplots(len(metrics), 1, squeeze=False, gridspec_kw={**grid, "hspace": 0.62 / (0.25 * rows + 0.3)})
    for axes, metric in zip(panels[:, 0], metrics, strict=True):
        scale = 100.0 if metric["unit"] == "share" else 1.0
        shown = list(_against_first(content, metric["key"]))
        axes.axvline(0.0, color=drawing.MUTED, linewidth=1.0)
        for place, row in enumerate(reversed(shown)):
            effect, number = row["effect"], content["arms"].index(row["arm"])
            if effect["value"] is None:
                continue
            colour = drawing.colour(number)
            if effect["low"] is not None:
                ends = [effect["low"] * scale, effect["high"] * scale]
                axes.plot(ends, [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
            axes.plot(
                effect["value"] * scale,
                place,
                marker=drawing.marker(number),
                color=colour,
                markersize=6.5,
                markeredgecolor=drawing.PAPER,
            )
        names = [row["arm"] for row in reversed(shown)]
        axes.set_yticks(range(rows), [drawing.shorten(name) for name in names])
        for text, name in zip(axes.get_yticklabels(), names, strict=True):
            text.set_color(drawing.colour(content["arms"].index(name)))
        axes.set_ylim(-0.6, rows - 0.4)
        axes.margins(x=0.08)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        unit = ", percentage points" if metric["unit"] == "share" else f", {metric['unit']}"
        unit = "" if unit[2:] in metric["label"].lower() else unit
        axes.set_title(f"{metric['label']}{unit}", loc="left", fontsize=10, color=drawing.INK, pad=3)
        drawing.tidy(axes, grid="x")
    return figure


def forest_title(content: Content) -> str:
    """Title of the forest plot: what is decided."""
    decided = [row["arm"] for row in _against_first(content, content["metrics"][0]["key"]) if row["verdict"] != "undecided"]
    label, first = content["metrics"][0]["label"], content["arms"][0]
    if not decided:
        return f"{label}: nothing is decided against {first}"
    return f"{label}: {', '.join(decided)} decided against {first}"


def forest_rows(content: Content) -> Iterator[tuple[str | int | float | None, ...]]:
    """Yield the rows of the figure's CSV: every pair on every metric."""
    for row in content["comparisons"]:
        effect = row["effect"]
        numbers_of_row = (effect[name] for name in ("value", "low", "high", "users", "confidence"))
        yield (row["metric"], row["arm"], row["against"], *numbers_of_row, row["verdict"])


def _sentence(content: Content, row: Row) -> str:
    metric, effect = content["metrics"][0], _estimate(row["effect"])
    share, label, smallest = metric["unit"] == "share", metric["label"].lower(), content["judging"]["effect"]
    one, other = row["arm"], row["against"]
    if row["verdict"] == "identical":
        return f"{one} and {other} got exactly the same from every user: identical."
    if row["verdict"] == "worse":
        one, other, effect = other, one, _turned(effect)
    amount = numbers.with_interval(effect, share=share, sign=True) + _when(content, row)
    if row["verdict"] in ("better", "worse"):
        text = f"{one} {_MORE.get(metric['key'], f'has more: {label},')} than {other}: {amount}"
        if not effect.excludes(0.0):
            return f"{text}; by how much the data do not say."
        doubt = smallest is not None and effect.low is not None and effect.low < smallest
        return text + (f". Whether by the {smallest:g} that matters is undecided." if doubt else ".")
    if row["verdict"] == "no difference that matters":
        return f"{one} and {other} differ by less than the {smallest:g} that matters in {label}: {amount}."
    return f"Undecided between {one} and {other} in {label}: {amount}{_missing(row, smallest)}."


def _missing(row: Row, smallest: float | None) -> str:
    """Say what it would have taken to decide."""
    power = row["power"]
    if power is None:
        return "; users are too few or too alike for an interval"
    if power["users_needed"] is not None:
        return f"; users needed for the effect of interest ({smallest:g}): {numbers.count(power['users_needed'])}"
    return f"; so many users find a true difference of {numbers.plain(power['detectable'], 2)} in 4 of 5 runs"


def _when(content: Content, row: Row) -> str:
    sequential = content["sequential"]
    if sequential is None or row["arm"] not in sequential["decided"] or row["against"] != content["arms"][0]:
        return ""
    return f", decided after {numbers.count(sequential['decided'][row['arm']])} users"


def _basis(content: Content) -> str:
    judging, count = content["judging"], len(content["comparisons"])
    users = numbers.count(content["users"])
    level = f"{100 * judging['confidence']:.3g}%"
    if content["sequential"] is not None:
        available = numbers.count(content["sequential"]["available"])
        return f"{users} of {available} users served; {level} intervals are always-valid, so stopping early is allowed."
    if judging["correction"] == "holm":
        together = f"{level} intervals hold together over {count} comparisons" if count > 1 else f"{level} intervals"
        return f"{users} users; {together} (Holm)."
    share = f"{100 - 100 * judging['confidence']:.3g}%"
    return f"{users} users, {count} comparisons; of those claimed, {share} at most are expected false (Benjamini-Hochberg)."


def _explanation(content: Content) -> str:
    judging = content["judging"]
    text = (
        "The same users with the same dice for every recommender, compared user by user. p values are corrected over all "
        f"metrics and pairs ({_METHODS[judging['correction']]}). Users saved by pairing: share of the users of a test on "
        "separate users. "
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


def _grouped(content: Content) -> Iterator[tuple[str, list[tuple[str, list[Cell]]]]]:
    for metric in content["metrics"]:
        share = metric["unit"] == "share"
        rows = [(f"{row['arm']} − {row['against']}", _cells(row, share)) for row in _against_first(content, metric["key"])]
        yield metric["label"], rows
        if metric is content["metrics"][0]:
            others = [(f"{row['arm']} − {row['against']}", _cells(row, share)) for row in _against_best(content, metric["key"])]
            if others:
                yield f"{metric['label']}, against the best, {content['best']}", others


def _cells(row: Row, share: bool) -> list[Cell]:
    effect, lift, saved, reduction = (
        None if row[name] is None else _estimate(row[name]) for name in ("effect", "lift", "users_saved", "adjusted_reduction")
    )
    power, p = row["power"], row["p_adjusted"]
    shown = Cell(numbers.NONE)
    if power is not None:
        found = f"finds {numbers.plain(power['detectable'], 2, share=share)}"
        shown = Cell(found if power["achieved"] is None else numbers.plain(power["achieved"], 2))
    return [
        Cell(row["verdict"]),
        _cell(effect, share=share, sign=True),
        _cell(lift, share=True, sign=True),
        Cell(numbers.NONE if p is None else "< 0.001" if p < 0.001 else numbers.plain(p, 3)),
        _cell(saved, share=True),
        _cell(reduction, share=True, sign=True),
        shown,
    ]


def _groups(content: Content, layout: Layout) -> str:
    tables = [row for row in content["groups"] if row["against"] == content["arms"][0]]
    if not tables:
        return ""
    share, groups, lines = content["metrics"][0]["unit"] == "share", [], []
    for table in tables:
        found = table["groups"]
        pair = f"{table['arm']} − {table['against']}"
        columns = zip(found["names"], table["sizes"], found["effects"], strict=True)
        cells = [
            (name, [Cell(numbers.count(size)), _cell(_estimate(effect), share=share, sign=True)])
            for name, size, effect in columns
        ]
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
            '<p class="aside">Intervals hold together over groups and pairs (Bonferroni).</p>',
        ]
    )


def _plan(content: Content) -> str:
    if content["plan"] is None:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in plan_lines(content["plan"]))
    return f'<details><summary>Planned before the run</summary>\n<ul class="notes">{lines}</ul></details>'


def _against_first(content: Content, metric: str) -> Iterator[Row]:
    return (row for row in content["comparisons"] if row["metric"] == metric and row["against"] == content["arms"][0])


def _against_best(content: Content, metric: str) -> Iterator[Row]:
    """Yield the comparisons with the best that are not comparisons with the first."""
    best, first = content["best"], content["arms"][0]
    pairs = (row for row in content["comparisons"] if row["metric"] == metric and row["against"] != first)
    return (row for row in pairs if best in (row["arm"], row["against"])) if best != first else iter(())


def _cell(estimate: Estimate | None, *, share: bool = False, sign: bool = False) -> Cell:
    if estimate is None or estimate.value is None:
        return Cell(numbers.NONE)
    digits = numbers.decimals(estimate, share=share)
    return Cell(numbers.plain(estimate.value, digits, share=share, sign=sign), numbers.interval(estimate, digits, share=share))


def _estimate(content: Row) -> Estimate:
    return Estimate(**{name: content[name] for name in ("value", "low", "high", "users")})


def _turned(estimate: Estimate) -> Estimate:
    value, low, high = (None if end is None else -end for end in (estimate.value, estimate.high, estimate.low))
    return Estimate(value=value, low=low, high=high, users=estimate.users)
