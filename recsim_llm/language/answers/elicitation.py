"""Five ways to a typed decision: what is sent for each, and how its reply becomes answers.

``logprobs``
    The model writes one line a question, ``KEY: LABEL``, at temperature 0. The alternatives of the token that carries a label
    are the probabilities.
``samples``
    The same lines, n times at temperature 1. An option's probability is its share of the n replies with half a count added
    to each option (Jeffreys' prior); a text is that of the first reply.
``json``
    The model states its probabilities, in percent, in one object under a schema. Percentages of a question that do not sum to
    100 are a failure, unless it is declared that they be divided by their sum.
``decision``
    The server returns the probabilities; nothing is generated.
``forced``
    Each question is asked alone behind the prompt, which all of them share: the reply begins with the question's lead, and the
    probabilities are those of the answers that may follow. The prompt holds no list of questions. A model in this process
    answers all questions in one call; a server gets a call a question, and its tokens are read as for ``logprobs``, or
    where it tells none, one-token answers are drawn and counted as for ``samples``.

Beside these, questions of the kind ``likelihood`` ask how probable given words are as the next line of the prompt, taken as
plain text: nothing is answered, and the way to a decision plays no part.

In every way the probabilities are those of the options of one question, none below ``reading.FLOOR`` before the last division
by the sum. What depends only on the questions is computed once for a tuple of questions and has the same bytes ever after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

from recsim_llm.errors import ConfigError, one_of
from recsim_llm.language.answers.question_lists import check_questions, list_questions
from recsim_llm.language.answers.reading import floored, refuse_refusals, unreadable
from recsim_llm.language.answers.reading_json import read_json
from recsim_llm.language.answers.reading_labels import read_labels
from recsim_llm.language.answers.reading_tokens import read_first_token, read_label, read_tokens
from recsim_llm.language.base.questions import Answer, Ask, Elicitation, Prompt, Question
from recsim_llm.language.base.wire import Call, ForcedWay, Message, RawReply

__all__ = ["prepare", "read", "write_call"]

_DECISION_FORMAT = "Each question has exactly one of its possible answers."
_PSEUDO_COUNT = 0.5
_SPARE_TOKENS = 256
_TOKENS_OF_TEXT = 160
_SUM_SLACK = 0.02
_ANSWER_NOW = "Answer now."
_BETWEEN = "\n\n"
_RECALLED = "recent"
_LEAST_LIKELY = 1e-300
_FORMS: dict[Elicitation, Literal["labels", "json", "decision", "forced"]] = {
    "logprobs": "labels",
    "samples": "labels",
    "json": "json",
    "decision": "decision",
    "forced": "forced",
}
_LABELS_FORMAT = (
    "Answer every question on a line of its own, in this order and with nothing else, as\n"
    "KEY: ANSWER\n"
    "where ANSWER is only what the parentheses allow: yes or no, one whole number, one letter, or a few words."
)
_JSON_FORMAT = "Answer with one JSON object and nothing else. It has a member for each question, named by its KEY:"
_JSON_YES_NO = "- yes or no: the chance of yes in percent, a whole number from 0 to 100"
_JSON_OPTIONS = (
    "- numbers or letters: a list with the chance of each possible answer in percent, in order, whole numbers that sum to 100"
)
_JSON_TEXT = "- a few words: a string"


class _Frame(NamedTuple):
    """What is sent whatever the prompt is."""

    questions: str
    """The list of questions and the answer format, as the system message ends with them."""
    max_tokens: int
    schema: Mapping[str, object] | None


def prepare(ask: Ask, elicitation: Elicitation, *, samples: int = 8, forced: ForcedWay = "") -> Call:
    """Return the call that asks a model for a decision.

    The first part of the prompt, the list of questions and the answer format are the system message; the other parts, joined
    by blank lines, are the user message.

    Args:
        ask: the prompt and the questions; the seed of ``samples`` is a function of its nonce.
        elicitation: how the decision is got out of the model.
        samples: number of replies, for ``samples`` and ``forced`` by samples only.
        forced: how the server is asked one question alone, for ``forced`` only.

    Raises:
        ConfigError: unknown elicitation, no part, questions that cannot be told apart, a text question for ``decision``, or
            less than one sample.
    """
    parts = ask.prompt.parts
    if any(question.kind == "likelihood" for question in ask.questions):
        return _likelihood_call(ask)
    frame = _frame(ask.questions, elicitation)
    if not parts:
        raise ConfigError("a prompt: got no parts, expected at least one")
    system = f"{parts[0].text}\n\n{frame.questions}" if frame.questions else parts[0].text
    messages, recurring = (Message("system", system), Message("user", _user_text(ask.prompt))), _recurring(ask.prompt)
    form = _FORMS[elicitation]
    if elicitation != "samples" and not (elicitation == "forced" and forced == "samples"):
        logprobs = elicitation == "logprobs" or (elicitation == "forced" and forced != "")
        call = Call(form, messages, ask.questions, 0.0, frame.max_tokens, logprobs, 1, frame.schema)
        return call._replace(recurring=recurring)
    if samples < 1:
        raise ConfigError(f"samples: got {samples}, expected 1 or more")
    seed = int.from_bytes(blake2b(ask.nonce.encode(), digest_size=4).digest(), "big") >> 1
    return Call(form, messages, ask.questions, 1.0, frame.max_tokens, samples=samples, seed=seed, recurring=recurring)


def read(call: Call, raw: RawReply, elicitation: Elicitation, *, renormalise: bool = False) -> tuple[Answer, ...]:
    """Return the answers in a reply, in the order of the questions.

    Only the reply counts: whatever the messages contain cannot change how it is read.

    Args:
        call: what was sent.
        raw: what came back; for ``samples`` at least ``call.samples`` texts.
        elicitation: as the call was prepared.
        renormalise: for ``json``, divide percentages that do not sum to 100 by their sum; such an ``Answer`` says so.

    Raises:
        ModelReplyError: the reply is unreadable; ``cause`` is a key of ``reading.CAUSES``.
        ConfigError: the elicitation is not the one that the call was prepared for.
    """
    if call.form == "likelihood":
        return _read_likelihoods(call, raw)
    if _FORMS.get(elicitation) != call.form:
        raise ConfigError(f"reading a {call.form} call: got elicitation {elicitation!r}, expected the one it was prepared for")
    if elicitation == "forced" and (call.logprobs or call.temperature > 0):
        return _read_alone(call, raw)
    if elicitation in ("decision", "forced"):
        return _read_decision(call, raw)
    if elicitation == "samples":
        return _read_samples(call, raw)
    if elicitation == "logprobs":
        return read_tokens(call.questions, raw)
    return read_json(call.questions, raw, raw.texts[0] if raw.texts else "", renormalise=renormalise)


def write_call(prompt: Prompt, max_tokens: int, temperature: float) -> Call:
    """Return the call that asks a model for free text.

    Args:
        prompt: the first part is the system message, the others are the user message.
        max_tokens: most tokens of text, 1 or more.
        temperature: 0 or more.

    Raises:
        ConfigError: no part, or a number out of range.
    """
    if not prompt.parts:
        raise ConfigError("a prompt: got no parts, expected at least one")
    if max_tokens < 1 or not temperature >= 0:
        raise ConfigError(f"free text: got max_tokens {max_tokens} and temperature {temperature}, expected 1, 0 or more")
    messages = (Message("system", prompt.parts[0].text), Message("user", _user_text(prompt)))
    return Call("text", messages, (), temperature, max_tokens, recurring=_recurring(prompt))


def _likelihood_call(ask: Ask) -> Call:
    check_questions(ask.questions)
    others = [question.key for question in ask.questions if question.kind != "likelihood"]
    if others or not ask.prompt.parts:
        got = f"question {others[0]} among likelihoods" if others else "no parts"
        raise ConfigError(f"an ask for likelihoods: got {got}, expected a prompt and words alone; ask for the rest apart")
    text = _BETWEEN.join([part.text for part in ask.prompt.parts])
    return Call("likelihood", (Message("user", text),), ask.questions, 0.0, 0)


def _read_likelihoods(call: Call, raw: RawReply) -> tuple[Answer, ...]:
    refuse_refusals(raw)
    if len(raw.probabilities) != len(call.questions) or not all(len(chance) == 1 for chance in raw.probabilities):
        raise unreadable("missing", f"{len(raw.probabilities)} likelihoods", f"{len(call.questions)}")
    chances = [chance for (chance,) in raw.probabilities]
    if not all(0 <= chance <= 1 + _SUM_SLACK for chance in chances):
        raise unreadable("out_of_range", f"{chances}"[:120], "probabilities from 0 to 1")
    return tuple(
        Answer(question, (max(chance, _LEAST_LIKELY),)) for question, chance in zip(call.questions, chances, strict=True)
    )


def _user_text(prompt: Prompt) -> str:
    return _BETWEEN.join([part.text for part in prompt.parts[1:]]) if len(prompt.parts) > 1 else _ANSWER_NOW


def _recurring(prompt: Prompt) -> tuple[int, ...]:
    """Return the lengths of the user message's beginnings that come again: up to the last part and what was recalled for it."""
    ends, length = [], -len(_BETWEEN)
    for part in prompt.parts[1:-1]:
        if part.name == _RECALLED:
            break
        length += len(_BETWEEN) + len(part.text)
        ends.append(length)
    return tuple(ends)


