"""What a world in time costs: users, days, friends and interventions, and where the time goes.

Prints, in one run, for 1,000, 10,000 and 100,000 users over 30 days with friends and two interventions: seconds, memory, time a
visit, and the shares of Mesa, of the recommender, of the log and of the rest, which is the kernel with its users and friends.
Beside it stands Mesa's own way with the same world: an agent a user, each deciding page by page by itself.

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
from pathlib import Path

DEFAULT = "1000,10000,100000"
SCENARIO = {
    "users.count": 1000,
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


class Timed:
    """Adds up the seconds spent in calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, owner: object, *names: str) -> None:
        """Count the time of these methods of an object."""
        for name in names:
            inner = getattr(owner, name)

            def timed(*args: object, inner: object = inner, **more: object) -> object:
                started = time.perf_counter()
                try:
                    return inner(*args, **more)
                finally:
                    self.seconds += time.perf_counter() - started

            setattr(owner, name, timed)


def measure(users: int, days: int) -> dict[str, float]:
    """Play one world with a log, and return what it took."""
    from recsim_llm.envs.world import LivingWorld
    from recsim_llm.scenarios import load_scenario

    scenario = load_scenario("demo", SCENARIO | {"users.count": users, "clock": {"days": days}})
    recommender, log = Timed(), Timed()
    with tempfile.TemporaryDirectory() as folder:
        built = time.perf_counter()
        world = LivingWorld(scenario, log=Path(folder) / "run")
        started = time.perf_counter()
        recommender.wrap(world.session._recommender, "recommend", "observe")
        log.wrap(world._sums.log, "page", "visits", "events", "turn")
        session = Timed()
        inner = world.session.step

        def step(*args: object) -> object:
            begun = time.perf_counter()
            yield from inner(*args)
            session.seconds += time.perf_counter() - begun

        world.session.step = step
        log.wrap(world._arm, "finish")
        while world.running:
            world.step()
        seconds = time.perf_counter() - started
        visits, pages = int(world.visits.sum()), int(world.pages.sum())
        world.close()
    finished = log.seconds
    inside = max(session.seconds - recommender.seconds, 0.0)
    return {
        "users": users,
        "visits": visits,
        "pages": pages,
        "opening_seconds": started - built,
        "seconds": seconds,
        "microseconds_a_visit": seconds / visits * 1e6,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "recommender": recommender.seconds / seconds,
        "log": finished / seconds,
        "kernel": (inside - finished) / seconds,
        "mesa": (seconds - session.seconds) / seconds,
    }


class Unkept:
    """A log that keeps nothing, whatever it is told."""

    def __init__(self, *_: object) -> None:
        """Take in a world and the log beside it."""

    def __getattr__(self, name: str) -> object:
        """Return what does nothing."""
        return lambda *_, **__: None


def one_agent_one_object(users: int, days: int) -> dict[str, float]:
    """Play the same world as Mesa's examples do: every user an agent that decides for itself, page by page; without a log."""
    import mesa
    import numpy as np

    from recsim_llm.scenarios import load_scenario
    from recsim_llm.scenarios.living import open_living_arm

    scenario = load_scenario("demo", SCENARIO | {"users.count": users, "clock": {"days": days}})
    arm = open_living_arm(scenario, None, None, sums=Unkept, folder=None)
    session = arm.session

    class OneUser(mesa.Agent):
        def __init__(self, model: mesa.Model, row: int) -> None:
            super().__init__(model)
            self.rows, self.visits = np.array([row]), 0

        def step(self) -> None:
            if session.clock.due[self.rows[0]] < self.model.moment.after:
                for _ in session._visit(self.rows, np.array([self.visits])):
                    pass
                self.visits += 1

    class Plain(mesa.Model):
        def step(self) -> None:
            self.moment = session.moments[self.steps - 1]
            session._moment = self.moment
            session.timeline.act(self.moment, session.influence)
            self.agents.shuffle_do("step")
            if session._gossip is not None:
                session._gossip.exchange(1.0)

    model = Plain(rng=1)
    OneUser.create_agents(model, users, np.arange(users))
    started = time.perf_counter()
    for _ in range(days):
        model.step()
    seconds = time.perf_counter() - started
    visits = sum(agent.visits for agent in model.agents)
    arm.close()
    return {"users": users, "visits": visits, "seconds": seconds, "microseconds_a_visit": seconds / visits * 1e6}


def apart(what: str, users: int, days: int) -> dict[str, float]:
    """Measure in a process of its own, so that memory is of that world alone."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", what, "--users", str(users), "--days", str(days)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", default=DEFAULT, help="numbers of users, with commas between")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each, of which the fastest counts")
    parser.add_argument("--plain-users", type=int, default=1000, help="users of Mesa's own way; 0 leaves it out")
    parser.add_argument("--one", choices=["world", "plain"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        play = measure if options.one == "world" else one_agent_one_object
        print(json.dumps(play(int(options.users), options.days)))
        return
    best = lambda what, users: min(  # noqa: E731
        (apart(what, users, options.days) for _ in range(options.repeats)), key=lambda found: found["seconds"]
    )
    print(f"{options.days} days, friends, two interventions, popularity, ten items a page; fastest of {options.repeats}")
    print(f"{'users':>9}{'visits':>11}{'pages':>11}{'seconds':>9}{'µs/visit':>10}{'MiB':>7}", end="")
    print(f"{'mesa':>7}{'kernel':>8}{'recomm.':>9}{'log':>6}")
    rows = []
    for users in map(int, options.users.split(",")):
        found = best("world", users)
        rows.append(found)
        print(f"{users:>9,}{found['visits']:>11,}{found['pages']:>11,}{found['seconds']:>9.1f}", end="")
        print(f"{found['microseconds_a_visit']:>10.0f}{found['mebibytes']:>7.0f}", end="")
        print(f"{found['mesa']:>7.0%}{found['kernel']:>8.0%}{found['recommender']:>9.0%}{found['log']:>6.0%}", flush=True)
    costs = [row["microseconds_a_visit"] for row in rows]
    print(f"a visit costs {max(costs) / min(costs):.2f} times as much in the dearest as in the cheapest")
    if options.plain_users:
        plain, same = best("plain", options.plain_users), best("world", options.plain_users)
        ratio = plain["microseconds_a_visit"] / same["microseconds_a_visit"]
        print(
            f"Mesa's own way, one agent one object, {plain['users']:,} users: {plain['seconds']:.1f} s, "
            f"{plain['microseconds_a_visit']:,.0f} µs/visit without a log: {ratio:.1f} times as much"
        )


if __name__ == "__main__":
    main()
