"""``export``: the log of a run in the form that another library reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.errors import ConfigError, LogError, one_of
from recsim_llm.exports import (
    ArmLog,
    ExportSource,
    Identities,
    Privacy,
    count_narratives,
    new_folder,
    write_bandit_feedback,
    write_conversations,
    write_counts,
    write_dialogues,
    write_inspired,
    write_movielens,
    write_narratives,
    write_recbole,
    write_redial,
    write_simeval,
    write_slate_feedback,
)
from recsim_llm.log.reader import RunReader, open_run
from recsim_llm.numerics.threads import one_thread
from recsim_llm.population.world import World
from recsim_llm.scenarios.building import rebuild_world
from recsim_llm.scenarios.minari_export import Origin, make_dataset_id, write_minari
from recsim_llm.scenarios.narrative_writing import NarrativeModel, open_narrative_writer
from recsim_llm.scenarios.schema import scenario_from

__all__ = ["FORMATS", "export"]

Writer = Callable[[ExportSource, Path], dict[str, int]]

COUNTS = "counts"
"""The format that can be private."""
NARRATIVES = "narratives"
"""The format that a language model may write."""
FORMATS: Mapping[str, str] = {
    "obp": "Open Bandit Pipeline: feedback.npz, a round a slot",
    "obp-slates": "Open Bandit Pipeline: slates.npz, a round a page with three propensities",
    "minari": "Minari: an HDF5 data set, an episode a visit",
    "recbole": "RecBole: atomic files of clicks and of ratings",
    "movielens": "MovieLens: ratings.csv and movies.csv",
    "simeval": "SimEval-IR: sessions.jsonl in its schema v1, with losses.json",
    "dialogues": "dialogues.jsonl and instructions.jsonl, in words",
    "conversations": "of a run whose users talk, or read or say words on pages: conversations.jsonl, messages with typed acts",
    "redial": "of the same: redial.jsonl, in the layout of ReDial",
    "inspired": "of the same: inspired.tsv, in the layout of INSPIRED",
    "counts": "counts.csv: how many users clicked each item, exactly or with differential privacy",
    "narratives": "narratives.jsonl and items.jsonl: requests in words for what users went on to take",
}
"""Formats by name."""
_STARS = "they are of users who give stars"
_FOR: Mapping[str, tuple[str, str]] = {
    NARRATIVES: ("queries", "they are of users who like something after they took something else"),
    "dialogues": ("instructions", "they are of users who see a page after they clicked something"),
    "movielens": ("ratings", _STARS),
}
"""What some formats are for, as it is counted, and whom it takes."""
_WRITERS: Mapping[str, Writer] = {
    "obp": write_bandit_feedback,
    "obp-slates": write_slate_feedback,
    "recbole": write_recbole,
    "movielens": write_movielens,
    "simeval": write_simeval,
    "dialogues": write_dialogues,
    "conversations": write_conversations,
    "redial": write_redial,
    "inspired": write_inspired,
    "narratives": write_narratives,
    "counts": write_counts,
}


@one_thread
def export(
    run: Path,
    form: str,
    out: Path,
    *,
    arm: str | None = None,
    anonymous: bool = False,
    privacy: Privacy | None = None,
    world: World | None = None,
    model: NarrativeModel | None = None,
) -> dict[str, Any]:
    """Write the log of a run's finished arms into a new folder, each into a folder of its own, beside ``export.json``.

    Args:
        run: run folder; nothing in it is changed.
        form: one of ``FORMATS``.
        out: the new folder; it appears whole or not at all.
        arm: the only arm wanted; None takes all that are finished and have a page, and ``export.json`` names the others.
        anonymous: users bear new ids whose key is thrown away; demographics, texts, seeds and the users' order are left out.
        privacy: what ``counts`` may tell of any one user; None counts exactly.
        world: items and users, for the log of an environment, which does not know how it was made; None for other runs.
        model: that writes the queries of ``narratives``; None writes them by fixed sentences.

    Returns:
        The content of ``export.json``: ``format``, ``arms`` (folder, and what was written, by name), ``left_out``, ``notes``.

    Raises:
        ConfigError: the format or the arm is unknown, a library is missing, or a world is missing or too much.
        RunExistsError: something stands at ``out``.
        LogError: the folder is no run, its data have changed, no arm is finished, or the log lacks what the format needs.
    """
    _check_form(form, model=model, privacy=privacy)
    manifest = (whole := open_run(run)).manifest
    with new_folder(out) as draft:
        logs, left_out = _logs(whole, arm)
        origin = _origin(run, manifest, world)
        people = origin.world.population
        identities = Identities(people.user_id, anonymous=anonymous, user_key=people.user_key)
        order = np.argsort(people.user_id, kind="stable")
        fields = {} if anonymous else {name: column[order] for name, column in people.demographics.items()}
        content = _about(manifest, form, anonymous) | _promised(privacy, len(logs)) | {"arms": {}, "left_out": left_out}
        sources = [
            ExportSource(
                log=log,
                catalog=origin.world.catalog,
                identities=identities,
                max_pages=int(manifest["max_pages"]),
                stars=manifest.get("data", {}).get("feedback") != "implicit",
                demographics=fields,
            )
            for log in logs
        ]
        with _writer_of(form, origin, model=model, out=out, sources=sources, privacy=privacy) as write:
            for source, folder in zip(sources, _folders(logs, form), strict=True):
                (draft / folder).mkdir()
                content["arms"][source.log.arm] = {"folder": folder, **write(source, draft / folder)}
        content["notes"] = _why_nothing(form, content["arms"].values(), logs[0].talks)
        (draft / "export.json").write_bytes(json.dumps(content, indent=2).encode() + b"\n")
    return content


def _check_form(form: str, *, model: NarrativeModel | None, privacy: Privacy | None) -> None:
    """Refuse an unknown format, and what a format has no use for."""
    if form not in FORMATS:
        raise ConfigError(f"export: got format {form!r}, expected {one_of(form, FORMATS)}")
    if model is not None and form != NARRATIVES:
        raise ConfigError(f"export: got a language model for {form}, which nobody writes, expected one for {NARRATIVES} alone")
    if privacy is not None and form != COUNTS:
        raise ConfigError(f"export: got epsilon for {form}, which tells of users one by one, expected it for {COUNTS} alone")


def _promised(privacy: Privacy | None, arms: int) -> dict[str, Any]:
    """Return what the counts of so many arms may tell of any one user, and the scale of their noise."""
    return {} if privacy is None else {"privacy": asdict(privacy) | {"scale": privacy.scale(arms)}}


def _why_nothing(form: str, written: Iterable[Mapping[str, Any]], talks: bool) -> list[str]:
    """Say why there is nothing of what a format is for, where that is so of every arm."""
    name, needs = _FOR.get(form, ("", ""))
    if not name or any(arm[name] for arm in written):
        return []
    if talks and needs != _STARS:
        also = "; export conversations, redial or inspired" if form in (NARRATIVES, "dialogues") else ""
        return [f"no {name}: {needs}, and a dialogue of this run ends with what is accepted{also}"]
    return [f"no {name}: {needs}, which nobody did in this run"]


@contextmanager
def _writer_of(
    form: str,
    origin: Origin,
    *,
    model: NarrativeModel | None,
    out: Path,
    sources: Sequence[ExportSource],
    privacy: Privacy | None,
) -> Iterator[Writer]:
    """Lend what writes an arm in a format."""
    if model is not None:
        with open_narrative_writer(model, out, sum(map(count_narratives, sources))) as writer:
            yield partial(write_narratives, writer=writer, name=model.settings.name)
    elif form == COUNTS:
        yield partial(write_counts, privacy=privacy, arms=len(sources))
    elif form == "minari":
        yield partial(write_minari, origin=origin)
    else:
        yield _WRITERS[form]


def _logs(run: RunReader, arm: str | None) -> tuple[list[ArmLog], dict[str, str]]:
    """Return the logs to export, and why other arms are left out."""
    if arm is not None and arm not in run.arms:
        raise ConfigError(f"--arm: got {arm!r}, expected {one_of(arm, run.arms)}")
    logs, left_out = [], {}
    for name in run.arms if arm is None else [arm]:
        if name not in run.finished_arms:
            left_out[name] = "not finished"
            continue
        log = ArmLog(run, name)
        if len(log.keys("user_id")[0]):
            logs.append(log)
        else:
            left_out[name] = "no page was shown"
    if not logs:
        reasons = ", ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise LogError(
            f"{run.folder}: got no arm to export ({reasons}), expected a finished one; `recsim-llm resume {run.folder}`"
        )
    return logs, left_out


def _origin(run: Path, manifest: Mapping[str, Any], world: World | None) -> Origin:
    settings = manifest.get("settings")
    if not settings:
        if world is None:
            raise ConfigError(
                f"export: got {run}, the log of an environment, which does not know its data, expected a run of "
                "`recsim-llm run`; in Python, export(..., world=env.unwrapped.session.world)"
            )
        _check(world, manifest, run)
        return Origin(world, None, {}, _only_seed(manifest), by_visit=True)
    if world is not None:
        raise ConfigError(f"export: got a world for {run}, which knows its own, expected none")
    if "sequential" in manifest:
        block = run / "blocks" / "000"
        raise LogError(
            f"export: got {run}, which grew block by block, expected one run; export its blocks one by one, {block} and those "
            "beside it"
        )
    scenario = scenario_from(settings, str(run / "manifest.json"))
    fingerprints = {name: str(manifest[name]["fingerprint"]) for name in ("data", "population")}
    enriched = (run, manifest["enrichment"]) if "enrichment" in manifest else None
    own = rebuild_world(scenario, fingerprints, f"run folder {run}", enriched=enriched)
    again = None if "user" in scenario.models or scenario.clock is not None else settings
    return Origin(own, again, fingerprints, None, by_visit=False)


def _check(world: World, manifest: Mapping[str, Any], run: Path) -> None:
    now = {"data": world.catalog.fingerprint, "population": world.population.fingerprint}
    changed = [name for name, fingerprint in now.items() if manifest[name]["fingerprint"] != fingerprint]
    if changed:
        raise LogError(f"{run}: got a world with another {changed[0]} than that of the log, expected the environment's own")


def _only_seed(manifest: Mapping[str, Any]) -> int | None:
    """Return the seed of an environment with one row that was seeded once: its visits follow from it in their order."""
    seeds, environment = manifest.get("seeds", []), manifest.get("environment", {})
    once = environment.get("rows") == 1 and len(seeds) == 1 and isinstance(environment.get("reward"), str)
    return int(seeds[0][0]) if once else None


def _folders(logs: list[ArmLog], form: str) -> Iterator[str]:
    """Yield a folder name for each arm; different arms get different ones."""
    taken: set[str] = set()
    for log in logs:
        plain = "".join(letter if (letter.isascii() and letter.isalnum()) or letter in "-_" else "_" for letter in log.arm)
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.casefold())
        yield make_dataset_id(name) if form == "minari" else name


def _about(manifest: Mapping[str, Any], form: str, anonymous: bool) -> dict[str, Any]:
    data = manifest.get("data", {})
    return {
        "format": form,
        "scenario": str(manifest["scenario"]),
        "anonymous": anonymous,
        "data": {"name": data.get("name", ""), "licence": data.get("licence", "")},
        "versions": {"recsim_llm": version("recsim_llm")},
    }
