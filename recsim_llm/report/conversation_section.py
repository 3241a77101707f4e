"""What conversations came to: success by turn, questions, interruptions, obedience, blame and leaks, for a report's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from recsim_llm.comparison.dialogue_pairs import compare_dialogues
from recsim_llm.conversation.dialogue_measures import MOST_BLAMED, measure_conversation
from recsim_llm.conversation.leak import LEVEL
from recsim_llm.log.reader import RunReader
from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.obedience_table import obedience_rows
from recsim_llm.report.page_layout import figure, whole_table
from recsim_llm.report.summary_tables import Cell

__all__ = ["conversation_section", "draw_conversation", "read_conversation"]

Content = Mapping[str, Any]
Arms = Sequence[Content]
Rows = list[tuple[str, list[Cell]]]

_FIGURE = "found_by_turn"
_TITLE = "Who has found what it looked for, by turn"
_CAPTION = (
    "Share of the users who have accepted what they looked for by the end of each turn: 1 less the product-limit estimate of "
    "those still waiting (Kaplan-Meier); bands are pointwise 95% intervals (Greenwood's variance on the scale log(-log)). Who "
    "leaves without it, or takes something else, never finds it and stays at risk to the last turn."
)
_NOTE = (
    "In brackets: 95% interval by user. Regret is how far what was accepted falls short of the best of the user's own pool, "
    "in standard deviations of the user's appeal over the catalog. A critique is heeded if the next recommendation has nothing "
    "of a value wanted less of, something of one wanted more of, and not the item refused. By chance: of critiques that users "
    "could have made on pages that they refused plainly, the share that the next recommendation would have heeded; obedience "
    "beyond chance is 0 for a recommender that is deaf and 1 for one that heeds everything."
)
_STOPS = {
    "accepted": "Accepted something",
    "left": "Left",
    "max_turns": "Ran out of turns",
    "policy_ended": "Ended by the recommender",
}


def read_conversation(log: RunReader) -> dict[str, Any] | None:
    """Return what a run's conversations came to, as plain values for JSON; None where nobody talks."""
    arms = measure_conversation(log)
    return None if arms is None else {"arms": [arm.to_json() for arm in arms], "compared": compare_dialogues(log) or []}


def draw_conversation(found: Content | None, folder: Path) -> dict[str, str]:
    """Write the curve of success by turn as PNG and CSV, and return it for the page.

    Args:
        found: as ``read_conversation`` returns it.
        folder: of figures.
    """
    if found is None:
        return {}
    curves = {arm["arm"]: _curve(arm) for arm in found["arms"]}
    with drawing.style():
        drawn = {_FIGURE: write_figure(_draw(curves), folder, _FIGURE, _TITLE)}
    rows = [(arm, *point) for arm, points in curves.items() for point in points]
    write_figure_data(folder, _FIGURE, ("arm", "turn", "found", "low", "high"), rows)
    return drawn


def conversation_section(found: Content | None, drawings: Mapping[str, str]) -> str:
    """Return the section as HTML; empty where nobody talks."""
    if found is None:
        return ""
    arms: Arms = found["arms"]
    heads = [drawing.swatch(arm["arm"], escape(arm["arm"])) for arm in arms]
    groups = [("", _dialogues(arms)), ("How dialogues ended", _stops(arms)), ("Critiques heeded", obedience_rows(arms))]
    groups += [("Whose fault", _blame(arms)), ("Leak meter", _leaks(arms))]
    parts = ["<h2>Conversations</h2>", whole_table(heads, [group for group in groups if group[1]]), _aside(_NOTE)]
    parts += [_aside(line) for line in _warnings(arms)]
    if _FIGURE in drawings:
        parts.append(f'<div class="figures">\n{figure(_FIGURE, _TITLE, drawings[_FIGURE], _CAPTION)}\n</div>')
    return "\n".join([*parts, _differences(found["compared"])])


def _aside(text: str) -> str:
    return f'<p class="aside">{escape(text)}</p>'


def _dialogues(arms: Arms) -> Rows:
    return [
        ("Dialogues", [Cell(numbers.count(arm["dialogues"])) for arm in arms]),
        _row("Found what it looked for", arms, "success", share=True),
        _row("Turns", arms, "turns"),
        _row("Questions", arms, "questions"),
        _row("Bits that a question told", arms, "bits_per_question"),
        _row("Regret of what was accepted", arms, "regret"),
        _row("Acts that interrupted the user", arms, "interrupted", share=True),
        ("Invalid items", [Cell(numbers.count(arm["invalid"])) for arm in arms]),
    ]


def _stops(arms: Arms) -> Rows:
    return [(label, [Cell(numbers.count(arm["stops"][name])) for arm in arms]) for name, label in _STOPS.items()]


