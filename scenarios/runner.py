"""The runner: a scenario becomes a run folder."""

from __future__ import annotations

import json
import secrets
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from recsim_llm.agents.language.item_words import PROMPT_TOKENS, WRITTEN_TOKENS
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import BudgetExceeded, LogError, PlugInError, ServiceError, hide_secrets
from recsim_llm.language.base.settings import LimitSettings
from recsim_llm.language.base.wire import TokenUsage
from recsim_llm.language.calls.calls_file import CALLS_FILES, FILE_NAME
from recsim_llm.language.calls.joined_calls import join_shards
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.log.folders import MANIFEST, RUN_FOLDER, TRACEBACK, refuse_used_folder, remove_torn_files
from recsim_llm.log.locks import lock_folder
from recsim_llm.log.manifest import encode_manifest, read_arithmetic, read_scenario_manifest, write_manifest
from recsim_llm.log.segments import SegmentWriter, open_segments, read_segments
from recsim_llm.log.tables import add_timings
from recsim_llm.log.talk_writer import TalkLog
from recsim_llm.log.unread_words import note_unread
from recsim_llm.log.writer import RunLog
from recsim_llm.metrics.item_tables import has_tables
from recsim_llm.numerics.arithmetic import describe_arithmetic
from recsim_llm.numerics.threads import one_thread
from recsim_llm.recommenders import Retrained
from recsim_llm.registry import blaming
from recsim_llm.scenarios.acting_session import open_arm
from recsim_llm.scenarios.arm_logs import open_arm_log, open_talk_log
from recsim_llm.scenarios.arm_session import ArmSession
from recsim_llm.scenarios.building import Stage, recommender_seed, stage
from recsim_llm.scenarios.conversation_session import ConversationSession
from recsim_llm.scenarios.estimates import Confirm, estimate_cost
from recsim_llm.scenarios.measures import check_measures, write_run_tables
from recsim_llm.scenarios.parameter_files import with_files_read
from recsim_llm.scenarios.run_manifest import difference, make_manifest, users_warnings
from recsim_llm.scenarios.run_progress import Progress, Report
from recsim_llm.scenarios.schema import Scenario, scenario_from
from recsim_llm.scenarios.serving import (
    ServedRecommender,
    follow_tools,
    give_hooks,
    keep_what_was_counted,
    keeping_cost,
    reach_services,
)
from recsim_llm.scenarios.shard_calls import ShardCalls
from recsim_llm.scenarios.sharded_arms import check_shards, serve_in_shards
from recsim_llm.scenarios.study_requests import most_cost
from recsim_llm.shards.sharding import Sharding

__all__ = ["allowed_limits", "begin_run", "draw_seed", "other_arithmetic", "resume", "run"]


def run(
    scenario: Scenario,
    out: Path,
    progress: Report = lambda _: None,
    *,
    cache: Path | None = None,
    confirm: Confirm = lambda _: None,
    sharding: Sharding | None = None,
) -> Path:
    """Run a scenario into a new folder.

    Args:
        scenario: what to run; a missing seed is drawn and recorded.
        out: the run folder; must not exist or be empty.
        progress: called after every page of the batch.
        cache: another run's folder, or its calls file, whose answers are used before a language model is asked.
        confirm: told what the language models will be asked before anything is; may raise to call the run off.
        sharding: where and in how many shards the users are served; the log is the same. None serves them here, all together.

    Returns:
        The run folder.

    Raises:
        RunExistsError: the folder holds something, or another process is writing it (``FolderInUseError``).
        BudgetExceeded: a limit was reached; the run is whole and can be resumed.
    """
    with lock_folder(out, RUN_FOLDER):
        # What was written about items before a run had begun was paid for, and is found again.
        kept = CALLS_FILES if scenario.enriched_by_writer else ()
        refuse_used_folder(out, RUN_FOLDER, expected="a new one", remedy=f"pass --out, or `recsim-llm resume {out}`", but=kept)
        begin_run(with_files_read(draw_seed(scenario)), out, progress, cache=cache, confirm=confirm, sharding=sharding)
    return out


