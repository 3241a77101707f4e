"""Decision endpoints on the wire: ``/systemone`` of ``transformers serve`` and ``/decisions`` of OpenAI and SGLang.

Both take typed questions about a text and answer with a probability for each option; nothing is generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.reply_fields import bad_reply, field, number, objects, token_usage
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import Call, RawReply

__all__ = ["PATHS", "decision_request", "read_decisions"]

PATHS = ("/systemone", "/decisions")
"""Paths of the known decision endpoints below the base URL."""

_MOST_QUESTIONS = {"/systemone": 64, "/decisions": 400}
_SUM_TOLERANCE = 0.02


def decision_request(call: Call, model: str, path: str) -> dict[str, object]:
    """Return the JSON body of a request to a decision endpoint.

    Args:
        call: its messages, as they stand, are what the questions are about.
        model: name that the server knows the model by.
        path: ends in one of ``PATHS``.

    Raises:
        ConfigError: the path is unknown, there are more questions than the endpoint takes, or one of them has no options or
            the same option twice.
    """
    kind = _kind(path)
    _check_questions(call.questions, kind)
    if kind == "/systemone":
        questions = {question.key: _systemone_question(question) for question in call.questions}
        state = "\n\n".join(message.content for message in call.messages)
        return {"model": model, "state": state, "questions": questions}
    messages = [{"type": "message", "role": message.role, "content": message.content} for message in call.messages]
    return {"model": model, "input": messages, "questions": [_decisions_question(question) for question in call.questions]}


def read_decisions(call: Call, path: str, body: Mapping[str, object]) -> RawReply:
    """Return the probabilities in a response of a decision endpoint, in the order of the questions and their options.

    Raises:
        BackendError: cause ``bad_reply``: an answer is missing or of another type, an option has no probability, or the
            probabilities do not sum to 1 within 0.02.
    """
    if _kind(path) == "/systemone":
        answers = field(body, "answers", dict, "the reply")
        found = [field(answers, question.key, dict, "answers") for question in call.questions]
    else:
        found = objects(field(body, "answers", list, "the reply"), "answers")
        if len(found) != len(call.questions):
            raise bad_reply(f"got {len(found)} answers, expected {len(call.questions)}")
    read = _systemone_answer if _kind(path) == "/systemone" else _decisions_answer
    pairs = zip(call.questions, found, strict=True)
    probabilities = tuple(
        () if answer.get("type") == "refusal" else _checked(read(question, answer), question.key) for question, answer in pairs
    )
    return RawReply(probabilities=probabilities, usage=token_usage(body))


def _kind(path: str) -> str:
    known = next((known for known in PATHS if path.endswith(known)), None)
    if known is None:
        raise ConfigError(f"decision endpoint: got {path!r}, expected a path that ends in {' or '.join(PATHS)}")
    return known


def _check_questions(questions: Sequence[Question], kind: str) -> None:
    if not 1 <= len(questions) <= _MOST_QUESTIONS[kind]:
        raise ConfigError(
            f"{kind}: got {len(questions)} questions, expected 1 to {_MOST_QUESTIONS[kind]}; show fewer items a page or take "
            "another realisation"
        )
    for question in questions:
        if not question.options:
            raise ConfigError(f"{kind}: got question {question.key} without options, expected a choice; ask for text apart")
        if len(set(question.options)) < len(question.options):
            raise ConfigError(f"{kind}: got question {question.key} with an option twice, expected different options")


def _systemone_question(question: Question) -> dict[str, object]:
    if question.kind == "yes_no":
        return {"type": "noul", "instructions": question.text}
    if question.kind == "score":
        return {"type": "score", "instructions": question.text, "criteria": list(question.options)}
    return {"type": "choice", "instructions": question.text, "criteria": dict.fromkeys(question.options)}


def _decisions_question(question: Question) -> dict[str, object]:
    named: dict[str, object] = {"name": question.key, "instructions": question.text}
    if question.kind == "yes_no":
        return {"type": "predicate", **named}
    if question.kind == "score":
        return {"type": "score", **named, "levels": [{"label": option} for option in question.options]}
    return {"type": "choice", **named, "choices": [{"value": option} for option in question.options]}


def _systemone_answer(question: Question, answer: Mapping[str, object]) -> tuple[float, ...]:
    if question.kind == "yes_no":
        return _both(answer.get("noul"), question.key)
    table = field(answer, "probabilities", dict, f"the answer to {question.key}")
    # Levels are told by their number in the list, from 0.
    scored = question.kind == "score"
    names = [str(level) for level in range(len(question.options))] if scored else question.options
    return tuple(number(table.get(name), f"probability of {question.key}={name}") for name in names)


def _decisions_answer(question: Question, answer: Mapping[str, object]) -> tuple[float, ...]:
    name = answer.get("name")
    if name is not None and name != question.key:
        raise bad_reply(f"got an answer to another question, expected one to {question.key}")
    if question.kind == "yes_no":
        return _both(answer.get("probability"), question.key)
    entries = objects(field(answer, "probabilities", list, f"the answer to {question.key}"), "probabilities")
    option = "label" if question.kind == "score" else "value"
    table = {entry.get(option): entry.get("probability") for entry in entries if isinstance(entry.get(option), str)}
    return tuple(number(table.get(name), f"probability of {question.key}={name}") for name in question.options)


def _both(chance: object, key: str) -> tuple[float, float]:
    yes = number(chance, f"probability of {key}")
    return yes, 1 - yes


def _checked(probabilities: tuple[float, ...], key: str) -> tuple[float, ...]:
    total = sum(probabilities)
    if not all(-1e-6 <= chance <= 1 + 1e-6 for chance in probabilities) or abs(total - 1) > _SUM_TOLERANCE:
        raise bad_reply(f"got probabilities of {key} that sum to {total:.4g}, expected each from 0 to 1 and a sum of 1")
    return tuple(min(max(chance, 0.0), 1.0) for chance in probabilities)