@lru_cache(maxsize=512)
def _frame(questions: tuple[Question, ...], elicitation: Elicitation) -> _Frame:
    if elicitation not in _FORMS:
        raise ConfigError(f"elicitation: got {elicitation!r}, expected {one_of(elicitation, _FORMS)}")
    check_questions(questions)
    texts = [question.key for question in questions if question.kind == "text"]
    if elicitation in ("decision", "forced") and texts:
        raise ConfigError(f"question {texts[0]}: got a text question, expected options; ask for text with another elicitation")
    if elicitation == "forced":
        return _Frame("", 1, None)
    listed = list_questions(questions)
    if elicitation == "json":
        return _Frame(f"{listed}\n\n{_json_format(questions)}", _most_tokens(questions, 6), _schema(questions))
    # Decision endpoints get the questions apart as well; listed here they are part of the prefix that all pages share.
    answer_format = _DECISION_FORMAT if elicitation == "decision" else _LABELS_FORMAT
    return _Frame(f"{listed}\n\n{answer_format}", _most_tokens(questions, 0), None)


def _json_format(questions: Sequence[Question]) -> str:
    kinds = {question.kind for question in questions}
    lines = [_JSON_FORMAT]
    lines += [_JSON_YES_NO] if "yes_no" in kinds else []
    lines += [_JSON_OPTIONS] if kinds - {"yes_no", "text"} else []
    lines += [_JSON_TEXT] if "text" in kinds else []
    return "\n".join(lines)


