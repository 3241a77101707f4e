"""What is asked of a language model and what comes back: typed questions, prompts, answers with probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from string import ascii_uppercase
from typing import Literal, NamedTuple

import numpy as np

from recsim_llm.errors import ConfigError

__all__ = [
    "Answer",
    "Ask",
    "Elicitation",
    "Kind",
    "Part",
    "Prompt",
    "Question",
    "choice",
    "likelihood",
    "number",
    "score",
    "short_text",
    "yes_no",
]

Kind = Literal["choice", "yes_no", "score", "number", "text", "likelihood"]
"""What may be answered: one of several options, yes or no, a level from 1 up, a whole number, a few words; ``likelihood`` has
no answer: its one option are words of which the model's own probability is wanted."""

Elicitation = Literal["logprobs", "json", "samples", "decision", "forced"]
"""How a decision is got out of a model, see ``recsim_llm.language.answers.elicitation``."""


class Question(NamedTuple):
    """One typed question; make it with ``choice``, ``yes_no``, ``score``, ``number`` or ``short_text``."""

    key: str
    """Short name, letters, digits and underscores; unique within an ask."""
    text: str
    """What is asked, one line."""
    kind: Kind
    """Its type."""
    options: tuple[str, ...]
    """Allowed answers in order; empty for text."""
    lead: str = ""
    """Words that stand before the answer where the question is asked alone (elicitation ``forced``), one line, for instance
    ``3. "Heat", take it?``; empty: its text and what may be answered, ``Take 3? (yes or no):``."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What a model writes for each option: the option itself, or letters where the options are longer texts."""
        return tuple(ascii_uppercase[: len(self.options)]) if self.kind == "choice" else self.options


def yes_no(key: str, text: str, lead: str = "") -> Question:
    """Return a question that is answered by yes or no, in that order."""
    return Question(key, text, "yes_no", ("yes", "no"), lead)


def choice(key: str, text: str, options: tuple[str, ...]) -> Question:
    """Return a question that is answered by one of 2 to 26 options."""
    if not 2 <= len(options) <= len(ascii_uppercase):
        raise ConfigError(f"question {key}: got {len(options)} options, expected 2 to {len(ascii_uppercase)}")
    return Question(key, text, "choice", tuple(options))


def score(key: str, text: str, levels: int = 5, lead: str = "") -> Question:
    """Return a question that is answered by a level from 1 to ``levels``, at most 9."""
    if not 2 <= levels <= 9:
        raise ConfigError(f"question {key}: got {levels} levels, expected 2 to 9")
    return Question(key, text, "score", tuple(str(level) for level in range(1, levels + 1)), lead)


def number(key: str, text: str, low: int, high: int) -> Question:
    """Return a question that is answered by a whole number from ``low`` to ``high``; at most 100 numbers."""
    if not 1 <= high - low < 100:
        raise ConfigError(f"question {key}: got {low} to {high}, expected 2 to 100 whole numbers")
    return Question(key, text, "number", tuple(str(value) for value in range(low, high + 1)))


def likelihood(key: str, words: str) -> Question:
    """Return a question for the probability that a model would go on with these words, on a line of their own."""
    return Question(key, "How likely are these words next?", "likelihood", (words,))


def short_text(key: str, text: str) -> Question:
    """Return a question that is answered by a few words on one line; it has no probabilities."""
    return Question(key, text, "text", ())


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question."""

    question: Question
    """What was asked."""
    probabilities: tuple[float, ...]
    """One for each option, summing to 1; of a likelihood that of its words; empty for text."""
    text: str = ""
    """The words, for a text question."""
    renormalised: bool = False
    """The percentages that were stated did not sum to 100 and were divided by their sum, as the model's settings declare."""

    @property
    def value(self) -> str:
        """The most probable option, the first of equals; the words of a text."""
        if not self.probabilities:
            return self.text
        return self.question.options[int(np.argmax(self.probabilities))]

    @property
    def mean(self) -> float:
        """The expected level or number.

        Raises:
            ConfigError: the question has no numbers to average.
        """
        if self.question.kind not in ("score", "number"):
            raise ConfigError(f"question {self.question.key}: got the mean of a {self.question.kind}, expected score or number")
        return float(
            sum(chance * int(option) for chance, option in zip(self.probabilities, self.question.options, strict=True))
        )


@dataclass(frozen=True)
class Part:
    """A piece of a prompt whose bytes recur: rules, a persona, a memory, a page."""

    name: str
    """What it is: ``rules``, ``persona``, ``memory``, ``recent``, ``page`` or another."""
    text: str
    """Its words."""

    @cached_property
    def hash(self) -> str:
        """32 hexadecimal digits of BLAKE2b over the text."""
        return blake2b(self.text.encode(), digest_size=16).hexdigest()


class Prompt(NamedTuple):
    """What a model is told, the parts that change least first, so that servers can reuse what they computed for the prefix.

    The first part becomes the system message together with the list of questions and the answer format; the others, joined
    by blank lines, become one user message.
    """

    parts: tuple[Part, ...]
    """At least one; reuse ``Part`` objects between prompts, their hashes are computed once."""


class Ask(NamedTuple):
    """One request for a decision: a prompt and the questions to be answered about it."""

    prompt: Prompt
    """What the model is told."""
    questions: tuple[Question, ...]
    """At least one. Reuse the tuple between asks that have the same questions."""
    nonce: str = ""
    """Distinguishes asks of equal content that must be sampled independently; part of the cache key of sampled answers
    only."""
    subject: str = ""
    """Whom it is about, for the record and for limits by user: a user id as text; never part of the cache key."""
