"""Asks under way on the event loop: equal ones share a task, answers known to the store need none.

There is one task for one cache key; every ask with that key that arrives meanwhile waits for the same reply. Where sampled
answers cannot come from one call, a task makes as many calls as samples, each with its own seed and its own place in the
cache, so that an interrupted ask keeps the samples that it has. Where a server is asked one question at a time (elicitation
``forced``), an ask is a task that waits for one task a question, all under way together and each with a key of its own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Generic, NamedTuple, TypeVar

from recsim_llm.errors import RecSimError
from recsim_llm.language.base.questions import Answer
from recsim_llm.language.base.wire import RawReply
from recsim_llm.language.calls.keys import derive_seed, sample_key
from recsim_llm.language.calls.recorded_answers import ReplayBackend
from recsim_llm.language.calls.sending import Job, Sender
from recsim_llm.language.calls.waiting import Waiter

__all__ = ["AsksUnderWay", "Reply"]

Item = TypeVar("Item")

_AT_ONCE = 64


class Reply(NamedTuple):
    """What came of an ask."""

    answers: tuple[Answer, ...]
    """One a question, in order."""
    cached: bool
    """Nothing was sent for this ask: the answer was in the cache, or an equal ask was under way."""
    attempts: int
    """Calls that it took, retries and repairs included; 0 if ``cached``."""


class _Shared:
    """One task, and the asks that wait for its reply."""

    __slots__ = ("begun", "jobs", "key", "task")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.jobs: list[tuple[Job, Waiter[Reply]]] = []
        self.task: asyncio.Task[None] | None = None
        self.begun = False


class _Place:
    """What an ask waits for where its questions are tasks of their own."""

    __slots__ = ("reply",)

    def __init__(self) -> None:
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def set_running_or_notify_cancel(self) -> bool:
        return True

    def set_result(self, result: Reply) -> None:
        if not self.reply.done():
            self.reply.set_result(result)

    def set_exception(self, exception: BaseException) -> None:
        if not self.reply.done():
            self.reply.set_exception(exception)


class AsksUnderWay(Generic[Item]):
    """The asks under way of one language model; everything here runs on the event loop.

    Args:
        sender: carries out calls.
        job_of: makes a job of what was asked.
        samples: most replies that one call returns.
        most: tasks at once; further asks wait for them to end, the most urgent first. Where nothing is stored there should be
            no such limit, or equal asks that are far apart do not share a call.
        urgency: of what was asked, when it comes; None: all are alike.
        alone: makes a job of each question of a job; None: all questions of a job are one call.
        replay: the backend, if it only plays recorded answers.
    """

    def __init__(
        self,
        sender: Sender,
        job_of: Callable[[Item], Job],
        *,
        samples: int,
        most: float,
        urgency: Callable[[Item], float] | None = None,
        alone: Callable[[Job], list[Job]] | None = None,
        replay: ReplayBackend | None = None,
    ) -> None:
        self._sender, self._job_of, self._samples, self._most, self._replay = sender, job_of, samples, most, replay
        self._alone, self._urgency = alone, urgency or (lambda _: 0.0)
        self._tasks: dict[bytes, _Shared] = {}
        self._backlog: list[tuple[float, int, Item, Waiter[Reply]]] = []
        self._came = 0
        self._going_on = self._ended = False

    def begin(self, items: Sequence[tuple[Item, Waiter[Reply]]]) -> None:
        """Add asks to those that wait, and start with some; after ``end`` they are given up at once."""
        for item, future in items:
            self._came += 1
            heappush(self._backlog, (-self._urgency(item), self._came, item, future))
        if self._ended:
            self._drop_backlog()
        self._go_on()

    def _go_on(self) -> None:
        """Start with waiting asks, a few at once so that replies are served in between."""
        for _ in range(_AT_ONCE):
            if not self._backlog or len(self._tasks) >= self._most:
                return
            _, _, item, future = heappop(self._backlog)
            if future.set_running_or_notify_cancel():
                try:
                    self._begin_job(self._job_of(item), future)
                except Exception as error:
                    future.set_exception(error)
        if not self._going_on:
            self._going_on = True
            asyncio.get_running_loop().call_soon(self._go_on_later)

    def _go_on_later(self) -> None:
        self._going_on = False
        self._go_on()

    def cancel(self, futures: Sequence[Waiter[Reply]]) -> None:
        """Give up asks; a task ends if nobody else waits for it, and its futures end with it."""
        given_up = set(futures)
        waiting, self._backlog = self._backlog, []
        for entry in waiting:
            if entry[-1] in given_up:
                entry[-1].set_exception(concurrent.futures.CancelledError())
            else:
                self._backlog.append(entry)
        heapify(self._backlog)
        for shared in list(self._tasks.values()):
            if any(future in given_up for _, future in shared.jobs):
                others = [(job, future) for job, future in shared.jobs if future not in given_up]
                if not others:
                    self._break_off(shared)
                    continue
                for _, future in shared.jobs:
                    if future in given_up:
                        future.set_exception(concurrent.futures.CancelledError())
                shared.jobs = others

    async def end(self) -> None:
        """Give up every ask, those that come later too, and wait until that is done."""
        self._ended = True
        self._drop_backlog()
        under_way = list(self._tasks.values())
        for shared in under_way:
            self._break_off(shared)
        await asyncio.gather(*[shared.task for shared in under_way if shared.task is not None], return_exceptions=True)

    def _drop_backlog(self) -> None:
        while self._backlog:
            *_, future = heappop(self._backlog)
            if future.set_running_or_notify_cancel():
                future.set_exception(concurrent.futures.CancelledError())

    def _break_off(self, shared: _Shared) -> None:
        if shared.task is not None:
            shared.task.cancel()
        # Whoever asks the same from now on has nothing to do with its end.
        self._tasks.pop(shared.key, None)
        # A task that is cancelled before its first step runs nothing, not even what would tell those who wait.
        if not shared.begun:
            self._fail(shared, concurrent.futures.CancelledError())

    def _begin_job(self, job: Job, future: Waiter[Reply]) -> None:
        # A lone question has the key that it would have as one of several.
        self._launch(job, future, by_question=self._alone is not None and len(job.questions) > 1)

    def _launch(self, job: Job, future: Waiter[Reply], *, by_question: bool = False) -> None:
        shared = self._tasks.get(job.key)
        if shared is not None:
            shared.jobs.append((job, future))
            return
        # Questions that are asked one by one are looked up one by one.
        known = None if by_question else self._sender.find(job)
        if known is not None:
            reply = Reply(known[1], True, 0)
            self._sender.once_kept(lambda: future.set_result(reply), future.set_exception)
            return
        shared = self._tasks[job.key] = _Shared(job.key)
        shared.jobs.append((job, future))
        shared.task = asyncio.get_running_loop().create_task(self._carry_out(job, shared, by_question))

    async def _answer(self, job: Job) -> Reply:
        if job.call.samples > self._samples:
            return await self._apart(job)
        _, answers, attempts = await self._obtain(job)
        return Reply(answers, False, attempts)

    async def _answer_by_question(self, job: Job) -> Reply:
        assert self._alone is not None
        places = []
        try:
            for single in self._alone(job):
                places.append(_Place())
                self._launch(single, places[-1])
            outcomes = await asyncio.gather(*(place.reply for place in places), return_exceptions=True)
        except BaseException:
            self.cancel(places)
            raise
        replies = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            replies.append(outcome)
        attempts = sum(reply.attempts for reply in replies)
        return Reply(tuple(answer for reply in replies for answer in reply.answers), not attempts, attempts)

    async def _carry_out(self, job: Job, shared: _Shared, by_question: bool) -> None:
        shared.begun = True
        error: BaseException
        try:
            reply = await (self._answer_by_question(job) if by_question else self._answer(job))
        except asyncio.CancelledError:
            error = self._sender.stopped or concurrent.futures.CancelledError()
        except Exception as problem:
            error = problem
        else:
            self._forget(shared)
            self._sender.once_kept(lambda: self._deliver(shared, reply), lambda problem: self._fail(shared, problem))
            self._go_on()
            return
        if isinstance(error, RecSimError):
            # What is recorded of a failure, and that there is no answer, is kept before it is told.
            told = error
            self._sender.once_kept(lambda: self._fail(shared, told), lambda problem: self._fail(shared, problem))
        else:
            self._fail(shared, error)
        self._go_on()

    def _fail(self, shared: _Shared, error: BaseException) -> None:
        self._forget(shared)
        for _, future in shared.jobs:
            future.set_exception(error)

    def _forget(self, shared: _Shared) -> None:
        if self._tasks.get(shared.key) is shared:
            del self._tasks[shared.key]

    def _deliver(self, shared: _Shared, reply: Reply) -> None:
        shared.jobs[0][1].set_result(reply)
        for job, future in shared.jobs[1:]:
            try:
                self._sender.note_hit(job, reply.answers)
            except RecSimError as error:
                future.set_exception(error)
            else:
                future.set_result(Reply(reply.answers, True, 0))

    async def _apart(self, job: Job) -> Reply:
        outcomes = await asyncio.gather(
            *(self._sample(job, number) for number in range(job.call.samples)), return_exceptions=True
        )
        texts: list[str] = []
        attempts = 0
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            texts += outcome[0]
            attempts += outcome[1]
        return Reply(job.read(job.call, RawReply(tuple(texts))), not attempts, attempts)

    async def _sample(self, job: Job, number: int) -> tuple[tuple[str, ...], int]:
        key = sample_key(job.key, number)
        single = job._replace(key=key, call=job.call._replace(samples=1, seed=derive_seed(key)))
        known = self._sender.find(single)
        if known is not None:
            return known[0].texts[:1], 0
        raw, _, attempts = await self._obtain(single)
        return raw.texts[:1], attempts

    def _obtain(self, job: Job) -> Coroutine[Any, Any, tuple[RawReply, tuple[Answer, ...], int]]:
        error = self._sender.given_up(job)
        if error is not None:
            raise error
        if self._replay is not None:
            raise self._replay.missing(job.subject, job.parts[-1].text)
        return self._sender.obtain(job)
