"""What a shard logs of its users, on its way to the log of the run, and how the parts of all shards are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray, IntArray
from recsim_llm.core.batches import join_feedback, stack_columns
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import PageWords, Slates
from recsim_llm.core.protocols import UserModel
from recsim_llm.log.schema import Part
from recsim_llm.log.writer import RunLog, ToolCalls

__all__ = ["LoggedPage", "LoggedTurn", "ShippedLog", "ToolRelay", "write_turn"]


class LoggedPage(NamedTuple):
    """A page of a shard's users, as ``RunLog.page`` takes it."""

    feedback: Feedback
    """Without the user model."""
    slates: Slates | None
    """What the recommender answered."""
    reward: DoubleArray
    """float64 [u]."""
    invalid: IntArray
    """int64 [u]: blanked slots."""
    out_of_pages: BoolArray
    """bool [u]: the page budget is used up."""
    friend_id: IntArray | None
    """int64 [u, k]: who liked what each slot shows; None where users have no friends."""
    words: PageWords | None
    """What users say and what words do; None where there are none."""
    tool_calls: Part | None
    """What an agent did for it; None where no agent is at work."""


class LoggedTurn(NamedTuple):
    """What a shard logs from one page of everyone to the next."""

    number: tuple[int, int]
    """Orders the turns of an arm: the same one in every shard that has it."""
    page: LoggedPage | None
    """None where nobody of the shard was shown anything."""
    visits: Sequence[Mapping[str, npt.NDArray[Any]]]
    """Visits that are over, as ``RunLog.visits`` takes them."""
    events: Sequence[Mapping[str, Any]]
    """What happened besides, as ``RunLog.events`` takes it; of one shard alone."""


class ShippedLog:
    """The ``VisitLog`` of a shard: collects turns until they are taken.

    Args:
        user_id: int64 [population]: outside ids by the shard's user index.
        first: the shard's user index 0 in the population of the run.
        events: whether this shard is the one that tells what happened besides.
        numbered: whether turns are counted; otherwise they go by visit and page, which the shards reach in their own time.
    """

    def __init__(self, user_id: IntArray, *, first: int, events: bool, numbered: bool) -> None:
        self._user_id, self._first, self._tells, self._numbered = user_id, first, events, numbered
        self._tools: ToolCalls | None = None
        self._turns: list[LoggedTurn] = []
        self._count = 0
        self._begin()

    def _begin(self) -> None:
        self._page: LoggedPage | None = None
        self._visits: list[Mapping[str, npt.NDArray[Any]]] = []
        self._events: list[Mapping[str, Any]] = []

    def follow(self, tools: ToolCalls) -> None:
        """Log what an agent does for each page; argument as of ``RunLog.follow``."""
        self._tools = tools

    def page(
        self,
        feedback: Feedback,
        *,
        slates: Slates | None,
        reward: DoubleArray,
        invalid: IntArray,
        out_of_pages: BoolArray,
        friend_id: IntArray | None = None,
        words: PageWords | None = None,
    ) -> None:
        """Take in one page, as ``RunLog.page``."""
        pages = feedback.pages
        calls = None
        if self._tools is not None:
            calls = dict(self._tools(self._user_id[pages.user_index], pages.visit, pages.page))
        pages = pages._replace(rows=slice(None), user_index=pages.user_index + self._first)
        told = feedback._replace(pages=pages, users=None)  # type: ignore[arg-type]
        self._page = LoggedPage(told, slates, reward, invalid, out_of_pages, friend_id, words, calls)

    def visits(self, **columns: npt.NDArray[Any]) -> None:
        """Take in visits that are over, as ``RunLog.visits``."""
        self._visits.append(columns)

    def events(self, **columns: Any) -> None:
        """Take in what happened besides, as ``RunLog.events``."""
        if self._tells:
            self._events.append(columns)

    def turn(self) -> None:
        """Note that a page of everyone is whole."""
        number = (self._count, 0)
        if not self._numbered and self._page is not None:
            pages = self._page.feedback.pages
            number = (int(pages.visit[0]), int(pages.page[0]))
        self._turns.append(LoggedTurn(number, self._page, self._visits, self._events))
        self._count += 1
        self._begin()

    def keep_unfinished(self) -> None:
        """Do nothing: the log of the run keeps what it was told."""

    def take(self) -> list[LoggedTurn]:
        """Return the turns that were collected since the last time."""
        turns, self._turns = self._turns, []
        return turns

    def finish(self) -> list[LoggedTurn]:
        """Return what is left once all is over: what was logged after the last turn is one more."""
        if self._events:
            self.turn()
        return self.take()


class ToolRelay:
    """Hands over to the log of the run what agents of shards did for a page; as ``ToolCalls``."""

    def __init__(self) -> None:
        self.part: Part = {}
        """Of the page that is being logged."""

    def __call__(self, user_id: IntArray, visit: IntArray, page: IntArray) -> Part:
        """Return what was done for the page that is being logged."""
        del user_id, visit, page
        return self.part


def write_turn(log: RunLog, turns: Sequence[LoggedTurn], users: UserModel, tools: ToolRelay) -> None:
    """Write one turn of all shards.

    Args:
        log: of the run.
        turns: of those shards that have it, in their order.
        users: the user model of the run, of which nothing is asked but what hangs on who a user is.
        tools: which the log follows, where agents are at work.
    """
    pages = [turn.page for turn in turns if turn.page is not None]
    if pages:
        feedback = join_feedback([page.feedback for page in pages])._replace(users=users)
        plain = [page._replace(feedback=None, tool_calls=None) for page in pages]  # type: ignore[arg-type]
        whole: LoggedPage = stack_columns(plain)
        tools.part = _joined([page.tool_calls for page in pages if page.tool_calls is not None])
        log.page(
            feedback,
            slates=whole.slates,
            reward=whole.reward,
            invalid=whole.invalid,
            out_of_pages=whole.out_of_pages,
            friend_id=whole.friend_id,
            words=whole.words,
        )
    for turn in turns:
        for columns in turn.visits:
            log.visits(**columns)
    for turn in turns:
        for event in turn.events:
            log.events(**event)


def _joined(parts: Sequence[Part]) -> Part:
    """Return columns of all parts."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
