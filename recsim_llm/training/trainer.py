"""The loop of a training: learn up to the next checkpoint, evaluate, keep the state, and so on; seed after seed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsim_llm.core.files import TORN
from recsim_llm.core.protocols import RanksItems
from recsim_llm.errors import ContractError
from recsim_llm.numerics.threads import one_thread
from recsim_llm.recommenders import open_recommender
from recsim_llm.registry import blaming_plug_in
from recsim_llm.scenarios.building import Stage
from recsim_llm.training.board import Board, open_board
from recsim_llm.training.counted_env import CountedEnv
from recsim_llm.training.evaluation_table import POLICY_ARM, EvaluationTable
from recsim_llm.training.held_out_evaluation import Evaluator
from recsim_llm.training.learners import Learner
from recsim_llm.training.policy_recommender import PolicyRecommender
from recsim_llm.training.policy_terms import PolicyTerms
from recsim_llm.training.training_folder import CHECKPOINTS, POLICY, read_progress, write_progress
from recsim_llm.training.training_plan import BASELINES, TrainingPlan
from recsim_llm.training.training_seeds import checkpoint_seed, first_seed

__all__ = ["Tell", "Trainer", "TrainingProgress"]

_PAUSE = 0.2


class TrainingProgress(NamedTuple):
    """How far a training is."""

    seed: int
    """Which of the seeds is trained, from 0."""
    seeds: int
    """How many there are."""
    steps: int
    """Steps that this seed has learned from."""
    of: int
    """Steps that it shall learn from."""
    speed: float
    """Steps a second, learning included."""
    paid: float | None
    """Mean undiscounted return of the last 1,000 episodes, with the chance that learning needs; None before the first."""
    evaluated: float | None
    """Mean undiscounted return of the last evaluation; None before the first."""
    marks: Mapping[str, float]
    """The same of the baselines."""


Tell = Callable[[TrainingProgress], None]


class Trainer:
    """Trains the policies of a plan into a folder.

    Args:
        plan: what is trained.
        out: the training folder, locked, with its manifest.
        env: with the users that training meets.
        built: the scenario with the held-out users.
        terms: what policies see and say.
        tell: called every now and then.
    """

    def __init__(self, plan: TrainingPlan, out: Path, env: CountedEnv, *, built: Stage, terms: PolicyTerms, tell: Tell) -> None:
        self._plan, self._out, self._env, self._terms, self._tell = plan, out, env, terms, tell
        self._baselines = BASELINES if isinstance(built.world.users, RanksItems) else BASELINES[:2]
        self._evaluator = Evaluator(built, plan.train.gamma)
        self._seeds = read_progress(out)
        self._table = EvaluationTable(out, {number: seed["checkpoint"] for number, seed in enumerate(self._seeds)})
        self._board: Board = open_board(out)
        self._marks = dict[str, float]()
        self._evaluated: float | None = None
        self._number = self._from = 0
        self._told = self._started = time.monotonic()
        env.tell = self._report

    @one_thread
    def train_all(self) -> None:
        """Train every seed that is not done."""
        for name in self._baselines:
            found = self._evaluator.evaluate(open_recommender(name), name)
            self._marks[name] = float(found.reward.mean())
            if name not in self._table.arms:
                self._table.add(name, found)
        for number in range(self._plan.seeds):
            if number == len(self._seeds) or not self._seeds[number]["done"]:
                with blaming_plug_in("learners", self._plan.train.algorithm, did="learn", expected="a Learner"):
                    self._train(number)
        shutil.rmtree(self._out / CHECKPOINTS, ignore_errors=True)
        self._board.close()

    def _train(self, number: int) -> None:
        """Train one seed from its first step or its last checkpoint to its end."""
        plan, train = self._plan, self._plan.train
        learner = plan.learner(
            self._env, plan.settings, gamma=train.gamma, steps=train.steps, seed=first_seed(plan.seed, number)
        )
        self._number = number
        self._env.returns.clear()
        if number == len(self._seeds):
            self._env.steps = checkpoint = 0
            self._keep(learner, 0)
        else:
            reached = self._seeds[number]
            self._env.steps, checkpoint = reached["steps"], reached["checkpoint"]
            learner.load(self._place(number, checkpoint))
        while self._env.steps < train.steps:
            self._told = self._started = time.monotonic()
            self._from = self._env.steps
            steps = min(plan.every, train.steps - self._env.steps)
            learner.learn(steps, seed=checkpoint_seed(plan.seed, number, checkpoint))
            if self._env.steps == self._from:
                raise ContractError(
                    f"algorithm {train.algorithm!r}: got a learn({steps}) that showed no page, expected {steps} pages or a few "
                    "more; step the environment that it was made with"
                )
            checkpoint += 1
            self._keep(learner, checkpoint)
        _write_folder(self._out / POLICY / str(number), lambda folder: self._save_policy(learner, folder))
        self._seeds[number]["done"] = True
        write_progress(self._out, self._seeds)
        shutil.rmtree(self._place(number, checkpoint), ignore_errors=True)

    def _keep(self, learner: Learner, checkpoint: int) -> None:
        """Evaluate the policy and keep the learner's state; the checkpoint counts once all of it is written."""
        number, steps = self._number, self._env.steps
        policy = learner.policy()
        found = self._evaluator.evaluate(PolicyRecommender(self._terms, lambda _: policy), POLICY_ARM)
        self._evaluated = float(found.reward.mean())
        self._table.add(POLICY_ARM, found, seed=number, checkpoint=checkpoint, steps=steps)
        _write_folder(self._place(number, checkpoint), learner.save)
        self._table.write()
        reached = {"checkpoint": checkpoint, "steps": steps, "done": False}
        self._seeds = [*self._seeds[:number], reached]
        write_progress(self._out, self._seeds)
        if checkpoint:
            shutil.rmtree(self._place(number, checkpoint - 1), ignore_errors=True)
        self._board.write(number, steps, evaluated=self._evaluated, paid=self._paid())
        self._show()

    def _save_policy(self, learner: Learner, folder: Path) -> None:
        self._terms.save(folder)
        learner.policy().save(folder)

    def _place(self, number: int, checkpoint: int) -> Path:
        return self._out / CHECKPOINTS / f"{number}-{checkpoint}"

    def _report(self, _: CountedEnv) -> None:
        now = time.monotonic()
        if now - self._told >= _PAUSE:
            self._told = now
            self._show()

    def _show(self) -> None:
        seconds = max(time.monotonic() - self._started, 1e-9)
        train = self._plan.train
        self._tell(
            TrainingProgress(
                seed=self._number,
                seeds=self._plan.seeds,
                steps=self._env.steps,
                of=train.steps,
                speed=(self._env.steps - self._from) / seconds,
                paid=self._paid(),
                evaluated=self._evaluated,
                marks=self._marks,
            )
        )

    def _paid(self) -> float | None:
        return float(np.mean(self._env.returns)) if self._env.returns else None


def _write_folder(folder: Path, write: Callable[[Path], Any]) -> None:
    """Write a folder under another name and rename it into place, so that a kill leaves none or a whole one."""
    torn = folder.with_name(folder.name + TORN)
    for old in (torn, folder):
        if old.exists():
            shutil.rmtree(old)
    torn.mkdir(parents=True)
    write(torn)
    torn.rename(folder)
