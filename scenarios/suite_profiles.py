"""What recommenders do to people: each held against popularity, or two against each other, in the worlds of the profile."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from recsim_llm.errors import ConfigError
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.scenarios.arm_settings import Arm
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.scenarios.suite import keep_suite, play_suite, seed_tasks
from recsim_llm.scenarios.suite_probes import SEEDS, Probe, ProbeMeasure, probe_scenario
from recsim_llm.scenarios.suite_records import ProfiledMeasure, ProfileRow, SeedValue
from recsim_llm.scenarios.suite_runs import SeedRun, SuiteTask, Tell, add_costs
from recsim_llm.statistics import Effect, judge_family, mean_effect

__all__ = ["BASELINE", "compare_profiles", "judge_row", "make_row", "profile_recommenders", "profile_tasks", "read_arms"]

BASELINE = Arm(name="popularity", recommender="popularity")
"""What recommenders are held against."""
_NAMES = ("baseline", "measured")


def read_arms(given: Sequence[str]) -> tuple[Arm, ...]:
    """Return recommenders as they are named on a command line.

    Args:
        given: a name, ``module:attribute``, an address, or settings as a scenario takes them:
            ``{name: varied, recommender: mmr, settings: {base: mf}}``.

    Raises:
        ConfigError: one is none of these, is not there, does not take its settings, or two have the same name.
        PlugInError: the code of one crashed.
    """
    arms = []
    for text in given:
        try:
            arms.append(yaml.safe_load(text) if text.lstrip().startswith("{") else text)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"suite: got the recommender {text!r}, expected a name or settings in braces; mend them"
            ) from error
    read = load_scenario("demo", {"recommenders": arms}).recommenders
    for arm in read:
        # Now, and not when most of the runs are done.
        open_recommender(arm.recommender, arm.settings)
    return read


def profile_recommenders(
    out: Path, arms: Sequence[Arm], probes: Sequence[Probe], *, processes: int, tell: Tell
) -> dict[str, Any]:
    """Hold recommenders against popularity in every profile scenario, and write their rows and the page.

    A row hangs on its recommender alone, whatever others there are. Folders, resuming and bytes are as with ``run_suite``.

    Args:
        out: the folder.
        arms: the recommenders.
        probes: as ``choose_probes`` returns them.
        processes: runs at the same time.
        tell: called after each run.

    Returns:
        The content of ``suite.json``, which can be handed in.
    """
    tasks = {arm.name: profile_tasks(out, BASELINE, arm, probes) for arm in arms}
    found = play_suite(out, [task for of_arm in tasks.values() for task in of_arm], processes=processes, tell=tell)
    rows = [make_row(BASELINE, arm, probes, [found[task.folder] for task in tasks[arm.name]]) for arm in arms]
    return keep_suite(out, {"kind": "profiles", **_asked(probes), "rows": [row.model_dump() for row in rows]})


def compare_profiles(
    out: Path, first: Arm, second: Arm, probes: Sequence[Probe], *, processes: int, tell: Tell
) -> dict[str, Any]:
    """Hold one recommender against another, such as the next version of it, and say on which measures they differ.

    The unit is the seed: whatever is random differs between seeds, while both recommenders meet the same users with the same
    dice. Of all measures together the chance of any false claim is 5% at most (Holm); intervals are Bonferroni's.

    Args:
        out: as for ``profile_recommenders``, like all that follows.
        first: the one that is held against.
        second: the other one.
        probes: the profile scenarios.
        processes: runs at the same time.
        tell: called after each run.

    Raises:
        ConfigError: both have the same name.
    """
    tasks = profile_tasks(out, first, second, probes)
    found = play_suite(out, tasks, processes=processes, tell=tell)
    row = make_row(first, second, probes, [found[task.folder] for task in tasks])
    compared = judge_row(row)
    return keep_suite(out, {"kind": "compared", **_asked(probes), "rows": [row.model_dump()], "compared": compared})


def judge_row(row: ProfileRow) -> list[dict[str, Any]]:
    """Say of each measure of a row whether the two recommenders differ, all measures together.

    Args:
        row: of one recommender against another.

    Returns:
        By measure the verdict (``more``, ``less``, ``the same`` in every run, ``not decided``), its p value adjusted by Holm's
        method, and the ends of an interval that holds together with the others'.
    """
    family = judge_family([_effect([seed.difference for seed in one.seeds]) for one in row.measures])
    answers = zip(row.measures, family.effects, family.adjustment.rejected, family.adjustment.adjusted, strict=True)
    return [
        {
            "measure": measure.measure,
            "verdict": _verdict(effect, rejected=rejected),
            "p_value": adjusted,
            "low": effect.low,
            "high": effect.high,
        }
        for measure, effect, rejected, adjusted in answers
    ]


def profile_tasks(
    out: Path, first: Arm, second: Arm, probes: Sequence[Probe], *, seeds: Sequence[int] = SEEDS
) -> list[SuiteTask]:
    """Return the runs behind a row, probe by probe and seed by seed; arguments as of ``compare_profiles``."""
    folder = out / "profiles" / _folder_name(first, second)
    return [
        task
        for probe in probes
        for task in seed_tasks(probe_scenario(probe, *_renamed(first, second)), folder / probe.name, seeds)
    ]


def _asked(probes: Sequence[Probe]) -> dict[str, Any]:
    return {"questions": {probe.name: probe.question for probe in probes}}


def _renamed(first: Arm, second: Arm) -> tuple[Arm, ...]:
    """Return the two under fixed names, so that one may be held against itself, and no row hangs on what it is called."""
    return tuple(arm.model_copy(update={"name": name}) for arm, name in zip((first, second), _NAMES, strict=True))


def _folder_name(first: Arm, second: Arm) -> str:
    """Return a name by which a person knows the folder, and no other pair has."""
    settings = json.dumps([arm.model_dump(mode="json", exclude={"name"}) for arm in (first, second)], sort_keys=True)
    said = re.sub(r"[^\w-]+", "-", second.name).strip("-")[:40]
    return f"{said}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"


def make_row(first: Arm, second: Arm, probes: Sequence[Probe], runs: Sequence[SeedRun]) -> ProfileRow:
    """Return the row of a recommender from what its runs came to, in the order of ``profile_tasks``."""
    cost, count = add_costs([run.cost for run in runs]), len(runs) // len(probes)
    measures = [
        _measure(probe, measure, runs[place * count : (place + 1) * count])
        for place, probe in enumerate(probes)
        for measure in probe.measures
    ]
    recommender, against = (arm.model_dump(mode="json", exclude_defaults=True) for arm in (second, first))
    return ProfileRow(recommender=recommender, against=against, **cost._asdict(), measures=measures)


def _measure(probe: Probe, measure: ProbeMeasure, runs: Sequence[SeedRun]) -> ProfiledMeasure:
    seeds, unit = [], ""
    for run in runs:
        contrasts = {contrast.name: contrast for contrast in run.measured.contrasts}
        unit = contrasts[measure.name].unit
        difference = contrasts[f"{measure.name}-difference"].estimate
        seeds.append(
            SeedValue(
                seed=run.measured.seed,
                value=contrasts[measure.name].estimate.value,
                baseline=contrasts[f"{measure.name}-baseline"].estimate.value,
                difference=difference.value,
                low=difference.low,
                high=difference.high,
            )
        )
    effect = _effect([seed.difference for seed in seeds])
    return ProfiledMeasure(
        scenario=probe.name,
        measure=measure.name,
        label=measure.label,
        unit=unit,
        value=_effect([seed.value for seed in seeds]).value,
        baseline=_effect([seed.baseline for seed in seeds]).value,
        difference=effect.value,
        low=effect.low,
        high=effect.high,
        seeds=seeds,
    )


def _effect(values: Sequence[float | None]) -> Effect:
    """Return the mean over seeds; no number where a seed has none, since the others would be chosen by what happened."""
    if any(value is None for value in values):
        return Effect(value=None, users=0, method="none")
    return mean_effect(np.array(values, np.float64))


def _verdict(effect: Effect, *, rejected: bool) -> str:
    if effect.value == 0.0 and effect.low is None:
        return "the same"
    if not rejected or effect.value is None:
        return "not decided"
    return "more" if effect.value > 0 else "less"
