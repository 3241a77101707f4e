"""What passes between a language model and its backend: one call, one raw reply, what a backend can do, how it can fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from recsim_llm.language.base.questions import Elicitation, Question

__all__ = ["Abilities", "Backend", "Call", "ForcedWay", "Message", "RawReply", "TokenChoice", "TokenUsage", "ToolCall"]

ForcedWay = Literal["", "grammar", "prefill", "completions", "chat", "samples"]
"""How one question is asked alone (elicitation ``forced``): empty, all of a page's questions in one call, which local models
do; ``grammar``, behind the lead of the reply, under a grammar of the allowed answers (llama.cpp); ``prefill``, behind the lead
of the reply; ``completions``, behind the lead in a plain text; ``chat``, at the end of the user's message; ``samples``, there
too, by drawing one-token answers where nothing tells probabilities."""


class ToolCall(NamedTuple):
    """A tool that a model asks for."""

    name: str
    """Its name, as the model wrote it."""
    arguments: str
    """JSON of its arguments, as the model wrote it."""


class Message(NamedTuple):
    """One chat message."""

    role: Literal["system", "user", "assistant", "tool"]
    """Who speaks; ``tool`` tells what came of a call."""
    content: str
    """What is said."""
    calls: tuple[ToolCall, ...] = ()
    """Tools that the assistant asked for."""
    call: int = 0
    """Of a ``tool``: which of all calls of the messages before it is answered, from 1."""


class Call(NamedTuple):
    """One call of a backend, in terms that every provider understands."""

    form: Literal["labels", "json", "decision", "forced", "text", "likelihood", "tools"]
    """``labels``: lines ``key: label``; ``json``: one object under ``schema``; ``decision``: a probability for each option,
    nothing generated; ``forced``: the same, each question asked alone behind the messages, its lead before the answer;
    ``text``: free text; ``likelihood``: the probability of each question's words on the line after the messages, which are
    read as plain text and not as a chat; ``tools``: calls of tools, or text."""
    messages: tuple[Message, ...]
    """System message first, then user; after an unreadable reply also that reply and what was wrong with it."""
    questions: tuple[Question, ...]
    """What is asked; empty for text."""
    temperature: float
    """0 for the likeliest reply, 1 for the model's own distribution."""
    max_tokens: int
    """Most tokens that may be generated."""
    logprobs: bool = False
    """Return the alternatives of each generated token (``labels``, and ``forced`` by tokens)."""
    samples: int = 1
    """Independent replies wanted (``labels``, and ``forced`` by samples)."""
    schema: Mapping[str, object] | None = None
    """JSON Schema (``json`` only, where without questions what is written is no decision)."""
    seed: int | None = None
    """Seed of sampling, for servers that have one."""
    alternatives: int = 0
    """Alternatives of a token wanted; 0 for what the backend was found to list."""
    recurring: tuple[int, ...] = ()
    """Lengths in characters of the user message's beginnings that other calls share: persona, what was learned. What a model
    computes up to there is worth keeping; the answer is the same."""
    tools: tuple[Mapping[str, object], ...] = ()
    """Tools that may be called (``tools`` only), as chat completions describe them."""


class TokenUsage(NamedTuple):
    """Tokens that a provider counted; None where it did not say."""

    prompt: int | None = None
    """Tokens read."""
    cached: int | None = None
    """Of those, tokens that came from the provider's prefix cache."""
    completion: int | None = None
    """Tokens written."""


class TokenChoice(NamedTuple):
    """One generated token and what else it could have been."""

    token: str
    """Its text."""
    alternatives: tuple[tuple[str, float], ...]
    """Texts of likely tokens at this place, itself included, with natural-log probabilities, likeliest first."""


@dataclass(frozen=True, slots=True)
class RawReply:
    """What a backend returned; not yet read."""

    texts: tuple[str, ...] = ()
    """Generated texts, one a sample; empty for ``decision``."""
    tokens: tuple[tuple[TokenChoice, ...], ...] = ()
    """Generated tokens of each text, where ``logprobs`` was asked."""
    probabilities: tuple[tuple[float, ...], ...] = ()
    """``decision``, ``likelihood`` and ``forced`` in one call: one tuple a question, one probability an option; an empty one is
    a refusal of that question."""
    finish: str = "stop"
    """``stop``, ``length`` (cut off), ``content_filter``, or what the provider says."""
    refusal: str = ""
    """The provider's own refusal text, if it has a field for it."""
    usage: TokenUsage = field(default=TokenUsage())
    """Tokens counted."""
    calls: tuple[ToolCall, ...] = ()
    """Tools that the model asks for, in order (``tools`` only)."""


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What a backend was found to do."""

    elicitations: tuple[Elicitation, ...]
    """Ways to a decision that work, best first."""
    renormalised: tuple[Elicitation, ...] = ()
    """Ways that work, best first, where percentages that do not sum to 100 are divided by their sum; empty: as ever."""
    samples: int = 1
    """Most replies that one call returns."""
    seed: bool = False
    """Equal seeds give equal samples."""
    prefix_cache: bool = False
    """Usage tells tokens that came from a prefix cache."""
    concurrency: int = 64
    """Calls in flight up to which throughput rose, or that the provider allows."""
    alternatives: int = 20
    """Alternatives of a token that may be asked for with log-probabilities."""
    decision_path: str = ""
    """Path of the decision endpoint below the base URL, for instance ``/systemone``; empty where there is none."""
    forced: ForcedWay = ""
    """How one question is asked alone; not empty: a call a question."""
    forced_alternatives: int = 20
    """Alternatives that are asked for first of a question that is asked alone."""
    most_alternatives: int = 20
    """Most alternatives that such a question may ask for where fewer prove too little."""
    likelihood: bool = False
    """Tells the probability of words that it is given."""
    tools: bool = False
    """Asks for tools by calls of their own, not in words."""
    schemas: bool = False
    """Keeps to JSON Schemas with alternatives, optional members and bounded texts, lists and numbers (``json``)."""
    slots: int = 0
    """Places of a server in each of which one prompt is kept (llama.cpp); 0: it does not tell."""
    context: int | None = None
    """Tokens that the model reads and writes in one call; None: not known."""

    def ways(self, renormalise: bool) -> tuple[Elicitation, ...]:
        """Return the ways to a decision that work, best first, for who renormalises percentages or does not."""
        return self.renormalised if renormalise and self.renormalised else self.elicitations


class Backend(Protocol):
    """A way to a model: one coroutine a call. Neither retries nor caches; both happen above it."""

    name: str
    """``provider/model``: with the abilities it identifies the model in the cache."""
    local: bool
    """Runs in this process or on this machine: nobody sends a bill."""

    @property
    def abilities(self) -> Abilities | None:
        """What the backend can do; None: not known, probe it."""

    async def send(self, call: Call) -> RawReply:
        """Carry out one call.

        Raises:
            BackendError: it failed.
        """
        ...

    async def close(self) -> None:
        """Give back connections; further calls are errors."""
