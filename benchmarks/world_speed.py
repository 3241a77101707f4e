"""What a world in time costs: users, days, friends and interventions, and where the time goes.

Prints, in one run, for 1,000, 10,000 and 100,000 users over 30 days with friends and two interventions: seconds, memory, time a
visit, and the shares of Mesa, of the recommender, of the log and of the rest, which is the kernel with its users and friends.
Beside it stands Mesa's own way with the same world: an agent a user, each of which visits by itself, page by page.

Seconds are those of the clock; what is compared, time a visit and shares, is CPU time of the process with all its threads, so
that other work on the machine hardly counts. Users are fitted before, and opening a world is not part of its days.

    OPENBLAS_NUM_THREADS=1 python benchmarks/world_speed.py [--users 1000,10000] [--days 30] [--repeats 1]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsim_llm.scenarios.schema import Scenario

DEFAULT = "1000,10000,100000"
SCENARIO = {
    "recommenders": ["popularity"],
    "slate_size": 10,
    "max_pages": 10,
    "seed": 2026,
    "users.parameters.return_base": 2.0,
    "social": {"friends": {"degree": 10, "homophily": 0.5}},
    "interventions": [
        {"name": "drift", "at": "day 10", "change": {"drift": {"size": 1.0, "days": 5}}, "who": {"share": 0.5}},
        {"name": "hype", "at": "day 5", "until": "day 12", "change": {"trend": {"items": {"rare": 0.1}, "size": 1.0}}},
    ],
}
PARTS = ("mesa", "kernel", "recommender", "log")


class PartTimes:
    """CPU seconds of the parts of a program, each without what it calls of the others."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._open = ["mesa"]
        self._since = time.process_time()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens meanwhile to a part."""
        self._turn_to(name)
        try:
            yield
        finally:
            self._turn_to(None)

    def _turn_to(self, name: str | None) -> None:
        now = time.process_time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now
        if name is None:
            self._open.pop()
        else:
            self._open.append(name)

    def begin(self) -> None:
        """Forget what was counted."""
        self.seconds, self._since = dict.fromkeys(PARTS, 0.0), time.process_time()

    def wrap(self, kind: type, part: str, *names: str) -> None:
        """Count the time of these methods of a class."""
        for name in names:
            setattr(kind, name, self._timed(getattr(kind, name), part))

    def _timed(self, inner: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*args: object, **more: object) -> object:
            with self.part(part):
                return inner(*args, **more)

        return timed

    def wrap_steps(self, kind: type, part: str, name: str) -> None:
        """Count the time of a method of a class that yields, but not that of who takes what it yields."""
        inner = getattr(kind, name)

        def timed(*args: object) -> Iterator[object]:
            going = inner(*args)
            over = object()
            while True:
                with self.part(part):
                    got = next(going, over)
                if got is over:
                    return
                yield got

        setattr(kind, name, timed)


def scenario_of(users: int, days: int) -> Scenario:
    """Return the world to be played."""
    from recsim_llm.scenarios import load_scenario

    return load_scenario("demo", SCENARIO | {"users.count": users, "clock": {"days": days}})


def in_columns(users: int, days: int) -> dict[str, float]:
    """Play one world with a log, and return what it took."""
    from recsim_llm.envs.world import LivingWorld
    from recsim_llm.log.writer import RunLog
    from recsim_llm.recommenders import Popularity
    from recsim_llm.scenarios.clock_session import ClockSession

    times = PartTimes()
    times.wrap(Popularity, "recommender", "recommend", "observe", "restock")
    times.wrap(RunLog, "log", "page", "visits", "events", "turn", "close")
    times.wrap_steps(ClockSession, "kernel", "step")
    with tempfile.TemporaryDirectory() as folder:
        world = LivingWorld(scenario_of(users, days), log=Path(folder) / "run")
        started = time.perf_counter()
        times.begin()
        while world.running:
            world.step()
        found = taken(world.visits.sum(), world.pages.sum(), world.clicks.sum(), time.perf_counter() - started)
        world.close()
    cpu = sum(times.seconds.values())
    return found | {"cpu": cpu} | {part: times.seconds[part] / cpu for part in PARTS}


def one_agent_one_object(users: int, days: int) -> dict[str, float]:
    """Play the same world with a log as Mesa's examples do: every user an agent that visits by itself, page by page."""
    import mesa
    import numpy as np

    from recsim_llm.scenarios.living import open_living_arm

    class OneUser(mesa.Agent):
        def __init__(self, model: mesa.Model, row: int) -> None:
            super().__init__(model)
            self.rows, self.visits = np.array([row]), 0

        def step(self) -> None:
            if session.clock.due[self.rows[0]] < session.moments[self.model.steps - 1].after:
                self.visits += 1
                for _ in session.visit(self.rows):
                    pass

    class Plain(mesa.Model):
        def step(self) -> None:
            session.begin_step(session.moments[self.steps - 1])
            self.agents.shuffle_do("step")
            session.end_step()

    with tempfile.TemporaryDirectory() as folder:
        arm = open_living_arm(scenario_of(users, days), None, None, sums=lambda _, log: log, folder=Path(folder) / "run")
        session, model = arm.session, Plain(rng=1)
        OneUser.create_agents(model, users, np.arange(users))
        started, began = time.perf_counter(), time.process_time()
        for _ in session.moments:
            model.step()
        arm.finish()
        cpu = time.process_time() - began
        visits = sum(agent.visits for agent in model.agents)
        found = taken(visits, session.pages, session.clicks, time.perf_counter() - started)
        arm.close()
    return found | {"cpu": cpu}


