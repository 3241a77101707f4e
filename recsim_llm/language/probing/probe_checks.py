"""What a probe looks for, one coroutine each: a question that a server which only pretends cannot answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from statistics import median

from recsim_llm.errors import BackendError, ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.answers.reading import FLOOR
from recsim_llm.language.backends.decision_payloads import PATHS
from recsim_llm.language.backends.http_backend import HttpBackend
from recsim_llm.language.base.questions import Elicitation
from recsim_llm.language.base.wire import Abilities, Backend, Call, Message, RawReply
from recsim_llm.language.probing.probe_alone import find_way
from recsim_llm.language.probing.probe_alternatives import MOST_ALTERNATIVES, find_most_alternatives
from recsim_llm.language.probing.probe_bursts import Clock, find_concurrency, together
from recsim_llm.language.probing.probe_choice import rank
from recsim_llm.language.probing.probe_costs import CostMeter
from recsim_llm.language.probing.probe_page import ASK, CODE_SCHEMA, LONE, is_code
from recsim_llm.language.probing.probe_repeats import find_repeats
from recsim_llm.language.probing.probe_report import UNFINISHED, ProbeFinding
from recsim_llm.language.probing.probe_schemas import find_schemas
from recsim_llm.language.probing.probe_tools import find_tools

__all__ = ["Checks"]

_POEM = (Message("system", "You are a poet."), Message("user", "Write a poem of four lines about the rain."))
_WORDS = (Message("system", "You invent things."), Message("user", "Write thirty random English words in a random order."))
_SHORT = (Message("system", "You answer briefly."), Message("user", "Say yes."))
# Prefix caches of big servers begin at 1,024 tokens.
_RULES = "\n".join(f"Rule {number}: whoever browses page {number} looks at every film once." for number in range(1, 81))
_WORDS_WRITTEN = 24
_SAMPLES = 8
_SAMPLE_CALLS = 3
_LATENCY_CALLS = 3
_TRIES = 3
_SECONDS, _MOST_SECONDS = 50.0, 240.0
"""After how long nothing more is looked for, of a server that answers quickly: where a way to a decision is known, and where
none is, or not the one that is wanted."""
_CALLS = 60
"""Short calls that there is time for in any case: about as many as it takes, one after the other, to look for everything."""
_BEFORE: Mapping[str, tuple[str, ...]] = {"logprobs": ("labels",), "samples": ("labels",)}
"""What shows beforehand whether a way can work."""
_LONGEST_PAUSE = 5.0
_PASSING = ("rate_limit", "overloaded", "server", "connection", "bad_reply")

Pause = Callable[[float], Awaitable[None]]


class Checks:
    """Small calls to one backend, and what they show.

    Args:
        backend: to look at.
        most_concurrent: calls at once that are tried at most.
        wanted: the way to a decision that is looked for first; None: all in the order of what they cost.
        pause: waits so many seconds.
        clock: seconds of a steady clock.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        most_concurrent: int,
        wanted: Elicitation | None = None,
        pause: Pause = asyncio.sleep,
        clock: Clock = time.perf_counter,
    ):
        self._backend, self._most, self._pause, self._clock = backend, most_concurrent, pause, clock
        self.abilities = Abilities(elicitations=(), concurrency=1)
        self.costs = CostMeter()
        self.latency_seconds: float | None = None
        self.prompt_tokens: list[int] = []
        self.calls = 0
        self._begun = clock()
        self._keeps_lines = self._sums = True
        self._keeps_schema = False
        self._slots = 0
        self._wanted, self._looked = wanted, set[str]()

    async def run(self) -> list[ProbeFinding]:
        """Look for everything, one after the other, what is cheap and decisive first; without any answer, look no further."""
        self._begun = self._clock()
        first = await self._look("answers", self._answers)
        checks = {
            "context": self._context,
            "decision": self._decision,
            "forced": self._forced,
            "labels": self._labels,
            "logprobs": self._logprobs,
            "json": self._json,
            "schemas": self._schemas,
            "samples": self._sampled,
            "n": self._several,
            "seed": self._seed,
            "repeatable": self._repeatable,
            "prefix_cache": self._prefix_cache,
            "tools": self._tools,
            "concurrency": self._concurrency,
        }
        if first.answer == "unknown" or first.answer.endswith("authentication)"):
            return [first, *(ProbeFinding(ability, "unknown", "not looked for: no answer at all") for ability in checks)]
        order = dict.fromkeys([*_BEFORE.get(self._wanted or "", ()), *([self._wanted] if self._wanted else ()), *checks])
        found = {ability: await self._look(ability, checks[ability]) for ability in order}
        findings = [first, *(found[ability] for ability in checks)]
        # What the replies told about prefixes counts as well.
        self._rank(self.abilities.elicitations)
        return [self._with_consequence(finding) for finding in findings]

    def _with_consequence(self, finding: ProbeFinding) -> ProbeFinding:
        """Say beside missing log-probabilities what remains."""
        if finding.ability != "logprobs" or finding.answer in ("yes", "unknown"):
            return finding
        remaining = ", ".join(self.abilities.elicitations) or "none"
        return finding._replace(evidence=f"{finding.evidence}; realisations that remain: {remaining}")

    @property
    def _left(self) -> float:
        """Seconds left."""
        return self._most_seconds - (self._clock() - self._begun)

    @property
    def _most_seconds(self) -> float:
        """Seconds that there is time for: more where no way to a decision was found yet, and where a call takes long."""
        known = self.abilities.elicitations and self._wanted in (None, *self._looked)
        return max(_SECONDS if known else _MOST_SECONDS, _CALLS * (self.latency_seconds or 0.0))

    async def _look(self, ability: str, check: Callable[[], Awaitable[tuple[str, str]]]) -> ProbeFinding:
        left = self._left
        self._looked.add(ability)
        if left <= 0:
            return ProbeFinding(
                ability, "unknown", f"not looked for: {self._most_seconds:.0f} s are over; probe again when it is idle"
            )
        try:
            async with asyncio.timeout(left):
                answer, evidence = await check()
        except TimeoutError:
            answer, evidence = "unknown", f"{UNFINISHED}: {left:.0f} s were left"
        except BackendError as error:
            lost = "no" if error.cause == "bad_reply" else "unknown"
            answer = lost if error.status is None else f"refused ({error.status}, {error.cause})"
            evidence = str(error)
        except ModelReplyError as error:
            answer, evidence = "no", str(error)
        return ProbeFinding(ability, answer, " ".join(evidence.split()))

    async def _send(self, call: Call, backend: Backend | None = None) -> RawReply:
        """Send a call, again after failures that pass: a busy moment must not be taken for a missing ability."""
        for attempt in range(1, _TRIES + 1):
            self.calls += 1
            begun = self._clock()
            try:
                reply = await (backend or self._backend).send(call)
                break
            except BackendError as error:
                slow = error.cause == "timeout" and attempt == 1
                if not slow and (not error.retryable or error.cause not in _PASSING or attempt == _TRIES):
                    raise
                wait = 0.25 * 2**attempt if error.retry_after is None else error.retry_after
            await self._pause(min(wait, _LONGEST_PAUSE))
        if call.questions or call is _SHORT_CALL:
            self.costs.add(call, reply, self._clock() - begun)
        # Decision endpoints count the page once for every question.
        if call.form in ("labels", "json") and call.questions and reply.usage.prompt is not None:
            self.prompt_tokens.append(reply.usage.prompt)
        return reply

    async def _answers(self) -> tuple[str, str]:
        seconds = []
        # The first call also connects, and may load the model: not counted.
        reply = await self._send(_SHORT_CALL)
        for _ in range(_LATENCY_CALLS):
            begun = self._clock()
            reply = await self._send(_SHORT_CALL)
            seconds.append(self._clock() - begun)
        self.latency_seconds = median(seconds)
        return "yes", f"said {_quote(reply)}"

    async def _context(self) -> tuple[str, str]:
        if isinstance(self._backend, HttpBackend):
            self.calls += 2
            self._slots, context = await self._backend.read_properties()
        else:
            context = self._backend.abilities.context if self._backend.abilities else None
        self.abilities = replace(self.abilities, context=context)
        return ("unknown", "nothing tells it") if context is None else ("yes", f"{context:,} tokens in one call")

    async def _labels(self) -> tuple[str, str]:
        call = prepare(ASK, "samples", samples=1)._replace(temperature=0.0)
        reply = await self._send(call)
        try:
            read(call, reply, "samples")
        except ModelReplyError:
            self._keeps_lines = False
            raise
        return "yes", f"said {_quote(reply)}"

    async def _sampled(self) -> tuple[str, str]:
        if not self._keeps_lines:
            return _NO_LINES
        call = prepare(ASK, "samples", samples=1)
        for _ in range(_SAMPLE_CALLS):
            read(call, await self._send(call), "samples")
        # Some servers accept a temperature and go on choosing the likeliest token: shares of equal replies mean nothing.
        free = [await self._send(Call("text", _WORDS, (), 1.0, _WORDS_WRITTEN, seed=seed)) for seed in (None, None, 8)]
        if len({reply.texts for reply in free}) == 1:
            return "ignored", f"at temperature 1, {len(free)} times the same words: {_quote(free[0])}"
        self._works("samples")
        return "yes", f"{_SAMPLE_CALLS} of {_SAMPLE_CALLS} replies at temperature 1 could be read, and words vary"

    async def _logprobs(self) -> tuple[str, str]:
        if not self._keeps_lines:
            return _NO_LINES
        call = prepare(ASK, "logprobs")
        reply, cap = await find_most_alternatives(self._send, call, self._backend)
        most = max((len(token.alternatives) for tokens in reply.tokens for token in tokens), default=0)
        if most < 2:
            return "ignored", f"asked for alternatives of each token, got {'one' if most else 'none'}"
        limit = f", the server allows no more than {cap}" if cap < MOST_ALTERNATIVES else ""
        capped = f"{most} alternatives of a token{limit}"
        longest = max(len(question.options) for question in ASK.questions)
        if most < longest:
            few = f"up to {capped}, enough for questions of at most {most} options; users are asked some of {longest}"
            return "no", few
        answers = read(call, reply, "logprobs")
        if all(max(answer.probabilities) > 1 - len(answer.probabilities) * FLOOR for answer in answers):
            return "ignored", f"{capped}, but each answer has probability 1: those of temperature 0, not the model's own"
        self.abilities = replace(self.abilities, alternatives=cap)
        self._works("logprobs")
        return "yes", f"up to {capped}"

    async def _json(self) -> tuple[str, str]:
        reply = await self._send(Call("json", _POEM, (), 0.0, 200, schema=CODE_SCHEMA))
        # The prompt speaks of rain: only who obeys the schema comes upon one of these numbers.
        if not is_code(reply):
            return "ignored", f"under a schema that allows two numbers, said {_quote(reply)}"
        self._keeps_schema = True
        call = prepare(ASK, "json")
        stated = await self._send(call)
        # What is wrong with an object, other than its sums, is an error here.
        if any(answer.renormalised for answer in read(call, stated, "json", renormalise=True)):
            self._sums = False
            self._rank(self.abilities.elicitations)
            return "no", "percentages that do not sum to 100; --set models.user.renormalise=true divides them by their sum"
        self._works("json")
        return "yes", f"asked for a poem under a schema that allows two numbers, said {_quote(reply)}"

    async def _schemas(self) -> tuple[str, str]:
        if not self._keeps_schema:
            return "no", "keeps to no schema, see json"
        evidence = await find_schemas(self._send)
        self.abilities = replace(self.abilities, schemas=True)
        return "yes", evidence

    async def _several(self) -> tuple[str, str]:
        reply = await self._send(Call("text", _WORDS, (), 1.0, _WORDS_WRITTEN, samples=_SAMPLES))
        count, different = len(reply.texts), len(set(reply.texts))
        if count == 1:
            return "ignored", f"asked for {_SAMPLES} replies in one call, got 1"
        if different == 1:
            return "no", f"asked for {_SAMPLES} replies in one call, got {count} equal ones"
        self.abilities = replace(self.abilities, samples=count)
        return (
            "yes" if count >= _SAMPLES else "no"
        ), f"asked for {_SAMPLES} replies in one call, got {count}, {different} different"

    async def _seed(self) -> tuple[str, str]:
        # All at once: where calls are batched together, a seed that holds for one call alone may not hold.
        calls = [Call("text", _WORDS, (), 1.0, _WORDS_WRITTEN, seed=seed) for seed in (7, 7, 7, 8)]
        *same, other = [reply.texts for reply in await together([self._send(call) for call in calls])]
        if len(set(same)) > 1:
            return "ignored", f"one seed, three calls at once, {len(set(same))} different replies"
        if other == same[0]:
            return "unknown", "four equal replies to two seeds at temperature 1"
        self.abilities = replace(self.abilities, seed=True)
        return "yes", "one seed, three calls at once, one reply; another seed, another reply"

    async def _decision(self) -> tuple[str, str]:
        if not isinstance(self._backend, HttpBackend):
            if self._backend.abilities is None or "decision" not in self._backend.abilities.elicitations:
                return "no", "this backend has none"
            evidence = await self._decide(self._backend)
            self._works("decision")
            return "yes", evidence
        seen, answer = [], "no"
        for path in PATHS:
            backend = self._backend.with_abilities(Abilities(elicitations=("decision",), decision_path=path))
            try:
                evidence = await self._decide(backend)
            except (BackendError, ModelReplyError) as error:
                status = error.status if isinstance(error, BackendError) else None
                # How a server without the endpoint, or with a model that is not made for it, says so.
                absent = status in (404, 405, 501)
                answer = answer if absent or status is None else f"refused ({status}, refused)"
                seen.append(f"{path}: status {status}" if absent else f"{path}: {error}")
            else:
                self.abilities = replace(self.abilities, decision_path=path)
                self._works("decision")
                return "yes", f"{path}: {evidence}"
            finally:
                await backend.close()
        return answer, "; ".join(seen)

    async def _decide(self, backend: Backend) -> str:
        call = prepare(ASK, "decision")
        reply = await self._send(call, backend)
        sums = [sum(chances) for chances in reply.probabilities]
        if len(sums) != len(ASK.questions) or any(abs(total - 1) > 0.01 for total in sums):
            raise ModelReplyError(f"got probabilities that sum to {[round(total, 3) for total in sums]}, expected 1 each")
        clicks = [answer.probabilities[0] for answer in read(call, reply, "decision")[:2]]
        return f"probability of a click {clicks[0]:.3f} and {clicks[1]:.3f}"

    async def _forced(self) -> tuple[str, str]:
        if isinstance(self._backend, HttpBackend):
            found = await find_way(self._send, self._backend)
            slots = self._slots if found.way == "grammar" else 0
            self.abilities = replace(
                self.abilities,
                forced=found.way,
                forced_alternatives=found.alternatives,
                most_alternatives=found.most,
                slots=slots,
            )
            self._works("forced")
            return "yes", found.evidence + (f"; {slots} slots" if slots else "")
        if self._backend.abilities is None or "forced" not in self._backend.abilities.elicitations:
            return "no", "this backend does not"
        call = prepare(LONE, "forced")
        read(call, await self._send(call), "forced")
        self._works("forced")
        return "yes", f"{len(LONE.questions)} questions in one call"

    async def _repeatable(self) -> tuple[str, str]:
        """Ask the same again, alone and beside other questions."""
        way = next((way for way in self.abilities.elicitations if way != "samples"), None)
        if way is None or (way == "forced" and self.abilities.forced == "samples"):
            return "unknown", "nothing tells probabilities"
        own = self._backend
        if isinstance(own, HttpBackend):
            own = own.with_abilities(self.abilities)
        try:
            return await find_repeats(self._send, own, way, self.abilities.forced)
        finally:
            if own is not self._backend:
                await own.close()

    async def _tools(self) -> tuple[str, str]:
        evidence = await find_tools(self._send)
        self.abilities = replace(self.abilities, tools=True)
        return "yes", evidence

    async def _prefix_cache(self) -> tuple[str, str]:
        if self.costs.saves_prefix:
            self.abilities = replace(self.abilities, prefix_cache=True)
            return "yes", "usage told tokens from a cache"
        cached = None
        for word in ("yes", "no", "maybe"):
            messages = (Message("system", _RULES), Message("user", f"Say {word}."))
            usage = (await self._send(Call("text", messages, (), 0.0, 8))).usage
            cached = usage.cached
            if cached:
                self.abilities = replace(self.abilities, prefix_cache=True)
                return "yes", f"{cached} of {usage.prompt} tokens of the prompt came from the cache"
        return (
            ("unknown", "usage does not tell") if cached is None else ("no", "0 tokens of a repeated prefix came from a cache")
        )

    async def _concurrency(self) -> tuple[str, str]:
        async def send() -> None:
            self.calls += 1
            await self._backend.send(_SHORT_CALL)

        most, answer, evidence = await find_concurrency(send, self._most, clock=self._clock, seconds=self._left)
        self.abilities = replace(self.abilities, concurrency=most)
        return answer, evidence

    def _works(self, elicitation: Elicitation) -> None:
        self._rank({*self.abilities.elicitations, elicitation})

    def _rank(self, working: Collection[Elicitation]) -> None:
        cheap = self._backend.local or self.abilities.prefix_cache or self.costs.saves_prefix
        renormalised = () if self._sums else rank({*working, "json"}, self.abilities, cheap=cheap)
        elicitations = rank(working, self.abilities, cheap=cheap)
        self.abilities = replace(self.abilities, elicitations=elicitations, renormalised=renormalised)


_NO_LINES = "no", "the same lines as for labels, which could not be read"
_SHORT_CALL = Call("text", _SHORT, (), 0.0, 8)


def _quote(reply: RawReply) -> str:
    text = " ".join("".join(reply.texts[:1]).split())
    return repr(text if len(text) <= 60 else text[:59] + "…")
