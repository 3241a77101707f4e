"""The report page: one HTML file without scripts and without anything to load, light and dark, for any width."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from recsim_llm.comparison import Summary, summarise
from recsim_llm.comparison.findings import measure_findings
from recsim_llm.comparison.results import FILE_NAME as COMPARISON_FILE
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import LogError
from recsim_llm.language.calls.call_summary import CallSummary
from recsim_llm.log.folders import MANIFEST
from recsim_llm.log.locks import lock_report
from recsim_llm.log.manifest import read_manifest
from recsim_llm.log.reader import open_run
from recsim_llm.log.unread_words import unread_line
from recsim_llm.log.visit_rows import VisitKey, VisitRows, read_visits
from recsim_llm.metrics import RunMetrics, measure_run
from recsim_llm.metrics.item_tables import has_tables, read_tables
from recsim_llm.metrics.provider_series import read_provider_days
from recsim_llm.metrics.run_actions import measure_actions
from recsim_llm.metrics.run_contagion import measure_contagion
from recsim_llm.metrics.run_prices import measure_prices
from recsim_llm.metrics.run_tools import measure_tools
from recsim_llm.metrics.run_words import measure_words
from recsim_llm.report import comparison_figure, drawing, numbers
from recsim_llm.report.actions_section import actions_section
from recsim_llm.report.audit_page import AUDIT_FOLDER, audits_section, draw_audits, keep_audit, read_audits
from recsim_llm.report.calibration_page import calibration_section, draw_calibration
from recsim_llm.report.calibration_rows import find_record
from recsim_llm.report.card_file import CARD_FILE, read_card
from recsim_llm.report.claims import Claim, best_claims, claim_of_row, table_rows
from recsim_llm.report.comparison_page import comparison_section
from recsim_llm.report.comparison_rows import read_comparison
from recsim_llm.report.contagion_section import contagion_section, draw_contagion
from recsim_llm.report.conversation_section import conversation_section, draw_conversation, read_conversation
from recsim_llm.report.counts_section import RecommenderCounts, counts_section, read_counts
from recsim_llm.report.figure_files import write_figure, write_figure_data
from recsim_llm.report.figures import FIGURES, figures_of
from recsim_llm.report.findings_section import draw_series, findings_section
from recsim_llm.report.first_screen import first_screen, page_title
from recsim_llm.report.metric_groups import metrics_section
from recsim_llm.report.model_calls import read_calls
from recsim_llm.report.names import Names, read_names
from recsim_llm.report.ope_page import draw_ope, ope_section
from recsim_llm.report.ope_rows import OPE_FILE, read_ope
from recsim_llm.report.page_layout import document, figure, table, whole_table
from recsim_llm.report.page_words_section import draw_page_words, page_words_section
from recsim_llm.report.parameter_table import parameters_section
from recsim_llm.report.price_section import price_section
from recsim_llm.report.progress_page import cost_section, deciders_section, failures_section
from recsim_llm.report.provider_section import draw_providers, provider_section
from recsim_llm.report.reproduction import configuration_section, reproduction_section
from recsim_llm.report.result_sections import differences_section, results_section
from recsim_llm.report.sample_visits import SampleVisits, read_sample_visits, sample_visits_section
from recsim_llm.report.serving_costs import ArmCost, read_serving, serving_section
from recsim_llm.report.session_files import SESSIONS_PAGE, Users, write_sessions
from recsim_llm.report.shown_items import shown_items_section
from recsim_llm.report.side_files import showing
from recsim_llm.report.spoken import Speech, read_speech, speech_section
from recsim_llm.report.tools_section import tools_section
from recsim_llm.report.trust import CARD_FIGURE, read_run_card, trust_section
from recsim_llm.report.worst_visits import WorstVisits, worst_visits_section

__all__ = ["Findings", "render_page", "write_report"]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a page is made of."""

    summary: Summary
    """Results of the run."""
    manifest: Mapping[str, Any]
    """The run's manifest."""
    drawings: Mapping[str, str]
    """``svg`` elements by figure name."""
    names: Names
    """What items and users are called."""
    sample: SampleVisits | None = None
    """Two visits to look at; None where none is over."""
    sessions: str | None = None
    """Name of the page that shows sessions; None where there is none."""
    worst: WorstVisits
    """The users who speak against what is claimed."""
    visits: Mapping[VisitKey, VisitRows]
    """Their visits."""
    calls: tuple[CallSummary, ...] = ()
    """Totals of the language models' calls."""
    serving: tuple[ArmCost, ...] = ()
    """What the recommenders took."""
    counts: RecommenderCounts | None = None
    """What the recommenders counted; None where none counts anything."""
    speech: Speech | None = None
    """What users said; None where nobody was asked."""
    compared: Mapping[str, Any] | None = None
    """What a comparison found, as ``read_comparison`` returns; its verdict then stands at the top."""
    metrics: RunMetrics | None = None
    """What more was measured; None where the folder lacks the tables for it."""
    card: Mapping[str, Any] | None = None
    """The realism card of the users; None where there is none."""
    ope: Mapping[str, Any] | None = None
    """An off-policy estimate from the run's log; None where nothing was estimated."""
    audits: tuple[Mapping[str, Any], ...] = ()
    """Audits of the users."""
    contagion: Sequence[Mapping[str, Any]] | None = None
    """What went from friend to friend; None where users have no friends."""
    actions: Sequence[Mapping[str, Any]] | None = None
    """What users did beyond clicks; None where they can do nothing else."""
    prices: Sequence[Mapping[str, Any]] | None = None
    """What was shown and taken costs; None where items have no prices."""
    tools: Sequence[Mapping[str, Any]] | None = None
    """What agents did with tools; None where no recommender is one."""
    page_words: Sequence[Mapping[str, Any]] | None = None
    """What words did, on pages and from users; None where nobody reads or says anything."""
    unread: str = ""
    """Which words nobody saw, in a line; empty where there were none."""
    providers: Sequence[Mapping[str, Any]] | None = None
    """What became of the providers of items; None where nobody asked."""
    conversation: Mapping[str, Any] | None = None
    """What dialogues came to; None where nobody talks."""
    measured: Mapping[str, Any] | None = None
    """What the scenario measures and expects, as ``metrics.json`` holds it; None where it says nothing of the kind."""


