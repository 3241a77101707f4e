"""Replies of a local model: options scored, lines sampled, JSON under a grammar, free text."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from hashlib import blake2b
from typing import Any

import numpy as np
import torch

from recsim_llm.errors import ConfigError
from recsim_llm.language.answers.question_lists import lead_of
from recsim_llm.language.backends.branches import Branches, PromptTokens
from recsim_llm.language.backends.local_model import LocalModel
from recsim_llm.language.backends.option_scores import draw, option_probabilities
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import Call, RawReply, TokenChoice, TokenUsage

__all__ = ["Guide"]

_ROWS = 128
"""Places whose scores over the whole vocabulary are held at once. Another number changes the last bits of likelihoods."""
_TOGETHER = 16
"""Samples that go on side by side. Another number changes the last bits of scores."""


class Guide:
    """Carries out calls with a local model; may be used by several threads at once.

    Args:
        model: the model.
        closed: whether nobody waits for replies any more.
    """

    def __init__(self, model: LocalModel, closed: Callable[[], bool]) -> None:
        self._model, self._closed = model, closed
        self._grammars: dict[str, Any] = {}
        self._words: Any = None

    def answer(self, call: Call, prompt: PromptTokens) -> RawReply:
        """Carry out one call.

        Args:
            call: what is wanted.
            prompt: its messages as tokens, see ``LocalModel.prompt``.

        Raises:
            BackendError: the prompt is too long, or labels cannot be told apart.
            ConfigError: the call is incomplete.
            CancelledError: nobody waits for the reply any more.
        """
        forms: dict[str, Callable[[Call, PromptTokens], RawReply]] = {
            "decision": self._score,
            "forced": self._score,
            "labels": self._score if call.logprobs else self._sample,
            "json": self._write_json,
            "text": self._write_text,
            "likelihood": self._weigh,
        }
        with torch.inference_mode():
            return forms[call.form](call, prompt)

    def _score(self, call: Call, prompt: PromptTokens) -> RawReply:
        """Every question by itself after the prompt, all in one pass; nothing is generated but the words of text questions."""
        typed = [question for question in call.questions if question.options]
        # Leads are for questions that are asked alone; a list of them is answered key by key.
        alone = call.form == "forced"
        put = [question._replace(lead=lead_of(question) if alone else "") for question in typed]
        options = [self._model.options(question) for question in put]
        branches = self._model.read(prompt, max((len(tokens.lead) for tokens in options), default=0) + 1)
        chances: dict[str, tuple[float, ...]] = {}
        if typed:
            scores = branches.extend({number: tokens.lead for number, tokens in enumerate(options)}).cpu()
            for question, row, tokens in zip(typed, scores, options, strict=True):
                chances[question.key] = option_probabilities(row, tokens)
        probabilities = tuple(chances.get(question.key, ()) for question in call.questions)
        if call.form in ("decision", "forced"):
            return RawReply(probabilities=probabilities, usage=_usage(prompt, branches, 0))
        replies = []
        for question in call.questions:
            branches.rewind()
            reply = _Line(_generator(call, question.key))
            if question.options:
                reply.label(question, int(np.argmax(chances[question.key])))
            else:
                self._write_words(branches, reply, question, call)
            replies.append(reply)
        lines = [line for reply in replies for line in reply.lines]
        return RawReply(
            ("\n".join(lines),),
            (_spelled(call.questions, lines, probabilities),),
            probabilities,
            finish=_finish(replies),
            usage=_usage(prompt, branches, sum(reply.spent for reply in replies)),
        )

    def _weigh(self, call: Call, prompt: PromptTokens) -> RawReply:
        """The model's own probability of given words after the prompt, token by token; beginnings are read once."""
        words = [tuple(self._model.words(question.options[0])) for question in call.questions]
        before = sorted({tokens[:end] for tokens in words for end in range(len(tokens))})
        branches = self._model.read(prompt, max(map(len, words)))
        chance: dict[tuple[int, ...], float] = {}
        for start in range(0, len(before), _ROWS):
            branches.rewind()
            asked = before[start : start + _ROWS]
            scores = branches.extend(dict(enumerate(asked))).cpu()
            for beginning, row in zip(asked, scores, strict=True):
                after = sorted({tokens[len(beginning)] for tokens in words if tokens[: len(beginning)] == beginning})
                # A beginning is not followed by anything in words that end with it.
                exact = row.double()
                norm = float(torch.logsumexp(exact, 0))
                chance |= {(*beginning, token): float(exact[token]) - norm for token in after}
        totals = [math.exp(sum(chance[tokens[: end + 1]] for end in range(len(tokens)))) for tokens in words]
        # Words are read, not written; beginnings in common once, and nothing after the last token.
        read = len(prompt.tokens) + len(before) - 1
        usage = TokenUsage(prompt=read, cached=branches.cached, completion=0)
        return RawReply(probabilities=tuple((total,) for total in totals), usage=usage)

    def _sample(self, call: Call, prompt: PromptTokens) -> RawReply:
        """Line after line; keys and line ends are given, each answer is drawn in sight of the ones before it."""
        options = [self._model.options(question._replace(lead="")) for question in call.questions if question.options]
        branches = self._model.read(prompt, 1 + sum(len(tokens.lead) + max(map(len, tokens.rest)) + 1 for tokens in options))
        replies = [_Line(_generator(call, str(number)), branch=number % _TOGETHER) for number in range(call.samples)]
        for start in range(0, len(replies), _TOGETHER):
            branches.rewind()
            for question in call.questions:
                going = [reply for reply in replies[start : start + _TOGETHER] if reply.finish == "stop"]
                if question.options and going:
                    self._draw_labels(branches, going, question, call)
                for reply in going if not question.options else ():
                    self._write_words(branches, reply, question, call)
        texts = tuple("\n".join(reply.lines) for reply in replies)
        return RawReply(texts, finish=_finish(replies), usage=_usage(prompt, branches, sum(reply.spent for reply in replies)))

    def _draw_labels(self, branches: Branches, replies: Sequence[_Line], question: Question, call: Call) -> None:
        options = self._model.options(question._replace(lead=""))
        scores = branches.extend({reply.branch: reply.unread + list(options.lead) for reply in replies}).cpu()
        for reply, row in zip(replies, scores, strict=True):
            if call.temperature > 0:
                chances = torch.tensor(option_probabilities(row, options, call.temperature), dtype=torch.float64)
                option = draw(chances, reply.generator)
            else:
                option = int(np.argmax(option_probabilities(row, options)))
            reply.label(question, option)
            reply.unread = [*options.rest[option], *self._model.encode("\n")]
            reply.spend(len(options.lead) + len(reply.unread), call.max_tokens)

    def _write_words(self, branches: Branches, reply: _Line, question: Question, call: Call) -> None:
        """Write one line freely."""
        reply.unread += self._model.encode(f"{question.key}:")
        limit = min(call.max_tokens - reply.spent, self._model.context - branches.end(reply.branch) - len(reply.unread))
        tokens, text = list[int](), ""
        while "\n" not in text:
            if len(tokens) >= limit:
                reply.finish = "length"
                break
            token = _choose(branches.extend({reply.branch: reply.unread})[0].cpu(), call.temperature, reply.generator)
            if token in self._model.ends:
                token = self._model.encode("\n")[-1]
            tokens.append(token)
            reply.unread = [token]
            text = self._model.decode(tokens)
        reply.lines.append(f"{question.key}: {text.partition(chr(10))[0].strip()}")
        reply.spend(len(tokens), call.max_tokens)

    def _write_json(self, call: Call, prompt: PromptTokens) -> RawReply:
        """One object that the schema allows; what the schema leaves no choice about is not asked of the model."""
        branches = self._model.read(prompt, 1)
        matcher, generator = self._matcher(call.schema), _generator(call, "json")
        limit = min(call.max_tokens, self._model.context - len(prompt.tokens))
        tokens, unread, finish = list[int](), list[int](), "stop"
        while True:
            given = matcher.compute_ff_tokens()
            matcher.consume_tokens(given)
            tokens += given
            unread += given
            if matcher.is_stopped():
                break
            if len(tokens) >= limit:
                finish = "length"
                break
            self._go_on()
            scores = branches.extend({0: unread})[0].cpu()
            allowed = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8)[: len(scores)] > 0
            token = _choose(scores[: len(allowed)].masked_fill(~allowed, -torch.inf), call.temperature, generator)
            if token in self._model.ends:
                break
            matcher.consume_token(token)
            tokens.append(token)
            unread = [token]
        return RawReply(
            (self._model.decode(tokens[:limit]),), finish=finish, usage=_usage(prompt, branches, len(tokens[:limit]))
        )

    def _write_text(self, call: Call, prompt: PromptTokens) -> RawReply:
        branches = self._model.read(prompt, 1)
        generator, limit = _generator(call, "text"), min(call.max_tokens, self._model.context - len(prompt.tokens))
        tokens, unread, finish = list[int](), list[int](), "length"
        while len(tokens) < limit:
            self._go_on()
            token = _choose(branches.extend({0: unread})[0].cpu(), call.temperature, generator)
            if token in self._model.ends:
                finish = "stop"
                break
            tokens.append(token)
            unread = [token]
        return RawReply((self._model.decode(tokens),), finish=finish, usage=_usage(prompt, branches, len(tokens)))

    def _go_on(self) -> None:
        # A text takes a minute of a busy core: who stops a run is not to wait for its end.
        if self._closed():
            raise CancelledError

    def _matcher(self, schema: Mapping[str, object] | None) -> Any:
        """Return a fresh reader of the grammar of a schema; grammars are compiled once."""
        from llguidance import LLMatcher
        from llguidance.hf import from_tokenizer

        if schema is None:
            raise ConfigError("a call of the form 'json': got no schema, expected one")
        text = json.dumps(dict(schema))
        if text not in self._grammars:
            if self._words is None:
                size = max(self._model.network.config.get_text_config().vocab_size, len(self._model.tokenizer))
                self._words = from_tokenizer(self._model.tokenizer, n_vocab=size)
            grammar = LLMatcher.grammar_from_json_schema(text, defaults={"whitespace_flexible": False})
            matcher = LLMatcher(self._words, grammar)
            if matcher.is_error():
                reason = " ".join(matcher.get_error().split())[:200]
                expected = "expected one that llguidance can follow; take the realisation logprobs"
                raise ConfigError(f"schema: got one without a grammar ({reason}), {expected}")
            self._grammars[text] = matcher
        return self._grammars[text].deep_copy()