def _schema(questions: Sequence[Question]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {question.key: _question_schema(question) for question in questions},
        "required": [question.key for question in questions],
        "additionalProperties": False,
    }


def _question_schema(question: Question) -> dict[str, object]:
    percentage = {"type": "integer", "minimum": 0, "maximum": 100}
    if question.kind == "yes_no":
        return dict(percentage)
    if question.kind == "text":
        return {"type": "string"}
    options = len(question.options)
    return {"type": "array", "items": percentage, "minItems": options, "maxItems": options}


def _most_tokens(questions: Sequence[Question], a_option: int) -> int:
    """Return a number of tokens that is enough even where every character is a token of its own."""
    lengths = [
        len(question.key) + 8 + a_option * len(question.options) + (_TOKENS_OF_TEXT if question.kind == "text" else 0)
        for question in questions
    ]
    return _SPARE_TOKENS + sum(lengths)


def _read_alone(call: Call, raw: RawReply) -> tuple[Answer, ...]:
    """Read the reply to one question by its first token, or many replies by their words."""
    refuse_refusals(raw)
    question = call.questions[0]
    if call.logprobs:
        tokens = raw.tokens[0] if raw.tokens else ()
        if not tokens:
            raise unreadable("no_logprobs", "no alternatives of any token", f"those of the answer to {question.key}")
        return (Answer(question, read_first_token(question, tokens)),)
    _check_count(call, raw)
    counts = [_PSEUDO_COUNT] * len(question.options)
    for text in raw.texts:
        counts[read_label(question, text)] += 1
    return (Answer(question, floored(counts)),)


def _check_count(call: Call, raw: RawReply) -> None:
    if len(raw.texts) < call.samples:
        cause = "missing" if raw.texts else "empty"
        raise unreadable(
            cause, f"{len(raw.texts)} sampled replies", f"{call.samples}; send several calls where one returns fewer"
        )


def _read_samples(call: Call, raw: RawReply) -> tuple[Answer, ...]:
    refuse_refusals(raw)
    _check_count(call, raw)
    replies = [read_labels(call.questions, raw, text) for text in raw.texts]
    answers = []
    for place, question in enumerate(call.questions):
        if question.kind == "text":
            answers.append(Answer(question, (), replies[0][place].words))
            continue
        counts = [_PSEUDO_COUNT] * len(question.options)
        for reply in replies:
            counts[reply[place].option] += 1
        answers.append(Answer(question, floored(counts)))
    return tuple(answers)


def _read_decision(call: Call, raw: RawReply) -> tuple[Answer, ...]:
    refuse_refusals(raw)
    if len(raw.probabilities) != len(call.questions):
        cause = "missing" if raw.probabilities else "empty"
        raise unreadable(cause, f"{len(raw.probabilities)} answers", f"{len(call.questions)}")
    answers = []
    for question, probabilities in zip(call.questions, raw.probabilities, strict=True):
        if not probabilities:
            raise unreadable("refusal", f"a refusal of {question.key}", "an answer")
        if len(probabilities) != len(question.options):
            got = f"{len(probabilities)} probabilities for {question.key}"
            raise unreadable("not_a_probability", got, f"{len(question.options)}, one an option")
        if not all(0 <= chance <= 1 + _SUM_SLACK for chance in probabilities) or not 0 < sum(probabilities) <= 1 + _SUM_SLACK:
            raise unreadable("out_of_range", f"{probabilities} for {question.key}"[:120], "probabilities that sum to 1")
        answers.append(Answer(question, floored(probabilities)))
    return tuple(answers)
