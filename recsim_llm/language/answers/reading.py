"""What reading any reply needs: the causes of failure, what a reply holds besides its answer, floored probabilities.

Nothing is ever guessed: a reply that can be read in two ways is a failure with a cause, like one that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

from recsim_llm.errors import ModelReplyError
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import RawReply

__all__ = [
    "CAUSES",
    "FLOOR",
    "LONGEST",
    "answer_text",
    "excerpt",
    "floored",
    "is_refusal_text",
    "nothing_read",
    "one_line",
    "plain_marks",
    "refuse_refusals",
    "unreadable",
    "without_thoughts",
]

CAUSES = MappingProxyType(
    {
        "empty": "the reply holds no text",
        "refusal": "the provider or the model refused to answer",
        "cut_off": "the reply ended at its token limit before all answers were complete",
        "no_answer": "the reply holds no line or object that answers any question",
        "missing": "some questions are answered, others are not",
        "contradiction": "a question is answered twice, differently",
        "out_of_range": "a number outside what was asked for, or percentages that do not sum to 100",
        "not_an_option": "words that are none of the options, or more than one",
        "not_a_probability": "something else than a percentage, or than one percentage an option",
        "not_json": "no JSON object where one was asked for",
        "echo": "the questions repeated instead of answered",
        "no_logprobs": "no usable log-probabilities at the token that carries an answer",
        "options_missing": "options missing from the log-probabilities, so that how likely they are is not known",
    }
)
"""What can be wrong with a reply: ``ModelReplyError.cause`` and its meaning."""
FLOOR = 1e-4
"""Least probability of an option before the last division by the sum: log-odds stay finite."""
LONGEST = 100_000
"""Longest reply that is searched, characters without thoughts; it bounds the time that a broken reply can take."""

_THINK_LESS = (
    "have the model not think, --set models.user.request.chat_template_kwargs.enable_thinking=false or "
    "--set models.user.request.reasoning_effort=low, or serve it without a parser of thoughts"
)
_TAG = re.compile(
    r"<(/?)(?:think|thinking|thought|reasoning)>|\[(/?)THINK\]|<\|channel\|>\s{0,3}final\s{0,3}(<)\|message\|>", re.IGNORECASE
)
_SPECIAL = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>")
_PLAIN = {0xFF01 + code: 0x21 + code for code in range(94)} | {
    ord(mark): plain
    for marks, plain in (
        ("\u00a0\u2007\u202f\u3000\ufeff\u200b\u200c\u200d\u2060", " "),
        ("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
        ("‐‑‒–—―−", "-"),
        ("‘’‚′", "'"),
        ("“”„«»″", '"'),
        ("。", "."),
        ("、", ","),
        ("│┃", "|"),
        ("：", ":"),
    )
    for mark in marks
}
_REFUSAL = re.compile(
    r"\W*(?:(?:i'?m|i am) (?:really |very |so |truly )?(?:sorry|unable|afraid)|sorry\b|apologies|i apologi[sz]e"
    r"|(?:unfortunately,? )?i (?:can ?not|can't|won't|will not|must decline|do not feel comfortable|don't feel comfortable)"
    r"|as an ai\b)",
    re.IGNORECASE,
)


def unreadable(cause: str, got: str, expected: str) -> ModelReplyError:
    """Return the error for a reply that cannot be read.

    Args:
        cause: a key of ``CAUSES``.
        got: what the reply holds, one line.
        expected: what was asked for, and what to do if anything else than asking again helps.
    """
    return ModelReplyError(f"reply: got {got}, expected {expected}", cause=cause)


def excerpt(words: str) -> str:
    """Return the beginning of some words, quoted, on one line, for an error's text."""
    start = one_line(words[:200])
    return ascii(start if len(start) <= 60 else f"{start[:57]}...")


def one_line(words: str) -> str:
    """Return words with runs of blanks as one, and characters that UTF-8 cannot carry as question marks."""
    return " ".join(words.split()).encode("utf-8", "replace").decode()