class _Line:
    """A reply in the making: lines, and the tokens that the model has not read yet."""

    def __init__(self, generator: torch.Generator, branch: int = 0) -> None:
        self.generator, self.branch = generator, branch
        self.lines: list[str] = []
        self.unread: list[int] = []
        self.spent, self.finish = 0, "stop"

    def label(self, question: Question, option: int) -> None:
        """Answer a question by one of its options."""
        self.lines.append(f"{question.key}: {question.labels[option]}")

    def spend(self, tokens: int, limit: int) -> None:
        """Count tokens; past the limit the reply ends."""
        self.spent += tokens
        if self.spent > limit:
            self.finish = "length"


def _spelled(
    questions: Sequence[Question], lines: Sequence[str], probabilities: Sequence[tuple[float, ...]]
) -> tuple[TokenChoice, ...]:
    """Return lines as the tokens of a server: each label one token, its alternatives the other labels."""
    tokens: list[TokenChoice] = []
    for question, line, chances in zip(questions, lines, probabilities, strict=True):
        key, answer = line[: len(question.key) + 1], line[len(question.key) + 1 :]
        ranked = sorted(zip(question.labels, chances, strict=True), key=lambda pair: -pair[1]) if chances else []
        alternatives = tuple((f" {label}", math.log(chance)) for label, chance in ranked if chance > 0)
        start = "\n" * bool(tokens) + key
        tokens += [TokenChoice(start, ((start, 0.0),)), TokenChoice(answer, alternatives or ((answer, 0.0),))]
    return tuple(tokens)


def _choose(scores: torch.Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature <= 0:
        return int(torch.argmax(scores))
    return draw(torch.softmax(scores.double() / temperature, 0), generator)


def _finish(replies: Sequence[_Line]) -> str:
    return "length" if any(reply.finish == "length" for reply in replies) else "stop"


def _generator(call: Call, purpose: str) -> torch.Generator:
    """Return random numbers that depend on the call and nothing else."""
    content = repr((call.seed, call.form, call.messages, call.questions, call.temperature, purpose)).encode()
    seed = int.from_bytes(blake2b(content, digest_size=8).digest(), "big") >> 1
    return torch.Generator().manual_seed(seed)


def _usage(prompt: PromptTokens, branches: Branches, completion: int) -> TokenUsage:
    return TokenUsage(prompt=len(prompt.tokens), cached=branches.cached, completion=completion)
