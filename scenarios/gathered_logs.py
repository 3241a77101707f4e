"""What all shards log of an arm, on its way to the log of the run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from recsim_llm.core.arrays import IntArray
from recsim_llm.core.protocols import UserModel
from recsim_llm.log.schema import Part
from recsim_llm.log.segments import SegmentWriter
from recsim_llm.log.talk_writer import TalkLog
from recsim_llm.log.writer import RunLog
from recsim_llm.recommenders.hooks import TellsTools
from recsim_llm.scenarios.arm_logs import open_arm_log, open_talk_log
from recsim_llm.scenarios.building import Stage
from recsim_llm.scenarios.shipped_log import LoggedTurn, ToolRelay, write_turn
from recsim_llm.scenarios.shipped_talk import LoggedTalk

__all__ = ["GatheredLog", "open_gathered_log"]


class GatheredLog(Protocol):
    """Takes what shards log, each in its own time."""

    def take(self, number: int, logged: Sequence[Any]) -> bool:
        """Take in what a shard has logged since the last time; tell whether it got further than it ever was."""

    def begin_again(self, number: int) -> None:
        """Note that a shard begins the arm again, and logs once more what it has logged."""

    def waits(self, number: int) -> bool:
        """Tell whether a shard is ahead of others, and need not go on now."""

    def write(self, done: Sequence[bool]) -> None:
        """Write what every shard has logged its part of; ``done`` says by shard which of them log nothing more."""

    def keep_unfinished(self) -> None:
        """Write what is there of an arm that is broken off, to be read until the run goes on."""

    def close(self) -> None:
        """Write the rest and mark the arm as finished."""


def open_gathered_log(built: Stage, segments: SegmentWriter, place: int, shards: int) -> GatheredLog:
    """Return what takes the logs of all shards of an arm that is about to be served.

    Args:
        built: the scenario.
        segments: of the run folder.
        place: position of the arm in the scenario.
        shards: how many there are.
    """
    tells = isinstance(built.recommenders[built.scenario.recommenders[place].name](), TellsTools)
    if built.scenario.conversation is not None:
        return _GatheredTalk(open_talk_log(built, segments, place), shards, tells)
    return _GatheredPages(open_arm_log(built, segments, place), shards, tells, built.world.users)


class _GatheredPages:
    """Puts the turns of all shards in order, and writes each once it is whole; as ``GatheredLog``.

    A shard that begins again logs the same turns, and those that it has logged before are dropped.

    Args:
        log: of the run.
        shards: how many there are.
        tells: whether agents are at work.
        users: the user model of the run.
    """

    def __init__(self, log: RunLog, shards: int, tells: bool, users: UserModel) -> None:
        self._log, self._users, self._tools = log, users, ToolRelay()
        if tells:
            log.follow(self._tools)
        self._waiting = [deque[LoggedTurn]() for _ in range(shards)]
        self._taken, self._drop = [0] * shards, [0] * shards

    def take(self, number: int, logged: Sequence[LoggedTurn]) -> bool:
        new = logged[self._drop[number] :]
        self._drop[number] = max(self._drop[number] - len(logged), 0)
        self._taken[number] += len(new)
        self._waiting[number].extend(new)
        return bool(new)

    def begin_again(self, number: int) -> None:
        self._drop[number] = self._taken[number]

    def waits(self, number: int) -> bool:
        return bool(self._waiting[number])

    def write(self, done: Sequence[bool]) -> None:
        while True:
            # A shard that is not done and has nothing here may still come with an earlier turn.
            if any(not over and not turns for over, turns in zip(done, self._waiting, strict=True)):
                return
            heads = [turns[0].number for turns in self._waiting if turns]
            if not heads:
                return
            first = min(heads)
            turns = [turns.popleft() for turns in self._waiting if turns and turns[0].number == first]
            write_turn(self._log, turns, self._users, self._tools)
            self._log.turn()

    def keep_unfinished(self) -> None:
        self._log.keep_unfinished()

    def close(self) -> None:
        self._log.close()


class _GatheredTalk:
    """Keeps what all shards log of conversations until the arm is over, when it is put in order; as ``GatheredLog``.

    A shard that begins again may log in another order what models answer in another order, so that what it has logged before
    is forgotten.

    Args:
        log: of the run.
        shards: how many there are.
        tells: whether agents are at work.
    """

    def __init__(self, log: TalkLog, shards: int, tells: bool) -> None:
        self._log, self._tells = log, tells
        self._parts: list[list[LoggedTalk]] = [[] for _ in range(shards)]
        self._most = [0] * shards

    def take(self, number: int, logged: Sequence[LoggedTalk]) -> bool:
        self._parts[number].extend(logged)
        further = len(self._parts[number]) > self._most[number]
        self._most[number] = max(self._most[number], len(self._parts[number]))
        return further

    def begin_again(self, number: int) -> None:
        self._parts[number] = []

    def waits(self, number: int) -> bool:
        del number
        return False

    def write(self, done: Sequence[bool]) -> None:
        del done

    def keep_unfinished(self) -> None:
        self._hand_over()
        self._log.keep_unfinished()

    def close(self) -> None:
        self._hand_over()
        self._log.close()

    def _hand_over(self) -> None:
        everything = [one for parts in self._parts for one in parts]
        take = {"acts": self._log.acts, "page": self._log.page, "over": self._log.over}
        for one in everything:
            take[one.kind](one.part)
        if self._tells:
            self._log.follow(_Done([one.tool_calls for one in everything if one.tool_calls is not None]))


class _Done:
    """What agents of all shards did; as ``ToolCalls``."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = list(parts)

    def __call__(self, user_id: IntArray, visit: IntArray, page: IntArray) -> Part:
        """Return what was done for some pages, in their order."""
        whole = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        place = {key: number for number, key in enumerate(zip(user_id.tolist(), visit.tolist(), page.tolist(), strict=True))}
        keys = zip(*(whole[name].tolist() for name in ("user_id", "visit", "page")), strict=True)
        order = np.argsort([place[key] for key in keys], kind="stable")
        return {name: column[order] for name, column in whole.items()}
