"""The shipped contract test for language models: it passes good ones and finds planted breaches."""

import pytest

from recsim_llm.errors import ContractError
from recsim_llm.language.backends.scripted import Scripted, resolve_script
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.testing.language_model import check_language_model


def model(script, elicitation="decision"):
    return LanguageModel(Scripted(script), elicitation=elicitation)


@pytest.mark.parametrize("elicitation", ["decision", "logprobs", "json", "samples"])
def test_scripted_models_keep_the_contract(elicitation):
    with model(resolve_script("uniform"), elicitation) as kept:
        check_language_model(kept)


def test_answers_that_depend_on_what_was_asked_before_are_found():
    asked = []

    def moody(text, question):
        asked.append(text)
        return [len(asked)] + [1.0] * (len(question.options) - 1)

    with model(moody) as broken, pytest.raises(ContractError, match="its own ask only"):
        check_language_model(broken)


class Replaced(LanguageModel):
    """Changes what a good model answers."""

    def __init__(self, change):
        super().__init__(Scripted(resolve_script("uniform")), elicitation="decision")
        self._change = change

    def ask(self, asks):
        return [self._change(reply) for reply in super().ask(asks)]


def without_an_answer(reply):
    return reply._replace(answers=reply.answers[1:])


def with_half_the_mass(reply):
    first = reply.answers[0]
    half = type(first)(first.question, tuple(chance / 2 for chance in first.probabilities))
    return reply._replace(answers=(half, *reply.answers[1:]))


def with_an_option_less(reply):
    first = reply.answers[0]
    return reply._replace(answers=(type(first)(first.question, (1.0,)), *reply.answers[1:]))


@pytest.mark.parametrize(
    ("change", "told"),
    [(without_an_answer, "every question"), (with_half_the_mass, "normalise"), (with_an_option_less, "one an option")],
)
def test_a_planted_breach_is_found(change, told):
    with Replaced(change) as broken, pytest.raises(ContractError, match=told):
        check_language_model(broken)