def _blame(arms: Arms) -> Rows:
    rows = [
        ("Dialogues that found nothing", [Cell(numbers.count(arm["blame"]["failed"])) for arm in arms]),
        _of_estimates("Of them the user's own fault", [arm["blame"]["share"] for arm in arms], share=True),
    ]
    kinds = [kind for kind in arms[0]["blame"]["kinds"] if any(arm["blame"]["kinds"][kind] for arm in arms)]
    rows += [(f"It {kind}", [Cell(numbers.count(arm["blame"]["kinds"][kind])) for arm in arms]) for kind in kinds]
    return rows if not kinds else [*rows, _of_estimates("Asked again, it would again", [arm["blame"]["again"] for arm in arms])]


def _leaks(arms: Arms) -> Rows:
    if arms[0]["leak"] is None:
        return []
    leaks = [arm["leak"] for arm in arms]
    verdict = ["knows more than it was told" if leak["caught"] else "no leak found" for leak in leaks]
    return [
        ("Turns that hit the goal", [Cell(numbers.plain(leak["hits"], 0)) for leak in leaks]),
        ("Hits to be expected by what was said", [Cell(numbers.plain(leak["expected"], 1)) for leak in leaks]),
        ("p, one-sided", [Cell(f"{leak['p_value']:.2g}") for leak in leaks]),
        (f"Verdict, wrong for {LEVEL:.0%} of honest ones", [Cell(said) for said in verdict]),
    ]


def _warnings(arms: Arms) -> list[str]:
    said = []
    for arm in arms:
        share, least = arm["blame"]["share"]["value"], arm["blame"]["share"]["low"]
        if least is not None and least > MOST_BLAMED:
            said.append(
                f"{arm['arm']}: {share:.1%} of the failures are the users' own fault, beyond chance more than "
                f"{MOST_BLAMED:.0%}: they say as much of the users as of the recommender."
            )
    return said


def _differences(compared: Arms) -> str:
    if not compared:
        return ""
    rows: Rows = []
    for row in compared:
        estimate, share = numbers.read_estimate(row), row["unit"] == "share"
        digits = numbers.decimals(estimate, share=share)
        value = numbers.plain(estimate.value, digits, share=share, sign=True)
        cells = [Cell(value, numbers.interval_below(estimate, digits, share=share)), Cell("yes" if row["differs"] else "no")]
        rows.append((f"{row['label']}: {row['arm']} less {row['against']}", cells))
    note = f"The same users; 95% intervals hold together over all {len(rows)} rows (Holm), and so does whether two differ."
    return "\n".join(["<h3>One less another</h3>", whole_table(["Difference", "Differ"], [("", rows)]), _aside(note)])


def _row(label: str, arms: Arms, key: str, *, share: bool = False) -> tuple[str, list[Cell]]:
    return _of_estimates(label, [arm[key] for arm in arms], share=share)


def _of_estimates(label: str, contents: Sequence[Content], *, share: bool = False) -> tuple[str, list[Cell]]:
    estimates = [numbers.read_estimate(content) for content in contents]
    digits = numbers.common_decimals(estimates, share=share)
    return label, [
        Cell(numbers.plain(one.value, digits, share=share), numbers.interval_below(one, digits, share=share))
        for one in estimates
    ]


def _curve(arm: Content) -> list[tuple[int, float, float | None, float | None]]:
    """Return by turn the share who have found it, with its interval."""
    points: list[tuple[int, float, float | None, float | None]] = [(0, 0.0, None, None)]
    for turn, waiting in enumerate(arm["waiting"]["waiting"], 1):
        if waiting["value"] is not None:
            ends = [None if waiting[end] is None else 1 - waiting[end] for end in ("high", "low")]
            points.append((turn, 1 - waiting["value"], *ends))
    return points


def _draw(curves: Mapping[str, Sequence[tuple[int, float, float | None, float | None]]]) -> Figure:
    plot = drawing.new_figure(right=drawing.BESIDE)
    axes, labels = plot.axes[0], []
    for arm, points in curves.items():
        place = drawing.place_of(arm)
        turn, found = [point[0] for point in points], [point[1] for point in points]
        axes.step(turn, found, where="post", color=drawing.colour(place), linewidth=1.8, linestyle=drawing.line(place))
        banded = [(at, low, high) for at, _, low, high in points if low is not None and high is not None]
        if banded:
            at, low, high = zip(*banded, strict=True)
            axes.fill_between(at, low, high, step="post", color=drawing.colour(place), alpha=0.15, linewidth=0)
        axes.plot(turn, found, color=drawing.colour(place), linestyle="", marker=drawing.marker(place), markersize=3.8)
        labels.append(drawing.Label(turn[-1], found[-1], drawing.shorten(arm), drawing.colour(place)))
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:.0%}"))
    axes.set_xlabel("turn")
    drawing.tidy(axes)
    drawing.label_ends(axes, labels)
    return plot
