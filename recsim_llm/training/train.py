"""Training: a policy learns in the world of a scenario, and is evaluated on users whom it never met."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium

from recsim_llm.core.protocols import RanksItems
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.log.folders import MANIFEST, refuse_used_folder, remove_torn_files
from recsim_llm.log.locks import lock_folder, lock_report
from recsim_llm.log.manifest import encode_manifest, write_manifest
from recsim_llm.report.page import write_report
from recsim_llm.report.training_page import write_training_page
from recsim_llm.scenarios.building import Stage, stage
from recsim_llm.scenarios.parameter_files import with_files_read
from recsim_llm.scenarios.run_manifest import difference
from recsim_llm.scenarios.runner import draw_seed, run
from recsim_llm.scenarios.schema import Scenario, change_scenario, scenario_from
from recsim_llm.shards.sharding import Sharding
from recsim_llm.training.counted_env import CountedEnv
from recsim_llm.training.learners import TrainingEnv
from recsim_llm.training.policy_terms import PolicyTerms, digest_items, make_terms, profile_names
from recsim_llm.training.sharded_env import ShardedBrowseEnv
from recsim_llm.training.trainer import Tell, Trainer
from recsim_llm.training.training_folder import EVALUATION, TRAINING_FOLDER, read_progress, read_training_manifest
from recsim_llm.training.training_manifest import make_training_manifest
from recsim_llm.training.training_plan import BASELINES, TrainingPlan, plan_training
from recsim_llm.training.training_summary import summarise_training

__all__ = ["resume_training", "train", "write_training_report"]


def train(
    scenario: Scenario, out: Path, tell: Tell = lambda _: None, *, seeds: int = 1, sharding: Sharding | None = None
) -> Path:
    """Train policies in the world of a scenario, into a new folder; see ``recsim_llm.training.training_folder``.

    Args:
        scenario: whose section ``train`` says how; a missing seed is drawn and recorded.
        out: the training folder; must not exist or be empty.
        tell: called every now and then.
        seeds: policies to train, each from other first weights and with other dice.
        sharding: where and in how many shards the rows of the environment are; what is learned is the same. None has them here.

    Returns:
        The training folder.

    Raises:
        RunExistsError: the folder holds something, or another process is writing it.
        ConfigError: there is no such algorithm, a setting cannot work, or a package is missing.
    """
    if seeds < 1:
        raise ConfigError(f"--seeds: got {seeds}, expected 1 or more")
    with lock_folder(out, TRAINING_FOLDER):
        refuse_used_folder(out, TRAINING_FOLDER, expected="a new one", remedy=f"pass --out, or `recsim-llm resume {out}`")
        plan = plan_training(with_files_read(draw_seed(scenario)), seeds)
        try:
            _go_on(plan, out, tell, before=None, sharding=sharding)
        except Exception as error:
            if not isinstance(error, OSError) and not read_progress(out):
                shutil.rmtree(out)  # Nothing was learned: leave nothing half-written.
            raise
    return out


def resume_training(out: Path, tell: Tell = lambda _: None, *, sharding: Sharding | None = None) -> Path:
    """Finish a training that was stopped at any instant, with the policies and evaluations that it would have had.

    Args:
        out: the training folder.
        tell: as for ``train``.
        sharding: as for ``train``; it may differ from what the training was begun with.

    Raises:
        ConfigError: the folder is none of a training.
        LogError: its files are damaged, or what it is made from has changed.
    """
    manifest = read_training_manifest(out)
    with lock_folder(out, TRAINING_FOLDER):
        plan = plan_training(scenario_from(manifest["settings"], str(out / MANIFEST)), len(manifest["seeds"]))
        _go_on(plan, out, tell, before=manifest, sharding=sharding)
    return out


def _go_on(plan: TrainingPlan, out: Path, tell: Tell, *, before: dict[str, Any] | None, sharding: Sharding | None) -> None:
    """Train what is not trained yet, evaluate it and write the report."""
    remove_torn_files(out)
    with stage(plan.held_out, calls=out / FILE_NAME) as built, _training_env(plan, built, sharding) as (env, terms):
        population = env.unwrapped.session.world.population  # type: ignore[attr-defined]
        made = make_training_manifest(plan, terms, built, len(population))
        if before is None:
            write_manifest(out, made)
        else:
            _check_same(before, made, out)
        Trainer(plan, out, env, built=built, terms=terms, tell=tell).train_all()
        baselines = BASELINES if isinstance(built.world.users, RanksItems) else BASELINES[:2]
    _evaluate(plan, out, baselines)
    write_training_report(out)


def write_training_report(out: Path) -> Path:
    """Write ``report.html`` and ``figures/`` of a training folder, finished or not.

    Returns:
        Path of ``report.html``.

    Raises:
        ConfigError: the folder is none of a training.
        LogError: its files are damaged, or there is no checkpoint yet.
    """
    with lock_report(out):
        return write_training_page(summarise_training(out), out, out / EVALUATION)


def _check_same(before: dict[str, Any], made: dict[str, Any], out: Path) -> None:
    """See to it that what is still to be learned comes out as it would have.

    Raises:
        LogError: what the training is made from has changed.
    """
    now = json.loads(encode_manifest(made))
    if now != before:
        raise LogError(
            f"{TRAINING_FOLDER} {out}: {difference(before, now)} changed since it was started, expected what manifest.json "
            "says; restore it, or start a new training"
        )


@contextmanager
def _training_env(plan: TrainingPlan, built: Stage, sharding: Sharding | None) -> Iterator[tuple[CountedEnv, PolicyTerms]]:
    """Open the environment with the users that training meets, and say what a policy sees and says in it."""
    catalog = built.training_part()[0].catalog
    terms = make_terms(plan.scenario, plan.train, profile=[], items=digest_items(catalog))
    rows = plan.train.rows
    pages: dict[str, Any] = {
        "autoreset_mode": "same_step",
        "action": terms.action,
        "observation": list(terms.parts),
        "history_pages": terms.history_pages,
        "candidates": plan.train.candidates,
        "invalid": "count",
    }
    made: TrainingEnv
    if sharding is None:
        made = gymnasium.make_vec("RecSimLLM/Browse-v0", num_envs=rows, scenario=plan.training, **pages)
    else:
        made = ShardedBrowseEnv(plan.training, sharding, rows, pages)
    env = CountedEnv(made)
    try:
        session = env.unwrapped.session  # type: ignore[attr-defined]
        if "profile" in terms.parts:
            terms = terms.model_copy(update={"profile": profile_names(session.world.population)})
        terms.check(session.world.catalog, "training environment")
        yield env, terms
    finally:
        env.close()


def _evaluate(plan: TrainingPlan, out: Path, baselines: tuple[str, ...]) -> None:
    """Serve the held-out users with every policy and baseline, into a run of its own; one that was broken off is made anew."""
    folder = out / EVALUATION
    if (folder / "report.html").is_file():
        return
    if folder.exists():
        shutil.rmtree(folder)
    policies = [
        {"name": plan.policy_name(number), "recommender": f"trained:{out}", "settings": {"seed": number}}
        for number in range(plan.seeds)
    ]
    run(change_scenario(plan.held_out, {"recommenders": [*baselines, *policies]}), folder)
    write_report(folder)
