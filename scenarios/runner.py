"""The runner: a scenario becomes a run folder."""

from __future__ import annotations

import json
import platform
import secrets
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm import keyed
from recsim_llm.data import open_dataset
from recsim_llm.dice import seed_words
from recsim_llm.envs.rewards import reward_of
from recsim_llm.errors import ConfigError, LogError, RunExistsError
from recsim_llm.files import write_atomically
from recsim_llm.kernel import ALL_ROWS, Kernel
from recsim_llm.pages import Feedback, IntArray, Requests, Slates, probability
from recsim_llm.ratings import Dataset
from recsim_llm.recommenders import Recommender, check_slates
from recsim_llm.recommenders.base import Truth
from recsim_llm.registry import World, resolve
from recsim_llm.runlog import RunLog, Segments
from recsim_llm.threads import one_thread
from recsim_llm.scenarios.schema import Arm, Scenario, scenario_from

__all__ = ["Progress", "resume", "run"]

SEGMENT_ROWS = 500_000
"""Impressions after which a segment is written; the rows of the log do not depend on it."""

_RETURN = "return"


class Progress(NamedTuple):
    """How far a run is."""

    arm: str
    """The arm that is being served."""
    arm_number: int
    """Its position, from 0."""
    arms: int
    """How many there are."""
    visit: int
    """Visit number, from 0."""
    page: int
    """Pages served of this visit."""
    users: int
    """Users still browsing."""
    pages: int
    """Pages served by this arm."""
    clicks: int
    """Clicks on them."""
    progress: float
    """Share of the arm's most pages that have been offered, 0 to 1."""


Report = Callable[[Progress], None]


