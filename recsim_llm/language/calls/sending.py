"""One ask on its way: slot, lease, attempts, repairs, and a row in the calls file for each attempt.

A slot is held while a call is on the wire and at no other time: waits before a retry, pauses that a provider asks for, and
waits for the budget are spent without one. What came back is stored before it is handed out; all that came in one turn of the
event loop is committed together.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

from recsim_llm.errors import BackendError, BudgetExceeded, LogError, ModelReplyError, RecSimError
from recsim_llm.language.answers.reading import CAUSES
from recsim_llm.language.base.questions import Answer, Part, Question
from recsim_llm.language.base.wire import Abilities, Backend, Call, Message, RawReply, TokenUsage
from recsim_llm.language.calls.budget import Budget, Prices
from recsim_llm.language.calls.keys import derive_seed
from recsim_llm.language.calls.limiter import AdaptiveLimiter
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.language.calls.store import RENORMALISED, CallRecord, CallStore

__all__ = ["REPAIRS", "CallTally", "Job", "Sender"]

Awaited = TypeVar("Awaited")

REPAIRS = 2
"""How often a model is told that its reply could not be read, and asked again."""

_QUOTED = 2_000
_FOR_ALL_CAUSES, _FOR_ALL_STATUS = ("authentication", "quota", "rate_limit"), (402, 404)
_NOT_LISTED = ("options_missing", "no_logprobs")
_WIDER = 5
_NOT_THE_MODELS = ("options_missing",)
"""Causes that the model knows nothing of: telling it would only cost calls."""
_REPAIR = "That could not be read: {}. Answer again, only in the format asked for."


class Job(NamedTuple):
    """What is to be found out with one call, or with more where replies are lost or cannot be read."""

    key: bytes
    """Its name in the cache."""
    parts: tuple[Part, ...]
    """The prompt."""
    questions: tuple[Question, ...]
    """What is asked."""
    nonce: str
    """Tells equal content apart."""
    subject: str
    """Whom it is about."""
    call: Call
    """The call to begin with."""
    read: Callable[[Call, RawReply], tuple[Answer, ...]]
    """Turns a reply into answers, or raises ``ModelReplyError``."""
    settles: bool = False
    """Whether it is settled that there is no answer once none can be read, also for whoever asks again."""


class CallTally:
    """What happened so far; written on the event loop, read from anywhere."""

    def __init__(self) -> None:
        self.calls = self.hits = self.in_flight = self.renormalised = 0
        self.prompt_tokens = self.cached_tokens = self.completion_tokens = 0
        self.cost = 0.0
        self.failures = Counter[str]()

    def add(self, usage: TokenUsage, cost: float | None) -> None:
        """Count one reply."""
        self.calls += 1
        self.prompt_tokens += usage.prompt or 0
        self.cached_tokens += usage.cached or 0
        self.completion_tokens += usage.completion or 0
        self.cost += cost or 0.0


class Sender:
    """Carries out jobs for one language model.

    Args:
        backend: the way to the model.
        role: what the model is used for, for the record.
        elicitation: how decisions are got, for the record.
        store: where every attempt is kept; None keeps nothing.
        budget: what may be used up.
        limiter: how many calls may be on the wire.
        retries: when failed calls are tried again.
        ahead: by subject, how much there is to be asked of it yet: who has more goes first where more wait than may be sent.
    """

    def __init__(
        self,
        backend: Backend,
        role: str,
        elicitation: str,
        *,
        store: CallStore | None,
        budget: Budget,
        limiter: AdaptiveLimiter,
        retries: RetryPolicy,
        ahead: Mapping[str, float],
    ) -> None:
        self._backend, self._labels = backend, (role, backend.name, elicitation)
        self._abilities = backend.abilities or Abilities(elicitations=())
        self._store, self._budget, self._limiter, self._retries = store, budget, limiter, retries
        self._ahead = ahead
        self.prices: Prices | None = budget.prices_of(backend.name, local=backend.local)
        self.tally = CallTally()
        self.stopped: RecSimError | None = None
        self._waiting = set[asyncio.Task[Any] | None]()
        self._kept: list[tuple[Callable[[], None], Callable[[RecSimError], None]]] = []
        self._commit_due = False

    def stop(self, problem: RecSimError) -> None:
        """Send nothing more: what waits is cancelled, what is on the wire ends and is stored."""
        if self.stopped is None:
            self.stopped = problem
            for task in self._waiting - {asyncio.current_task()}:
                if task is not None:
                    task.cancel()

    def find(self, job: Job) -> tuple[RawReply, tuple[Answer, ...]] | None:
        """Return a reply that the store knows and its answers, and record that they were used."""
        raw = None if self._store is None else self._store.get(job.key)
        if raw is None:
            return None
        try:
            answers = job.read(job.call, raw)
        except ModelReplyError:
            return None  # Readers have become stricter since it was stored: it is no answer any more.
        self.note_hit(job, answers, raw)
        return raw, answers

    def note_hit(self, job: Job, answers: Sequence[Answer], raw: RawReply | None = None) -> None:
        """Record that an answer was had without a call."""
        self.tally.hits += 1
        self._keep(self._record(job, job.call, 0, _now())._replace(reply=raw, cache_hit=True), answers)

    def given_up(self, job: Job) -> ModelReplyError | None:
        """Return why there is no answer, where that is settled; None where it is not, so that the model has to be asked."""
        if self._store is None or not job.settles:
            return None
        error = self._store.given_up(self._backend.name, job.key, job.subject)
        # As an answer is: what a cache knows gets into the run's own file.
        return None if error is None else self._give_up(job, error)

    def _keep(self, record: CallRecord, answers: Sequence[Answer]) -> None:
        """Write an answered row, with a cause where its percentages were renormalised."""
        renormalised = any(answer.renormalised for answer in answers)
        self.tally.renormalised += renormalised
        self._put(record._replace(status="answered", cause=RENORMALISED if renormalised else ""))

    def _put(self, record: CallRecord) -> None:
        if self._store is not None:
            self._store.put(record)
            self._commit_soon()

    def once_kept(self, then: Callable[[], None], otherwise: Callable[[RecSimError], None]) -> None:
        """Call ``then`` once all that was recorded so far is committed; ``otherwise`` with the error where it cannot be."""
        if self._store is None:
            then()
        else:
            self._kept.append((then, otherwise))
            self._commit_soon()

    def _commit_soon(self) -> None:
        if not self._commit_due:
            self._commit_due = True
            asyncio.get_running_loop().call_soon(self._commit)

    def _commit(self) -> None:
        kept, self._kept, self._commit_due = self._kept, [], False
        assert self._store is not None
        try:
            self._store.commit()
        except LogError as problem:
            # Answers that cannot be kept would be paid for again.
            self.stop(problem)
            for _, otherwise in kept:
                otherwise(problem)
        else:
            for then, _ in kept:
                then()

    async def obtain(self, job: Job) -> tuple[RawReply, tuple[Answer, ...], int]:
        """Return a reply that can be read, its answers, and the attempts that it took.

        Raises:
            ModelReplyError: the model was told twice what was wrong, and still no reply can be read; or the provider does not
                take what the prompt says.
            BackendError: the call was refused, or failed as often as retries allow.
            BudgetExceeded: a limit is reached.
        """
        call, kept = job.call, list[str | None]()
        repairs = tries = attempt = 0
        while True:
            attempt, tries = attempt + 1, tries + 1
            try:
                raw, answers, error = await self._attempt(job, call, kept, attempt)
            except BackendError as failure:
                if failure.cause == "content_filter":
                    # It is refused for what it says, before the model reads it: its replies would be refused for the same.
                    raise self._give_up(job, ModelReplyError(str(failure), cause="refusal", subject=job.subject)) from failure
                if not failure.retryable or tries >= self._retries.attempts:
                    if _is_for_all(failure):
                        self.stop(failure)
                    raise
                self._go_on()
                await self._patiently(asyncio.sleep(self._retries.delay(job.key, tries)))
                continue
            if error is None:
                return raw, answers, attempt
            wider = _widened(call, error, self._abilities)
            if wider is not None:
                call, tries = wider, 0
                continue
            if repairs >= REPAIRS or error.cause in _NOT_THE_MODELS:
                text = f"{error} (subject {job.subject or 'not named'}, asked {repairs + 1} time{'s' * bool(repairs)})"
                raise self._give_up(job, ModelReplyError(text, cause=error.cause, subject=job.subject))
            repairs, tries = repairs + 1, 0
            call, kept = _repaired(job, raw, error, repairs)

    def _give_up(self, job: Job, error: ModelReplyError) -> ModelReplyError:
        if self._store is not None and job.settles:
            try:
                self._store.give_up(self._backend.name, job.key, error)
            except LogError as problem:
                # Whoever goes on would ask again, and might be told something else.
                self.stop(problem)
                raise
        return error

    async def _attempt(
        self, job: Job, call: Call, kept: Sequence[str | None], attempt: int
    ) -> tuple[RawReply, tuple[Answer, ...], ModelReplyError | None]:
        ticket = await self._take_slot(job.subject)
        error: BackendError | None = None
        reply: RawReply | None = None
        cost = 0.0
        record = self._record(job, call, attempt, _now())
        started = time.perf_counter()
        self.tally.in_flight += 1
        try:
            reply = await self._backend.send(call)
            seconds = time.perf_counter() - started
            cost = self.prices.cost(reply.usage) if self.prices else 0.0
            return self._receive(job, kept, reply, record._replace(seconds=seconds, cost=cost if self.prices else None))
        except BackendError as failure:
            error = failure
            self._fail(record._replace(cause=failure.cause, seconds=time.perf_counter() - started))
            raise
        except asyncio.CancelledError:
            self._fail(record._replace(cause="cancelled", seconds=time.perf_counter() - started))
            raise
        except LogError as problem:
            # Answers that cannot be kept would be paid for again.
            self.stop(problem)
            raise
        finally:
            self.tally.in_flight -= 1
            try:
                self._budget.settle(job.subject, reply.usage if reply else None, cost)
            except RecSimError as problem:
                self.stop(problem)
                raise
            finally:
                self._limiter.release(ticket, error, answered=reply is not None)

    async def _take_slot(self, subject: str) -> int:
        while True:
            self._go_on()
            ticket = await self._patiently(self._limiter.acquire(self._ahead.get(subject, 0.0)))
            leased = False
            try:
                self._go_on()
                leased = self._budget.lease(subject)
            except BudgetExceeded as problem:
                self.stop(problem)
                raise
            finally:
                if not leased:
                    self._limiter.release(ticket, answered=False)
            if leased:
                return ticket
            await self._patiently(self._budget.change())

    def _go_on(self) -> None:
        if self.stopped is not None:
            raise self.stopped

    async def _patiently(self, waiting: Awaitable[Awaited]) -> Awaited:
        """Wait for something in such a way that ``stop`` ends the wait."""
        task = asyncio.current_task()
        self._waiting.add(task)
        try:
            return await waiting
        finally:
            self._waiting.discard(task)

    def _receive(
        self, job: Job, kept: Sequence[str | None], reply: RawReply, record: CallRecord
    ) -> tuple[RawReply, tuple[Answer, ...], ModelReplyError | None]:
        self.tally.add(reply.usage, record.cost)
        if any(kept):
            reply = replace(reply, texts=_merged(kept, reply.texts))
        answers: tuple[Answer, ...] = ()
        problem: ModelReplyError | None = None
        try:
            answers = job.read(job.call, reply)
        except ModelReplyError as error:
            problem = error
            self._fail(record._replace(cause=error.cause or "no_answer", reply=reply))
        else:
            self._keep(record._replace(reply=reply), answers)
        return reply, answers, problem

    def _fail(self, record: CallRecord) -> None:
        self.tally.failures[record.cause] += 1
        self._put(record)

    def _record(self, job: Job, call: Call, attempt: int, started: str) -> CallRecord:
        form = f"forced {self._abilities.forced}".rstrip() if call.form == "forced" else call.form
        return CallRecord(
            job.key, *self._labels, form, job.parts, job.questions, job.nonce, job.subject, attempt, "failed", started
        )


def _is_for_all(failure: BackendError) -> bool:
    """Return whether others would end like a call that is not tried again.

    So they do where it was tried often enough, and where key, account, model's name or hour are wrong.
    """
    last = failure.retryable or bool(failure.retry_after)
    return last or failure.cause in _FOR_ALL_CAUSES or failure.status in _FOR_ALL_STATUS


def _widened(call: Call, error: ModelReplyError, abilities: Abilities) -> Call | None:
    """Return the call that has more alternatives listed, where that may prove what was not listed; else None."""
    asked = call.alternatives or abilities.forced_alternatives
    if call.form != "forced" or not call.logprobs or error.cause not in _NOT_LISTED or asked >= abilities.most_alternatives:
        return None
    return call._replace(alternatives=min(_WIDER * asked, abilities.most_alternatives))


def _repaired(job: Job, raw: RawReply, error: ModelReplyError, repairs: int) -> tuple[Call, list[str | None]]:
    """Return the call that asks again, and by place the samples that could be read: those are not drawn anew.

    The seed stays: what the model is told has changed, and where that changes nothing the answer shall not change either. A
    question that is asked alone is asked again in the same words, for others would be another question; a sample of it is
    drawn with another seed.
    """
    call, kept, bad = job.call, list[str | None](), list(raw.texts)
    if call.samples > 1:
        single = call._replace(samples=1)
        kept = [text if _can_be_read(job, single, text, raw) else None for text in raw.texts]
        bad = [text for text, good in zip(raw.texts, kept, strict=True) if good is None]
    if call.form == "forced":
        return call._replace(seed=None if call.seed is None else derive_seed(job.key + bytes([repairs]))), kept
    said = Message("assistant", bad[0][:_QUOTED] if bad else "")
    again = Message("user", _REPAIR.format(CAUSES.get(error.cause, error)))
    return call._replace(messages=(*call.messages, said, again)), kept


def _merged(kept: Sequence[str | None], new: Sequence[str]) -> tuple[str, ...]:
    places = zip_longest(kept, new)
    return tuple([text for text in (old if old is not None else drawn for old, drawn in places) if text is not None])


def _can_be_read(job: Job, call: Call, text: str, raw: RawReply) -> bool:
    try:
        job.read(call, RawReply((text,), finish=raw.finish, refusal=raw.refusal))
    except ModelReplyError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
