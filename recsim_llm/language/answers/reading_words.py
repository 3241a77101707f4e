"""From the words of one answer to an option: ``Yes.``, ``4/5``, ``B) Drama``, ``no, because …``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from recsim_llm.language.answers.question_lists import hint
from recsim_llm.language.answers.reading import one_line, plain_marks
from recsim_llm.language.base.questions import Question

__all__ = ["BLANK", "DECORATION", "Words", "read_text", "read_words"]

DECORATION = " \t\n*_`'\"()[]{}|#•·→"
"""Marks around an answer that say nothing."""

_ENDING = DECORATION + ".,;!"
_PLACEHOLDERS = frozenset({"answer", "...", "…", "yes/no", "yes|no", "yes or no", "a few words"})
_BECAUSE = re.compile(r"[\s,;.:(|-]*(?:because|since|as|due to|given)\b", re.IGNORECASE)
_ASIDE = re.compile(r"\s*(?:[,.;:!(|)\]}'\"*]|-+\s)")
_YES_NO = re.compile(r"(?:yes|no)\b", re.IGNORECASE)
_OTHER_YES_NO = {"yes": 0, "true": 0, "y": 0, "no": 1, "false": 1, "n": 1}
_NUMBER = re.compile(
    r"(?:(?:level|score|rating|number|answer)\b\s{0,3}(?:of|is|=|:)?\s{0,3})?"
    r"([+-]?)([ \t]{0,3})([0-9]{1,400})(?:\.([0-9]{1,400}))?(?![0-9])",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s{0,3}(?:(?:/\s{0,3}|(?:out )?of )([0-9]{1,4})(?![0-9.])|stars?\b|points?\b)", re.IGNORECASE)
_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_STARS = re.compile(r"([★⭐]\ufe0f?)+☆*")
_LETTER = re.compile(r"(?:(?:option|answer|choice)\s{0,3}:?\s{0,3})?\(?([A-Za-z])(?![A-Za-z0-9_'])", re.IGNORECASE)


class Words(NamedTuple):
    """What the words of one answer say."""

    option: int = -1
    """Number of the option; -1 where it is not told."""
    words: str = ""
    """The answer to a text question."""
    place: int = 0
    """Where the answer begins in the words that were read."""
    cause: str = ""
    """Empty for an answer; ``missing`` or ``echo`` where nothing is said; ``prose`` for words that name no option at their
    beginning; ``not_an_option`` for words that name several; ``out_of_range``."""


BLANK = Words(cause="missing")
"""No words."""


class _Guide(NamedTuple):
    """What is precomputed of a question."""

    text: str
    hint: str
    options: tuple[str, ...]
    placeholders: frozenset[str]


@lru_cache(maxsize=4096)
def _guide(question: Question) -> _Guide:
    allowed = plain_marks(hint(question)).lower()
    options = tuple(plain_marks(option).lower() for option in question.options)
    placeholders = _PLACEHOLDERS | {allowed, allowed.strip("()")}
    return _Guide(plain_marks(question.text).lower(), allowed, options, placeholders)


def read_words(question: Question, words: str) -> Words:
    """Return what words say about a question that has options.

    Args:
        question: of any kind but text.
        words: as ``plain_marks`` returns them, without the key.
    """
    place = len(words) - len(words.lstrip(DECORATION))
    if words[place : place + len(question.text)].lower() == _guide(question).text:
        place += len(question.text)
        place += len(words) - place - len(words[place:].lstrip(DECORATION + "?:."))
        if not words[place:].strip(_ENDING):
            return Words(cause="echo")
    body = words[place:].rstrip(_ENDING)
    if body.startswith("<") and body.endswith(">"):
        body, place = body[1:-1], place + 1
    if not body:
        return BLANK
    if body.lower().strip(_ENDING) in _guide(question).placeholders:
        return Words(cause="echo")
    read = {"yes_no": _read_yes_no, "choice": _read_choice}.get(question.kind, _read_number)
    found = read(question, body)
    return found._replace(place=place + found.place)


def read_text(question: Question, words: str) -> Words:
    """Return the answer to a text question: the words on one line without marks around them."""
    answer = one_line(words).strip("*`| ")
    if len(answer) > 1 and (answer[0], answer[-1]) in (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’")):
        answer = answer[1:-1].strip()
    plain = plain_marks(answer).lower()
    if not answer.strip(_ENDING):
        return BLANK
    if plain == _guide(question).text or plain.strip(_ENDING) in _guide(question).placeholders:
        return Words(cause="echo")
    return Words(words=answer)


def _bullet(body: str) -> int:
    """Return where the answer begins after a bullet."""
    return len(body) - len(body.lstrip("-+ \t" + DECORATION))


def _read_yes_no(question: Question, body: str) -> Words:
    place = _bullet(body)
    exact = _OTHER_YES_NO.get(body[place:].lower())
    if exact is not None:
        return Words(exact, place=place)
    match = _YES_NO.match(body, place)
    if match is None:
        return Words(cause="prose")
    option = _OTHER_YES_NO[match[0].lower()]
    other = re.search(rf"\b{question.options[1 - option]}\b", body[match.end() :], re.IGNORECASE)
    return Words(option, place=place) if _is_aside(body[match.end() :], other) else Words(cause="not_an_option")


def _is_aside(rest: str, other: object) -> bool:
    """Return whether what follows an option leaves no doubt about it: nothing, a reason, or an aside that names no other."""
    return not rest.strip() or _BECAUSE.match(rest) is not None or (_ASIDE.match(rest) is not None and not other)


def _read_number(question: Question, body: str) -> Words:
    place = _bullet(body) if int(question.options[0]) >= 0 and re.match(r"[-+]\s", body) else 0
    stars = _STARS.fullmatch(body) if question.kind == "score" else None
    if stars is not None:
        return _level(question, sum(mark in "★⭐" for mark in body), 0)
    spelled = re.match(r"([A-Za-z]{3,5})(?: stars?)?$", body)
    if spelled is not None and spelled[1].lower() in _SPELLED:
        return _level(question, _SPELLED.index(spelled[1].lower()), 0)
    match = _NUMBER.match(body, place)
    if match is None:
        return Words(cause="prose")
    sign, gap, digits, decimals = match[1], match[2], match[3], match[4]
    if (sign and gap) or (decimals and decimals.strip("0")) or body.startswith("%", match.end()):
        return Words(cause="not_an_option")
    number = int(digits) * (-1 if sign == "-" else 1)
    rest = body[_after_units(question, body, match.end()) :]
    other = any(int(again) != abs(number) for again in re.findall(r"[0-9]{1,400}", rest))
    if not _is_aside(rest, other):
        return Words(cause="not_an_option")
    return _level(question, number, match.start(3) - len(sign))


def _after_units(question: Question, body: str, end: int) -> int:
    """Return where ``stars``, ``/5`` or ``out of 5`` end; those of another number of levels are left to what follows."""
    for _ in range(3):
        unit = _UNIT.match(body, end)
        if unit is None or (unit[1] and unit[1] != question.options[-1]):
            break
        end = unit.end()
    return end


def _level(question: Question, number: int, place: int) -> Words:
    name = str(number)
    if name not in question.options:
        return Words(cause="out_of_range")
    return Words(question.options.index(name), place=place)


def _read_choice(question: Question, body: str) -> Words:
    if body in question.labels:
        return Words(question.labels.index(body))
    start = _bullet(body)
    by_letter = _choice_by_letter(question, body[start:])
    by_text = _choice_by_text(question, body[start:])
    found = [read for read in (by_letter, by_text) if not read.cause]
    if len({read.option for read in found}) == 1:
        return found[0]._replace(place=start + found[0].place)
    vague = found or "not_an_option" in (by_letter.cause, by_text.cause)
    return Words(cause="not_an_option" if vague else "prose")


def _choice_by_letter(question: Question, body: str) -> Words:
    match = _LETTER.match(body)
    option = question.labels.index(match[1].upper()) if match and match[1].upper() in question.labels else -1
    if match is None or option < 0:
        return Words(cause="prose")
    rest = body[match.end() :]
    said = rest.strip(_ENDING + ":-").lower()
    options = _guide(question).options
    if said == options[option]:
        return Words(option, place=match.start(1))
    if said.startswith(options[option]):
        rest = rest[rest.lower().find(options[option]) + len(options[option]) :]
    others = [text for number, text in enumerate(options) if number != option and text in rest.lower()]
    letters = set(re.findall(r"\b[A-Z]\b", rest)) & (set(question.labels) - {match[1].upper()})
    if not _is_aside(rest, others or letters):
        # "A thriller" need not be the letter A; "A or B" names two.
        return Words(cause="not_an_option" if letters else "prose")
    return Words(option, place=match.start(1))


def _choice_by_text(question: Question, body: str) -> Words:
    folded = body.lower()
    options = _guide(question).options
    named = [option for option in options if folded.startswith(option) and not folded[len(option) :][:1].isalnum()]
    if not named:
        return Words(cause="prose")
    longest = max(named, key=len)
    rest = folded[len(longest) :]
    others = [text for text in options if text not in named and text in rest]
    if options.count(longest) > 1 or not _is_aside(rest, others):
        return Words(cause="not_an_option")
    return Words(options.index(longest))
