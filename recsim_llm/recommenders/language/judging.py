"""Ways to ask a language model about candidates: each by itself, two at a time, or all in one list.

Point-wise: yes or no, or stars, of each candidate (Hou et al. 2024; Dai et al. 2023). Pair-wise: a bubble sort over the base's
order, from the last place upwards, so that each pass carries the best of what is left to the top (Qin et al. 2024, *Pairwise
ranking prompting*, section 3.3). List-wise: an ordered list, place by place or as written numbers (Sun et al. 2023).

A reply that cannot be read says nothing, and is counted with its cause: candidates that nothing was said about come after those
that were judged, a pair keeps its order, without a list the order is the base's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.errors import ModelReplyError
from recsim_llm.language.base.questions import Answer, Ask, Question
from recsim_llm.language.calls.writing import Writing
from recsim_llm.recommenders.counting import CountBook
from recsim_llm.recommenders.language.policy_prompts import Facts, Output, PolicyPrompts, Taken, questions_about

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel, Reply

__all__ = ["Case", "Judges", "Verdict", "Way", "judge", "read_numbers"]

Way = Literal["yes_no", "rating", "pairs", "list", "written_list"]
"""How a model is asked about candidates."""

_NUMBERS = re.compile(r"\d{1,4}(?:\s*,\s*\d{1,4})*")
_TOKENS_A_NUMBER = 6
_PURPOSE = "sides of a pair"
_UNLISTED = -1e9
_CANDIDATES = "candidates whose answer could not be read", "candidates asked about"
_PAIRS = "comparisons that could not be read", "comparisons", 1
_LISTS = "lists that could not be read", "lists asked for", 1
_EVEN = 0.5


class Case(NamedTuple):
    """A request whose candidates are to be judged."""

    user_id: int
    """Outside id."""
    visit: int
    """Visit number."""
    page: int
    """Page number."""
    nonce: str
    """Tells its calls from those of other requests."""
    taken: Sequence[Taken]
    """What the user took, oldest first."""
    about: Facts
    """What is told of the user's profile."""
    said: Sequence[str]
    """What the user said, latest last."""
    candidates: Sequence[int]
    """Catalog positions in the base's order, best first."""
    shown: Sequence[int]
    """The same, in the order in which they stand in a prompt."""


class Verdict(NamedTuple):
    """What came of a case."""

    score: npt.NDArray[np.float64]
    """float64 [c]: by candidate what the model said of it: a probability, stars, or the probability of being named first; NaN
    where it gave no number."""
    value: npt.NDArray[np.float64]
    """float64 [c]: what ranks them, larger is better; equal ones keep the base's order."""
    whole: bool
    """Every reply about them could be read."""


class Judges(NamedTuple):
    """What judging takes besides the cases."""

    model: LanguageModel
    """Who is asked."""
    prompts: PolicyPrompts
    """Words."""
    book: CountBook
    """Where calls and failures are counted."""
    seed: int
    """Of the sides on which the two of a pair stand."""
    places: int
    """Places of a list that are to be filled."""
    comparisons: int
    """Most comparisons of a case."""


def judge(way: Way, judges: Judges, cases: Sequence[Case]) -> list[Verdict]:
    """Ask a model about the candidates of cases, all of them at once, and return a verdict for each.

    Raises:
        RecSimError: the model failed.
    """
    return _WAYS[way](judges, cases)


def read_numbers(text: str, count: int, least: int) -> tuple[list[int], str]:
    """Read a written list of candidates strictly: numbers and commas, and nothing else.

    Args:
        text: what a model wrote.
        count: candidates, numbered from 1.
        least: how many must be named.

    Returns:
        Positions from 0 in the order of the list, and why it cannot be read: ``prose``, ``unknown`` (a number that no candidate
        has), ``repeated`` or ``short``; empty where it can.
    """
    listed = text.strip().rstrip(".").strip()
    if not _NUMBERS.fullmatch(listed):
        return [], "prose"
    numbers = [int(number) for number in listed.split(",")]
    if not all(1 <= number <= count for number in numbers):
        return [], "unknown"
    if len(set(numbers)) < len(numbers):
        return [], "repeated"
    return ([number - 1 for number in numbers], "") if len(numbers) >= least else ([], "short")


def _ask(judges: Judges, case: Case, output: Output, questions: tuple[Question, ...]) -> Ask:
    prompt = judges.prompts.prompt(output, case.taken, case.shown, about=case.about, said=case.said)
    return Ask(prompt, questions, case.nonce, str(case.user_id))


