"""What every language model must keep to, as checks that run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsim_llm.errors import ContractError
from recsim_llm.language.base.questions import Ask, Part, Prompt, Question, choice, number, score, yes_no
from recsim_llm.language.calls.model import LanguageModel, Reply
from recsim_llm.language.calls.writing import Writing

__all__ = ["check_language_model"]

_RULES = Part("rules", "You look at one title at a time and say what a person would do.")
_TITLES = ("A Quiet Harbour (Drama)", "Nine Lanterns (Mystery)", "The Last Ferry (Comedy)")
_QUESTIONS = (
    yes_no("take", "Would they take it?"),
    score("stars", "How many stars would they give?"),
    choice("mood", "Which mood does it suit?", ("calm", "tense", "merry")),
    number("minutes", "After how many tens of minutes would they stop?", 0, 9),
)
_CLOSE = 1e-6


def check_language_model(model: LanguageModel) -> None:
    """Check that a language model answers typed questions as ``recsim_llm.language`` promises; about a dozen calls.

    Checked: every question is answered, in order, with one probability an option, none below 0, summing to 1; the same ask
    gets the same answer alone, in company and in another order, unless answers are sampled; free text is text. Give a model
    without a store: answers from a cache would always agree.

    Args:
        model: for instance from ``open_model``; it stays open.

    Raises:
        ContractError: the first breach.
        RecSimError: the model failed.
    """
    asks = [_ask(title) for title in _TITLES]
    together = model.ask(asks)
    if len(together) != len(asks):
        raise ContractError(f"{model.name}: got {len(together)} replies to {len(asks)} asks, expected one each; keep the order")
    for reply in together:
        _check_reply(model.name, reply)
    if model.elicitation != "samples":
        _check_same(model.name, model.ask(asks[::-1])[::-1], together, "in another order")
        _check_same(model.name, [model.ask([ask])[0] for ask in asks], together, "alone")
    text = model.write([Writing(Prompt((_RULES, Part("page", _TITLES[0]))), max_tokens=20)])
    if len(text) != 1 or not isinstance(text[0], str):
        raise ContractError(f"{model.name}: got {text!r} from write, expected one text; return str")


def _ask(title: str) -> Ask:
    return Ask(Prompt((_RULES, Part("page", title))), _QUESTIONS)


def _check_reply(name: str, reply: Reply) -> None:
    asked = [answer.question for answer in reply.answers]
    if asked != list(_QUESTIONS):
        keys = [question.key for question in asked]
        expected = [question.key for question in _QUESTIONS]
        raise ContractError(f"{name}: got answers to {keys}, expected {expected} in this order; answer every question")
    for answer in reply.answers:
        _check_chances(name, answer.question, np.asarray(answer.probabilities))


def _check_chances(name: str, question: Question, chances: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    if len(chances) != len(question.options):
        got = f"{len(chances)} probabilities for {question.key}"
        raise ContractError(f"{name}: got {got}, expected {len(question.options)}, one an option; give all of them")
    if not (np.isfinite(chances).all() and (chances >= 0).all() and abs(chances.sum() - 1) < _CLOSE):
        raise ContractError(f"{name}: got probabilities {chances} for {question.key}, expected a distribution; normalise them")


def _check_same(name: str, got: Sequence[Reply], expected: Sequence[Reply], when: str) -> None:
    for one, other in zip(got, expected, strict=True):
        for answer, before in zip(one.answers, other.answers, strict=True):
            if answer.probabilities != before.probabilities:
                raise ContractError(
                    f"{name}: got {answer.probabilities} for {answer.question.key} {when}, expected {before.probabilities} "
                    "as before; let an answer depend on its own ask only"
                )
