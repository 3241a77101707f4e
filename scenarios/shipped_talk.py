"""What a shard logs of its conversations, on its way to the log of the run."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from recsim_llm.log.schema import Part
from recsim_llm.log.writer import ToolCalls

__all__ = ["LoggedTalk", "ShippedTalk"]


class LoggedTalk(NamedTuple):
    """Something that a shard logs, as ``TalkLog`` takes it."""

    kind: Literal["acts", "page", "over"]
    """Name of the method that takes it."""
    part: Part
    """The rows, ordered among those of all shards."""
    tool_calls: Part | None = None
    """What agents did for a page; None where no agent is at work, or where it is no page."""


class ShippedTalk:
    """The ``DialogueLog`` of a shard: collects what is logged until it is taken.

    Args:
        first: the shard's user index 0 in the population of the run.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._tools: ToolCalls | None = None
        self._logged: list[LoggedTalk] = []

    def follow(self, tools: ToolCalls) -> None:
        """Log what an agent does for each of its turns."""
        self._tools = tools

    def acts(self, part: Part) -> None:
        """Take in acts of either side, as ``TalkLog.acts``."""
        # Two rows of an order for each user: one of either side.
        self._logged.append(LoggedTalk("acts", self._ordered(part, 2)))

    def page(self, part: Part) -> None:
        """Take in a turn of policies as a page, as ``TalkLog.page``."""
        calls = None if self._tools is None else dict(self._tools(part["user_id"], part["visit"], part["page"]))
        self._logged.append(LoggedTalk("page", self._ordered(part, 1), calls))

    def over(self, dialogues: Part) -> None:
        """Take in dialogues that are over, as ``TalkLog.over``."""
        self._logged.append(LoggedTalk("over", self._ordered(dialogues, 1)))

    def keep_unfinished(self) -> None:
        """Do nothing: the log of the run keeps what it was told."""

    def take(self) -> list[LoggedTalk]:
        """Return what was collected since the last time."""
        logged, self._logged = self._logged, []
        return logged

    def finish(self) -> list[LoggedTalk]:
        """Return what is left once all is over."""
        return self.take()

    def _ordered(self, part: Part, rows: int) -> Part:
        return part | {"order": part["order"] + np.array([0, rows * self._first])}