def run(scenario: Scenario, out: Path, progress: Report = lambda _: None) -> Path:
    """Run a scenario into a new folder.

    Args:
        scenario: what to run; a missing seed is drawn and recorded.
        out: the run folder; must not exist or be empty.
        progress: called after every page of the batch.

    Returns:
        The run folder.

    Raises:
        RunExistsError: the folder holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunExistsError(f"run folder: got {out}, which holds files, expected a new one; pass --out, or `recsim-llm resume {out}`")
    if scenario.seed is None:
        scenario = scenario.model_copy(update={"seed": secrets.randbelow(2**31)})
    _check_names(scenario)
    dataset = open_dataset(scenario.data)
    world = _world(scenario, dataset)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "manifest.json", _manifest(scenario, dataset, world))
    _serve_arms(scenario, dataset, world, out, progress)
    return out


def resume(out: Path, progress: Report = lambda _: None) -> Path:
    """Finish a run that was stopped at any instant, with the log that it would have had.

    Finished arms are kept; an unfinished arm is served again from its first page, which for keyed dice gives the same
    pages, and its segments on disk are checked against what comes out.

    Args:
        out: the run folder.
        progress: called after every page of the batch.

    Raises:
        LogError: the folder is no run, or what comes out differs from what is on disk.
    """
    try:
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LogError(f"run folder: got {out} without a readable manifest.json, expected a run; start it with `recsim-llm run`") from error
    scenario = scenario_from(manifest["settings"], str(out / "manifest.json"))
    dataset = open_dataset(scenario.data)
    world = _world(scenario, dataset)
    if _manifest(scenario, dataset, world) != (out / "manifest.json").read_bytes():
        changed = _difference(manifest, json.loads(_manifest(scenario, dataset, world)))
        raise LogError(f"run folder {out}: {changed} changed since it was started, expected what manifest.json says; start a new run")
    _serve_arms(scenario, dataset, world, out, progress)
    return out


@one_thread
def _serve_arms(scenario: Scenario, dataset: Dataset, world: World, out: Path, progress: Report) -> None:
    train, _ = dataset.ratings.split_by_time(scenario.train_share)
    # Recommenders must not see what came later, not even as item popularity.
    counts = np.bincount(world.catalog.index_of(train.item_id), minlength=len(world.catalog))
    known = world.catalog.with_popularity(counts)
    segments = Segments(out)
    timings: list[tuple[str, int, int, float]] = []
    for place, arm in enumerate(scenario.recommenders):
        if segments.finished(arm.name):
            continue
        recommender = _recommender(arm)
        log = RunLog(segments, arm.name, place, SEGMENT_ROWS)
        session = _ArmSession(scenario, world, recommender, arm.name, log)
        if hasattr(recommender, "reveal"):
            recommender.reveal(Truth(session.appeal))
        started = time.perf_counter()
        recommender.fit(known, train, _seed(scenario))
        for visit in range(scenario.visits):
            for page, users in session.visit(visit):
                share = (visit + page / scenario.max_pages) / scenario.visits
                counts = (users, session.pages, session.clicks)
                progress(Progress(arm.name, place, len(scenario.recommenders), visit, page, *counts, share))
                timings.append((arm.name, visit, page, time.perf_counter() - started))
        log.close()
    _write_timings(out, timings)


class _ArmSession:
    """One arm serves every user of the world, page by page."""

    def __init__(self, scenario: Scenario, world: World, recommender: Recommender, name: str, log: RunLog) -> None:
        self._scenario, self._world, self._recommender, self._name, self._log = scenario, world, recommender, name, log
        self._reward = reward_of(scenario.reward)
        users = len(world.population)
        self._kernel = Kernel(
            users=world.users,
            user_id=world.population.user_id,
            rows=users,
            slate_size=scenario.slate_size,
            max_pages=scenario.max_pages,
        )
        self._seed = _seed(scenario)
        slots = scenario.visits * scenario.max_pages * scenario.slate_size
        self._shown = np.full((users, slots), -1, np.int64)
        self._clicked = np.zeros((users, slots), np.bool_)
        self._rating = np.full((users, slots), np.nan, np.float32)
        self._length = np.zeros(users, np.int64)
        self._returning = np.arange(users)
        self.pages = 0
        self.clicks = 0
        order = np.argsort(world.population.user_id, kind="stable")
        self._row_of = lambda ids: order[np.searchsorted(world.population.user_id, ids, sorter=order)]

    def appeal(self, user_id: IntArray) -> npt.NDArray[np.float32]:
        """Return float32 [m, n]: what these users feel for every item now; for the oracle."""
        return self._world.users.appeal(self._row_of(user_id))

    def visit(self, visit: int) -> Any:
        """Serve one visit to everyone who comes; yield (pages served, users still browsing) after each page."""
        rows = self._returning
        users = len(self._world.population)
        self._begin(rows, visit)
        totals = np.zeros((3, users))
        while rows.size:
            feedback, reward, out = self._page(rows, visit)
            totals[:, rows] += np.stack([np.ones(len(rows)), np.bincount(feedback.row, minlength=len(rows)), reward])
            ended = feedback.left | out
            if ended.any():
                self._end(rows[ended], visit, totals, feedback, ended)
            rows = rows[~ended]
            self._log.turn()
            yield int(totals[0].max()), len(rows)
        self._returning = self._back(self._returning, visit)

    def _begin(self, rows: IntArray, visit: int) -> None:
        word = seed_words([self._seed])
        number = np.full(len(rows), visit)
        at = self._all(rows)
        self._kernel.begin(at, rows, number, self._kernel.dice(rows, number, word), returning=visit > 0)

    def _page(self, rows: IntArray, visit: int) -> tuple[Feedback, npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        requests = self._requests(rows, visit)
        slates = self._recommender.recommend(requests, self._scenario.slate_size)
        index = check_slates(
            slates, self._world.catalog, len(rows), self._scenario.slate_size, self._name, self._scenario.invalid == "count"
        )
        empty = index < 0
        feedback = self._kernel.step(index, self._all(rows), empty if empty.any() else None)
        shown = np.where(empty, -1, slates.item_id)
        ratings = feedback.ratings()
        self._recommender.observe(requests, slates, feedback.clicked, ratings)
        self._remember(rows, shown, feedback.clicked, ratings)
        reward = self._reward(feedback, self._world.catalog)
        out = self._kernel.page[rows] >= self._scenario.max_pages
        self._log.page(
            user_id=requests.user_id,
            item_id=shown,
            slates=slates,
            feedback=feedback,
            reward=reward,
            invalid=np.add.reduce(empty, axis=1, dtype=np.int64),
            out_of_pages=out,
        )
        self.pages += len(rows)
        self.clicks += feedback.slot.size
        return feedback, reward, out

    def _requests(self, rows: IntArray, visit: int) -> Requests:
        width = int(self._length[rows].max())
        return Requests(
            user_id=self._world.population.user_id[rows],
            visit=np.full(len(rows), visit),
            page=self._kernel.page[rows],
            history_item=self._shown[rows, :width],
            history_clicked=self._clicked[rows, :width],
            history_rating=self._rating[rows, :width],
        )

    def _remember(self, rows: IntArray, shown: IntArray, clicked: npt.NDArray[np.bool_], ratings: npt.NDArray[np.float32]) -> None:
        place = (rows[:, None], self._length[rows][:, None] + np.arange(shown.shape[1]))
        self._shown[place], self._clicked[place], self._rating[place] = shown, clicked, ratings
        self._length[rows] += shown.shape[1]

    def _end(self, rows: IntArray, visit: int, totals: npt.NDArray[np.float64], feedback: Feedback, ended: npt.NDArray[np.bool_]) -> None:
        log_odds = self._world.users.return_log_odds(rows)
        user_id = self._world.population.user_id[rows]
        self._log.visits(
            user_id=user_id,
            visit=np.full(len(rows), visit),
            pages=totals[0, rows].astype(np.int64),
            clicks=totals[1, rows].astype(np.int64),
            reward=totals[2, rows],
            satisfaction=probability(feedback.mood.satisfaction[ended]),
            left=feedback.left[ended],
            return_prob=probability(log_odds),
            returned=self._draws_return(user_id, visit, log_odds),
        )

    def _draws_return(self, user_id: IntArray, visit: int, log_odds: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        return keyed.uniform(keyed.words(self._seed, _RETURN, user_id, visit)) < probability(log_odds)

    def _back(self, rows: IntArray, visit: int) -> IntArray:
        log_odds = self._world.users.return_log_odds(rows)
        return rows[self._draws_return(self._world.population.user_id[rows], visit, log_odds)]

    def _all(self, rows: IntArray) -> Any:
        """A slice lets the kernel work in place when everyone is there."""
        return ALL_ROWS if len(rows) == len(self._world.population) else rows


def _check_names(scenario: Scenario) -> None:
    reward_of(scenario.reward)
    for arm in scenario.recommenders:
        _recommender(arm)


def _recommender(arm: Arm) -> Any:
    try:
        return resolve("recommenders", arm.recommender)(**arm.settings)
    except TypeError as error:
        raise ConfigError(f"recommender {arm.name!r}: got settings {arm.settings}, expected what it takes: {error}") from error


def _seed(scenario: Scenario) -> int:
    assert scenario.seed is not None
    return scenario.seed


def _world(scenario: Scenario, dataset: Dataset) -> World:
    settings = scenario.users
    world: World = resolve("users", settings.model)(
        dataset, settings.count, parameters=settings.parameters, seed=_seed(scenario)
    )
    if scenario.slate_size > len(world.catalog):
        raise ConfigError(f"slate_size: got {scenario.slate_size}, expected at most {len(world.catalog)}, the items in the catalog")
    return world


def _manifest(scenario: Scenario, dataset: Dataset, world: World) -> bytes:
    packages = ("recsim_llm", "numpy", "scipy", "pyarrow", "gymnasium")
    content = {
        "scenario": scenario.name,
        "arms": [arm.name for arm in scenario.recommenders],
        "seed": scenario.seed,
        "slate_size": scenario.slate_size,
        "max_pages": scenario.max_pages,
        "visits": scenario.visits,
        "users": len(world.population),
        "user_model": scenario.users.model,
        "catalog": {"items": len(world.catalog)},
        "data": {
            "name": dataset.name,
            "ratings": len(dataset.ratings),
            "fingerprint": dataset.fingerprint,
            "licence": dataset.licence,
            "skipped": dict(dataset.skipped),
        },
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "settings": scenario.model_dump(mode="json"),
    }
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = [f"{name} (from {before.get(name)} to {after[name]})" for name in after if before.get(name) != after[name]]
    return ", ".join(changed) or "manifest.json"


def _write_timings(out: Path, timings: list[tuple[str, int, int, float]]) -> None:
    schema = pa.schema([("arm", pa.string()), ("visit", pa.int32()), ("page", pa.int32()), ("seconds", pa.float64())])
    rows = [dict(zip(schema.names, timing, strict=True)) for timing in timings]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    write_atomically(out / "timings.parquet", sink.getvalue().to_pybytes())
