"""The arms of a run, served in shards: every shard has a share of the users, and one log is made of what all of them log.

Users hear nothing of each other until a recommender that learns, or the world, tells them; see ``users_apart``. Where they do
not, every shard goes ahead in its own time, and its turns are put in order here. Where they do, all shards serve a page, tell
each other what came of it (the answer to each is what the others told), and go on; every shard then lets its own copy of the
recommender learn from everyone, and its own copy of the world change by everyone.

The log has the bytes of a run without shards. A worker that is lost begins again, and what it has handed over is dropped; where
users hear of each other, all do.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.core.profiles import make_profile
from recsim_llm.errors import BudgetExceeded, ConfigError, LogError, ServiceError
from recsim_llm.log.segments import SegmentWriter
from recsim_llm.log.tables import add_serving
from recsim_llm.log.unread_words import note_unread
from recsim_llm.population.world import Share
from recsim_llm.recommenders.hooks import Count, keeps_users_apart
from recsim_llm.scenarios.building import Stage
from recsim_llm.scenarios.conversation_session import runs_free
from recsim_llm.scenarios.gathered_logs import open_gathered_log
from recsim_llm.scenarios.run_progress import Progress, Report
from recsim_llm.scenarios.serving import keep_counted
from recsim_llm.scenarios.shard_calls import ShardCalls, check_concurrency
from recsim_llm.scenarios.shard_peers import ShareDone, SharePart, Tidings
from recsim_llm.shards.crew import Crew, Failed, Job, Lost, Part, cut
from recsim_llm.shards.sharding import Sharding, open_crew

__all__ = ["check_shards", "serve_in_shards"]

_MOST_LOSSES = 3
"""How often a worker may be lost without having got any further."""


def check_shards(built: Stage, shards: int, services: Mapping[str, Any]) -> None:
    """See to it that a scenario can be served in so many shards.

    Args:
        built: the scenario.
        shards: how many.
        services: what recommenders that run elsewhere say of themselves, by arm.

    Raises:
        ConfigError: it cannot.
    """
    scenario, users = built.scenario, len(built.world.population)
    if shards > users:
        raise ConfigError(f"shards: got {shards} for {users} users, expected at most one a user; lower --shards")
    for arm in scenario.recommenders:
        if arm.retrain == "visit" and scenario.clock is not None:
            raise ConfigError(
                f"recommender {arm.name!r}, retrain: got 'visit' with a clock in shards, where users of one shard are at other "
                "visits than those of another, expected 'day' or a number of pages; or leave --shards out"
            )
    for name, service in services.items():
        if service.get("observe"):
            raise ConfigError(
                f"recommender {name!r}: got a server that observes, which every shard would tell anew, expected one that does "
                "not; or leave --shards out"
            )
    check_concurrency(scenario, shards)


def serve_in_shards(
    built: Stage, out: Path, segments: SegmentWriter, sharding: Sharding, *, calls: ShardCalls, progress: Report
) -> list[tuple[str, int, int, float]]:
    """Serve every arm that is not finished; what comes of it is in the run folder afterwards.

    Args:
        built: the scenario.
        out: the run folder.
        segments: of the run folder.
        sharding: where, and in how many shards.
        calls: of the language models.
        progress: as for ``recsim_llm.scenarios.run``.

    Returns:
        Rows of ``TIMINGS``.
    """
    served = _Serving(built, out, segments, sharding, calls=calls, progress=progress)
    try:
        for place, arm in enumerate(built.scenario.recommenders):
            if not segments.finished(arm.name):
                served.serve(place)
    finally:
        served.crew.stop()
        calls.gather()
    return served.timings


class _Serving:
    """One crew at work on one run; arguments as of ``serve_in_shards``."""

    def __init__(
        self, built: Stage, out: Path, segments: SegmentWriter, sharding: Sharding, *, calls: ShardCalls, progress: Report
    ) -> None:
        self._built, self._out, self._segments, self._progress = built, out, segments, progress
        self._sharding, self._calls = sharding, calls
        self._users = len(built.world.population)
        self._shares = cut(self._users, sharding.shards)
        self._everyone = range(sharding.shards)
        self.crew: Crew = open_crew(sharding)
        self.timings: list[tuple[str, int, int, float]] = []
        self._begun = False
        # Nobody browses here; but how users examine pages is asked for the log.
        built.world.users.allocate(1, built.scenario.slate_size)

    def serve(self, place: int) -> None:
        """Serve an arm."""
        arm = self._built.scenario.recommenders[place]
        self._place, self._name, self._together = place, arm.name, _together(self._built, place)
        self._started = time.perf_counter()
        self._log = open_gathered_log(self._built, self._segments, place, self._sharding.shards)
        self._states: list[SharePart | None] = [None for _ in self._everyone]
        self._done: list[ShareDone | None] = [None for _ in self._everyone]
        self._losses = [0 for _ in self._everyone]
        if not self._begun:
            self._begin()
        try:
            self._run()
        except (KeyboardInterrupt, BudgetExceeded, ServiceError):
            with suppress(Exception):
                self._log.keep_unfinished()
            raise
        self._finish()

    def _begin(self) -> None:
        """Give all workers their jobs, from this arm on."""
        self.crew.start([self._job(number) for number in self._everyone])
        self._begun = True

    def _job(self, number: int) -> Job:
        scenario = self._calls.divided(self._built.scenario)
        left = [place for place in range(self._place, len(scenario.recommenders)) if not self._finished(place)]
        arguments: dict[str, Any] = {
            "settings": scenario.model_dump(mode="json"),
            "source": str(self._out),
            "number": number,
            "share": self._share(*self._shares[number]),
            "rows": self._shares[number],
            "arms": {place: _together(self._built, place) for place in left},
            **self._calls.arguments(number),
        }
        return Job("recsim_llm.scenarios.shard_work:serve_share", arguments)

    def _share(self, first: int, last: int) -> Share:
        population = self._built.world.population
        profile = make_profile(population.demographics, len(population))
        if self._built.scenario.clock is not None:
            return Share(population, profile)
        return Share(population.apart(np.arange(first, last)), profile[first:last].alone())

    def _finished(self, place: int) -> bool:
        return self._segments.finished(self._built.scenario.recommenders[place].name)

    def _run(self) -> None:
        """Take what the shards hand over, and write it, until all have served the arm."""
        answers: Mapping[int, Any] = dict.fromkeys(self._everyone)
        while answers:
            steps = self.crew.call(answers)
            lost = {number: step for number, step in steps.items() if isinstance(step, Lost)}
            failed = [step.error for step in steps.values() if isinstance(step, Failed)]
            if failed:
                if not self._leased_again(failed[0]):
                    raise failed[0]
                answers = dict.fromkeys(self._everyone)
                continue
            for number, step in steps.items():
                if isinstance(step, Part):
                    self._take(number, step.value)
            if lost:
                answers = self._replace(lost)
                continue
            self._log.write([one is not None for one in self._done])
            self._report()
            answers = self._answers()

    def _take(self, number: int, value: SharePart | ShareDone) -> None:
        """Keep what a shard hands over, but for what it has handed over before it was lost."""
        if self._log.take(number, value.logged):
            self._losses[number] = 0
        if isinstance(value, ShareDone):
            self._done[number] = value
        else:
            self._states[number] = value

    def _answers(self) -> dict[int, Any]:
        """Return whom to call next, with what the others told."""
        busy = [number for number in self._everyone if self._done[number] is None]
        if not self._together:
            return {number: None for number in busy if not self._log.waits(number)}
        states = self._states
        told: Tidings = [None if state is None else state.answered for state in states]
        return {number: [None if other == number else one for other, one in enumerate(told)] for number in busy}

    def _replace(self, lost: Mapping[int, Lost]) -> dict[int, Any]:
        """Let workers begin again in the place of those that are lost; return whom to call next.

        Raises:
            LogError: one was lost again and again.
        """
        for number, step in lost.items():
            self._losses[number] += 1
            if self._losses[number] >= _MOST_LOSSES:
                raise LogError(
                    f"shard {number} of {self._sharding.shards}: got a worker that {step.why}, {_MOST_LOSSES} times at "
                    f"the same page, expected it to go on; nothing is lost: recsim-llm resume {self._out}, with more memory "
                    "or without --shards"
                )
        again = list(self._everyone) if self._together else list(lost)
        for number in again:
            self.crew.end(number)
            self.crew.restart(number, self._job(number))
            self._begin_again(number)
        return self._answers() if not self._together else dict.fromkeys(again)

    def _leased_again(self, error: BaseException) -> bool:
        """Where a shard has used up its lease and others have not, give all of them new ones and let them begin again."""
        if not isinstance(error, BudgetExceeded):
            return False
        self.crew.stop()
        if not self._calls.lease_again():
            return False
        self.crew = open_crew(self._sharding)
        self._begin()
        for number in self._everyone:
            self._begin_again(number)
        return True

    def _begin_again(self, number: int) -> None:
        self._log.begin_again(number)
        self._done[number], self._states[number] = None, None

    def _report(self) -> None:
        """Tell how far the arm is."""
        states = [state for state in self._states if state is not None]
        if not states:
            return
        scenario, spent = self._built.scenario, [state.spent for state in states if state.spent is not None]
        self._progress(
            Progress(
                self._name,
                self._place,
                len(scenario.recommenders),
                sum(state.users for number, state in enumerate(self._states) if state and self._done[number] is None),
                self._users,
                sum(state.pages for state in states),
                sum(state.clicks for state in states),
                min(state.share for state in states),
                self._calls.total(spent) if spent else None,
            )
        )
        row = (self._name, *min(state.when for state in states))
        if not self.timings or self.timings[-1][:3] != row:
            self.timings.append((*row, time.perf_counter() - self._started))

    def _finish(self) -> None:
        """Write what is told at the end of an arm."""
        done = [one for one in self._done if one is not None]
        add_serving(self._out, _added([one.cost for one in done]))
        counted = [one.counts for one in done if one.counts is not None]
        if counted:
            keep_counted(self._out, self._name, _joined_counts(counted))
        note_unread(self._out, self._name, sum(one.unread for one in done))
        self._log.close()


def _together(built: Stage, place: int) -> bool:
    """Tell whether the shards have to hear of each other's users in an arm."""
    arm = built.scenario.recommenders[place]
    if built.scenario.conversation is not None and runs_free(built.scenario):
        return False
    apart = arm.retrain is None and keeps_users_apart(built.recommenders[arm.name]())
    return built.scenario.clock is not None or not apart


def _added(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one row of ``SERVING`` for those of all shards: what they took together."""
    whole: dict[str, Any] = {"arm": costs[0]["arm"], "stopped": None}
    for name in costs[0]:
        values = [cost[name] for cost in costs if cost.get(name) is not None]
        if name in whole or not values:
            continue
        if name == "failures":
            failures = Counter[str]()
            for value in values:
                failures.update(dict(value))
            whole[name] = sorted(failures.items())
        else:
            whole[name] = sum(values)
    return whole


def _joined_counts(parts: Sequence[Sequence[Count]]) -> list[Count]:
    """Return what was counted of the users of all shards, users in order."""
    by_kind: dict[tuple[str, str, bool], list[Count]] = {}
    for counts in parts:
        for count in counts:
            by_kind.setdefault((count.what, count.of, count.share), []).append(count)
    joined = []
    for kind, counts in by_kind.items():
        columns = [np.concatenate(column) for column in zip(*((c.user_id, c.amount, c.cases) for c in counts), strict=True)]
        order = np.argsort(columns[0], kind="stable")
        joined.append(Count(*kind, *(column[order] for column in columns)))
    return joined
