"""Stand-ins for a language model: one that answers by a script in every form, one that plays given replies.

``Scripted`` knows the true distribution of every answer and writes it in whatever form a call wants, so that all ways to a
decision can be compared with the truth and with each other, at no cost and without a network.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

from recsim_llm.errors import BackendError, ConfigError, ContractError, one_of
from recsim_llm.language.answers.tool_calls import ACTIONS, actions_text
from recsim_llm.language.backends.scripted_forms import (
    CHARACTERS_A_TOKEN,
    Distributions,
    cut,
    instance,
    line_tokens,
    percentages,
    sentence,
)
from recsim_llm.language.backends.scripts import SHIPPED_SCRIPTS, Acts, Script, Writes
from recsim_llm.language.base.questions import Elicitation, Question
from recsim_llm.language.base.wire import Abilities, Call, Message, RawReply, TokenChoice, TokenUsage, ToolCall
from recsim_llm.registry import blaming, import_attribute

__all__ = ["QUESTION_LINE", "Scripted", "ScriptedReplies", "distribution", "prompt_text", "resolve_script"]

QUESTION_LINE = re.compile(r"^- (\w+) \((yes or no|-?\d+ to -?\d+|A: .+?|a few words)\): (.*)$", re.MULTILINE)
"""A line of the list of questions in a system message: key, what may be answered, text."""


class Scripted:
    """A backend that answers by a script; deterministic, and honest in every form.

    Lines carry their most probable label at temperature 0 and keyed draws above it, from the text, the call's seed, the
    sample's number and the question's key; alternatives have exact log-probabilities. JSON states whole percentages, rounded
    by largest remainder so that they sum to 100, and the least that is allowed of what else a schema wants. Decisions are the
    numbers themselves. Free text is what the script writes, where it has ``write``, else a sentence chosen by a hash of the
    prompt. Whatever comes after the first user message is overlooked: a repaired answer is the first answer.

    Args:
        script: the true distributions, for instance ``resolve_script("genres")``.
        name: provider and model; ``scripted/`` and the function's place if not given.
    """

    local = True

    def __init__(self, script: Script, *, name: str = "") -> None:
        self.name = name or f"scripted/{_place(script)}"
        self._script = script
        self._closed = False

    @property
    def abilities(self) -> Abilities:
        """Everything, exactly."""
        ways: tuple[Elicitation, ...] = ("decision", "logprobs", "json", "samples", "forced")
        acts = isinstance(self._script, Acts)
        return Abilities(elicitations=ways, samples=1024, seed=True, likelihood=True, tools=acts, schemas=True)

    async def send(self, call: Call) -> RawReply:
        """Answer one call by the script.

        Raises:
            BackendError: the backend is closed.
            ContractError: the script returned something that is no distribution.
        """
        if self._closed:
            raise BackendError("connection", f"{self.name}: got a call after close, expected none", retryable=False)
        text = prompt_text(call.messages)
        asked = [() if question.kind == "text" else distribution(self._script, text, question) for question in call.questions]
        read = sum(len(message.content) for message in call.messages) // CHARACTERS_A_TOKEN
        if isinstance(self._script, Acts) and (call.form in ("text", "tools") or _wants_actions(call)):
            actions = self._script.act(whole_text(call.messages))
            if actions or not isinstance(self._script, Writes):
                return self._act(actions, call, read)
        if call.form in ("decision", "forced", "likelihood"):
            return RawReply(probabilities=tuple(asked), usage=TokenUsage(prompt=read, completion=0))
        texts, tokens = self._write(call, text, asked)
        reply = cut(RawReply(tuple(texts), tuple(tokens)), call.max_tokens)
        count = sum(max(len(written) // CHARACTERS_A_TOKEN, 1) for written in reply.texts)
        return replace(reply, usage=TokenUsage(prompt=read, completion=count))

    async def close(self) -> None:
        """Refuse further calls."""
        self._closed = True

    def _act(self, actions: Sequence[tuple[str, dict[str, object]]], call: Call, read: int) -> RawReply:
        """Answer by a script's actions: as calls where these are wanted, else in words."""
        text = actions_text(actions)
        calls = tuple(ToolCall(name, json.dumps(arguments)) for name, arguments in actions)
        usage = TokenUsage(prompt=read, completion=max(len(text) // CHARACTERS_A_TOKEN, 1))
        if call.form != "tools":
            return RawReply((text,), usage=usage)
        more = sum(len(json.dumps(tool)) for tool in call.tools) // CHARACTERS_A_TOKEN
        return RawReply((), finish="tool_calls", usage=usage._replace(prompt=read + more), calls=calls)

    def _write(self, call: Call, text: str, asked: Distributions) -> tuple[list[str], list[tuple[TokenChoice, ...]]]:
        if call.form in ("text", "tools"):
            seed = call.seed if call.temperature > 0 else None
            if isinstance(self._script, Writes):
                return [self._script.write(text)] * call.samples, []
            return [sentence(text, f"{seed} {number}" if call.temperature > 0 else "") for number in range(call.samples)], []
        if call.form == "json":
            stated = percentages(call.questions, asked, text)
            return [json.dumps(instance(call.schema, stated) if call.schema else stated)] * call.samples, []
        texts, tokens = [], []
        for number in range(call.samples):
            picks = _picks(call, text, asked, number)
            texts.append("\n".join(f"{question.key}: {pick}" for question, pick in zip(call.questions, picks, strict=True)))
            if call.logprobs:
                tokens.append(line_tokens(call.questions, picks, asked))
        return texts, tokens


class ScriptedReplies:
    """A backend that plays given replies in order, and raises when they run out.

    Args:
        replies: what to return, or, for a ``BackendError``, to raise; one a call.
        name: provider and model.
        abilities: what the backend claims to do; None: not known.
    """

    local = True

    def __init__(
        self,
        replies: Sequence[RawReply | BackendError],
        *,
        name: str = "scripted/replies",
        abilities: Abilities | None = None,
    ) -> None:
        self.name, self.abilities = name, abilities
        self.calls: list[Call] = []
        """Every call so far, in order."""
        self._replies = list(replies)
        self._lock = threading.Lock()

    async def send(self, call: Call) -> RawReply:
        """Return the next reply.

        Raises:
            BackendError: the next reply is one.
            ConfigError: all replies have been played.
        """
        with self._lock:
            self.calls.append(call)
            number = len(self.calls)
        if number > len(self._replies):
            raise ConfigError(f"{self.name}: got call {number}, expected at most {len(self._replies)}; script more replies")
        reply = self._replies[number - 1]
        if isinstance(reply, BackendError):
            raise reply
        return reply

    async def close(self) -> None:
        """Do nothing; there is nothing to give back."""


def resolve_script(name: str) -> Script:
    """Return the script of a name.

    Args:
        name: a shipped one (``agent``, ``genres``, ``history``, ``recommender``, ``slot_bias``,
            ``stereotype``, ``uniform``) or ``module:function``.

    Raises:
        ConfigError: nothing has that name, or it is not a function.
    """
    if name in SHIPPED_SCRIPTS:
        return SHIPPED_SCRIPTS[name]
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ConfigError(f"script: got {name!r}, expected module:function or {one_of(name, SHIPPED_SCRIPTS)}")
    script: Script = import_attribute(name, "script")
    if not callable(script):
        raise ConfigError(f"script {name!r}: got {type(script).__name__}, expected a function of text and question")
    return script


def distribution(script: Script, text: str, question: Question) -> tuple[float, ...]:
    """Return a script's probabilities for one question, checked and summing to 1, but for a likelihood, which is as it is.

    Args:
        script: the script.
        text: the prompt's text, see ``prompt_text``.
        question: any but a text question.

    Raises:
        ContractError: wrong length, or a weight that is not finite or below 0, or all weights 0.
    """
    with blaming(f"script {_place(script)}", "weights of the options"):
        weights = tuple(float(weight) for weight in script(text, question))
    if len(weights) != len(question.options):
        raise ContractError(
            f"script {_place(script)}: got {len(weights)} weights for {question.key}, expected {len(question.options)}"
        )
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not 0 < sum(weights) < math.inf:
        raise ContractError(
            f"script {_place(script)}: got {weights} for {question.key}, expected finite weights from 0 up, not all 0"
        )
    if question.kind == "likelihood":
        return (min(weights[0], 1.0),)
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def prompt_text(messages: Sequence[Message]) -> str:
    """Return what a script sees of a call: the prompt up to the first user message, joined by blank lines.

    The list of questions and the answer format behind it are left out of the system message, so that a script sees the same
    text whichever way the answer is wanted. Blanks at the end of a message do not count.
    """
    contents = []
    for message in messages:
        listed = QUESTION_LINE.search(message.content) if message.role == "system" else None
        contents.append((message.content[: listed.start()] if listed else message.content).rstrip())
        if message.role == "user":
            break
    return "\n\n".join(contents)


def whole_text(messages: Sequence[Message]) -> str:
    """Return all of a chat as text: what is said, what was asked of tools, and what came of it."""
    contents = list[str]()
    for message in messages:
        contents += [message.content] if message.content else []
        contents += [actions_text([(call.name, json.loads(call.arguments))]) for call in message.calls]
    return "\n\n".join(contents)


def _wants_actions(call: Call) -> bool:
    properties = (call.schema or {}).get("properties")
    return not call.questions and isinstance(properties, Mapping) and ACTIONS in properties


def _place(script: Script) -> str:
    for name, shipped in SHIPPED_SCRIPTS.items():
        if script is shipped:
            return name
    kind = script if hasattr(script, "__qualname__") else type(script)
    return f"{kind.__module__}:{kind.__qualname__}"


def _picks(call: Call, text: str, asked: Distributions, number: int) -> list[str]:
    """Return what is written for each question: a label, or words."""
    base = blake2b(f"{call.seed} {number}\n{text}".encode(), digest_size=32).digest()
    picks = []
    for question, chances in zip(call.questions, asked, strict=True):
        if question.kind == "text":
            picks.append(sentence(text, question.key))
        elif call.temperature > 0:
            draw = blake2b(question.key.encode(), digest_size=8, key=base).digest()
            picks.append(question.labels[_drawn(chances, int.from_bytes(draw, "little") / 2**64)])
        else:
            picks.append(question.labels[chances.index(max(chances))])
    return picks


def _drawn(chances: Sequence[float], draw: float) -> int:
    last = 0
    for option, chance in enumerate(chances):
        if chance > 0:
            last = option
            draw -= chance
            if draw < 0:
                break
    return last
