"""Probabilities from the tokens that a model could have written where its answer stands.

A server lists only the likeliest tokens. An option that is not among them is *unknown*; it is small only where what is listed
proves it. Let ``S`` be the listed mass of the labels and ``M`` the mass of all that is listed. No option that is missing can
have more than

- ``1 - M``, all that is left, and
- ``WRITINGS`` times the least listed probability, because what is not listed is not likelier than what is.

Where the lesser of the two is at most ``FLOOR * S``, an option gets ``FLOOR``, as it would whatever its true probability is
(``reading.floored``). Anywhere else the reply is a failure with the cause ``options_missing``. Numbers that stand for "very
unlikely" or "not told" (null, -100, -9999: log-probabilities below ``LEAST_LOGPROB``) list nothing. Why the listing ends
early, and -9999 for the rest: OpenAI's API reference, ``top_logprobs`` and ``logprob`` of chat completions.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from recsim_llm.errors import ModelReplyError
from recsim_llm.language.answers.reading import FLOOR, excerpt, floored, plain_marks, unreadable
from recsim_llm.language.answers.reading_labels import read_labels
from recsim_llm.language.answers.reading_words import Words
from recsim_llm.language.base.questions import Answer, Question
from recsim_llm.language.base.wire import RawReply, TokenChoice

__all__ = ["LEAST_LOGPROB", "WRITINGS", "read_first_token", "read_label", "read_tokens"]

WRITINGS = 8
"""Tokens as which a label is counted at most when bounding what is not listed: three cases, with and without a blank, and two
with a mark."""
LEAST_LOGPROB = -99.0
"""Log-probabilities below are no measurement: servers write -100, -9999 or the least float for what they do not tell."""

_MARKS = " \t\r\n*_`\"'.,:;=|()[]{}\u2581\u0120\u010a"
"""Around a label inside a token; the last three are how tokenizers write blanks and line breaks."""
_LONG_NUMBER = re.compile(r"-?[0-9]{2,}")
_JSON_OR_SAMPLES = "take the realisation json or samples, --set models.user.realisation=json"
_MOST_MASS = 1.01


def read_tokens(questions: tuple[Question, ...], raw: RawReply) -> tuple[Answer, ...]:
    """Return the answers with the probabilities that the model gave to each label, in the order of the questions.

    The token in which an answer begins, and its alternatives, count for the only label that they are or begin, blanks, marks
    and case aside (`` Yes``, ``YES`` and ``"yes`` are one label). Labels that are not among them have no weight before the
    floor where the listed ones prove it, as the module says. A text question is read from its line.

    Raises:
        ModelReplyError: the text cannot be read; or cause ``no_logprobs``: there are no alternatives, none is a label, the
            answer is not written as a label, or labels cannot be told apart by their first tokens; or cause
            ``options_missing``: a label is not among the alternatives, and may be likely.
    """
    tokens = raw.tokens[0] if raw.tokens else ()
    text = raw.texts[0] if raw.texts else ""
    read = read_labels(questions, raw, text)
    if all(question.kind == "text" for question in questions):
        return tuple(Answer(question, (), words.words) for question, words in zip(questions, read, strict=True))
    if not tokens:
        raise unreadable("no_logprobs", "no alternatives of any token", f"log-probabilities; {_JSON_OR_SAMPLES}")
    ends = list(accumulate(len(choice.token) for choice in tokens))
    shift = _shift(tokens, ends[-1], text)
    answers = []
    for question, words in zip(questions, read, strict=True):
        if question.kind == "text":
            answers.append(Answer(question, (), words.words))
            continue
        if words.place < 0:
            raise _none(question, "an answer whose token cannot be found")
        at = bisect_right(ends, words.place + shift)
        answers.append(Answer(question, _probabilities(question, words, tokens, at)))
    return tuple(answers)


def read_first_token(question: Question, tokens: Sequence[TokenChoice]) -> tuple[float, ...]:
    """Return the floored probabilities of the labels where a reply is nothing but the answer.

    A label counts as the tokens that spell it whole, where any of them is listed; otherwise as those that begin it. After a
    blank by itself, as many tokenizers write it before digits, the next token counts. What was drawn does not matter.

    Args:
        question: any but a text question.
        tokens: of the reply, at least one.

    Raises:
        ModelReplyError: cause ``no_logprobs`` or ``options_missing``, see ``read_tokens``.
    """
    choice = next((choice for choice in tokens if _names_label(question, choice)), tokens[0])
    spelling = _spelling(question.labels)
    whole = {label.lower(): number for number, label in enumerate(question.labels)}
    weights, begun, unclear = [0.0] * len(question.labels), [0.0] * len(question.labels), 0.0
    for token, logprob in choice.alternatives:
        bare = _bare(token)
        label = spelling.get(bare, -1)
        if label == -1:
            continue
        weight = _weight(question, logprob)
        if label == -2 and _whole_number(question, token, tokens) < 0:
            unclear += weight
        elif bare in whole:
            weights[whole[bare]] += weight
        else:
            begun[label] += weight
    weights = [own or part for own, part in zip(weights, begun, strict=True)]
    total = sum(weights)
    if unclear > FLOOR * (total + unclear):
        raise _none(question, "tokens that begin several labels")
    if total <= 0.0:
        raise _none(question, f"no label among {len(choice.alternatives)} alternatives of {excerpt(choice.token)}")
    _check_missing(question, weights, choice)
    return floored(weights)


def read_label(question: Question, text: str) -> int:
    """Return the option that a text of one token stands for.

    Raises:
        ModelReplyError: cause ``not_an_option``: it is or begins no label, or it begins several.
    """
    bare = _bare(text)
    labels = [label.lower() for label in question.labels]
    option = labels.index(bare) if bare in labels else _spelling(question.labels).get(bare, -1)
    if option < 0 or (bare in labels and _spelling(question.labels)[bare] < 0):
        raise unreadable("not_an_option", excerpt(text), f"one of {', '.join(question.labels)} for {question.key}")
    return option


def _names_label(question: Question, choice: TokenChoice) -> bool:
    spelling = _spelling(question.labels)
    return any(spelling.get(_bare(token), -1) != -1 for token, _ in choice.alternatives)


def _shift(tokens: Sequence[TokenChoice], length: int, text: str) -> int:
    """Return how many characters of tokens precede the text."""
    joined = "".join([choice.token for choice in tokens])
    shift = 0 if length == len(text) and joined == text else joined.find(text)
    if shift < 0:
        raise unreadable("no_logprobs", "tokens that do not spell the text", f"tokens of the text; {_JSON_OR_SAMPLES}")
    return shift


def _probabilities(question: Question, words: Words, tokens: Sequence[TokenChoice], at: int) -> tuple[float, ...]:
    """Return the floored probabilities of the labels at a token."""
    choice = tokens[at]
    # A blank can be a token of its own before the answer's.
    if not choice.token.strip(_MARKS) and at + 1 < len(tokens):
        choice = tokens[at + 1]
    spelling = _spelling(question.labels)
    weights = [0.0] * len(question.labels)
    unclear = 0.0
    for token, logprob in choice.alternatives:
        label = spelling.get(_bare(token), -1)
        if label == -1:
            continue
        weight = _weight(question, logprob)
        if label == -2:
            label = _whole_number(question, token, tokens)
        if label < 0:
            unclear += weight
        else:
            weights[label] += weight
    total = sum(weights)
    if unclear > FLOOR * (total + unclear):
        raise _none(question, "tokens that begin several labels")
    if total <= 0.0:
        raise _none(question, f"no label among the alternatives of {excerpt(choice.token)}")
    own = spelling.get(_bare(choice.token), -1)
    if own == -1 or (own >= 0 and own != words.option):
        raise _none(question, f"the token {excerpt(choice.token)} where the answer was {question.labels[words.option]}")
    _check_missing(question, weights, choice)
    return floored(weights)


def _check_missing(question: Question, weights: Sequence[float], choice: TokenChoice) -> None:
    """Raise where labels without weight could have more than the floor."""
    missing = [label for label, weight in zip(question.labels, weights, strict=True) if weight <= 0.0]
    if missing and _most_unlisted(choice) > FLOOR * sum(weights):
        got = f"{', '.join(missing[:5])}{', …' if len(missing) > 5 else ''} not among {len(choice.alternatives)} alternatives"
        wanted = "every option, or enough to prove the others unlikely"
        raise unreadable("options_missing", f"{got} for {question.key}", f"{wanted}; {_JSON_OR_SAMPLES}")


def _most_unlisted(choice: TokenChoice) -> float:
    """Return what one label that is not listed can have at most."""
    listed = [(token, math.exp(logprob)) for token, logprob in choice.alternatives if logprob > LEAST_LOGPROB]
    mass = sum(chance for _, chance in listed)
    # More than 1 is no distribution, and proves nothing.
    left = max(0.0, 1.0 - mass) if mass <= _MOST_MASS else 1.0
    # The token itself may have been added to the listing: others may be likelier than it.
    least = min((chance for token, chance in listed if token != choice.token), default=1.0)
    return min(left, WRITINGS * least)


def _bare(token: str) -> str:
    return plain_marks(token).strip(_MARKS).lower()


def _weight(question: Question, logprob: float) -> float:
    if math.isnan(logprob) or logprob > 0.01:
        raise _none(question, f"the log-probability {logprob}")
    return math.exp(logprob) if logprob > LEAST_LOGPROB else 0.0


@lru_cache(maxsize=1024)
def _spelling(labels: tuple[str, ...]) -> dict[str, int]:
    """Return the label that each beginning of a label stands for; -2 where it stands for several."""
    spelling: dict[str, int] = {}
    for number, label in enumerate(labels):
        for length in range(1, len(label) + 1):
            beginning = label[:length].lower()
            spelling[beginning] = -2 if beginning in spelling else number
    return spelling


def _whole_number(question: Question, token: str, tokens: Sequence[TokenChoice]) -> int:
    """Return the label of ``1`` among 1 to 20 where the model is seen to write 12 as one token; else -1."""
    bare = _bare(token)
    if bare not in question.labels:
        return -1
    alternatives = (other for choice in tokens for other, _ in choice.alternatives)
    whole = any(_LONG_NUMBER.fullmatch(_bare(other)) for other in alternatives)
    return question.labels.index(bare) if whole else -1


def _none(question: Question, got: str) -> ModelReplyError:
    return unreadable("no_logprobs", f"{got} for {question.key}", f"log-probabilities of its labels; {_JSON_OR_SAMPLES}")