def write_report(
    run: Path,
    *,
    summary: Summary | None = None,
    card: Path | None = None,
    ope: Path | None = None,
    audits: Iterable[Path] = (),
    sessions: Users | None = None,
) -> Path:
    """Write ``report.html``, ``metrics.json`` and ``figures/`` (each figure as PNG, its data as CSV) into a run folder.

    Args:
        run: a run folder, finished or not.
        summary: what ``summarise`` has just said of the run, where somebody asked before; None sums it up.
        card: file or folder of a realism card; it is copied into the run folder, where later reports find it.
        ope: file or folder of an off-policy estimate, likewise.
        audits: files or folders of audits, likewise.
        sessions: whose sessions are written beside it by ``write_sessions``; None leaves those that are there.

    Returns:
        Path of ``report.html``.

    Raises:
        ConfigError: there are too many sessions.
        LogError: the folder is no run, holds no page, or does not fit its manifest; the card, the estimate or an audit is none.
        FolderInUseError: another process is writing the report, and goes on doing so.
    """
    summary, manifest = summary or summarise(run), read_manifest(run)
    with lock_report(run), drawing.apart(arm.arm for arm in summary.arms):
        if card is not None:
            write_atomically(run / CARD_FILE, _json(read_card(card)))
        if ope is not None:
            _keep_ope(ope, run)
        for audit in audits:
            keep_audit(audit, run)
        if sessions is not None:
            write_sessions(run, sessions)
        return _write(run, summary, manifest)


