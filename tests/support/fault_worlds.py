"""The smallest things that every verb can be tried on, and what must come out of each: bytes by name."""

import json
import os
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

ADDRESS = "http://127.0.0.1:{port}/v1"
MODEL = "openai-compatible/chaos"
WORLD = ("--n-users", "4", "--pages", "3", "--slate-size", "3", "--seed", "5")
BLOCKS = ("--until-decided", "--block", "2", "--pages", "2")
SEGMENT_ROWS = 12
"""Four users with three slots each: a page of everyone is a segment."""
TRAINING = {
    "users.count": 20,
    "train.algorithm": "counting_learner:Counting",
    "train.steps": 24,
    "train.rows": 4,
    "train.evaluate_every": 12,
    "train.evaluation_users": 3,
}
FROM_FOLDER = ("resume", "speak", "export", "report")
"""Verbs of a run that is there."""


class Worlds:
    """Commands by verb and users.

    Args:
        root: folder of everything.
        port: where the model's server is.
    """

    def __init__(self, root: Path, port: int):
        self.root, self.port = root, port
        self.data = root / "data" / "table"

    def whole(self, verb, users):
        """Return where what nobody disturbed stands."""
        return self.root / "whole" / f"{verb}-{users}"

    def stopped(self, verb, users):
        """Return where what was stopped on its way stands."""
        return self.root / "stopped" / f"{verb}-{users}"

    def asks(self, verb, users):
        """Tell whether a server must be there."""
        return users in ("language", "cascade") or verb in ("speak", "calibrate")

    def command(self, verb, users, out, place="one process"):
        """Return the words of a command that begins anew, or does something with a run in ``out``."""
        return [str(word) for word in getattr(self, "_" + verb.replace("-", "_"))(users, out)] + self._where(verb, place)

    def again(self, verb, users, out, place="one process"):
        """Return the words of a command that goes on with what is in ``out``."""
        if verb in ("run", "train"):
            return ["resume", str(out), "--quiet"]
        if verb in ("compare", "until-decided"):
            return ["compare", str(out), "--quiet", *self._where(verb, place)]
        return self.command(verb, users, out, place)

    def _where(self, verb, place):
        sharded = place != "one process"
        return (
            ["--backend", place, "--shards", "2"] if sharded and verb in ("run", "resume", "compare", "until-decided") else []
        )

    def _model(self, name=MODEL):
        return ["--model", name, "--base-url", ADDRESS.format(port=self.port)]

    def _asked(self, role="user"):
        return ["--set", f"models.{role}.realisation=json", "--set", f"models.{role}.transport=aiohttp"]

    def _people(self, users):
        words = ["--users", users]
        if users in ("language", "cascade"):
            words += [*self._model(), *self._asked()]
        if users == "replay":
            words += ["--set", f"users.parameters.run={self.whole('run', 'choice')}", "--set", "users.parameters.arm=first"]
        return words

    def _scenario(self, users):
        # Replay users know the pages of one recommender alone, so that both arms are it.
        second = "random" if users == "replay" else "linucb"
        arms = json.dumps([{"name": "first", "recommender": "random"}, {"name": "second", "recommender": second}])
        return ["demo", "--data", self.data, *WORLD, *self._people(users), "--set", f"recommenders={arms}", "--quiet"]

    def _run(self, users, out):
        return ["run", *self._scenario(users), "--out", out]

    def _resume(self, users, out):
        return ["resume", out, "--quiet"]

    def _compare(self, users, out):
        return ["compare", *self._scenario(users), "--out", out]

    def _until_decided(self, users, out):
        return ["compare", *self._scenario(users), *BLOCKS, "--out", out]

    def _train(self, users, out):
        given = [word for name, value in TRAINING.items() for word in ("--set", f"{name}={json.dumps(value)}")]
        world = ["--data", self.data, "--slate-size", "3", "--pages", "2", "--seed", "5"]
        return ["train", "demo", *world, *self._people(users), *given, "--out", out, "--quiet"]

    def _speak(self, users, out):
        return ["speak", out, "--reviews", "2", "--reasons", "2", "--interviews", "1", *self._model(), "--quiet"]

    def _export(self, users, out):
        return ["export", out.parent / "run", "movielens", out, "--quiet"]

    def _report(self, users, out):
        return ["report", out, "--quiet"]

    def _calibrate(self, users, out):
        return [
            "calibrate",
            self.data,
            out / "calibration.json",
            *self._model(),
            *self._asked(),
            "--n-users",
            "4",
            *self._quietly(),
        ]

    def _fit(self, users, out):
        return ["fit", self.data, out, "--quiet"]

    def _realism(self, users, out):
        asked = [*self._model(), *self._asked()] if users != "choice" else []
        sizes = ["--n-users", "4", "--seeds", "1"]
        return ["realism", "--data", self.data, "--users", users, *asked, *sizes, *self._quietly(), "--out", out]

    def _quietly(self):
        return ["--seed", "5", "--quiet"]


def content(verb, out):
    """Return what a verb is for, as bytes by name; clock times, reports of figures and calls apart."""
    patterns = {
        "train": ("manifest.json", "progress.json", "evaluation.parquet", "policy/**/*", "evaluation/*/*.parquet"),
        "speak": ("segments.jsonl", "*/*.parquet", "texts.parquet", "interviews.parquet"),
        "export": ("**/*",),
        "report": ("segments.jsonl", "*/*.parquet", "report.html", "metrics.json"),
        "calibrate": ("calibration.json",),
        "fit": ("*",),
        "realism": ("realism.json",),
    }.get(verb, ("manifest.json", "segments.jsonl", "*/*.parquet", "comparison.json", "blocks/*/*/*.parquet"))
    found = {path for pattern in patterns for path in out.glob(pattern) if path.is_file() and "figures" not in path.parts}
    return {str(path.relative_to(out)): _plain(path) for path in sorted(found)}


def _plain(path):
    """Return a file's bytes without what the clock on the wall says."""
    if path.name == "realism.json":
        card = json.loads(path.read_text())
        del card["further"]  # what it took
        card["lines"] = [line for line in card["lines"] if line["number"] != 10]
        return json.dumps(card).encode()
    return path.read_bytes()


def everything(out):
    """Return all files below a folder, as bytes by name, but for locks."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def half_written(place):
    """Return the files that should not have stayed."""
    return sorted(str(path) for path in place.rglob("*") if ".part" in path.name or path.name in (".lock", ".report.lock"))


def paid_twice(out):
    """Return whether any answer in the calls files of a folder was paid for again."""
    query = "SELECT 1 FROM calls WHERE cache_hit = 0 AND status = 'answered' GROUP BY key HAVING count(*) > 1"
    for path in out.rglob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            if connection.execute(query).fetchone():
                return True
    return False


def remedy(said):
    """Return the command that a line names as the way on; None where it names none."""
    named = re.findall(r"`recsim-llm ((?:resume|report|compare) [^`]+)`", said)
    return shlex.split(named[-1]) if named else None


def settled(out):
    """Make a folder's times those of tomorrow, as after a clock that was set back."""
    for path in out.rglob("*"):
        stat = path.stat()
        os.utime(path, (stat.st_atime + 86_400, stat.st_mtime + 86_400))
