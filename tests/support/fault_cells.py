"""Runs the cells of the matrix of faults; a script, so that each command can be a forked child of one process.

``python fault_cells.py FOLDER RESULTS [WORD ...]`` writes a line of JSON for each cell, only of those that have every word:
what became of it, and what the command said. What is wrong with it, by the law that a fault ends in the same bytes or in one
line that says what happened and what to do, is in ``wrong``, which should be empty.
"""

import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import sys
import time
import traceback
from collections import defaultdict
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

import fault_matrix
from fault_worlds import SEGMENT_ROWS, Worlds, content, everything, half_written, paid_twice, remedy, settled
from small_disks import ABLE, SmallDisk
from small_tables import SmallTable, write_small_table

from recsim_llm import report
from recsim_llm.cli.main import main
from recsim_llm.core.files import write_atomically
from recsim_llm.language.backends import aiohttp_backend, openai_backend  # noqa: F401 (loaded once, for all children)
from recsim_llm.language.calls import calls_file, sending, store
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.log import locks
from recsim_llm.log.folders import is_run
from recsim_llm.report import page as report_page
from recsim_llm.report import realism_page
from recsim_llm.scenarios import arm_logs, building, load_scenario, runner, sharded_arms
from recsim_llm.training import trainer

LONGEST = 120
DAY = 86_400
STORM = Faults.storm(0.4, hang_seconds=0.05)
INSTANTS = {"kill": 2}
"""At how many instants a fault strikes, where it is more than one."""
EARLY = {"network": 0.25, "full": 0.25}
"""The first part of the instants, in which a fault must strike so that something is still to be asked, or to be written."""


class Instants:
    """Counts what happens, and lets something happen before one of it."""

    def __init__(self, at=None, act=None):
        self.seen, self._at, self._act = 0, at, act

    def pass_by(self):
        self.seen += 1
        if self.seen == self._at:
            self._act()

    def watch(self):
        """Count files that are flushed or renamed, calls that are kept, and pages that are told of."""
        for owner, name in (
            (os, "fsync"),
            (os, "replace"),
            (Path, "replace"),
            (Path, "mkdir"),
            (store.CallStore, "put"),
            (runner, "Progress"),
            (sharded_arms, "Progress"),
            (trainer, "TrainingProgress"),
        ):
            setattr(owner, name, self._counting(getattr(owner, name)))

    def _counting(self, function):
        def call(*given, **named):
            self.pass_by()
            return function(*given, **named)

        return call


