"""The report of a training: the learning curve, the policies beside the baselines, what they show, the check for exploits."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsim_llm.comparison import summarise
from recsim_llm.core.files import write_atomically
from recsim_llm.log.folders import is_run
from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.names import Names, read_names
from recsim_llm.report.page_layout import document, figure, whole_table
from recsim_llm.report.shown_items import shown_items_section
from recsim_llm.report.summary_tables import Cell

__all__ = ["training_verdict", "write_training_page"]

_CURVE = "learning_curve"
_HEADS = {
    "reward": "Return",
    "pages": "Pages",
    "clicks": "Clicks",
    "satisfaction": "Satisfaction at the end",
    "left": "Left before the last page",
}
_SHARES = ("satisfaction", "left")


def write_training_page(found: Mapping[str, Any], run: Path, evaluation: Path) -> Path:
    """Write ``report.html`` and ``figures/`` (the curve as PNG, its data as CSV) into a training folder.

    Args:
        found: as ``recsim_llm.training.training_summary.summarise_training`` returns it.
        run: the training folder.
        evaluation: run of the last policies and the baselines; what is read from it is left out where it is not there yet.

    Returns:
        Path of ``report.html``.
    """
    pictures = run / "figures"
    pictures.mkdir(exist_ok=True)
    title = _title(found)
    names = [found["algorithm"], *(row["arm"] for row in found["arms"][1:])]
    with drawing.style(), drawing.apart(names):
        element = write_figure(draw_curve(found), pictures, _CURVE, title)
    seeds = range(len(found["curve"][0]["seeds"]))
    columns = ["steps", "return", "low", "high", "users", *(f"seed_{seed}" for seed in seeds), "satisfaction"]
    rows = [
        [point["steps"], point["value"], point["low"], point["high"], point["users"], *point["seeds"], point["satisfaction"]]
        for point in found["curve"]
    ]
    write_figure_data(pictures, _CURVE, columns, rows)
    named = is_run(evaluation)
    parts = [
        '<h2>Learning curve</h2>\n<div class="figures">',
        figure(_CURVE, title, element, _caption(found)),
        "</div>",
        _results(found),
        _exploits(found),
        shown_items_section(summarise(evaluation), read_names(evaluation)) if named else "",
        _worst(found, read_names(evaluation) if named else Names()),
        _settings(found),
    ]
    head = (
        f"<h1>Training: {escape(found['algorithm'])} on {escape(found['scenario'])}</h1>\n"
        f'<p class="facts">{escape(_facts(found))}</p>\n'
        + "\n".join(f'<p class="verdict">{escape(line)}</p>' for line in training_verdict(found))
    )
    page = run / "report.html"
    content = document(f"Training {found['algorithm']} on {found['scenario']} – recsim_llm", head, parts)
    write_atomically(page, content.encode())
    return page


def training_verdict(found: Mapping[str, Any]) -> list[str]:
    """Say in a few sentences what the training came to; what speaks against the result first."""
    lines = [f"Suspicious: {check['name']}: {check['said']}." for check in found["exploits"] if check["suspicious"]]
    own = numbers.with_interval(numbers.read_estimate(found["arms"][0]["reward"]))
    kept = numbers.counted(found["arms"][0]["reward"]["users"], "user")
    lines.append(f"The policy's return is {own} a user, on {kept} kept from training.")
    for row in found["against"]:
        gap = numbers.read_estimate(row["difference"])
        how = "not clearly different from" if not gap.excludes(0) else "above" if (gap.value or 0) > 0 else "below"
        share = "" if row["share"] is None else f", {numbers.plain(row['share']['value'], 0, share=True)} of it"
        lines.append(f"That is {how} {row['baseline']}: {numbers.with_interval(gap, sign=True)}{share}.")
    if not found["done"]:
        lines.append("The training is not done; this is its last checkpoint.")
    return lines


def draw_curve(found: Mapping[str, Any]) -> Figure:
    """Draw the mean return of the held-out users over steps, with interval and seeds, and the baselines as lines."""
    curve, ours = found["curve"], drawing.colour(drawing.place_of(found["algorithm"]))
    figure = drawing.new_figure(right=drawing.BESIDE)
    axes = figure.axes[0]
    steps = [point["steps"] for point in curve]
    if len(curve[0]["seeds"]) > 1:
        for seed in range(len(curve[0]["seeds"])):
            axes.plot(steps, [point["seeds"][seed] for point in curve], color=ours, linewidth=0.7, alpha=0.45)
    if curve[0]["low"] is not None:
        axes.fill_between(
            steps, [point["low"] for point in curve], [point["high"] for point in curve], color=ours, alpha=0.18, linewidth=0
        )
    axes.plot(steps, [point["value"] for point in curve], color=ours, linewidth=2, marker="o", markersize=3.5)
    labels = [drawing.Label(steps[-1], curve[-1]["value"], drawing.shorten(found["algorithm"]), ours)]
    for row in found["arms"][1:]:
        colour = drawing.colour(drawing.place_of(row["arm"]))
        axes.axhline(row["reward"]["value"], color=colour, linewidth=1.2, linestyle="--")
        labels.append(drawing.Label(steps[-1], row["reward"]["value"], row["arm"], colour))
    axes.set_xlim(0, max(steps[-1], 1))
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("steps (pages learned from)")
    axes.set_ylabel(f"{found['reward']} a user")
    drawing.tidy(axes)
    drawing.label_ends(axes, labels)
    return figure


def _title(found: Mapping[str, Any]) -> str:
    first, last = found["curve"][0], found["curve"][-1]
    return (
        f"{found['algorithm']}: from {numbers.plain(first['value'], 2)} to {numbers.plain(last['value'], 2)} {found['reward']} "
        f"a user in {last['steps']:,} steps"
    )


def _caption(found: Mapping[str, Any]) -> str:
    seeds = found["seeds"]
    over = "users and seeds; thin lines are the seeds" if seeds > 1 else "users; of one seed it says nothing about others"
    users = numbers.counted(found["held_out_users"], "user")
    return (
        f"Mean {found['reward']} of {users} kept from training, with the same dice at every checkpoint; "
        f"{seeds} seed{'s' if seeds > 1 else ''}; band: {found['confidence']:.0%} interval over {over}. Dashed: "
        "the baselines and the greedy oracle on the same users and dice."
    )


def _facts(found: Mapping[str, Any]) -> str:
    several = "s" if found["seeds"] > 1 else ""
    return (
        f"{found['steps']:,} steps · {found['seeds']} seed{several} · {numbers.counted(found['training_users'], 'user')} to "
        f"learn from · {found['held_out_users']:,} others to evaluate on · reward {found['reward']} · gamma {found['gamma']} · "
        f"scenario seed {found['seed']}"
    )


def _results(found: Mapping[str, Any]) -> str:
    rows = [(row["arm"], [_cell(row[name], share=name in _SHARES) for name in _HEADS]) for row in found["arms"]]
    gaps = [
        (
            f"policy against {row['baseline']}",
            [_cell(row["difference"], sign=True), _cell(row["share"], share=True) if row["share"] else Cell(numbers.NONE)],
        )
        for row in found["against"]
    ]
    users = numbers.counted(found["held_out_users"], "user")
    return "\n".join(
        [
            "<h2>Beside the baselines</h2>",
            whole_table(map(escape, _HEADS.values()), [("", rows)]),
            whole_table(["Return, difference", "Share of its return"], [("", gaps)]),
            f'<p class="aside">Means a user over {users} kept from training, over all visits of a user; in brackets '
            f"{found['confidence']:.0%} intervals over users{' and seeds' if found['seeds'] > 1 else ''}, each by itself. The "
            "last policy is shown, not the best one: none was chosen by these users. "
            '<a href="evaluation/report.html">The run behind it</a> has every metric, visit and paired difference.</p>',
        ]
    )


def _exploits(found: Mapping[str, Any]) -> str:
    heads = ["Policy", *(row["arm"] for row in found["arms"][1:]), ""]
    rows = []
    for check in found["exploits"]:
        share = "oracle" not in check["name"]
        others = [check["others"].get(row["arm"]) for row in found["arms"][1:]]
        cells = [_cell(check["policy"], share=share, sign=not share)]
        cells += [Cell("") if other is None else _cell(other, share=share) for other in others]
        rows.append((check["name"], [*cells, Cell(("suspicious: " if check["suspicious"] else "") + check["said"])]))
    return (
        "<h2>Check for exploits</h2>\n"
        '<p class="aside">A policy may earn its reward from faults of the user model instead of from serving users. Signs '
        "of it: more than an oracle earns, satisfaction that falls while the reward rises, reward from users who leave at "
        "once, the same items for everybody or again and again, pages with hardly an item.</p>\n"
        + whole_table(map(escape, heads), [("", rows)])
    )


def _worst(found: Mapping[str, Any], names: Names) -> str:
    rows = [
        (names.user(user["user_id"]), [Cell(numbers.plain(user["policy"])), Cell(numbers.plain(user["popularity"]))])
        for user in found["worst"]
    ]
    if not rows:
        return ""
    return (
        "<h2>Where it fails</h2>\n"
        + whole_table(["Policy", "Popularity"], [("", rows)])
        + '\n<p class="aside">Return of the users with whom the policies fell furthest behind popularity. Picked for being '
        "extreme, they show what can go wrong and not how often; their visits stand in the run behind it.</p>"
    )


def _settings(found: Mapping[str, Any]) -> str:
    shown = {"Algorithm": found["algorithm"], "Steps": f"{found['steps']:,}", "Rows": found["rows"], "Gamma": found["gamma"]}
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in shown.items())
    return (
        f"<h2>Configuration</h2>\n<dl>{items}</dl>\n"
        '<p class="aside">Simulated users are not people: what pays here need not pay elsewhere. <code>manifest.json</code> '
        "holds every setting and version, <code>evaluation.parquet</code> every user, <code>figures/</code> the curve with its "
        "data.</p>"
    )


def _cell(content: Mapping[str, Any], *, share: bool = False, sign: bool = False) -> Cell:
    estimate = numbers.read_estimate(content)
    digits = numbers.decimals(estimate, share=share)
    return Cell(numbers.plain(estimate.value, digits, share=share, sign=sign), numbers.interval(estimate, digits, share=share))