def taken(visits: int, pages: int, clicks: int, seconds: float) -> dict[str, float]:
    """Return what happened in a world, and what it took until now."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"visits": int(visits), "pages": int(pages), "clicks": int(clicks), "seconds": seconds, "mebibytes": memory}


WAYS = {"columns": in_columns, "objects": one_agent_one_object}


def apart(way: str, users: int, days: int, repeats: int = 1) -> dict[str, float]:
    """Measure in processes of their own, so that memory is of that world alone; return what the cheapest of them took."""
    command = [sys.executable, __file__, "--one", way, "--users", str(users), "--days", str(days)]
    done = [subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout for _ in range(repeats)]
    found = min((json.loads(said.splitlines()[-1]) for said in done), key=lambda one: one["cpu"])
    return found | {"users": users, "a_visit": found["cpu"] / found["visits"] * 1e6}


def show(found: dict[str, float]) -> None:
    """Print a line of the table."""
    print(
        f"{found['users']:>9,}{found['visits']:>11,}{found['pages']:>11,}{found['seconds']:>9.1f}{found['cpu']:>8.1f}", end=""
    )
    print(f"{found['a_visit']:>10.0f}{found['mebibytes']:>7.0f}", end="")
    print(f"{found['mesa']:>7.1%}{found['kernel']:>8.0%}{found['recommender']:>9.0%}{found['log']:>6.0%}", flush=True)


def compare(users: int, days: int, repeats: int) -> None:
    """Print what Mesa's own way takes beside the world in columns, once it is seen to be the same world."""
    plain, same = (apart(way, users, days, repeats) for way in ("objects", "columns"))
    for what in ("visits", "pages", "clicks"):
        if plain[what] != same[what]:
            raise SystemExit(f"got {plain[what]} {what} one by one and {same[what]} in columns, expected the same world")
    print(
        f"Mesa's own way, one agent one object, {users:,} users, the same {same['clicks']:,} clicks: {plain['cpu']:.1f} s CPU, "
        f"{plain['a_visit']:,.0f} µs/visit, {plain['a_visit'] / same['a_visit']:.1f} times as much as {same['a_visit']:,.0f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", default=DEFAULT, help="numbers of users, with commas between")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, of which the cheapest counts")
    parser.add_argument("--plain-users", type=int, default=1000, help="users of Mesa's own way; 0 leaves it out")
    parser.add_argument("--one", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(WAYS[options.one](int(options.users), options.days)))
        return
    # So that the fit of the users, which is kept, is part of no figure.
    apart("columns", 20, 1)
    print(f"{options.days} days, friends, two interventions, popularity, ten items a page; cheapest of {options.repeats}")
    print(f"{'users':>9}{'visits':>11}{'pages':>11}{'seconds':>9}{'CPU s':>8}{'µs/visit':>10}{'MiB':>7}", end="")
    print(f"{'mesa':>7}{'kernel':>8}{'recomm.':>9}{'log':>6}")
    costs = []
    for users in map(int, options.users.split(",")):
        found = apart("columns", users, options.days, options.repeats)
        show(found)
        costs.append(found["a_visit"])
    print(f"a visit costs {max(costs) / min(costs):.2f} times as much in the dearest as in the cheapest")
    if options.plain_users:
        compare(options.plain_users, options.days, options.repeats)


if __name__ == "__main__":
    main()