class Clock:
    """The clock on the wall, which can be set back."""

    def __init__(self):
        self.back = 0.0

    def install(self):
        known, clock = time.time, self

        class Shifted(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(known() - clock.back, tz)

        time.time = lambda: known() - self.back
        for module in (locks, sending):
            module.datetime = Shifted

    def set_back(self):
        self.back = DAY


def in_a_child(act, said):
    """Do something in a forked child; return the status with which it ended, negative for a signal, and what it said."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(LONGEST)
            for number, place in ((1, os.devnull), (2, said)):
                os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
            status = act()
        except BaseException:
            traceback.print_exc()
            status = 99
        finally:
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, Path(said).read_text()


def prepare():
    """Make what would only take time short, in this process."""
    arm_logs.SEGMENT_ROWS = SEGMENT_ROWS
    RetryPolicy.delay = lambda *_: 0.001
    locks._PAUSE = 0.0
    for drawn in ("_draw_figures", "_draw_users", "_draw_in_time"):
        setattr(report_page, drawn, lambda *_: defaultdict(str))
    report_page._draw_comparison = lambda *_: {}
    realism_page.CARD_FIGURES = ()
    connect = sqlite3.connect
    calls_file.sqlite3.connect = lambda *given, **named: connect(*given, **{"timeout": 0.05} | named)


def write_nothing(run, **_):
    """Stand for a report, which has a column of its own."""
    write_atomically(run / "metrics.json", b"{}\n")
    return run


def die(number):
    """Return what ends this process by a signal."""
    return lambda: os.kill(os.getpid(), number)


def refuse_workers(_):
    raise AssertionError("workers were started")


class Harness:
    """Everything that cells need, made once; ``run`` runs one."""

    def __init__(self, root: Path):
        self.root = root
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.worlds = Worlds(root, free.getsockname()[1])
        write_small_table(root / "data" / "table", SmallTable(30, 60, genres=("Drama", "War", "Comedy")))
        for name in ("whole", "stopped"):
            (root / name).mkdir()
        self.said = root / "said.txt"
        self.counts: dict[tuple, int] = {}
        # Fits and what a server can do are kept from here on, so that the same happens each time.
        self.warm = self.root / "warm"
        self.play(self.worlds.command("run", "cascade", self.warm), asks=True)
        self.disk = self._mounted()

    def _mounted(self):
        if not ABLE:
            return None
        try:
            return SmallDisk(self.root / "disk", megabytes=8)
        except OSError:
            return None

    def play(self, words, asks, *, at=None, act=None, faults=None, counts=None, clock=None, crew=None):
        """Give a command in a child; return its status and what it said."""

        def body():
            prepare()
            if words[0] not in ("report", "speak"):
                report.write_report = write_nothing
            server = ChaosServer(seed=1, port=self.worlds.port, faults=faults) if asks else nullcontext()
            crews = []
            with server:
                instants = Instants(at, lambda: act(server, crews))
                if clock is not None:
                    clock.install()
                if crew is not None:
                    sharded_arms.open_crew = crew
                else:
                    opened = sharded_arms.open_crew
                    sharded_arms.open_crew = lambda sharding: crews.append(opened(sharding)) or crews[-1]
                instants.watch()
                status = main(words)
                sys.stdout.flush()
            if counts is not None:
                counts.write_text(json.dumps([instants.seen, [name for name in sys.modules if name.startswith("recsim_llm.")]]))
            return status

        return in_a_child(body, self.said)

    def whole(self, verb, users, place="one process"):
        """Return the folder of what nobody disturbed, and how many instants there were."""
        out = self.worlds.whole(verb, users)
        key = (verb, users, place)
        if key not in self.counts:
            target = out if not out.exists() else self.root / "counted" / "-".join(key).replace(" ", "-")
            told = self.root / "told.json"
            if verb == "calibrate":
                # Once before, so that the fits that it keeps for the next time are there.
                self._before(verb, users, self.root / "warm-calibrate")
                self.play(self.worlds.command(verb, users, self.root / "warm-calibrate"), asks=True)
            self._before(verb, users, target)
            words = self.worlds.command(verb, users, target, place)
            status, said = self.play(words, self.worlds.asks(verb, users), counts=told)
            if status:
                raise RuntimeError(f"{' '.join(words)}: ended with {status}: {said}")
            self.counts[key], modules = json.loads(told.read_text())
            for name in modules:  # here once, rather than in every child
                importlib.import_module(name)
        return out, self.counts[key]

    def stopped(self, verb, users):
        """Return the folder of what was killed on its way."""
        out = self.worlds.stopped(verb, users)
        if not out.exists():
            begun = "run" if verb == "resume" else verb
            _, seen = self.whole(begun, users)
            self._before(begun, users, out)
            at = max(seen * 2 // 3, 1)
            status, said = self.play(
                self.worlds.command(begun, users, out),
                self.worlds.asks(begun, users),
                at=at,
                act=lambda *_: die(signal.SIGKILL)(),
            )
            if status != -signal.SIGKILL:
                raise RuntimeError(f"{verb} of {users}: was not killed, ended with {status}: {said}")
        return out

    def _before(self, verb, users, out):
        """Make what a verb begins with."""
        out.parent.mkdir(parents=True, exist_ok=True)
        if verb in ("speak", "report"):
            shutil.copytree(self.whole("run", users)[0], out)
        elif verb == "resume":
            shutil.copytree(self.stopped("run", users), out)
        elif verb == "export":
            shutil.rmtree(out.parent / "run", ignore_errors=True)
            shutil.copytree(self.whole("run", users)[0], out.parent / "run")
        elif verb == "calibrate":
            out.mkdir()

    def run(self, cell):
        """Run a cell, at every instant; return what became of it."""
        if cell.fault in ("full", "read-only") and self.disk is None:
            return {"cell": list(cell), "outcome": "not run", "line": "", "wrong": []}
        if cell.users == "replay":
            self.whole("run", "choice")
        # What is found before any worker begins needs no workers to be counted with.
        place = "one process" if fault_matrix.before_workers(cell) else cell.place
        whole, seen = self.whole(cell.verb, cell.users, place)
        expected = content(cell.verb, whole)
        found = [Trial(self, cell, expected, at).run() for at in self._at(cell, seen)]
        outcomes = sorted({one["outcome"] for one in found}, key="refused unharmed goes".index)
        lines = [one["line"] for one in found if one["line"]]
        return {
            "cell": list(cell),
            "outcome": outcomes[-1],
            "line": lines[0] if lines else "",
            "wrong": [f"instant {one['at']} of {seen}: {what}" for one in found for what in one["wrong"]],
        }

    def _at(self, cell, seen):
        """Return the numbers of the instants at which a fault strikes: a function of the cell."""
        last = max(int(seen * EARLY.get(cell.fault, 1)), 1)
        count = min(INSTANTS.get(cell.fault, 1), last) if cell.place != "processes" else 1
        word = int.from_bytes(hashlib.sha256(str(cell).encode()).digest()[:4], "big")
        # One in each part, so that they are not all at the beginning.
        return [1 + (last * part + word % last) // count for part in range(count)]


class Trial:
    """One fault at one instant."""

    def __init__(self, harness, cell, expected, at):
        self.harness, self.cell, self.expected, self.at = harness, cell, expected, at
        self.worlds = harness.worlds
        self.asks = self.worlds.asks(cell.verb, cell.users)
        on_disk = cell.fault in ("full", "read-only")
        self.place = (harness.disk.place if on_disk else harness.root / "work") / "cell"
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        self.out = self.place / "out"
        self.there = cell.fault in (*fault_matrix.SEGMENTS, *fault_matrix.CALLS, "manifest")
        self.wrong = []

    def run(self):
        """Return what became of it."""
        self._begin()
        words = self._words()
        before = everything(self.place) if self.cell.fault in ("read-only", "locked") or self.there or self._is_held() else None
        self.torn = half_written(self.place)
        with self._fault() as given:
            before = everything(self.place) if self.there else before
            status, said = self.harness.play(words, self.asks, at=self.at, **given)
            after = everything(self.place) if before is not None else None
            self._check(status, said, killed=self.cell.fault == "kill")
            if before is not None and status:
                changed = [name for name in {*before, *after} if self._counts(name) and before.get(name) != after.get(name)]
                self.wrong += [f"changed what it refused: {name}" for name in sorted(changed)]
        outcome = self._outcome(status, said)
        line = "" if status in (0, -9) else self._plain(said)
        shutil.rmtree(self.place, ignore_errors=True)
        return {"outcome": outcome, "line": line, "at": self.at, "wrong": self.wrong}

    def _is_held(self):
        """Tell whether another process holds what is there, and does not just make it."""
        return self.cell.fault == "twice" and self.cell.verb != "export"

    def _counts(self, name):
        # Whoever opens a calls file takes in what a kill left beside it.
        return ".lock" not in name and "calls.sqlite" not in name and "filler" not in name

    def _begin(self):
        cell = self.cell
        if self.there and cell.verb in ("compare", "until-decided", "train", "realism", "calibrate"):
            shutil.copytree(self.harness.stopped(cell.verb, cell.users), self.out)
        elif cell.fault in fault_matrix.CALLS and cell.verb == "speak":
            shutil.copytree(self.harness.stopped("speak", cell.users), self.out)
        else:
            self.harness._before(cell.verb, cell.users, self.out)

    def _words(self):
        cell, worlds = self.cell, self.worlds
        if self.there and cell.verb in ("compare", "until-decided", "train"):
            return worlds.again(cell.verb, cell.users, self.out, cell.place)
        return worlds.command(cell.verb, cell.users, self.out, cell.place)

    @contextmanager
    def _fault(self):
        """Bring the fault about; yield what ``play`` needs to know of it."""
        cell, harness = self.cell, self.harness
        given = {"act": lambda *_: None}
        early = cell.place != "one process" and fault_matrix.before_workers(cell)
        if early:
            given["crew"] = refuse_workers
        with ExitStack() as ending:
            if cell.fault in ("kill", "term", "interrupt"):
                number = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}[cell.fault]
                given["act"] = lambda *_: die(number)()
            elif cell.fault == "full":
                given["act"] = lambda *_: harness.disk.leave(0)
                ending.callback(harness.disk.leave, None)
            elif cell.fault == "read-only":
                harness.disk.allow_writing(allowed=False)
                ending.callback(lambda: harness.disk.allow_writing(allowed=True))
            elif cell.fault == "network":
                given["act"] = lambda server, _: server.close()
            elif cell.fault == "storm":
                given["faults"] = STORM
            elif cell.fault == "clock":
                given["clock"] = clock = Clock()
                given["act"] = lambda *_: clock.set_back()
                settled(self.place)
            elif cell.fault == "worker":
                given["act"] = lambda _, crews: crews and os.kill(crews[-1].process_ids[1], signal.SIGKILL)
            elif cell.fault == "twice":
                ending.enter_context(self._another(given))
            else:
                ending.enter_context(self._damaged())
            yield given

    @contextmanager
    def _another(self, given):
        """Let another process write the folder."""
        cell = self.cell
        if cell.verb == "export":
            # Nobody holds a folder that is not there yet: who comes second finds one.
            given["act"] = lambda *_: shutil.copytree(self.worlds.whole("export", cell.users), self.out)
            yield
            shutil.rmtree(self.out)
            return
        out = self.out / "calibration.json" if cell.verb == "calibrate" else self.out
        taking = {"calibrate": locks.lock_file, "report": lambda out, _: locks.lock_report(out)}
        with taking.get(cell.verb, locks.lock_folder)(out, "folder"):
            yield

    @contextmanager
    def _damaged(self):
        """Damage a file; it is as it was afterwards, or gone, where that is what is said."""
        path = self._file()
        known = {one: one.read_bytes() for one in path.parent.iterdir() if one.name.startswith(path.name)}
        if self.cell.fault == "locked":
            holder = sqlite3.connect(path, isolation_level=None)
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("BEGIN EXCLUSIVE")
            holder.execute("CREATE TABLE other (x)")
            yield
            holder.execute("ROLLBACK")
            holder.close()
            return
        content = path.read_bytes()
        if self.cell.fault == "truncated" or self.cell.fault == "manifest":
            path.write_bytes(content[: len(content) // 2])
        elif self.cell.fault == "flipped":
            middle = len(content) // 2
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        elif self.cell.fault == "deleted":
            path.unlink()
        elif self.cell.fault == "calls":
            for one in known:
                one.unlink()
            path.write_bytes(b"no calls" * 1000)
        yield
        if self.cell.fault == "calls" and self.cell.verb != "report":
            path.unlink()
            return
        for one, old in known.items():
            one.write_bytes(old)

    def _file(self):
        """Return the file that is damaged."""
        cell = self.cell
        folder = self.place / "run" if cell.verb == "export" else self.out
        if cell.fault in fault_matrix.CALLS:
            # Of a training its own, which lies higher than that of its evaluation; of blocks that of the last one.
            found = sorted(folder.rglob("*calls.sqlite"), key=lambda path: (len(path.parts), str(path)))
            return found[0] if cell.verb == "train" else found[-1]
        if cell.verb == "until-decided":
            folder = folder / "blocks" / "000"
        if cell.fault == "manifest":
            return folder / "manifest.json"
        lines = [json.loads(line) for line in (folder / "segments.jsonl").read_text().splitlines()]
        line = {"truncated": lines[-1], "flipped": lines[len(lines) // 2], "deleted": lines[0]}[cell.fault]
        return folder / sorted(line["sha256"])[0]

    def _check(self, status, said, *, killed):
        """Hold an ending against the law."""
        if killed:
            if status != -signal.SIGKILL:
                self.wrong.append(f"was not killed, ended with {status}: {said}")
            return
        if status not in (0, 1, 2, 130, 143):
            self.wrong.append(f"ended with {status}: {said}")
            return
        held = ".lock" if self.cell.fault == "twice" else None
        if torn := [path for path in half_written(self.place) if path not in self.torn and not (held and path.endswith(held))]:
            self.wrong.append(f"left half-written: {torn}")
        if not status:
            if self.cell.fault in ("term", "interrupt"):
                self.wrong.append("was not stopped")
            return
        if said.count("\n") != 1 or not said.startswith("recsim-llm: "):
            self.wrong.append(f"said more or less than a line: {said}")
        elif self.there and self.cell.fault != "locked" and "go on with" in said:
            self.wrong.append(f"named a way on that there is none before it is mended: {said}")
        elif not ((" got " in said and " expected " in said) or "stopped by " in said) or ";" not in said:
            self.wrong.append(f"said neither what happened nor what to do: {said}")

    def _outcome(self, status, said):
        """Go on as the line says, or after a kill as the documents do; return what came of it."""
        cell = self.cell
        if not status and content(cell.verb, self.out) == self.expected:
            return "unharmed"
        if not status:
            self._compare()
            return "unharmed"
        if fault_matrix.before_workers(cell) and cell.place != "one process":
            return "refused"  # that it goes on once it is mended is seen in one process
        if "shows it" in said:
            ended, told = self.harness.play(["report", str(self.out), "--quiet"], asks=False)
            if ended:
                self.wrong.append(f"cannot be reported: {told}")
        ended, told = self.harness.play(self._way_on(said), self.asks)
        if ended:
            self.wrong.append(f"does not go on, ended with {ended}: {told}")
        else:
            self._compare()
        refused = fault_matrix.before_workers(cell)
        return "refused" if refused else "goes"

    def _way_on(self, said):
        cell, worlds = self.cell, self.worlds
        named = remedy(said)
        if named is not None and named[0] != "report":
            return [*named, "--quiet"]
        if cell.fault == "kill" and is_run(self.out):
            return worlds.again(cell.verb, cell.users, self.out)
        if self.there and cell.verb in ("compare", "until-decided", "train"):
            return worlds.again(cell.verb, cell.users, self.out)
        return worlds.command(cell.verb, cell.users, self.out)

    def _compare(self):
        """Hold what came out against what nobody disturbed."""
        found = content(self.cell.verb, self.out)
        differs = sorted(name for name in {*found, *self.expected} if found.get(name) != self.expected.get(name))
        if differs:
            self.wrong.append(f"came out differently: {', '.join(differs[:5])}")
        if self.cell.fault not in ("calls", "locked") and paid_twice(self.out):
            self.wrong.append("paid twice")

    def _plain(self, said):
        """Return a line without what differs between machines."""
        for path, name in ((self.out, "FOLDER"), (self.place, "FOLDER"), (self.harness.root, "FOLDER")):
            said = said.replace(str(path), name)
        said = re.sub(r"process \d+ since [\d :-]+", "process N since TIME", said.strip().removeprefix("recsim-llm: "))
        said = said.replace(f"127.0.0.1:{self.worlds.port}", "ADDRESS").replace(str(self.worlds.port), "PORT")
        return re.sub(r"\b[0-9a-f]{64}\b", "CHECKSUM", said)


def main_of_cells(root, results, *words):
    """Run the cells whose names have all the words."""
    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    known = {}
    load = building.load_dataset

    def kept(scenario):
        if scenario.data not in known:
            known[scenario.data] = load(scenario)
        return known[scenario.data]

    harness = Harness(root)
    kept(load_scenario("demo", {"data": str(harness.worlds.data)}))
    building.load_dataset = kept  # as every child would make it anew
    try:
        with results.open("w") as lines:
            for cell in fault_matrix.to_run():
                if all(word in cell for word in words):
                    lines.write(json.dumps(harness.run(cell)) + "\n")
                    lines.flush()
    finally:
        if harness.disk is not None:
            harness.disk.unmount()


if __name__ == "__main__":
    main_of_cells(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
