"""What can go wrong, with whom, in which verb and where: every cell is run, has a test, has another in its place, or a reason.

A rule, and never a hand, says what becomes of a cell; the first rule that fits counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

FAULTS = {
    "kill": "`kill -9` at any instant",
    "term": "SIGTERM",
    "interrupt": "Ctrl-C",
    "full": "full disk",
    "read-only": "read-only folder",
    "truncated": "truncated last segment",
    "flipped": "flipped byte in a middle segment",
    "deleted": "deleted segment",
    "manifest": "damaged manifest",
    "calls": "damaged `calls.sqlite`",
    "locked": "locked `calls.sqlite`",
    "network": "lost network",
    "storm": "storm of model errors",
    "twice": "two processes on one folder",
    "clock": "clock set back",
    "worker": "worker killed",
    "node": "Ray node killed",
    "head": "Ray head restarted",
}
"""What happens."""
USERS = ("choice", "language", "cascade", "replay")
"""Whom it happens to."""
VERBS = ("run", "resume", "compare", "until-decided", "train", "speak", "export", "report", "calibrate", "fit", "realism")
"""During what; ``until-decided`` is ``compare --until-decided``."""
PLACES = ("one process", "inline", "processes", "ray")
"""Where users are served: without shards, and by each backend of shards."""

SHARDED = ("run", "resume", "compare", "until-decided", "train")
SEGMENTS = ("truncated", "flipped", "deleted")
CALLS = ("calls", "locked")
OF_MODELS = (*CALLS, "network", "storm")
NEW = ("run", "fit", "calibrate", "realism")


class Cell(NamedTuple):
    """One thing that can go wrong."""

    fault: str
    users: str
    verb: str
    place: str

    def __str__(self) -> str:
        return ", ".join(self)


class Fate(NamedTuple):
    """What becomes of a cell."""

    kind: str
    """``run``; ``test``, which another test runs; ``as``, which another cell stands for; ``none``, which makes no sense."""
    words: str = ""
    """The reason, or the test's name."""
    cell: Cell | None = None
    """Which cell stands for it."""


class Rule(NamedTuple):
    """What becomes of all cells that something holds for."""

    kind: str
    """As in ``Fate``."""
    holds: Callable[[Cell], bool]
    words: str
    """As in ``Fate``."""
    stands: Callable[[Cell], Cell] | None = None
    """The cell that stands for it."""


def asks(cell: Cell) -> bool:
    """Tell whether a language model is asked."""
    if cell.verb in ("speak", "calibrate"):
        return True
    return cell.users in ("language", "cascade") and cell.verb not in ("export", "report", "fit")


def before_workers(cell: Cell) -> bool:
    """Tell whether what is wrong is found before any worker begins."""
    return cell.fault in (*SEGMENTS, *CALLS, "read-only", "manifest", "twice")


def like(**changes: str) -> Callable[[Cell], Cell]:
    """Return what makes a cell the one that stands for it."""
    return lambda cell: cell._replace(**changes)


def same_calls(cell: Cell) -> Cell:
    """Return the cell of users who ask as much, or as little."""
    return cell._replace(users={"cascade": "language", "replay": "choice"}[cell.users])