def begin_run(
    scenario: Scenario,
    out: Path,
    progress: Report,
    *,
    cache: Path | None,
    confirm: Confirm,
    limits: Mapping[str, float] | None = None,
    sharding: Sharding | None = None,
) -> None:
    """Run a scenario into a folder that this thread has locked and that holds no run.

    Args:
        scenario: as ``with_files_read`` returns it, with a seed.
        out: the folder.
        progress: as in ``run``.
        cache: as in ``run``.
        confirm: as in ``run``.
        limits: as in ``resume``.
        sharding: as in ``run``.
    """
    remove_torn_files(out)
    allow = partial(_allow_writing, scenario=scenario, confirm=confirm)
    staged = stage(scenario, calls=out / FILE_NAME, cache=cache, limits=allowed_limits(scenario, limits), allow=allow)
    with ExitStack() as opened:
        with _noting_what_was_written(scenario, out):
            built = opened.enter_context(staged)
        if scenario.models:
            warnings = users_warnings(scenario, built.dataset, built.world, built.roles)
            confirm(estimate_cost(scenario, built.world, built.roles)._replace(warnings=tuple(warnings)))
        check_measures(built)
        services = reach_services(built)
        if sharding is not None:
            check_shards(built, sharding.shards, services.get("services", {}))
        write_manifest(out, make_manifest(built) | services)
        try:
            with _keeping_tracebacks(out):
                _serve(built, out, progress, sharding=sharding, cache=cache, limits=allowed_limits(scenario, limits))
        except (OSError, ServiceError):
            raise  # The machine's trouble, or a server's, not the scenario's: the run goes on once it is over.
        except Exception as error:
            paid = isinstance(error, BudgetExceeded) or scenario.enriched_by_writer or _has_asked(built, out)
            if not read_segments(out) and not paid:
                # Nothing was logged or paid for: leave nothing half-written, so that the same folder can be tried again.
                built.roles.close()
                _empty(out)
            raise


def _allow_writing(model: LanguageModel, calls: int, *, scenario: Scenario, confirm: Confirm) -> None:
    """Have it confirmed that a language model writes about items, before users are there of whom more could be told."""
    settings = scenario.models.get("writer") or scenario.models["user"]
    tokens = TokenUsage(prompt=calls * PROMPT_TOKENS, completion=calls * WRITTEN_TOKENS)
    confirm(most_cost(model, settings, calls=calls, tokens=tokens))


