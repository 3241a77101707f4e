"""Replies in lines: ``key: answer``, however a model dresses them up.

A key counts where a line begins, or after a comma, semicolon, bar or full stop; it may be bold, quoted, numbered, in another
case, with blanks or dashes for its underscores. What follows it up to the end of the line, or to the next key, is its answer.
A reply that is one JSON object, or holds one, is read as such. The same question answered twice in the same way is answered;
words before the last answer that name no option do not count against it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from recsim_llm.language.answers.json_members import question_members
from recsim_llm.language.answers.label_lines import Table, find_segments, make_table
from recsim_llm.language.answers.loose_json import CONTRADICTION
from recsim_llm.language.answers.question_lists import hint
from recsim_llm.language.answers.reading import answer_text, nothing_read, plain_marks, unreadable
from recsim_llm.language.answers.reading_words import BLANK, DECORATION, Words, read_text, read_words
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.wire import RawReply

__all__ = ["read_labels"]

_CLEAN = re.compile(r"[\w ./★☆]{1,60}")


def read_labels(questions: tuple[Question, ...], raw: RawReply, text: str) -> list[Words]:
    """Return the answers in one text, in the order of the questions; ``place`` is where each begins, -1 where unknown.

    Args:
        questions: what was asked.
        raw: the reply that the text belongs to, for what the provider says about its end.
        text: one of its texts.

    Raises:
        ModelReplyError: not exactly one answer to each question.
    """
    table = make_table(questions)
    if raw.finish != "length" and not raw.refusal and raw.finish != "content_filter":
        exact = _read_exact(questions, table, text)
        if exact is not None:
            return exact
    shown = answer_text(raw, text)
    plain = plain_marks(shown)
    in_lines = _read_lines(questions, table, raw, (shown, plain))
    members = question_members(shown, table.numbers)
    is_object = plain.lstrip(" \n\t`").removeprefix("json").lstrip().startswith(("{", "["))
    if members.values:
        pairs = zip(questions, in_lines, strict=True)
        said = [_add_object(question, members.values.get(n), lines) for n, (question, lines) in enumerate(pairs)]
    elif is_object and any(question.kind == "text" for question in questions):
        # The quotes and commas of a broken object would become part of the words.
        said = [[] for _ in questions]
    else:
        said = in_lines
    if len(questions) == 1 and not said[0] and raw.finish != "length":
        said = [_read_bare(questions[0], plain)]
    return _merged(questions, raw, said, shown)


def _read_exact(questions: tuple[Question, ...], table: Table, text: str) -> list[Words] | None:
    """Return the answers of a reply as it was asked for; None for any other."""
    lines = text.split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) != len(questions):
        return None
    found, place = [], 0
    for line, known, start, question in zip(lines, table.lines, table.starts, questions, strict=True):
        option = known.get(line)
        if option is not None:
            found.append(Words(option, "", place + len(start)))
        elif known or not line.startswith(start) or "<" in line or "[" in line or "\r" in line:
            return None
        else:
            said = read_text(question, line[len(start) :])
            if said.cause:
                return None
            found.append(said)
        place += len(line) + 1
    return found


def _read_lines(questions: tuple[Question, ...], table: Table, raw: RawReply, texts: tuple[str, str]) -> list[list[Words]]:
    """Return what the lines of a text say about each question; ``texts`` are the text and its plain form."""
    shown, plain = texts
    said: list[list[Words]] = [[] for _ in questions]
    segments = find_segments(questions, table, plain)
    for segment in segments:
        question = questions[segment.question]
        words = plain[segment.start : segment.end]
        if segment.must_be_clean and not _CLEAN.fullmatch(words.strip()):
            continue
        if question.kind == "text":
            read = read_text(question, shown[segment.start : segment.end])
        else:
            read = read_words(question, words)
        if segment.must_be_clean and read.cause:
            continue
        if raw.finish == "length" and segment.end == len(plain) and _could_go_on(question, read):
            continue
        said[segment.question].append(read._replace(place=segment.start + read.place))
    return said


def _could_go_on(question: Question, read: Words) -> bool:
    """Return whether an answer at the very end of a cut-off text could be the beginning of another: ``1`` of ``12``."""
    if read.cause or question.kind == "text":
        return True
    label = question.labels[read.option]
    return any(other != label and other.startswith(label) for other in question.labels)


def _add_object(question: Question, values: list[object] | None, in_lines: list[Words]) -> list[Words]:
    """Return what the members of an object say about a question, and the lines that say something, for their places."""
    said = [_read_value(question, value) for value in values or ()]
    if question.kind == "text":
        return said
    # The lines come first: they know where the answer stands.
    return [words for words in in_lines if not words.cause] + said


def _read_value(question: Question, value: object) -> Words:
    if value is None:
        return BLANK
    if value == CONTRADICTION:
        return Words(cause="contradiction")
    if isinstance(value, bool):
        value = ("yes" if value else "no") if question.kind == "yes_no" else str(value)
    if isinstance(value, int | float):
        value = f"{value:.15g}" if abs(value) < 1e15 else "out of range"
    if not isinstance(value, str):
        return Words(cause="not_an_option")
    if question.kind == "text":
        return read_text(question, value)
    return read_words(question, plain_marks(value))._replace(place=-1)


def _read_bare(question: Question, plain: str) -> list[Words]:
    """Return the answer of a reply that is nothing but the answer; only a lone question can be answered so."""
    lines = [line for line in plain.splitlines() if line.strip(DECORATION)]
    if len(lines) != 1 or question.kind == "text":
        return []
    read = read_words(question, lines[0])
    return [] if read.cause in ("prose", "missing") else [read._replace(place=plain.find(lines[0]) + read.place)]


def _merged(questions: tuple[Question, ...], raw: RawReply, said: list[list[Words]], shown: str) -> list[Words]:
    """Return one answer for each question, or raise what is wrong."""
    merged = [_merge(question, words) for question, words in zip(questions, said, strict=True)]
    if not any(words.cause == "" for words in merged):
        _raise_nothing(questions, raw, merged, shown)
    for question, words in zip(questions, merged, strict=True):
        if words.cause not in ("", "missing", "echo"):
            cause = "not_an_option" if words.cause == "prose" else words.cause
            raise unreadable(cause, f"{cause.replace('_', ' ')} for {question.key}", f"one answer {hint(question)}")
    absent = [question.key for question, words in zip(questions, merged, strict=True) if words.cause]
    if absent:
        cause = "cut_off" if raw.finish == "length" else "missing"
        named = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        raise unreadable(cause, f"no answer to {named}", f"answers to all {len(questions)} questions")
    return merged


def _merge(question: Question, said: Sequence[Words]) -> Words:
    """Return the one thing that is said about a question."""
    answers = [words for words in said if not words.cause]
    if len({words.words if question.kind == "text" else words.option for words in answers}) > 1:
        return Words(cause="contradiction")
    for causes in (("out_of_range", "not_an_option", "contradiction"), ("",), ("prose",), ("echo",)):
        for words in said:
            if words.cause in causes:
                return words
    return BLANK


def _raise_nothing(questions: Sequence[Question], raw: RawReply, merged: Sequence[Words], shown: str) -> None:
    """Raise why no question at all is answered."""
    for cause in ("contradiction", "out_of_range", "not_an_option"):
        if any(words.cause == cause for words in merged):
            return
    causes = {words.cause for words in merged}
    otherwise = "not_an_option" if "prose" in causes else "echo" if "echo" in causes else "no_answer"
    raise nothing_read(questions, raw, shown, otherwise)
