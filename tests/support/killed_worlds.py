"""A world in which everything happens, killed at many instants and gone on with; a script, so that its children can be forked.

``python killed_worlds.py FOLDER INSTANTS`` leaves the run that nobody killed in ``FOLDER/whole`` and in ``FOLDER/kills.jsonl``
a line for each instant: where it was, how the child ended, and what differs in the run that was gone on with.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path

from living import EVERYTHING, living

from recsim_llm.log import segments
from recsim_llm.scenarios import arm_logs, building, clock_session, gossip, resume, run, runner

REFUSE, LIKE = {"log_odds": -3.0}, {"log_odds": 0.0}
ACTIONS = {
    "search": {"share": 0.2},
    "dislike": REFUSE,
    "less_like_this": REFUSE,
    "save": LIKE,
    "share": LIKE,
    "purchase": LIKE,
    "back": {"share": 0.2},
}
RARER = (
    ("friends are told", gossip.Gossip, "exchange"),
    ("providers decide", clock_session.ClockSession, "_judge_exposure"),
    ("a fit", runner.Retrained, "_keep_up"),
    ("a file of a segment", segments, "write_atomically"),
)
"""Where a run is killed besides at pages: what is about to happen, and whose function does it."""


def full_world():
    """Return a scenario in which nothing is off."""
    return living(
        interventions=EVERYTHING,
        intents="usual",
        actions=ACTIONS,
        social={"strength": 1.0, "friends": {"degree": 6, "clustering": 0.2}, "chats": {"share": 0.3}},
        providers={"window_days": 2, "patience_days": 1, "grace_days": 2, "least_share": 0.6},
        measure={"series": {"told": {"metric": "events_per_user", "event": "friend_click"}}},
        recommenders=[
            {"name": "bandit", "recommender": "epsilon-greedy"},
            {"name": "retrained", "recommender": "mf", "retrain": "visit", "settings": {"factors": 8, "iterations": 2}},
        ],
    )


def play(folder, seen, dies):
    """Run the world; count what happens in ``seen``, and die where ``dies`` says, before it happens."""

    def pass_by(what):
        if (what, seen[what]) == dies:
            os.kill(os.getpid(), signal.SIGKILL)
        seen[what] += 1

    def watched(what, function):
        def call(*given, **named):
            pass_by(what)
            return function(*given, **named)

        return call

    for what, owner, name in RARER:
        setattr(owner, name, watched(what, getattr(owner, name)))
    run(full_world(), folder, lambda _: pass_by("a page"))


def in_a_child(act):
    """Do something in a forked child; return the status with which it ended, negative for a signal."""
    child = os.fork()
    if not child:
        status = 1
        try:
            act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def instants(seen, count):
    """Spread instants over what happened: pages, and each of the rarer things twice."""
    rare = [(what, seen[what] * part // 3) for what, _, _ in RARER for part in (1, 2)]
    pages = count - len(rare)
    return rare + [("a page", seen["a page"] * (2 * part + 1) // (2 * pages)) for part in range(pages)]


def content(folder):
    """Return what a run folder holds but for times of the clock on the wall."""
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names}


def main(folder, count):
    arm_logs.SEGMENT_ROWS = 600
    known = building.load_dataset(full_world())
    building.load_dataset = lambda _: known  # as every child would make it anew
    told = folder / "seen.json"

    def count_all():
        seen = Counter()
        play(folder / "whole", seen, None)
        told.write_text(json.dumps(seen))

    if in_a_child(count_all):
        sys.exit("the run that nobody killed failed")
    expected = content(folder / "whole")
    for dies in instants(json.loads(told.read_text()), count):
        killed = folder / "killed"
        status = in_a_child(lambda dies=dies, killed=killed: play(killed, Counter(), dies))
        index = killed / "segments.jsonl"
        kept = len(index.read_bytes().splitlines()) if index.exists() else 0
        resumed = in_a_child(lambda killed=killed: resume(killed))
        found = content(killed)
        differs = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        line = {"before": dies[0], "number": dies[1], "status": status, "kept": kept, "resumed": resumed, "differs": differs}
        with (folder / "kills.jsonl").open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        shutil.rmtree(killed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