def floored(weights: Sequence[float]) -> tuple[float, ...]:
    """Return weights as probabilities: divided by their sum, none below ``FLOOR``, divided by their sum again.

    Args:
        weights: finite, not negative, not all 0.
    """
    total = sum(weights)
    if min(weights) > FLOOR * total:
        return tuple([weight / total for weight in weights])
    raised = [max(weight / total, FLOOR) for weight in weights]
    total = sum(raised)
    return tuple([weight / total for weight in raised])


def plain_marks(text: str) -> str:
    """Return text of the same length with full-width letters, dashes, quotes and blanks as their ASCII forms."""
    return text if text.isascii() and "\r" not in text else text.translate(_PLAIN)


def without_thoughts(text: str) -> str:
    """Return text of the same length in which thoughts before the answer and special tokens are line breaks.

    Thoughts stand between ``<think>`` and ``</think>`` (also ``thinking``, ``thought``, ``reasoning``, ``[THINK]``). Where
    only the end is marked they begin with the reply, where only the start is marked all that follows is thought.
    """
    if "<" not in text and "[" not in text:
        return text
    spans: list[tuple[int, int]] = []
    start = -1
    for tag in _TAG.finditer(text):
        if not any(tag.groups()):
            start = tag.start() if start < 0 else start
            continue
        if start < 0:
            spans.clear()
        spans.append((max(start, 0), tag.end()))
        start = -1
    if start >= 0:
        spans.append((start, len(text)))
    pieces: list[str] = []
    place = 0
    for begin, end in spans:
        pieces += (text[place:begin], "\n" * (end - begin))
        place = end
    return _SPECIAL.sub(lambda token: "\n" * len(token[0]), "".join([*pieces, text[place:]]))


def is_refusal_text(text: str) -> bool:
    """Return whether a text that answers nothing begins as a refusal does."""
    return _REFUSAL.match(plain_marks(text)) is not None


def answer_text(raw: RawReply, text: str) -> str:
    """Return one text of a reply without thoughts, after the checks that hold for every form.

    Raises:
        ModelReplyError: ``refusal``, ``empty``, ``cut_off`` or, for one that is far too long, ``no_answer``.
    """
    refuse_refusals(raw)
    shown = without_thoughts(text)
    if not shown.strip():
        if raw.finish == "length":
            raise unreadable("cut_off", "no answer before the token limit", f"answers; {_THINK_LESS}")
        if text.strip():
            raise unreadable("no_answer", "thoughts without an answer", f"an answer after them; {_THINK_LESS}")
        if raw.finish in ("tool_calls", "function_call"):
            raise unreadable("empty", "a call of tools", "an answer in the message; serve the model without tools")
        raise unreadable("empty", "an empty text", "answers")
    if len(shown.strip()) > LONGEST:
        raise unreadable("no_answer", f"{len(shown)} characters", f"at most {LONGEST}")
    return shown


def refuse_refusals(raw: RawReply) -> None:
    """Raise if the provider said that the reply is a refusal."""
    if raw.refusal:
        raise unreadable("refusal", f"the refusal {excerpt(raw.refusal)}", "answers")
    if raw.finish == "content_filter":
        raise unreadable("refusal", "a reply stopped by the provider's content filter", "answers")


def nothing_read(questions: Sequence[Question], raw: RawReply, shown: str, otherwise: str) -> ModelReplyError:
    """Return the error for a text that answers nothing.

    Args:
        questions: what was asked.
        raw: the reply that the text belongs to.
        shown: the text without thoughts.
        otherwise: the cause where the text is no refusal, not cut off and no repetition of the questions.
    """
    if is_refusal_text(shown):
        return unreadable("refusal", excerpt(shown), "answers")
    if raw.finish == "length":
        return unreadable("cut_off", excerpt(shown), "answers before the token limit")
    if any(question.text in shown and question.key in shown for question in questions):
        return unreadable("echo", "the questions again", "answers to them")
    return unreadable(otherwise, excerpt(shown), f"answers to {len(questions)} questions")