RULES = (
    Rule("none", lambda c: c.place != "one process" and c.verb not in SHARDED, "this verb has no shards"),
    Rule("none", lambda c: c.verb == "fit" and c.users != "choice", "`fit` is of choice users"),
    Rule("none", lambda c: c.verb == "calibrate" and c.users != "language", "`calibrate` is of language users"),
    Rule("none", lambda c: c.verb == "realism" and c.users == "replay", "replay users only repeat: `realism` refuses them"),
    Rule("none", lambda c: c.verb == "train" and c.users == "replay", "learning shows pages that no run recorded"),
    Rule("none", lambda c: c.fault == "worker" and c.place in PLACES[:2], "there is no worker process"),
    Rule("none", lambda c: c.fault in ("node", "head") and c.place != "ray", "there is no cluster"),
    Rule("none", lambda c: c.fault in SEGMENTS and c.verb in (*NEW, "train"), "there are no segments before it begins"),
    Rule("none", lambda c: c.fault == "manifest" and c.verb in NEW, "there is no manifest before it begins"),
    Rule("none", lambda c: c.fault in CALLS and c.verb == "run", "there are no calls before it begins"),
    Rule(
        "none",
        lambda c: (
            c.fault in OF_MODELS and not asks(c) and not (c.fault in CALLS and c.verb == "report" and c.users in USERS[1:3])
        ),
        "no language model is asked",
    ),
    Rule(
        "test",
        lambda c: (c.fault, c.verb, c.users, c.place) == ("worker", "train", "choice", "processes"),
        "tests/training/test_sharded_training.py::test_a_worker_that_is_killed_is_replaced_by_one_that_knows_as_much",
    ),
    Rule(
        "test",
        lambda c: (c.fault, c.verb, c.place) == ("worker", "train", "processes"),
        "tests/training/test_sharded_training.py::test_a_lost_worker_whose_users_a_model_played_ends_the_training",
    ),
    Rule(
        "as",
        lambda c: c.verb == "train" and c.fault in ("worker", "node"),
        "a training takes a lost machine for lost workers",
        like(fault="worker", place="processes"),
    ),
    Rule("as", lambda c: c.verb == "train" and c.fault == "head", "one crew serves runs and trainings", like(verb="run")),
    Rule(
        "as",
        lambda c: c.verb == "train" and c.place != "one process",
        "the training's own process learns and writes; shards do no more than answer it",
        like(place="one process"),
    ),
    Rule(
        "test",
        lambda c: c.fault == "node",
        "tests/shards/test_two_machines.py::test_a_machine_that_goes_down_costs_nothing_but_time",
    ),
    Rule(
        "test",
        lambda c: c.fault == "head",
        "tests/shards/test_ray_faults.py::test_a_head_that_is_gone_ends_in_one_line_and_the_run_goes_on_with_another",
    ),
    Rule(
        "test",
        lambda c: (c.fault, c.place) == ("worker", "ray"),
        "tests/shards/test_ray.py::test_an_actor_that_is_killed_is_replaced",
    ),
    Rule(
        "test",
        lambda c: (c.fault, c.place) == ("worker", "processes") and c.users in ("choice", "replay"),
        "tests/scenarios/test_sharded_runs.py::test_a_worker_that_is_killed_is_replaced",
    ),
    Rule(
        "test",
        lambda c: c.fault in ("kill", "interrupt") and c.place == "ray",
        "tests/shards/test_ray_faults.py::test_a_run_that_a_signal_ends_goes_on_in_the_cluster_and_without",
    ),
    Rule(
        "as",
        lambda c: (
            c.verb in ("export", "report", "speak") and c.users != "choice" and not (c.fault in CALLS and c.verb == "report")
        ),
        "a log has one form, whoever its users are",
        like(users="choice"),
    ),
    Rule(
        "as",
        lambda c: c.fault in (*SEGMENTS, "read-only", "twice", "manifest") and c.users != "choice" and c.verb != "calibrate",
        "found before the users are asked anything",
        like(users="choice"),
    ),
    Rule(
        "as",
        lambda c: (
            c.users in ("cascade", "replay")
            and (c.fault in CALLS or c.verb in ("compare", "until-decided", "train", "realism"))
        ),
        "who asks a model keeps its calls in one way; `run` and `resume` are run with everyone",
        same_calls,
    ),
    Rule(
        "as",
        lambda c: c.users == "choice" and c.verb == "realism" and c.fault in ("term", "interrupt", "full", "clock"),
        "a card is written in one way",
        like(users="language"),
    ),
    Rule(
        "as",
        lambda c: c.users == "language" and c.verb == "train" and c.fault in ("term", "interrupt", "full", "clock"),
        "what was learned is kept in one way",
        like(users="choice"),
    ),
    Rule(
        "as",
        lambda c: c.place in ("processes", "ray") and c.fault == "term",
        "SIGTERM ends a run as Ctrl-C does",
        like(fault="interrupt"),
    ),
    Rule(
        "as",
        lambda c: c.place == "ray" and not before_workers(c),
        "the run's own process writes the log, and a shard does not know where it runs",
        like(place="processes"),
    ),
    Rule(
        "as",
        lambda c: c.place in ("inline", "processes") and not before_workers(c) and c.verb != "run",
        "one crew serves `run`, `resume`, and the runs of a comparison",
        like(verb="run"),
    ),
    Rule(
        "as",
        lambda c: c.place == "processes" and not before_workers(c) and c.users in ("cascade", "replay"),
        "a shard keeps what its users ask, whoever they are",
        same_calls,
    ),
    Rule(
        "as",
        lambda c: c.place == "processes" and c.users == "language" and c.fault in ("term", "interrupt", "full"),
        "shards end with the run's process, as after a kill",
        like(users="choice"),
    ),
    Rule(
        "as",
        lambda c: c.place == "processes" and c.fault == "clock",
        "a shard sees no clock that its machine does not",
        like(place="inline"),
    ),
)
"""What is not run, the first that holds."""


def cells() -> Iterator[Cell]:
    """Yield every cell."""
    yield from (Cell(*place) for place in product(FAULTS, USERS, VERBS, PLACES))


def fate(cell: Cell) -> Fate:
    """Return what becomes of a cell."""
    for rule in RULES:
        if rule.holds(cell):
            return Fate(rule.kind, rule.words, rule.stands and rule.stands(cell))
    return Fate("run")


def stand_in(cell: Cell) -> Cell:
    """Return the cell that is run, tested or has no sense in the place of this one; itself where it is none that another is."""
    found = fate(cell)
    return cell if found.cell is None else stand_in(found.cell)


def to_run() -> list[Cell]:
    """Return the cells that the harness runs."""
    return [cell for cell in cells() if fate(cell).kind == "run"]
