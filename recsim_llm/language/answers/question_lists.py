"""Questions as a model sees them: one line each, the same bytes for the same question."""

from __future__ import annotations

import re
from functools import lru_cache

from recsim_llm.errors import ConfigError
from recsim_llm.language.base.questions import Question

__all__ = ["check_questions", "hint", "lead_of", "list_line", "list_questions"]

_KEY = re.compile(r"[A-Za-z0-9_]+")


@lru_cache(maxsize=512)
def check_questions(questions: tuple[Question, ...]) -> None:
    """Check that a reply to these questions can be told apart line by line.

    Raises:
        ConfigError: no question, a key with other characters than letters, digits and underscores, keys that differ only by
            case, an empty text or option or one of several lines.
    """
    if not questions:
        raise ConfigError("an ask: got no questions, expected at least one")
    seen: set[str] = set()
    for question in questions:
        name = f"question {question.key!r}"
        if not _KEY.fullmatch(question.key):
            raise ConfigError(f"{name}: expected a key of letters, digits and underscores")
        if question.key.lower() in seen:
            raise ConfigError(f"{name}: got the key twice, expected keys that differ by more than case")
        seen.add(question.key.lower())
        for words in (question.text, *question.options):
            if not words.strip() or len(words.splitlines()) > 1:
                raise ConfigError(f"{name}: got {words[:60]!r}, expected a text and options of one line each")


def hint(question: Question) -> str:
    """Return what may be answered, in parentheses: ``(yes or no)``, ``(1 to 5)``, ``(A: Drama; B: War)``."""
    if question.kind == "yes_no":
        return "(yes or no)"
    if question.kind == "text":
        return "(a few words)"
    if question.kind == "choice":
        return f"({'; '.join(f'{label}: {option}' for label, option in zip(question.labels, question.options, strict=True))})"
    return f"({question.options[0]} to {question.options[-1]})"


def lead_of(question: Question) -> str:
    """Return what stands before the answer of a question that is asked alone, where nothing else tells what is asked.

    Its own lead; without one ``TEXT (HINT):``, in the words of ``chat``.
    """
    return question.lead or f"{question.text} {hint(question)}:"


def list_line(question: Question) -> str:
    """Return a question's line in a prompt, ``- KEY (HINT): TEXT``."""
    return f"- {question.key} {hint(question)}: {question.text}"


def list_questions(questions: tuple[Question, ...]) -> str:
    """Return the lines of all questions, in order."""
    return "\n".join(list_line(question) for question in questions)
