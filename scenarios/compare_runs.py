"""Comparing the recommenders of two runs that are there: joined where they can be paired, refused where they cannot."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from recsim_llm.comparison import Judging
from recsim_llm.comparison.judge import judge_run, read_finished_tally
from recsim_llm.comparison.results import Comparison
from recsim_llm.comparison.two_runs import FinishedRun, join_runs
from recsim_llm.errors import ConfigError
from recsim_llm.log.folders import refuse_used_folder
from recsim_llm.log.manifest import read_manifest, read_warnings
from recsim_llm.report.comparison_rows import read_comparison
from recsim_llm.report.comparison_words import verdict_lines
from recsim_llm.report.two_runs_page import write_two_runs
from recsim_llm.scenarios.run_users import known_before

__all__ = ["compare_runs"]


def compare_runs(first: Path, second: Path, out: Path, judging: Judging | None = None) -> Comparison:
    """Judge the recommenders of two finished runs of the same users, each against each as if they were of one run.

    Args:
        first: a run folder; its first recommender is what the others are compared with.
        second: another one.
        out: a new folder, which gets ``comparison.json``, ``report.html`` and ``figures/``; the runs stay as they are.
        judging: metrics and corrections; None takes those by which both runs were judged, or the usual.

    Returns:
        The comparison; its notes begin with where the runs drifted apart.

    Raises:
        RunExistsError: ``out`` holds something.
        ConfigError: the runs differ in users, data, metrics, pages, reward or seed.
        LogError: a folder is no finished run.
    """
    refuse_used_folder(out, "compare", expected="a new folder", remedy="pass --out")
    judging = judging or Judging()
    if judging.until_decided:
        raise ConfigError("compare: got --until-decided with two runs, expected users who are served already; leave it out")
    judging = judging if judging.metrics else replace(judging, metrics=_metrics(first, second))
    joined, manifest = join_runs(_read(first), _read(second)), read_manifest(first)
    known = known_before(manifest, joined.tally.user_id, judging.groups)
    comparison = judge_run(joined.tally, manifest, judging, known)
    names = dict.fromkeys(source.scenario for source in joined.sources)
    comparison = replace(
        comparison,
        scenario=" and ".join(names),
        sources=joined.sources,
        notes=(*joined.warnings, *comparison.notes),
        warnings=tuple(dict.fromkeys((*comparison.warnings, *read_warnings(read_manifest(second))))),
    )
    comparison = replace(comparison, verdict=tuple(verdict_lines(comparison.to_json())))
    _write(comparison, out)
    return comparison


def _read(run: Path) -> FinishedRun:
    return FinishedRun(folder=run, manifest=read_manifest(run), tally=read_finished_tally(run, alone=True))


def _metrics(first: Path, second: Path) -> tuple[str, ...]:
    """Return the metrics by which the runs were judged before; none where they were not."""
    found = {}
    for run in (first, second):
        content = read_comparison(run)
        if content is not None:
            found[run] = tuple(content["judging"]["metrics"])
    if len(set(found.values())) > 1:
        said = " and ".join(", ".join(metrics) or "the usual" for metrics in found.values())
        raise ConfigError(
            f"compare: got {first} and {second}, which differ in the metrics that they were judged by ({said}), expected the "
            "same; pass --metrics"
        )
    return next(iter(found.values()), ())


def _write(comparison: Comparison, out: Path) -> None:
    """Write the folder whole or not at all."""
    part = out.with_name(f".{out.name}.{token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"compare: got {out} ({error.strerror}), expected a folder that can be made; pass --out") from error
    try:
        write_two_runs(part, comparison)
        part.replace(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