def _write(run: Path, summary: Summary, manifest: Mapping[str, Any]) -> Path:
    (folder := run / "figures").mkdir(exist_ok=True)
    drawings = _draw_figures(summary, folder)
    compared, realism = read_comparison(run), read_run_card(run)
    # Each is laid out once by itself, so that a damaged file is told by its name.
    with showing(run / COMPARISON_FILE, "compare"):
        if compared is not None and comparison_figure.can_draw(compared):
            drawings |= _draw_comparison(compared, folder)
        comparison_section(compared, "", table, lambda _: "")
    drawings |= _draw_users(run, manifest, folder)
    with showing(run / CARD_FILE, "realism"):
        if realism is not None and CARD_FIGURE.able(realism):
            drawings[CARD_FIGURE.name] = _draw_card(realism, folder)
        trust_section(manifest, realism, "")
    with showing(run / OPE_FILE, "ope"):
        estimated = read_ope(run)
        drawings |= draw_ope(estimated, folder)
        ope_section(estimated, drawings)
    with showing(run / AUDIT_FOLDER, "audit"):
        audited = read_audits(run)
        drawings |= draw_audits(audited, folder)
        audits_section(audited, drawings)
    calls, speech, metrics, serving = read_calls(run), read_speech(run), measure_run(run), read_serving(run)
    found, in_time = measure_findings(run), _in_time(run)
    measured = None if found is None else found.to_json()
    drawings |= draw_series(measured, folder) | _draw_in_time(in_time, folder)
    counts = read_counts(run)
    told = {"speech": speech, "metrics": metrics, "measured": found, "recommender_counts": counts}
    write_atomically(run / "metrics.json", _json(_numbers(summary, told, in_time, calls=calls, serving=serving)))
    log = open_run(run)
    _check_arms(run, compared, log.arms)
    with showing(run / COMPARISON_FILE, "compare"):
        worst = WorstVisits(_claims(summary, compared), log.arms)
        visits = read_visits(log, worst.visits())
    findings = Findings(
        summary=summary,
        manifest=manifest,
        drawings=drawings,
        names=read_names(run),
        sample=read_sample_visits(log, summary.best),
        sessions=SESSIONS_PAGE if (run / SESSIONS_PAGE).is_file() else None,
        worst=worst,
        visits=visits,
        calls=calls,
        serving=serving,
        counts=counts,
        speech=speech,
        compared=compared,
        metrics=metrics,
        card=realism,
        ope=estimated,
        audits=audited,
        measured=measured,
        unread=unread_line(run),
        **in_time,
    )
    with showing(run / MANIFEST, "run"):
        rendered = render_page(findings).encode()
    write_atomically(run / "report.html", rendered)
    return run / "report.html"


def render_page(found: Findings) -> str:
    """Return the page: verdict, figures, results, visits, how far to trust them, failures, cost, settings, reproduction."""
    summary, manifest, compared, worst = found.summary, found.manifest, found.compared, found.worst
    arms = [arm.arm for arm in summary.arms]
    parts = [
        comparison_section(compared, found.drawings.get(comparison_figure.FIGURE, ""), table, worst.link),
        conversation_section(found.conversation, found.drawings),
        findings_section(found.measured, found.drawings, manifest.get("settings") or {}),
        contagion_section(found.contagion, found.drawings),
        actions_section(found.actions),
        price_section(found.prices),
        tools_section(found.tools),
        page_words_section(found.page_words, found.drawings),
        provider_section(found.providers, found.drawings),
        _figures(summary, found.drawings),
        results_section(summary),
        differences_section(summary, judged=compared is not None),
        shown_items_section(summary, found.names),
        sample_visits_section(found.sample, found.names, sessions=found.sessions),
        worst_visits_section(worst, found.visits, dict.fromkeys(arms, found.names)),
        metrics_section(found.metrics, whole_table),
        ope_section(found.ope, found.drawings),
        audits_section(found.audits, found.drawings),
        trust_section(manifest, found.card, found.drawings.get(CARD_FIGURE.name, "")),
        parameters_section(manifest),
        calibration_section(find_record(manifest), found.drawings),
        speech_section(found.speech, table),
        deciders_section(summary),
        failures_section(summary, found.calls, found.unread),
        cost_section(found.calls),
        serving_section(found.serving),
        counts_section(found.counts),
        configuration_section(summary, manifest),
        reproduction_section(manifest, compared),
    ]
    title = page_title(summary.scenario, arms, manifest)
    head = first_screen(summary, manifest, compared, worst.link)
    return document(f"{title} – recsim_llm", head, parts)


def _numbers(
    summary: Summary,
    told: Mapping[str, Any],
    in_time: Mapping[str, Any],
    *,
    calls: Iterable[Any],
    serving: Iterable[Any],
) -> dict[str, Any]:
    """Return the content of ``metrics.json``; what there is nothing of is left out."""
    more = {name: one.to_json() for name, one in told.items() if one is not None}
    asked = {"language_model_calls": [row._asdict() for row in calls], "serving": [cost._asdict() for cost in serving]}
    return {**summary.to_json(), **asked, **more, **in_time}


def _check_arms(run: Path, compared: Mapping[str, Any] | None, arms: Sequence[str]) -> None:
    """See to it that a comparison is of the arms that are there."""
    if compared is not None and set(compared["arms"]) != set(arms):
        named = ", ".join(compared["arms"])
        raise LogError(f"{run}: got a comparison.json of {named}, expected this run's recommenders; compare the run again")