@contextmanager
def _noting_what_was_written(scenario: Scenario, out: Path) -> Iterator[None]:
    """Note on what ends a run before it has begun that nothing written about items is lost, and how it goes on."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if scenario.enriched_by_writer and (out / FILE_NAME).exists():
            error.add_note(f"what was written about items is kept in {out / FILE_NAME}; give the same command with --out {out}")
        raise


def resume(
    out: Path,
    progress: Report = lambda _: None,
    *,
    cache: Path | None = None,
    limits: Mapping[str, float] | None = None,
    sharding: Sharding | None = None,
) -> Path:
    """Finish a run that was stopped at any instant, with the log that it would have had.

    Finished arms are kept; an unfinished arm is served again from its first page, which for keyed dice gives the same
    pages, and its segments on disk are checked against what comes out.

    Args:
        out: the run folder.
        progress: called after every page of the batch.
        cache: as in ``run``; answers that this run received before are found in any case.
        limits: limits in place of the scenario's, for the whole run; names as in ``LimitSettings``.
        sharding: as in ``run``; it may differ from what the run was begun with.

    Raises:
        FolderInUseError: another process is writing the folder.
        LogError: the folder is no run, or what comes out differs from what is on disk.
        BudgetExceeded: a limit was reached again.
    """
    read_scenario_manifest(out)
    with lock_folder(out, RUN_FOLDER):
        _resume_locked(out, progress, cache=cache, limits=limits, sharding=sharding)
    return out


def _resume_locked(
    out: Path, progress: Report, *, cache: Path | None, limits: Mapping[str, float] | None, sharding: Sharding | None
) -> None:
    manifest = read_scenario_manifest(out)
    settings = manifest["settings"]
    if "sequential" in manifest:
        raise LogError(f"run folder: got {out}, which grew block by block, expected one run; use `recsim-llm compare {out}`")
    if manifest.get("by_hand"):
        _refuse_to_go_on_by_hand(manifest, out)
        return
    scenario = scenario_from(settings, str(out / MANIFEST))
    _check_arithmetic(manifest, out)
    join_shards(out)
    with stage(scenario, calls=out / FILE_NAME, cache=cache, limits=allowed_limits(scenario, limits)) as built:
        services = reach_services(built, manifest, out)
        if sharding is not None:
            check_shards(built, sharding.shards, services.get("services", {}))
        made = make_manifest(built) | services
        now = encode_manifest(made | {"arithmetic": manifest.get("arithmetic")})
        if now != (out / MANIFEST).read_bytes():
            changed = difference(manifest, json.loads(now))
            raise LogError(
                f"run folder {out}: {changed} changed since it was started, expected what manifest.json says; start a new run"
            )
        with _keeping_tracebacks(out):
            _serve(built, out, progress, sharding=sharding, cache=cache, limits=allowed_limits(scenario, limits))


def _refuse_to_go_on_by_hand(manifest: Mapping[str, Any], out: Path) -> None:
    """See to it that a run that was changed by hand is finished: nobody can do again what was done.

    Raises:
        LogError: it is not.
    """
    finished = {segment.arm for segment in read_segments(out) or () if segment.last}
    if not finished >= set(manifest["arms"]):
        raise LogError(
            f"run folder: got {out}, which was changed by hand and is not finished, expected a run that goes on by itself; "
            "play the scenario again"
        )


def other_arithmetic(scenario: Scenario, cache: Path | None) -> list[str]:
    """Say of runs that are played back, as replay or as a cache, that they were computed with another arithmetic than this one.

    Args:
        scenario: what will be run.
        cache: another run's folder, or its calls file; None for none.
    """
    replayed = scenario.users.parameters.get("run") if scenario.users.model == "replay" else None
    folders = [Path(path) for path in (replayed, cache) if isinstance(path, str | Path)]
    notes = []
    for folder in (path.parent if path.name == FILE_NAME else path for path in folders):
        before, now = read_arithmetic(folder), describe_arithmetic()
        if before is not None and before != now:
            notes.append(
                f"{folder} was computed with the arithmetic {before}, this is {now}: last digits may differ, and with them "
                f"pages and prompts; the same bytes come out on such a machine{_same_kernel(before, now)}"
            )
    return notes


def _check_arithmetic(manifest: Mapping[str, Any], out: Path) -> None:
    """See to it that what is still to be served comes out as it would have where the run was started.

    Raises:
        LogError: products are rounded otherwise here.
    """
    before, now = manifest.get("arithmetic"), describe_arithmetic()
    served = {segment.arm for segment in read_segments(out) or () if segment.last}
    if before == now or served >= set(manifest["arms"]):
        return
    raise LogError(
        f"run folder {out}: got the arithmetic {now}, expected that of its start, {before}, since last digits differ; go on on "
        f"such a machine{_same_kernel(before, now)}, or start a new run"
    )


def _same_kernel(before: Any, now: Mapping[str, str]) -> str:
    """Say how another kernel of the same library is picked, where that is all that differs."""
    kernel = before.get("kernel") if isinstance(before, dict) else None
    alike = kernel is not None and {**now, "kernel": kernel} == before and "openblas" in now["blas"]
    return f" or with OPENBLAS_CORETYPE={kernel}" if alike else ""


def allowed_limits(scenario: Scenario, limits: Mapping[str, float] | None) -> LimitSettings:
    """Return the limits that hold: those given for this time, else the scenario's."""
    return scenario_from({**scenario.model_dump(mode="json"), "limits": limits}, "resume").limits if limits else scenario.limits


@contextmanager
def _keeping_tracebacks(out: Path) -> Iterator[None]:
    """Write down in the run folder where a plug-in crashed; what an earlier crash left there goes."""
    (out / TRACEBACK).unlink(missing_ok=True)
    try:
        yield
    except PlugInError as error:
        write_atomically(out / TRACEBACK, hide_secrets("".join(traceback.format_exception(error))).encode())
        raise


