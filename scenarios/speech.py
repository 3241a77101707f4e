"""Speech: users of a run say what they think, after everything is decided; the run itself is only read.

``speak`` draws moments from the log of a run, has them put into words, and writes beside the log

- ``texts.parquet``: a row a text (``TEXTS``),
- ``interviews.parquet``: a row a visit and statement of the questionnaire (``INTERVIEWS``),

both with the models, the seed and the questionnaire in their schema's metadata. Calls go to the run's calls file: speaking
again with the same seed, or after a kill, asks for what is missing only and gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from recsim_llm.agents.language.persona_writing import written_by_index
from recsim_llm.agents.language.questionnaire import OPPOSITES
from recsim_llm.agents.language.voice import Judge, Voice
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.base.questions import Answer
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.calls.meter import Meter
from recsim_llm.language.providers import Roles
from recsim_llm.log.folders import MANIFEST, RUN_FOLDER
from recsim_llm.log.locks import lock_folder
from recsim_llm.log.manifest import read_scenario_manifest
from recsim_llm.log.tables import INTERVIEWS, TEXTS, table_path, write_table
from recsim_llm.population.world import World
from recsim_llm.scenarios.building import rebuild_world
from recsim_llm.scenarios.schema import Scenario, scenario_from
from recsim_llm.scenarios.speech_log import KINDS, Occasion, SpeechLog

__all__ = ["SpeechProgress", "name_models", "speak"]

_CHUNK = 256  # asked at a time, so that progress can be told


class SpeechProgress(NamedTuple):
    """How far speech is."""

    kind: str
    """``review``, ``reason``, ``interview`` or ``judgement``."""
    done: int
    """Of this kind so far."""
    planned: int
    """Of this kind in all."""
    spent: Meter
    """What the language models have used so far."""


Report = Callable[[SpeechProgress], None]


def speak(
    run: Path,
    *,
    reviews: int,
    reasons: int,
    interviews: int,
    models: Mapping[str, Any] | None = None,
    seed: int | None = None,
    templates: str | None = None,
    cache: Path | None = None,
    limits: Mapping[str, float] | None = None,
    progress: Report = lambda _: None,
) -> Path:
    """Have users of a run, finished or not, put into words what they did.

    Args:
        run: run folder; its log, manifest and segments stay as they are.
        reviews: most reviews for each recommender, of clicks that were rated.
        reasons: most reasons for each recommender: why a visit was ended, or why something was taken from a page.
        interviews: most visits for each recommender after which the questionnaire is answered.
        models: by role, ``writer`` and ``judge``, as in a scenario; in place of the scenario's. Without a judge the writer
            judges; without a writer the model of the users writes.
        seed: of the draw of moments; None takes the run's.
        templates: language of the prompts; None takes that of the users, English for users without one.
        cache: another run's folder, or its calls file, whose answers are used before a model is asked.
        limits: limits in place of the scenario's, for the whole run; names as in ``LimitSettings``.
        progress: called now and then.

    Returns:
        Path of ``texts.parquet``.

    Raises:
        ConfigError: nothing is asked for, no language model is named, or it cannot be used.
        LogError: the folder is no run, is the log of an environment, has no rated click to review, or its data have changed.
        FolderInUseError: another process is writing the folder.
        BudgetExceeded: a limit is reached; speaking again goes on from there.
    """
    counts = dict(zip(KINDS, (reviews, reasons, interviews), strict=True))
    _check_counts(counts)
    manifest = read_scenario_manifest(run)
    scenario = scenario_from(manifest["settings"], str(run / MANIFEST))
    asked = _with_models(scenario, models or {}, limits)
    with lock_folder(run, RUN_FOLDER), Roles(asked.models, calls=run / FILE_NAME, cache=cache, limits=asked.limits) as roles:
        fingerprints = {name: str(manifest[name]["fingerprint"]) for name in ("data", "population")}
        enriched = (run, manifest["enrichment"]) if "enrichment" in manifest else None
        world = rebuild_world(scenario, fingerprints, f"run folder {run}", enriched=enriched)
        log = SpeechLog(run, world.catalog, world.population)
        seed = int(manifest["seed"]) if seed is None else seed
        occasions = {
            kind: [occasion for arm in log.arms for occasion in log.occasions(arm, kind, count, seed)]
            for kind, count in counts.items()
        }
        if reviews and not occasions["review"]:
            remedy = "or run for longer" if world.population.rates else "since users of clicks and purchases give no stars"
            raise LogError(f"{run}: got no rated clicks, expected some to be reviewed; pass --reviews 0, {remedy}")
        speech = _Speech(roles, world, _asked_with(manifest, templates), progress)
        texts, answered = speech.texts(occasions), speech.interviews(occasions["interview"])
        _write(run, texts, answered, speech.provenance() | {"seed": seed})
    return table_path(run, "texts")


def _check_counts(counts: Mapping[str, int]) -> None:
    if min(counts.values()) < 0 or not any(counts.values()):
        given = ", ".join(f"{number} {kind}s" for kind, number in counts.items())
        raise ConfigError(
            f"speak: got {given}, expected numbers of 0 or more, one of them above 0; pass --reviews N, --reasons N or "
            "--interviews N"
        )


def _write(run: Path, texts: list[dict[str, Any]], answered: list[dict[str, Any]], provenance: Mapping[str, Any]) -> None:
    known = json.dumps(provenance, sort_keys=True).encode()
    # Without texts there is no speech: a kill between the files leaves none, never halves of two.
    table_path(run, "texts").unlink(missing_ok=True)
    for name, rows, schema in (("interviews", answered, INTERVIEWS), ("texts", texts, TEXTS)):
        write_table(run, name, pa.Table.from_pylist(rows, schema=schema.with_metadata({b"recsim_llm": known})))


class _Speech:
    """Has moments put into words, a chunk at a time."""

    def __init__(self, roles: Roles, world: World, parameters: Mapping[str, Any], progress: Report) -> None:
        self._roles, self._world, self._templates, self._progress = roles, world, parameters["templates"], progress
        written = written_by_index(parameters["personas"], world.population)
        self._voice = Voice(roles.role("writer"), world.catalog, world.population, self._templates, written=written)

    def texts(self, occasions: Mapping[str, Sequence[Occasion]]) -> list[dict[str, Any]]:
        """Return the rows of ``TEXTS``."""
        rows = []
        for kind, act in (("review", self._voice.reviews), ("reason", self._voice.reasons)):
            for chunk in self._chunks(kind, occasions[kind]):
                texts = act([occasion.moment for occasion in chunk])
                rows += [self._row(occasion, text) for occasion, text in zip(chunk, texts, strict=True)]
        written = [row for row in rows if row["kind"] == "review" and row["text"] is not None]
        judge = Judge(self._roles.role("judge"), self._templates) if written else None
        for part in self._chunks("judgement", written) if judge else ():
            answers = judge.stars([row["text"] for row in part], [str(row["user_id"]) for row in part]) if judge else []
            for row, answer in zip(part, answers, strict=True):
                row["judged"] = answer and answer.mean
        return rows

    def interviews(self, occasions: Sequence[Occasion]) -> list[dict[str, Any]]:
        """Return the rows of ``INTERVIEWS``."""
        rows = []
        for chunk in self._chunks("interview", occasions):
            answers = self._voice.interviews([occasion.moment for occasion in chunk])
            for occasion, given in zip(chunk, answers, strict=True):
                whose = {"arm": occasion.arm, "user_id": occasion.user_id, "visit": occasion.visit}
                questions = [statement.key for statement, _ in self._voice.statements]
                each: Sequence[Answer | None] = given or [None] * len(questions)
                rows += [whose | _levels(question, answer) for question, answer in zip(questions, each, strict=True)]
        return rows

    def provenance(self) -> dict[str, Any]:
        """Return who wrote and judged, with which words, and what was asked, as plain values."""
        statements = [statement._asdict() | {"text": text} for statement, text in self._voice.statements]
        return {
            "models": self._roles.describe(),
            "templates": {"name": self._templates, "fingerprint": self._voice.fingerprint},
            "statements": statements,
            "opposites": [list(pair) for pair in OPPOSITES],
        }

    def _chunks(self, kind: str, things: Sequence[Any]) -> Iterator[Sequence[Any]]:
        for start in range(0, len(things), _CHUNK):
            self._progress(SpeechProgress(kind, start, len(things), self._roles.meter()))
            yield things[start : start + _CHUNK]
        self._progress(SpeechProgress(kind, len(things), len(things), self._roles.meter()))

    def _row(self, occasion: Occasion, text: str | None) -> dict[str, Any]:
        chosen = occasion.moment.chosen
        title = None if chosen is None else str(self._world.catalog.title[chosen.item_index])
        known = occasion._asdict()
        del known["moment"]
        return known | {"text": text, "title": title, "rating": chosen and chosen.stars, "judged": None}


def name_models(manifest: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, ModelSettings]:
    """Return the models that write and judge by role, checked: those given, else the run's own.

    Args:
        manifest: of the run.
        models: as for ``speak``.

    Raises:
        ConfigError: there is none, or a role or setting is wrong.
    """
    named = _with_models(scenario_from(manifest["settings"], MANIFEST), models, None).models
    return {"writer": named.get("writer", named.get("user", named["judge"])), "judge": named["judge"]}


def _with_models(scenario: Scenario, models: Mapping[str, Any], limits: Mapping[str, float] | None) -> Scenario:
    """Return the scenario with the models that write and judge, and with limits, checked."""
    unknown = sorted(set(models) - {"writer", "judge"})
    if unknown:
        raise ConfigError(f"speak: got a model for the role {unknown[0]!r}, expected writer or judge")
    settings = scenario.model_dump(mode="json")
    named = settings["models"] | dict(models)
    if "writer" in models:
        named.setdefault("judge", models["writer"])
    if "writer" not in named and "user" not in named:
        raise ConfigError("speak: got no language model, expected --model provider/name; for instance --model scripted/genres")
    named.setdefault("judge", named.get("writer", named.get("user")))
    changes = {"models": named} | ({"limits": dict(limits)} if limits else {})
    return scenario_from(settings | changes, "speak")


def _asked_with(manifest: Mapping[str, Any], templates: str | None) -> dict[str, Any]:
    """Return the templates and personas with which the users were asked; English and none written where they were not.

    Args:
        manifest: of the run.
        templates: language in place of theirs.
    """
    known = manifest["user_model_provenance"]
    own = known.get("language", known).get("parameters", {})
    return {"templates": templates or str(own.get("templates", "en")), "personas": own.get("personas", {})}


def _levels(question: str, answer: Answer | None) -> dict[str, Any]:
    if answer is None:
        return {"question": question}
    levels = {f"level_{level}": chance for level, chance in enumerate(answer.probabilities, start=1)}
    return {"question": question, **levels, "mean": answer.mean}