def _in_time(run: Path) -> dict[str, Any]:
    """Return what only some runs can tell, by the names of ``Findings``; what there is of it."""
    if not has_tables(run):
        return {}
    log, tables = open_run(run), read_tables(run)
    talked = read_conversation(log)
    found: dict[str, Sequence[Any] | None] = {"tools": measure_tools(log)}
    if talked is None:
        found |= {
            "contagion": measure_contagion(log, tables),
            "actions": measure_actions(log, tables),
            "page_words": measure_words(log, tables),
            "prices": measure_prices(log, tables),
        }
    told = {name: [arm.to_json() for arm in arms] for name, arms in found.items() if arms is not None}
    if talked is not None:
        return {**told, "conversation": talked}
    providers = read_provider_days(log)
    return told if providers is None else told | {"providers": providers.to_json(log.arms)}


def _draw_in_time(told: Mapping[str, Any], folder: Path) -> dict[str, str]:
    drawn = draw_contagion(told.get("contagion"), folder) | draw_page_words(told.get("page_words"), folder)
    return drawn | draw_providers(told.get("providers"), folder) | draw_conversation(told.get("conversation"), folder)


def _claims(summary: Summary, compared: Mapping[str, Any] | None) -> list[Claim]:
    """Return all that the page claims: on its first screen, and in the table of a comparison."""
    rows = [] if compared is None else [row for _, _, rows in table_rows(compared) for row in rows]
    return [*best_claims(summary, compared), *(claim_of_row(compared or {}, row) for row in rows)]


def _keep_ope(path: Path, run: Path) -> None:
    content = read_ope(path)
    if content is None:
        raise LogError(
            f"--ope: got {path}, which is missing, expected an ope.json as `recsim-llm ope` writes it; check the path"
        )
    write_atomically(run / OPE_FILE, _json(content))


def _figures(summary: Summary, drawings: Mapping[str, str]) -> str:
    """Return the section of figures; one that has no data is named with the reason."""
    basis = f"{numbers.counted(max(arm.users for arm in summary.arms), 'user')}, seed {summary.seed}."
    drawn, left_out = [], []
    for kind in figures_of(summary):
        if why := kind.missing(summary):
            left_out.append(f"{kind.label}: not drawn, since {why}.")
            continue
        present = {row[0] for row in kind.rows(summary)}
        absent = [arm.arm for arm in summary.arms if arm.arm not in present]
        caption = f"{kind.caption} {basis}" + (f" Not drawn for want of data: {', '.join(absent)}." if absent else "")
        drawn.append(figure(kind.name, kind.title(summary), drawings[kind.name], caption))
    figures = '<div class="figures">\n{}\n</div>'.format("\n".join(drawn)) if drawn else ""
    note = f'<p class="aside">{escape(" ".join(left_out))}</p>' if left_out else ""
    return f"<h2>Figures</h2>\n{figures}\n{note}"


def _draw_figures(summary: Summary, folder: Path) -> dict[str, str]:
    """Write the figures that have data, and return them for the page; one that had data before is removed."""
    drawings = {}
    for kind in FIGURES:
        if kind not in figures_of(summary) or kind.missing(summary):
            for ending in ("png", "csv"):
                (folder / f"{kind.name}.{ending}").unlink(missing_ok=True)
            continue
        with drawing.style():
            drawings[kind.name] = write_figure(kind.draw(summary), folder, kind.name, kind.title(summary))
        write_figure_data(folder, kind.name, kind.columns, kind.rows(summary))
    return drawings


def _draw_comparison(compared: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write the forest plot and its data, and return it for the page."""
    with drawing.style():
        title = comparison_figure.forest_title(compared)
        element = write_figure(comparison_figure.draw_forest(compared), folder, comparison_figure.FIGURE, title)
    rows = comparison_figure.forest_rows(compared)
    write_figure_data(folder, comparison_figure.FIGURE, comparison_figure.FIGURE_COLUMNS, rows)
    return {comparison_figure.FIGURE: element}


def _draw_users(run: Path, manifest: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write the figures of how users were calibrated, and lay out once what the manifest tells of them."""
    with showing(run / MANIFEST, "run"):
        trust_section(manifest, None, "")
        parameters_section(manifest)
        drawn = draw_calibration(find_record(manifest), folder)
        calibration_section(find_record(manifest), drawn)
    return drawn


def _draw_card(card: Mapping[str, Any], folder: Path) -> str:
    """Write the card's figure and its data, and return it for the page."""
    with drawing.style():
        element = write_figure(CARD_FIGURE.draw(card), folder, CARD_FIGURE.name, CARD_FIGURE.title(card))
    write_figure_data(folder, CARD_FIGURE.name, CARD_FIGURE.columns, CARD_FIGURE.rows(card))
    return element


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
