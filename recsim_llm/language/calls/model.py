"""A language model as everything else sees it: typed questions in, probabilities out; free text beside it.

Behind one ask stand the cache, the limit of calls in flight, the budget, retries, repairs and the record of each attempt. All
models of a process work on one background event loop; their methods may be called from any thread but that one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, NoReturn

from recsim_llm.errors import ConfigError, ContractError, LogError, ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.base.background import background_loop
from recsim_llm.language.base.questions import Answer, Ask, Elicitation, Part, Question
from recsim_llm.language.base.wire import Backend, Call, ForcedWay, RawReply
from recsim_llm.language.calls.acting import Acting, acting_job
from recsim_llm.language.calls.asks_under_way import AsksUnderWay, Reply
from recsim_llm.language.calls.budget import Budget
from recsim_llm.language.calls.keys import ask_key, derive_seed
from recsim_llm.language.calls.limiter import AdaptiveLimiter
from recsim_llm.language.calls.meter import Meter
from recsim_llm.language.calls.recorded_answers import ReplayBackend
from recsim_llm.language.calls.retries import RetryPolicy
from recsim_llm.language.calls.sending import Job, Sender
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.calls.waiting import Batch, Waiter, unraised
from recsim_llm.language.calls.writing import Writing, writing_job

__all__ = ["Asked", "LanguageModel", "Reply"]

_FIRST_SLOTS = 16
_CONCURRENCY = 64
_AHEAD = 64
_PATIENCE = 10.0


class Asked(NamedTuple):
    """Something put to the model."""

    item: Ask | Writing | Acting
    """What."""
    settles: bool
    """Whether it is settled that there is no answer, once none can be read."""


class LanguageModel:
    """One model in one role.

    Equal asks in flight share a call. After the first error that asking again cannot help (a limit is reached; the key, the
    account or the model's name is refused; retries are used up; the store cannot be written) nothing more is sent: calls on
    the wire end and are stored, all others get that error. An ask that the provider refuses for what it says, or whose
    replies cannot be read, fails alone.

    Args:
        backend: the way to the model; it is closed with this object. A ``ReplayBackend`` needs no store: answers are looked
            up in its file, and a given store gets copies of them.
        elicitation: how decisions are got out of the model.
        role: what it is used for, for the record.
        renormalise: for ``json``, divide percentages that do not sum to 100 by their sum, and count it.
        samples: replies a decision, for the elicitation ``samples``; they come from one call where the backend is able to.
        store: where calls are kept and answers are found again; None keeps nothing. It is closed with this object, and opens
            again where another model uses it.
        budget: what may be used up; what ``store`` says was used before counts.
        limiter: calls in flight; None: at first 16, at most what the backend was found to stand.
        retries: when failed calls are tried again.
        max_tokens: most tokens of a decision; None: what its questions need.
        ahead: by subject, how much there is to be asked of it yet; where more wait than may be in flight, who has more goes
            first. Whoever owns it may change it.

    Raises:
        ConfigError: the model was found not to be able to do what is asked of it, or a limit on cost lacks its prices.
        LogError: the store's file is damaged.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        elicitation: Elicitation,
        role: str = "user",
        renormalise: bool = False,
        samples: int = 8,
        store: CallStore | None = None,
        budget: Budget | None = None,
        limiter: AdaptiveLimiter | None = None,
        retries: RetryPolicy = RetryPolicy(),  # noqa: B008
        max_tokens: int | None = None,
        ahead: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        abilities = backend.abilities
        if abilities is not None and elicitation not in abilities.ways(renormalise):
            raise ConfigError(
                f"model {backend.name}: got elicitation {elicitation}, expected one it is able to: "
                f"{', '.join(abilities.ways(renormalise)) or 'none'}"
            )
        replay = backend if isinstance(backend, ReplayBackend) else None
        if replay is not None:
            store = store or CallStore(None)
            store.also_read(replay.path)
        budget = budget or Budget()
        if store is not None:
            budget.count(store)
        stands = abilities.concurrency if abilities else _CONCURRENCY
        self._limiter = limiter or AdaptiveLimiter(min(_FIRST_SLOTS, stands), stands)
        self._backend, self._store, self._samples, self._max_tokens = backend, store, samples, max_tokens
        self._renormalise = renormalise
        self.name, self.elicitation, self.role, self.local = backend.name, elicitation, role, backend.local
        self.likelihoods = abilities is not None and abilities.likelihood
        """Whether it tells how probable given words are."""
        self._sender = Sender(
            backend, role, elicitation, store=store, budget=budget, limiter=self._limiter, retries=retries, ahead=ahead
        )
        most = math.inf if store is None else self._limiter.most + _AHEAD
        self._forced: ForcedWay = abilities.forced if abilities and elicitation == "forced" else ""
        self._under_way = AsksUnderWay[Asked](
            self._sender,
            lambda asked: self._job(asked.item)._replace(settles=asked.settles),
            samples=abilities.samples if abilities else 1,
            most=most,
            urgency=lambda asked: ahead.get(asked.item.subject, 0.0),
            alone=self._alone if self._forced else None,
            replay=replay,
        )
        self.states_chances = elicitation in ("decision", "logprobs") or (elicitation == "forced" and self._forced != "samples")
        """Whether its answers are its own probabilities, neither counted in samples nor stated in words."""
        self._closed = False
        self.base_url: str = getattr(backend, "base_url", "")
        """Address of its server; empty for a model in this process, and for a replayed one."""
        self.place: Path | None = getattr(backend, "place", None)
        """Folder or file of a model on this machine; None for one behind an address, and for a replayed one."""
        self._notes: dict[str, str] = {}
        self.context: int | None = self._known_context(None if abilities is None else abilities.context)
        """Tokens that the model reads and writes in one call, as it was when the first of the kept calls was prepared; None:
        not known."""

    def _known_context(self, told: int | None) -> int | None:
        kept = self.noted("context") if told is None else self.note("context", str(told))
        return None if kept is None else int(kept)

    def note(self, name: str, value: str) -> str:
        """Keep with the calls, once there are some, something that prompts hang on; return it, or what is kept already.

        Raises:
            LogError: the calls file cannot be read.
        """
        known = self.noted(name)
        # Again where it came from another file: this one must do without that.
        self._notes[name] = value if known is None else known
        return self._notes[name]

    def noted(self, name: str) -> str | None:
        """Return what is kept with the calls under a name; None if nothing is.

        Raises:
            LogError: the calls file cannot be read.
        """
        kept = None if self._store is None else self._store.noted(self.name, name)
        return self._notes.get(name) if kept is None else kept

    def _save_notes(self) -> None:
        if self._store is not None:
            for name, value in self._notes.items():
                self._store.note(self.name, name, value)
        self._notes = {}

    def __reduce__(self) -> NoReturn:
        raise ContractError(
            f"language model {self.name}: got a pickle or a copy of it, expected one object in one process; open one in each"
        )

    def __enter__(self) -> LanguageModel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def submit(self, asks: Sequence[Ask]) -> list[Future[Reply]]:
        """Begin with asks and return at once; the futures raise what ``ask`` raises.

        Raises:
            ConfigError: the model was closed.
        """
        return self._submitted(asks, settles=False)

    def submit_each(self, asks: Sequence[Ask]) -> list[Future[Reply | ModelReplyError]]:
        """Begin with asks as ``submit`` does; that a reply cannot be read is a result of its future, and is not raised.

        Such a result is kept as answers are: whoever asks the same again in this way gets it again, and the model is not asked.
        """
        return [unraised(future) for future in self._submitted(asks, settles=True)]

    def _submitted(self, asks: Sequence[Ask], *, settles: bool) -> list[Future[Reply]]:
        pairs: list[tuple[Asked, Future[Reply]]] = [(Asked(ask, settles), Future()) for ask in asks]
        self._begin(pairs)
        return [future for _, future in pairs]

    def ask(self, asks: Sequence[Ask]) -> list[Reply]:
        """Ask, wait for all, and return the replies in order.

        A keyboard interrupt breaks off the calls of these asks; what was received until then is stored.

        Raises:
            ConfigError: a question cannot be asked in this way, the model was closed, or a replay lacks an answer.
            ModelReplyError: replies could not be read, though the model was told what was wrong with them.
            BackendError: a call was refused, or failed as often as retries allow.
            BudgetExceeded: a limit is reached.
            LogError: the store's file cannot be read or written.
        """
        return self._wait(asks)

    def ask_each(self, asks: Sequence[Ask]) -> list[Reply | ModelReplyError]:
        """Ask as ``ask`` does, where one whose reply cannot be read shall not take the others with it.

        Returns:
            In order, each reply, or why there is none, which is kept as for ``submit_each``.

        Raises:
            BackendError: as ``ask``; so are the others.
        """
        return self._each(asks)

    def write(self, texts: Sequence[Writing]) -> list[str]:
        """Have free texts written, wait for all, and return them in order, without blanks around them.

        Raises:
            ModelReplyError: a text is empty or a refusal, though the model was told so.
            BackendError: as ``ask``; so are the others.
        """
        return [reply.answers[0].text for reply in self._wait(texts)]

    @property
    def tools(self) -> bool:
        """Whether it asks for tools by calls of their own."""
        return self._backend.abilities is not None and self._backend.abilities.tools

    @property
    def schemas(self) -> bool:
        """Whether what it writes can be held to a JSON Schema."""
        return self._backend.abilities is not None and self._backend.abilities.schemas

    def act_each(self, requests: Sequence[Acting]) -> list[str | ModelReplyError]:
        """Have tools asked for, and wait for all.

        Returns:
            In order, the actions as JSON text, or the words of a reply without calls, or why there is neither, which is kept as
            for ``submit_each``.

        Raises:
            ConfigError: the model does not ask for tools by calls.
            BackendError: as ``ask``; so are the others.
        """
        if not self.tools:
            raise ConfigError(f"model {self.name}: got tools to call, expected a model whose probe found that it calls them")
        return self._texts(requests)

    def write_each(self, texts: Sequence[Writing]) -> list[str | ModelReplyError]:
        """Have free texts written as ``write`` does, where one that cannot be used shall not take the others with it.

        Returns:
            In order, each text, or why there is none, which is kept as for ``submit_each``.

        Raises:
            ConfigError: a text is to be held to a schema, which the model does not keep to.
            BackendError: as ``ask``; so are the others.
        """
        return self._texts(texts)

    def _texts(self, items: Sequence[Writing] | Sequence[Acting]) -> list[str | ModelReplyError]:
        return [reply if isinstance(reply, ModelReplyError) else reply.answers[0].text for reply in self._each(items)]

    def _each(self, items: Sequence[Ask] | Sequence[Writing] | Sequence[Acting]) -> list[Reply | ModelReplyError]:
        replies: list[Reply | ModelReplyError] = []
        for seat in self._waited(items, settles=True).seats:
            if isinstance(seat.error, ModelReplyError):
                replies.append(seat.error)
            elif seat.error is not None:
                raise seat.error
            elif seat.result is not None:
                replies.append(seat.result)
        return replies

    @property
    def one_by_one(self) -> bool:
        """Whether each question of an ask is a call of its own, so that one may be answered and another not."""
        return bool(self._forced)

    def most_calls(self, questions: int) -> int:
        """Return the most calls that an ask of so many questions takes, retries apart."""
        sampled = self.elicitation == "samples" or self._forced == "samples"
        return (self._samples if sampled else 1) * (questions if self._forced else 1)

    def meter(self) -> Meter:
        """Return what was done so far."""
        tally = self._sender.tally
        return Meter(
            calls=tally.calls,
            hits=tally.hits,
            prompt_tokens=tally.prompt_tokens,
            cached_tokens=tally.cached_tokens,
            completion_tokens=tally.completion_tokens,
            cost=tally.cost if self._sender.prices else None,
            renormalised=tally.renormalised,
            failures=dict(sorted(tally.failures.copy().items())),
            in_flight=tally.in_flight,
            concurrency=self._limiter.concurrency,
        )

    def close(self) -> None:
        """Break off what is under way, and close the backend and the store; closing twice does nothing."""
        if not self._closed:
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._end(), background_loop()).result()

    async def _end(self) -> None:
        await self._under_way.end()
        await self._backend.close()
        if self._store is not None:
            self._store.close()

    def _begin(self, pairs: Sequence[tuple[Asked, Waiter[Reply]]]) -> None:
        if self._closed:
            raise ConfigError(f"model {self.name}: got an ask after it was closed, expected an open model; open it again")
        if pairs:
            background_loop().call_soon_threadsafe(self._begin_on_loop, pairs)

    def _begin_on_loop(self, pairs: Sequence[tuple[Asked, Waiter[Reply]]]) -> None:
        # A file that cannot be written stops the asks themselves when their answers are to be kept.
        with suppress(LogError):
            self._save_notes()
        self._under_way.begin(pairs)

    def _wait(self, items: Sequence[Ask] | Sequence[Writing]) -> list[Reply]:
        return self._waited(items).results()

    def _waited(self, items: Sequence[Ask | Writing | Acting], *, settles: bool = False) -> Batch[Reply]:
        batch: Batch[Reply] = Batch(len(items))
        self._begin([(Asked(item, settles), seat) for item, seat in zip(items, batch.seats, strict=True)])
        try:
            batch.wait()
        except KeyboardInterrupt:
            background_loop().call_soon_threadsafe(self._under_way.cancel, batch.seats)
            batch.wait(_PATIENCE)
            raise
        return batch

    def _job(self, item: Ask | Writing | Acting) -> Job:
        if isinstance(item, Writing):
            if item.schema is not None and not self.schemas:
                expected = "expected a model whose probe found that it keeps to one"
                raise ConfigError(f"model {self.name}: got a text that is to keep to a schema, {expected}")
            return writing_job(self.name, item)
        if isinstance(item, Acting):
            return acting_job(self.name, item)
        parts, questions = item.prompt.parts, item.questions
        if questions and questions[0].kind == "likelihood" and not self.likelihoods:
            raise ConfigError(
                f"model {self.name}: got words to tell the probability of, expected a model in this process, "
                "transformers/FOLDER: no server is asked for that"
            )
        key = self._key(parts, questions, item.nonce)
        call = prepare(item, self.elicitation, samples=self._samples, forced=self._forced)
        if call.temperature > 0:
            call = call._replace(seed=derive_seed(key))
        if self._max_tokens is not None:
            call = call._replace(max_tokens=self._max_tokens)
        return Job(key, parts, questions, item.nonce, item.subject, call, self._read)

    def _alone(self, job: Job) -> list[Job]:
        """Return a job for each question, with what is asked of it and nothing else in its key."""
        jobs = []
        for question in job.questions:
            key = self._key(job.parts, (question,), job.nonce)
            call = job.call._replace(questions=(question,))
            if call.temperature > 0:
                call = call._replace(seed=derive_seed(key))
            jobs.append(job._replace(key=key, questions=(question,), call=call))
        return jobs

    def _key(self, parts: tuple[Part, ...], questions: tuple[Question, ...], nonce: str) -> bytes:
        return ask_key(
            self.name,
            parts,
            questions,
            elicitation=self.elicitation,
            samples=self._samples,
            nonce=nonce,
            forced=self._forced,
            renormalise=self._renormalise,
        )

    def _read(self, call: Call, raw: RawReply) -> tuple[Answer, ...]:
        return read(call, raw, self.elicitation, renormalise=self._renormalise)
