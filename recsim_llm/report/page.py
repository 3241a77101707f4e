"""The report page: one HTML file without scripts and without anything to load, light and dark, for any width."""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from recsim_llm.evaluation import read_manifest, summarise
from recsim_llm.files import write_atomically
from recsim_llm.language.call_summary import CallSummary
from recsim_llm.metrics import RunMetrics, metrics_of
from recsim_llm.report import comparison, drawing, numbers
from recsim_llm.report.figures import FIGURES, FigureKind
from recsim_llm.report.language import call_rows, calls_of, decider_rows, failure_rows
from recsim_llm.report.more_metrics import metrics_section
from recsim_llm.report.speech import Speech, speech_of, speech_section
from recsim_llm.report.tables import Cell, comparison_rows, metric_rows
from recsim_llm.report.words import verdict
from recsim_llm.summary import Summary

__all__ = ["render_page", "write_report"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
_USERS = {
    "choice": "The users are statistical: a choice model, fitted to ratings or set by hand, says how likely each look, click, "
    "rating and departure is, and keyed random numbers decide.",
    "language": "The users are played by a language model, which says how likely each click, rating and departure is; keyed "
    "random numbers decide.",
    "cascade": "The users are a statistical choice model that passes the pages it is unsure of to a language model; keyed "
    "random numbers decide.",
    "replay": "The users replay recorded decisions; what they never saw, they cannot judge.",
}
_ANY_USERS = (
    "The users are simulated: a model says how likely each click, rating and departure is, and keyed random numbers decide."
)
_LIMITS = (
    "They are not people. What is measured here is how these recommenders do with these simulated users; whether people "
    "would act alike is a separate question. <code>recsim-llm fit DATA OUT --held-out</code> scores the users' ratings "
    "against real ones.",
    "Tastes that were fitted by a factor model favour recommenders of that family: matrix factorisation then looks for what "
    "matrix factorisation put there. Take a lead of such a recommender for an upper bound until users of another make "
    "confirm it.",
    "Every recommender served the same users with the same dice, so differences are taken user by user. Intervals are over "
    "users of this population and this seed; they do not cover errors of the user model itself.",
)


def write_report(run: Path) -> Path:
    """Write ``report.html``, ``metrics.json`` and ``figures/`` (each figure as PNG, its data as CSV) into a run folder.

    Args:
        run: a run folder, finished or not.

    Returns:
        Path of ``report.html``.

    Raises:
        LogError: the folder is no run, holds no page, or does not fit its manifest.
    """
    summary, manifest = summarise(run), read_manifest(run)
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    drawings = {}
    for kind in FIGURES:
        with drawing.style():
            figure = kind.draw(summary)
            drawings[kind.name] = drawing.to_svg(figure, kind.name)
            write_atomically(folder / f"{kind.name}.png", drawing.to_png(figure, kind.title(summary)))
        write_atomically(folder / f"{kind.name}.csv", _csv(kind.columns, kind.rows(summary)))
    compared = comparison.comparison_of(run)
    if compared is not None:
        drawings[comparison.FIGURE] = _draw_comparison(compared, folder)
    calls = calls_of(run)
    speech = speech_of(run)
    content = summary.to_json() | {"language_model_calls": [row._asdict() for row in calls]}
    content |= {} if speech is None else {"speech": speech.to_json()}
    metrics = metrics_of(run)
    content |= {} if metrics is None else {"metrics": metrics.to_json()}
    write_atomically(run / "metrics.json", _json(content))
    page = run / "report.html"
    write_atomically(page, render_page(summary, manifest, drawings, calls, speech, compared, metrics).encode())
    return page


def render_page(
    summary: Summary,
    manifest: Mapping[str, Any],
    drawings: Mapping[str, str],
    calls: Sequence[CallSummary] = (),
    speech: Speech | None = None,
    compared: Mapping[str, Any] | None = None,
    metrics: RunMetrics | None = None,
) -> str:
    """Return the page.

    Args:
        summary: what to report.
        manifest: the run's manifest.
        drawings: ``svg`` elements by figure name.
        calls: totals of the language models' calls.
        speech: what users said; None where nobody was asked.
        compared: what a comparison found, as ``comparison.comparison_of`` returns; its verdict then stands at the top.
        metrics: what more was measured; None where the folder lacks the tables for it.
    """
    parts = [
        _header(summary, manifest, verdict(summary) if compared is None else " ".join(compared["verdict"])),
        comparison.comparison_section(compared, drawings.get(comparison.FIGURE, ""), _table),
        "<h2>Results</h2>",
        _results(summary),
        _differences(summary),
        "<h2>Figures</h2>",
        '<div class="figures">',
        *(_figure(kind, summary, drawings[kind.name]) for kind in FIGURES),
        "</div>",
        metrics_section(metrics, _table),
        "<h2>What was simulated</h2>",
        f"<p>{_USERS.get(_name(manifest.get('user_model')), _ANY_USERS)}</p>",
        *(f"<p>{text}</p>" for text in _LIMITS),
        _deciders(summary),
        speech_section(speech, _table),
        _calls(calls),
        _configuration(summary, manifest),
        _reproduction(manifest),
    ]
    style = files("recsim_llm.report").joinpath("style.css").read_text(encoding="utf-8")
    return _PAGE.format(title=escape(f"{summary.scenario} – recsim_llm"), style=style, body="\n".join(parts))


def _header(summary: Summary, manifest: Mapping[str, Any], said: str) -> str:
    arms = len(summary.arms)
    facts = [
        f"{numbers.count(summary.users)} simulated {'user' if summary.users == 1 else 'users'}",
        f"{arms} {'recommender' if arms == 1 else 'recommenders'}",
        f"pages of {manifest['slate_size']}, at most {manifest['max_pages']} a visit",
        f"seed {summary.seed}",
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in summary.notes)
    return "\n".join(
        [
            f"<h1>{escape(summary.scenario)}</h1>",
            f'<p class="facts">{escape(" · ".join(facts))}</p>',
            f'<p class="verdict">{escape(said)}</p>',
            f'<ul class="notes">{notes}</ul>' if notes else "",
        ]
    )


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


def _table(heads: Iterable[str], groups: Iterable[tuple[str, list[tuple[str, list[Cell]]]]]) -> str:
    """Lay out a table; heads are HTML, all else is text."""
    head = "".join(f'<th scope="col">{text}</th>' for text in ["", *heads])
    lines = [f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>']
    for title, rows in groups:
        if title:
            span = len(rows[0][1]) + 1
            lines.append(f'<tr class="group"><th scope="rowgroup" colspan="{span}">{escape(title)}</th></tr>')
        for label, cells in rows:
            numbers_of_row = "".join(f"<td>{_cell(cell)}</td>" for cell in cells)
            lines.append(f'<tr><th scope="row">{escape(label)}</th>{numbers_of_row}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _cell(cell: Cell) -> str:
    small = f"<small>{escape(cell.interval)}</small>" if cell.interval else ""
    return escape(cell.value) + small


def _figure(kind: FigureKind, summary: Summary, svg: str) -> str:
    title = escape(kind.title(summary))
    return f'<figure><h3 id="{kind.name}-title">{title}</h3>\n{svg}\n<figcaption>{escape(kind.caption)}</figcaption></figure>'


def _configuration(summary: Summary, manifest: Mapping[str, Any]) -> str:
    data = manifest.get("data") or {}
    versions = manifest.get("versions") or {}
    skipped = data.get("skipped") or {}
    rows = {
        "Scenario": summary.scenario,
        "Recommenders": ", ".join(arm.arm for arm in summary.arms),
        "User model": _name(manifest.get("user_model")) or "not recorded",
        "Users": numbers.count(summary.users),
        "Visits a user": manifest.get("visits", "not recorded"),
        "Slots a page": manifest["slate_size"],
        "Pages a visit, at most": manifest["max_pages"],
        "Catalog": f"{numbers.count(int(manifest['catalog']['items']))} items",
        "Seed": summary.seed,
        "Data": data.get("name", "not recorded"),
        "Data fingerprint": data.get("fingerprint", "not recorded"),
        "Data licence": data.get("licence", "not recorded"),
        "Data rows skipped": ", ".join(f"{number} {reason}" for reason, number in skipped.items()) or "none recorded",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or "not recorded",
    }
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(text))}</dd>" for name, text in rows.items())
    settings = escape(json.dumps(manifest.get("settings", {}), indent=2, ensure_ascii=False))
    return (
        f"<h2>Configuration</h2>\n<dl>{items}</dl>\n"
        f"<details><summary>All settings, as resolved</summary><pre>{settings}</pre></details>"
    )


def _reproduction(manifest: Mapping[str, Any]) -> str:
    start = shlex.join(["recsim-llm", "run", str(manifest["scenario"])])
    options = [shlex.join([name, str(value)]) for name, value in _options(manifest) if value not in ("", None)]
    command = " \\\n  ".join([start, *options, "--out again"])
    return (
        f"<h2>Reproduce</h2>\n<pre>{escape(command)}</pre>\n"
        "<p>If the scenario is not a shipped one, give its file in place of its name. Settings that this line does not "
        "name are listed above and in <code>manifest.json</code>. The same seed, settings, data and versions give the same "
        "log, byte for byte. <code>recsim-llm report</code> on the run folder writes this page again; "
        "<code>metrics.json</code> holds its numbers and <code>figures/</code> each figure with its data.</p>"
    )


def _options(manifest: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return options of ``recsim-llm run`` that lead to the same settings."""
    settings: Mapping[str, Any] = manifest.get("settings") or {}
    users: Mapping[str, Any] = settings.get("users") or {}
    model: Mapping[str, Any] = (settings.get("models") or {}).get("user") or {}
    arms = settings.get("recommenders") or []
    plain = all(arm.get("name") == arm.get("recommender") and not arm.get("settings") for arm in arms)
    return [
        ("--data", settings.get("data")),
        ("--users", _name(manifest.get("user_model"))),
        ("--model", model.get("name")),
        ("--base-url", model.get("base_url")),
        ("--n-users", users.get("count", manifest["users"])),
        ("--slate-size", manifest["slate_size"]),
        ("--pages", manifest["max_pages"]),
        ("--visits", manifest.get("visits")),
        # Arms with names or settings of their own can only come from the scenario itself.
        ("--recommenders", ",".join(map(str, manifest["arms"])) if plain else None),
        ("--reward", settings.get("reward")),
        ("--seed", manifest["seed"]),
        *(("--set", f"users.parameters.{key}={value}") for key, value in (users.get("parameters") or {}).items()),
        *(("--set", f"users.noise.{key}={value}") for key, value in (users.get("noise") or {}).items()),
    ]


def _name(value: Any) -> str:
    """Return the name of something that the manifest gives as a name or as settings with a name."""
    return str(value.get("name", "")) if isinstance(value, Mapping) else str(value or "")


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _draw_comparison(compared: Mapping[str, Any], folder: Path) -> str:
    """Write the forest plot and its data, and return it for the page."""
    with drawing.style():
        figure = comparison.draw_forest(compared)
        element = drawing.to_svg(figure, comparison.FIGURE)
        png = drawing.to_png(figure, comparison.forest_title(compared))
    write_atomically(folder / f"{comparison.FIGURE}.png", png)
    write_atomically(folder / f"{comparison.FIGURE}.csv", _csv(comparison.FIGURE_COLUMNS, comparison.forest_rows(compared)))
    return element


def _csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue().encode()