def _by_candidate(case: Case, by_place: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return by candidate what is known by place in the prompt."""
    told = dict(zip(case.shown, by_place, strict=True))
    return np.array([told[item] for item in case.candidates], np.float64)


def _take(judges: Judges, cases: Sequence[Case]) -> list[Verdict]:
    return _judge_apart(judges, cases, "yes_no", lambda answer: answer.probabilities[0])


def _rate(judges: Judges, cases: Sequence[Case]) -> list[Verdict]:
    return _judge_apart(judges, cases, "rating", lambda answer: answer.mean)


def _judge_apart(
    judges: Judges, cases: Sequence[Case], output: Literal["yes_no", "rating"], number: Callable[[Answer], float]
) -> list[Verdict]:
    """Judge each candidate by itself; of a page that is one ask, or one a candidate where each is a call of its own anyway."""
    asked = []
    for case in cases:
        whole = _ask(judges, case, output, questions_about(output, len(case.shown)))
        alone = [whole._replace(questions=(question,)) for question in whole.questions]
        asked.append(alone if judges.model.one_by_one else [whole])
    replies = iter(judges.model.ask_each([ask for asks in asked for ask in asks]))
    return [_judged(judges, case, [next(replies) for _ in asks], number) for case, asks in zip(cases, asked, strict=True)]


def _judged(
    judges: Judges, case: Case, replies: Sequence[Reply | ModelReplyError], number: Callable[[Answer], float]
) -> Verdict:
    by_place: list[float] = []
    for reply in replies:
        count = len(case.shown) // len(replies)
        _count(judges.book, case.user_id, (*_CANDIDATES, count), _why_unread(reply))
        by_place += [math.nan] * count if isinstance(reply, ModelReplyError) else map(number, reply.answers)
    score = _by_candidate(case, by_place)
    unknown = np.isnan(score)
    return Verdict(score, np.where(unknown, _UNLISTED, score), not unknown.any())


def _why_unread(reply: Reply | str | ModelReplyError) -> str:
    """Return why a reply cannot be read; empty where it can."""
    return reply.cause or "no reason told" if isinstance(reply, ModelReplyError) else ""


def _count(book: CountBook, user_id: int, about: tuple[str, str, int], unread: str) -> None:
    """Count something that was asked for, so many times, and where it could not be read also why."""
    what, of, cases = about
    book.meet(of, user_id, cases)
    book.add(what, of, user_id, cases * bool(unread), share=True)
    if unread:
        book.add(f"{what}: {unread}", of, user_id, cases, share=True)


def _list(judges: Judges, cases: Sequence[Case]) -> list[Verdict]:
    able = [case for case in cases if len(case.shown) > 1]
    counts = [len(case.shown) for case in able]
    asked = [questions_about("list", count, min(judges.places, count)) for count in counts]
    replies = iter(judges.model.ask_each([_ask(judges, case, "list", own) for case, own in zip(able, asked, strict=True)]))
    return [_listed(judges, case, next(replies)) if len(case.shown) > 1 else _unasked(case) for case in cases]


def _listed(judges: Judges, case: Case, reply: Reply | ModelReplyError) -> Verdict:
    _count(judges.book, case.user_id, _LISTS, _why_unread(reply))
    return _unread(case) if isinstance(reply, ModelReplyError) else _placed(judges, case, reply.answers)


def _placed(judges: Judges, case: Case, answers: Sequence[Answer]) -> Verdict:
    """Fill place by place with what is most probably named there and stands at none before it; of equals as the base has it."""
    chances = [_by_candidate(case, answer.probabilities) for answer in answers]
    order: list[int] = []
    again = 0
    for chance in chances:
        again += int(np.argmax(chance)) in order
        free = chance.copy()
        free[order] = -1
        order.append(int(np.argmax(free)))
    judges.book.meet("places of lists", case.user_id, len(chances))
    judges.book.add("candidates named at a second place", "places of lists", case.user_id, again, share=True)
    return Verdict(chances[0], _ranked(case, [case.candidates[number] for number in order]), True)


def _unasked(case: Case) -> Verdict:
    nothing = np.full(len(case.candidates), np.nan)
    return Verdict(nothing, np.zeros(len(nothing)), True)


def _unread(case: Case) -> Verdict:
    """Return what is made of a list that cannot be read: nothing."""
    return _unasked(case)._replace(whole=False)


def _ranked(case: Case, order: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return by candidate a value that falls with its place in an order; what is not in it comes last."""
    place = {item: -float(number) for number, item in enumerate(order)}
    return np.array([place.get(item, _UNLISTED) for item in case.candidates])


def _write(judges: Judges, cases: Sequence[Case]) -> list[Verdict]:
    texts = judges.model.write_each([_list_writing(judges, case) for case in cases])
    return [_written(judges, case, text) for case, text in zip(cases, texts, strict=True)]


def _list_writing(judges: Judges, case: Case) -> Writing:
    count = min(judges.places, len(case.shown))
    best = "number of the best candidate" if count == 1 else f"numbers of the {count} best candidates"
    order = f"Write the {best}, best first, with commas between them, and nothing else."
    prompt = judges.prompts.prompt("list", case.taken, case.shown, about=case.about, said=case.said, order=order)
    return Writing(prompt, _TOKENS_A_NUMBER * count + _TOKENS_A_NUMBER, nonce=case.nonce, subject=str(case.user_id))


def _written(judges: Judges, case: Case, text: str | ModelReplyError) -> Verdict:
    """Return the order that a list states."""
    order, cause = list[int](), _why_unread(text)
    if not isinstance(text, ModelReplyError):
        order, cause = read_numbers(text, len(case.shown), min(judges.places, len(case.shown)))
    _count(judges.book, case.user_id, _LISTS, cause)
    if cause:
        return _unread(case)
    return Verdict(np.full(len(case.candidates), np.nan), _ranked(case, [case.shown[place] for place in order]), True)


def _compare(judges: Judges, cases: Sequence[Case]) -> list[Verdict]:
    """Sort the candidates of all cases side by side; each round asks every case about one pair."""
    orders: list[list[int]] = [list(case.candidates) for case in cases]
    whole = [True] * len(cases)
    sorts = {number: _bubble(judges, case, orders[number]) for number, case in enumerate(cases)}
    pending = _begun(sorts)
    while pending:
        replies = dict(zip(pending, judges.model.ask_each(list(pending.values())), strict=True))
        pending = {}
        for number, reply in replies.items():
            _count(judges.book, cases[number].user_id, _PAIRS, _why_unread(reply))
            whole[number] &= not isinstance(reply, ModelReplyError)
            # Unread they are equals, which keep their order.
            chance = _EVEN if isinstance(reply, ModelReplyError) else reply.answers[0].probabilities[0]
            with suppress(StopIteration):
                pending[number] = sorts[number].send(chance)
    unsaid = [np.full(len(case.candidates), np.nan) for case in cases]
    return [
        Verdict(nothing, _ranked(case, order), read)
        for nothing, case, order, read in zip(unsaid, cases, orders, whole, strict=True)
    ]


def _begun(sorts: Mapping[int, Generator[Ask, float]]) -> dict[int, Ask]:
    first = {number: next(sort, None) for number, sort in sorts.items()}
    return {number: ask for number, ask in first.items() if ask is not None}


def _bubble(judges: Judges, case: Case, order: list[int]) -> Generator[Ask, float]:
    """Sort an order in place by passes from the last place upwards; yields a pair, takes the chance of its first."""
    known: dict[tuple[int, int], bool] = {}
    asked = 0
    for top in range(min(judges.places, len(order) - 1)):
        for place in range(len(order) - 2, top - 1, -1):
            pair = order[place], order[place + 1]
            if pair not in known and asked < judges.comparisons:
                turned = _turned(judges, case, asked)
                chance = yield _ask(
                    judges, case._replace(shown=pair[::-1] if turned else pair), "list", questions_about("list", 2, 1)
                )
                # Of equals the one stays above that the base put there.
                known[pair] = chance > _EVEN if turned else chance < _EVEN
                known[pair[::-1]] = not known[pair]
                asked += 1
            if known.get(pair, False):
                order[place : place + 2] = pair[::-1]
    judges.book.meet("pages", case.user_id)
    judges.book.add("comparisons of two candidates", "pages", case.user_id, asked)


def _turned(judges: Judges, case: Case, number: int) -> bool:
    """Draw whether the lower one of a pair stands first, so that a liking for one side averages out."""
    word = keyed.words(judges.seed, _PURPOSE, *(np.array([part]) for part in (case.user_id, case.visit, case.page, number)))
    return bool(word[0] & np.uint64(1))


_WAYS: Mapping[Way, Callable[[Judges, Sequence[Case]], list[Verdict]]] = {
    "yes_no": _take,
    "rating": _rate,
    "pairs": _compare,
    "list": _list,
    "written_list": _write,
}
