"""The suite's table and page: what scenarios find over their seeds, or what recommenders do to people in the profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from recsim_llm.core.files import write_atomically
from recsim_llm.report import drawing, numbers
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.findings_section import seeds_lines
from recsim_llm.report.page_layout import Group, document, figure, fold, whole_table
from recsim_llm.report.suite_figure import FIGURE, FIGURE_CAPTION, draw_profiles
from recsim_llm.report.summary_tables import Cell
from recsim_llm.statistics import Estimate

__all__ = ["SUITE_FILE", "arm_name", "suite_lines", "write_suite_page"]

SUITE_FILE = "suite.json"
"""Name of the file with all that came of the suite."""

Content = Mapping[str, Any]

_STEM = "suite"
_FINDING_COLUMNS = (
    *("scenario", "question", "finding", "claim", "answer", "mean", "low", "high", "unit"),
    *("seeds", "pages", "calls", "tokens"),
)
_PROFILE_COLUMNS = (
    *("recommender", "against", "scenario", "measure", "unit", "value", "baseline", "difference", "low", "high"),
    *("seeds", "pages", "calls", "tokens"),
)
_HOW_JUDGED = (
    "A finding holds where it holds by every one of its seeds, none of which was used to choose a parameter; it does not where "
    "by one of them it does not; else it is not decided. The number is the mean over seeds with a 95% interval over seeds, on "
    "which the answer does not hang."
)
_HOW_MEASURED = (
    "Every number is what the recommender has more than {against}, for the same users with the same dice: the mean over "
    "{seeds} seeds with {interval}. More is not better by itself: what is wanted of a measure is for people to say."
)
_EACH = "a 95% interval over seeds by Student's t, each by itself"
_TOGETHER = "intervals that hold together at 95% (Bonferroni); the verdicts keep the chance of any false one at 5% (Holm)"
_CANNOT = (
    "The users are simulated: invented people with an invented catalog, whose parameters are assumptions where a scenario says "
    "so. What holds here holds in these worlds. It is not an estimate of how large an effect is among people, and a scenario "
    "that does not hold refutes the claim for its world alone."
)


def write_suite_page(folder: Path, content: Content) -> Path:
    """Write ``suite.csv`` and ``suite.html``, and of profiles a figure in ``figures/``.

    Args:
        folder: where.
        content: as ``suite.json`` holds it.

    Returns:
        Path of the page.
    """
    findings = content["kind"] == "findings"
    columns, rows = (_FINDING_COLUMNS, _finding_rows(content)) if findings else (_PROFILE_COLUMNS, _profile_rows(content))
    write_figure_data(folder, _STEM, columns, rows)
    body = _findings(content) if findings else _profiles(folder, content)
    page = folder / f"{_STEM}.html"
    title = {"findings": "The suite", "profiles": "What recommenders do", "compared": "Two recommenders"}[content["kind"]]
    head = f"<h1>{title}</h1>\n" + "".join(f'<p class="verdict">{escape(line)}</p>' for line in _summary(content))
    facts = f'<p class="facts">Suite {content["suite"]}{_subset(content)}, recsim_llm {escape(content["recsim_llm"])}.</p>'
    limits = f"<h2>What it cannot say</h2>\n<p>{_CANNOT}</p>"
    write_atomically(page, document(f"{title} – recsim_llm", f"{head}\n{facts}", [*body, limits]).encode())
    return page


def suite_lines(content: Content) -> Iterator[str]:
    """Yield what came of the suite as lines of the terminal."""
    for scenario in content.get("scenarios", ()):
        yield f"{scenario['name']}: {scenario['question']}"
        for finding in scenario["findings"]:
            yield f"  {finding['answer']}: {finding['claim']} {_mean_words(finding)}"
    for row in content.get("rows", ()):
        yield f"{arm_name(row['recommender'])}, less {arm_name(row['against'])}:"
        for place, measure in enumerate(row["measures"]):
            verdict = f"; {content['compared'][place]['verdict']}" if "compared" in content else ""
            estimate = _difference(content, place, measure)
            share = measure["unit"] == "share"
            yield f"  {measure['label']}: {numbers.with_interval(estimate, share=share, sign=True)}{verdict}"
    for one in content.get("checked", ()):
        numbers_of = f"handed in {_plain(one['handed_in'])}, here {_plain(one['again'])}"
        answer = "agrees" if one["agrees"] else "differs"
        yield f"{one['recommender']}, {one['label']}, seed {one['seed']}: {answer}; {numbers_of}"
    yield from _summary(content)


def _plain(value: float | None) -> str:
    return numbers.plain(value, 4)


def arm_name(arm: Content) -> str:
    """Return what a recommender of a row is called."""
    return str(arm["name"])


def _summary(content: Content) -> Iterator[str]:
    """Yield the one line that sums everything up."""
    if content["kind"] == "findings":
        answers = [finding["answer"] for scenario in content["scenarios"] for finding in scenario["findings"]]
        told = [f"{answers.count(answer)} {said}" for answer, said in _ANSWERS.items()]
        scenarios = numbers.counted(len(content["scenarios"]), "scenario")
        yield f"{numbers.counted(len(answers), 'finding')} of {scenarios}: {', '.join(told)}"
    elif content["kind"] == "compared":
        (row,) = content["rows"]
        decided = [
            f"{one['verdict']} on {measure['label'][0].lower()}{measure['label'][1:]}"
            for one, measure in zip(content["compared"], row["measures"], strict=True)
            if one["verdict"] in ("more", "less")
        ]
        first, second = arm_name(row["against"]), arm_name(row["recommender"])
        yield f"{second} against {first}: {'; '.join(decided) or 'no difference is decided'}"
    elif content["kind"] == "checked":
        agrees = all(one["agrees"] for one in content["checked"])
        yield f"{content['file']}: whole, and what was played again {'agrees' if agrees else 'differs'}"
    else:
        names = ", ".join(arm_name(row["recommender"]) for row in content["rows"])
        yield f"{names} beside popularity, on {numbers.counted(len(content['rows'][0]['measures']), 'measure')}"


_ANSWERS = {"holds": "hold", "does not hold": "do not hold", "not decided": "not decided"}


def _subset(content: Content) -> str:
    return f", {content['subset']}" if content.get("subset") else ""


def _seeds(row: Content) -> str:
    return " ".join(map(str, row["seeds"]))


def _share_of(finding: Content) -> bool:
    return bool(_unit(finding) == "share")


def _unit(finding: Content) -> str:
    return str(next(iter(finding["by_seed"].values()))["contrast"]["unit"])


def _mean_words(finding: Content) -> str:
    return numbers.with_interval(numbers.read_estimate(finding["mean"]), share=_share_of(finding))


def _finding_rows(content: Content) -> Iterator[Iterable[Any]]:
    for scenario in content["scenarios"]:
        cost = (scenario["pages"], scenario["calls"], scenario["tokens"])
        for finding in scenario["findings"]:
            said = (finding["name"], finding["claim"], finding["answer"])
            mean = (finding["mean"][key] for key in ("value", "low", "high"))
            yield (scenario["name"], scenario["question"], *said, *mean, _unit(finding), _seeds(scenario), *cost)


def _profile_rows(content: Content) -> Iterator[Iterable[Any]]:
    for row in content["rows"]:
        names, cost = (arm_name(row["recommender"]), arm_name(row["against"])), (row["pages"], row["calls"], row["tokens"])
        for place, measure in enumerate(row["measures"]):
            estimate = _difference(content, place, measure)
            told = (measure["scenario"], measure["measure"], measure["unit"], measure["value"], measure["baseline"])
            seeds = " ".join(str(seed["seed"]) for seed in measure["seeds"])
            yield (*names, *told, estimate.value, estimate.low, estimate.high, seeds, *cost)


def _findings(content: Content) -> Iterator[str]:
    groups = [(_scenario_words(scenario), list(_rows_of(scenario))) for scenario in content["scenarios"]]
    table = whole_table(["Answer", "Mean over seeds", "Seeds"], groups)
    yield f'<h2>Findings</h2>\n<div class="words">{table}</div>\n<p class="aside">{escape(_HOW_JUDGED)}</p>'
    lines = [
        fold(scenario["name"], f"<pre>{escape(chr(10).join([*seeds_lines(scenario), *_where(scenario)]))}</pre>")
        for scenario in content["scenarios"]
    ]
    yield "<h2>Seed by seed</h2>\n" + "\n".join(lines)


def _scenario_words(scenario: Content) -> str:
    return f"{scenario['name']}. {scenario['question']} ({_cost_words(scenario)})"


def _cost_words(row: Content) -> str:
    calls = f", {numbers.counted(row['calls'], 'call')}, {numbers.counted(row['tokens'], 'token')}" if row["calls"] else ""
    return f"{numbers.counted(row['pages'], 'page')}{calls}"


def _where(scenario: Content) -> Iterator[str]:
    yield f"told in docs/{scenario['page']}.md and notebooks/{scenario['notebook']}.ipynb"
    yield f"again: recsim-llm run {scenario['name']} --expect"


def _rows_of(scenario: Content) -> Iterator[tuple[str, list[Cell]]]:
    for finding in scenario["findings"]:
        mean, share = numbers.read_estimate(finding["mean"]), _share_of(finding)
        digits = numbers.decimals(mean, share=share)
        shown = Cell(numbers.plain(mean.value, digits, share=share), numbers.interval_below(mean, digits, share=share))
        yield finding["claim"], [Cell(finding["answer"]), shown, Cell(", ".join(map(str, scenario["seeds"])))]


def _profiles(folder: Path, content: Content) -> Iterator[str]:
    rows, compared = content["rows"], content.get("compared")
    with drawing.apart(row["recommender"]["recommender"] for row in rows), drawing.style():
        heads = [drawing.swatch(row["recommender"]["recommender"], escape(arm_name(row["recommender"]))) for row in rows]
        against = arm_name(rows[0]["against"])
        heads = [escape(against), *heads, *(["Verdict"] if compared else [])]
        table = whole_table(heads, list(_measure_groups(content)))
        seeds = len(rows[0]["measures"][0]["seeds"])
        said = _HOW_MEASURED.format(against=against, seeds=seeds, interval=_TOGETHER if compared else _EACH)
        yield f'<h2>Measures</h2>\n{table}\n<p class="aside">{escape(said)}</p>'
        (folder / "figures").mkdir(exist_ok=True)
        title = f"Differences from {against}"
        svg = write_figure(draw_profiles(rows), folder / "figures", FIGURE, title)
        yield f'<div class="figures">\n{figure(FIGURE, title, svg, FIGURE_CAPTION)}\n</div>'
    costs = [(arm_name(row["recommender"]), [Cell(_cost_words(row))]) for row in rows]
    yield "<h2>What it took</h2>\n" + whole_table(["Both recommenders, all seeds"], [("", costs)])


def _measure_groups(content: Content) -> Iterator[Group]:
    """Yield the rows of the table by profile scenario: the other's own number, and what each recommender has more."""
    rows = content["rows"]
    by_scenario: dict[str, list[tuple[str, list[Cell]]]] = {}
    for place, measure in enumerate(rows[0]["measures"]):
        share = measure["unit"] == "share"
        estimates = [_difference(content, place, row["measures"][place]) for row in rows]
        digits = numbers.common_decimals([one for one in estimates if one.value is not None], share=share)
        cells = [Cell(numbers.plain(measure["baseline"], digits, share=share))]
        for one in estimates:
            below = numbers.interval_below(one, digits, share=share)
            cells.append(Cell(numbers.plain(one.value, digits, share=share, sign=True), below))
        if "compared" in content:
            cells.append(Cell(content["compared"][place]["verdict"]))
        by_scenario.setdefault(measure["scenario"], []).append((measure["label"], cells))
    yield from ((f"{name}. {content['questions'][name]}", rows_of) for name, rows_of in by_scenario.items())


def _difference(content: Content, place: int, measure: Content) -> Estimate:
    """Return what is shown of a difference: of two recommenders compared, the interval that holds together with the others."""
    ends = content["compared"][place] if "compared" in content else measure
    return Estimate(value=measure["difference"], low=ends["low"], high=ends["high"], users=0)