def _has_asked(built: Stage, out: Path) -> bool:
    """Tell whether a language model was sent anything, so that there are calls to keep; a replay never is."""
    meter = built.roles.meter() if (out / FILE_NAME).exists() else None
    return meter is not None and bool(meter.calls or meter.failures)


def _empty(out: Path) -> None:
    """Remove everything from a run folder but where a plug-in crashed, and the folder where there is nothing of the kind."""
    if not (out / TRACEBACK).is_file():
        shutil.rmtree(out)
        return
    for path in out.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != TRACEBACK:
            path.unlink()


def draw_seed(scenario: Scenario) -> Scenario:
    """Return the scenario with a seed: its own, or one drawn now."""
    return scenario if scenario.seed is not None else scenario.model_copy(update={"seed": secrets.randbelow(2**31)})


@contextmanager
def _keeping_what_is_there(session: ArmSession | ConversationSession) -> Iterator[None]:
    """Log what there is of an arm that a person, a limit or a server breaks off, to be reported until the run goes on."""
    try:
        yield
    except (KeyboardInterrupt, BudgetExceeded, ServiceError):
        # Broken off in the middle of anything, it may not be fit to be written: nothing is lost then, the run goes on alike.
        with suppress(Exception):
            session.keep_unfinished()
        raise


def _open_session(
    built: Stage, segments: SegmentWriter, place: int, learner: Any
) -> tuple[ArmSession | ConversationSession, RunLog | TalkLog]:
    """Return the visits or the dialogues of an arm, and its log."""
    scenario, world, name = built.scenario, built.world, built.scenario.recommenders[place].name
    if scenario.conversation is not None:
        talk = open_talk_log(built, segments, place)
        return ConversationSession(scenario, world, learner, name=name, log=talk, models=built.roles), talk
    log = open_arm_log(built, segments, place)
    session = open_arm(scenario, world, learner, name=name, log=log)
    if scenario.asks_writer:
        session.words.let_write(built.roles.role("writer"))
    return session, log


def _serve(
    built: Stage, out: Path, progress: Report, *, sharding: Sharding | None, cache: Path | None, limits: LimitSettings
) -> None:
    """Serve every arm that is not finished, here or in shards."""
    if not has_tables(out):
        write_run_tables(built, out)
    segments = open_segments(out)
    try:
        if sharding is None:
            timings = _serve_arms(built, out, segments, progress)
        else:
            calls = ShardCalls(out, built.scenario, limits, shards=sharding.shards, cache=cache)
            timings = serve_in_shards(built, out, segments, sharding, calls=calls, progress=progress)
    finally:
        segments.settle()
    add_timings(out, timings)


@one_thread
def _serve_arms(built: Stage, out: Path, segments: SegmentWriter, progress: Report) -> list[tuple[str, int, int, float]]:
    scenario, world, roles = built.scenario, built.world, built.roles
    training, _ = built.training_part()
    timings: list[tuple[str, int, int, float]] = []
    for place, arm in enumerate(scenario.recommenders):
        if segments.finished(arm.name):
            continue
        started = time.perf_counter()
        recommender = built.recommenders[arm.name]()
        served = ServedRecommender(recommender, arm.name, roles.role("policy").meter if "policy" in scenario.models else None)
        learner = served if arm.retrain is None else Retrained(served, arm.retrain)
        session, log = _open_session(built, segments, place, learner)
        follow_tools(log, recommender)
        with keeping_cost(out, served):
            with blaming(f"recommender {arm.name!r}, fit", "it to learn from the ratings; see check_recommender"):
                give_hooks(recommender, built, session)
                learner.fit(*session.stock(training), recommender_seed(scenario))
            with _keeping_what_is_there(session):
                for at in session.play():
                    spent = roles.meter() if scenario.models else None
                    arms, pages, clicks = len(scenario.recommenders), session.pages, session.clicks
                    everyone = len(world.population)
                    progress(Progress(arm.name, place, arms, at.users, everyone, pages, clicks, at.share, spent))
                    timings.append((arm.name, at.when, at.page, time.perf_counter() - started))
        # Before the log's last line says that the arm is whole: nobody serves it again after that.
        keep_what_was_counted(out, arm.name, recommender)
        if isinstance(session, ArmSession):
            note_unread(out, arm.name, session.words.unread)
        log.close()
    return timings
