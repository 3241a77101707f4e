"""Checking rows of recommenders that somebody hands in: what they must hold, and a part of them measured again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recsim_llm.core.files import read_json
from recsim_llm.errors import DataError
from recsim_llm.scenarios.suite import play_suite
from recsim_llm.scenarios.suite_probes import PROBES, SEEDS
from recsim_llm.scenarios.suite_profiles import BASELINE, make_row, profile_tasks, read_arms
from recsim_llm.scenarios.suite_records import ProfiledMeasure, ProfileRow
from recsim_llm.scenarios.suite_runs import Tell
from recsim_llm.scenarios.suite_table import VERSION

__all__ = ["check_submission", "read_submission"]

_PLAYED_AGAIN = "visits"
"""The profile scenario that is played again: of its measures the intervals over users tell how near is near."""
_CLOSE = 1e-9


def read_submission(path: Path) -> list[ProfileRow]:
    """Read rows that are handed in, and see to it that they are whole and of this suite.

    Args:
        path: a ``suite.json`` of recommenders held against popularity.

    Raises:
        DataError: it is none, is of another version of the suite, lacks a scenario, measure or seed, is held against another
            recommender than popularity, or a mean in it is not that of its seeds.
        ConfigError: a row has a wrong key or value.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != "profiles" or not content.get("rows"):
        raise DataError(f"{path}: got no rows of recommenders, expected what `recsim-llm suite --recommenders NAME` writes")
    if content.get("suite") != VERSION:
        raise DataError(f"{path}: got suite {content.get('suite')!r}, expected {VERSION}; make it anew with this version")
    rows = [ProfileRow.read(row, f"{path}, row {place}") for place, row in enumerate(content["rows"])]
    for row in rows:
        source = f"{path}, {row.recommender.get('name')}"
        if row.against != BASELINE.model_dump(mode="json", exclude_defaults=True):
            raise DataError(
                f"{source}: got it held against {row.against}, expected popularity as it ships; leave --compare out"
            )
        expected = [(probe.name, measure.name) for probe in PROBES for measure in probe.measures]
        if [(one.scenario, one.measure) for one in row.measures] != expected:
            raise DataError(
                f"{source}: got other measures than the suite's, expected all {len(expected)}; leave --scenarios out"
            )
        for one in row.measures:
            _check_means(one, f"{source}, {one.measure}")
    return rows


def check_submission(path: Path, out: Path, *, processes: int, tell: Tell) -> dict[str, Any]:
    """Check rows that are handed in: read them, and hold one seed of one profile scenario, played again, against each.

    Other machines may differ in the last digit of a probability, and from there in a click. So a number agrees that is no
    further from the one handed in than the half width of that one's interval over users.

    Args:
        path: as for ``read_submission``.
        out: folder for the runs.
        processes: runs at the same time.
        tell: called after each run.

    Returns:
        Under ``checked`` for each row and measure what was handed in, what came out, and whether they agree.

    Raises:
        ConfigError: as ``read_submission``, or a recommender of a row cannot be had here.
        DataError: as ``read_submission``.
    """
    rows = read_submission(path)
    arms = [read_arms([json.dumps(row.recommender)])[0] for row in rows]
    probes = [probe for probe in PROBES if probe.name == _PLAYED_AGAIN]
    tasks = [profile_tasks(out, BASELINE, arm, probes, seeds=SEEDS[:1])[0] for arm in arms]
    found = play_suite(out, tasks, processes=processes, tell=tell)
    checked = [
        one
        for row, arm, task in zip(rows, arms, tasks, strict=True)
        for one in _compared(row, make_row(BASELINE, arm, probes, [found[task.folder]]))
    ]
    return {"kind": "checked", "file": str(path), "checked": checked}


def _check_means(measure: ProfiledMeasure, source: str) -> None:
    if [one.seed for one in measure.seeds] != list(SEEDS):
        raise DataError(f"{source}: got seeds {[one.seed for one in measure.seeds]}, expected {list(SEEDS)}; make it anew")
    for key in ("value", "baseline", "difference"):
        values, mean = [getattr(one, key) for one in measure.seeds], getattr(measure, key)
        whole = None if None in values else math.fsum(values) / len(values)
        same = whole is mean if whole is None or mean is None else math.isclose(whole, mean, rel_tol=_CLOSE, abs_tol=_CLOSE)
        if not same:
            raise DataError(f"{source}: got a mean {key} of {mean}, expected {whole}, which its seeds have; make it anew")


def _compared(row: ProfileRow, again: ProfileRow) -> Iterator[dict[str, Any]]:
    """Yield for each measure that was played again what was handed in, and what came out."""
    for now in again.measures:
        (handed,) = (one for one in row.measures if one.measure == now.measure)
        then, here = handed.seeds[0], now.seeds[0]
        half = 0.0 if then.low is None or then.high is None else (then.high - then.low) / 2.0
        pairs = [(then.value, here.value), (then.difference, here.difference)]
        agrees = all(a is b if a is None or b is None else abs(a - b) <= max(half, _CLOSE) for a, b in pairs)
        yield {
            "recommender": row.recommender["name"],
            "measure": now.measure,
            "label": now.label,
            "seed": here.seed,
            "handed_in": then.value,
            "again": here.value,
            "agrees": agrees,
        }
