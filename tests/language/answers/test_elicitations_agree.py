"""All ways to a decision give the same probabilities, those of the model: in the process and over HTTP."""

from __future__ import annotations

import asyncio
import math
from hashlib import blake2b

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from patience import PATIENCE

from recsim_llm.errors import BackendError, ModelReplyError
from recsim_llm.language.answers.elicitation import prepare, read
from recsim_llm.language.backends.aiohttp_backend import AiohttpBackend
from recsim_llm.language.backends.openai_backend import OpenAIBackend
from recsim_llm.language.backends.scripted import Scripted, resolve_script
from recsim_llm.language.base.questions import Ask, Part, Prompt, choice, number, score, yes_no
from recsim_llm.language.base.wire import Abilities, Call
from recsim_llm.language.chaos.faults import FAULTS, HARMLESS, Faults, possible_faults
from recsim_llm.language.chaos.server import ChaosServer

SAMPLES = 400
FLOOR = 1e-4
QUESTIONS = (
    yes_no("click_1", "Would you open item 1?"),
    yes_no("click_2", "Would you open item 2?"),
    score("stars_1", "How many stars would you give item 1?"),
    score("mood", "How is your mood?", levels=9),
    choice("next", "What do you do next?", ("read on", "search for something (anything); else", "leave")),
    number("minutes", "How many minutes do you stay?", 0, 12),
)
ELICITATIONS = ("decision", "logprobs", "json", "samples")


def weights(least):
    """Draw a weight for each option of each question, at least one of them not 0."""
    sizes = [len(question.options) for question in QUESTIONS]
    return st.tuples(*(st.lists(st.integers(least, 12), min_size=size, max_size=size).filter(any) for size in sizes))


def chances(drawn):
    return [[weight / sum(row) for weight in row] for row in drawn]


def script(drawn):
    table = dict(zip((question.key for question in QUESTIONS), drawn, strict=True))
    return lambda text, question: table[question.key]


def ask(page="A page."):
    parts = (Part("rules", "You are a visitor."), Part("persona", "You love Comedy."), Part("page", page))
    return Ask(Prompt(parts), QUESTIONS)


def answers(backend, elicitation, asked):
    """Ask once and return the probabilities of each question."""

    async def once():
        call = prepare(asked, elicitation, samples=SAMPLES)._replace(seed=1)
        try:
            return read(call, await backend.send(call), elicitation)
        finally:
            await backend.close()

    found = asyncio.run(once())
    assert [answer.question for answer in found] == list(QUESTIONS)
    return [answer.probabilities for answer in found]


def floored(row):
    raised = [max(chance, FLOOR) for chance in row]
    return [chance / sum(raised) for chance in raised]


def check_exact(found, truth):
    for row, expected in zip(found, truth, strict=True):
        assert row == pytest.approx(floored(expected), abs=1e-3)
        assert sum(row) == pytest.approx(1)


def check_percent(found, truth):
    for row, expected in zip(found, truth, strict=True):
        assert row == pytest.approx(expected, abs=0.01 + len(row) * FLOOR)


def check_samples(found, truth):
    """Check that counts lie within 5 binomial standard errors of the truth, seen through a Jeffreys prior."""
    for row, expected in zip(found, truth, strict=True):
        size = SAMPLES + len(row) / 2
        for chance, true in zip(row, expected, strict=True):
            centre = (SAMPLES * true + 0.5) / size
            assert abs(chance - centre) <= 5 * math.sqrt(true * (1 - true) * SAMPLES) / size + FLOOR


CHECKS = {"decision": check_exact, "logprobs": check_exact, "json": check_percent, "samples": check_samples}


@pytest.mark.parametrize("elicitation", ["decision", "logprobs", "json"])
@given(drawn=weights(0))
@settings(max_examples=60)
def test_an_elicitation_that_states_probabilities_gives_the_models_own(elicitation, drawn):
    minutes = drawn[-1]
    # A token 1 that may begin 12 is refused where nothing shows that 12 is a token of its own.
    assume(elicitation != "logprobs" or not minutes[1] or any(minutes[10:]))
    CHECKS[elicitation](answers(Scripted(script(drawn)), elicitation, ask()), chances(drawn))


@given(drawn=weights(1))
@settings(max_examples=20, derandomize=True)
def test_samples_give_the_models_own_probabilities_within_their_error(drawn):
    check_samples(answers(Scripted(script(drawn)), "samples", ask(f"Page {drawn}.")), chances(drawn))


FIXED = ((3, 7), (1, 0), (1, 2, 4, 2, 1), (1, 1, 1, 1, 2, 1, 1, 1, 1), (5, 1, 14), (*range(12), 0))


@pytest.mark.parametrize("backend", [AiohttpBackend, OpenAIBackend])
@pytest.mark.parametrize(
    ("elicitation", "endpoint"),
    [("logprobs", None), ("json", None), ("samples", None), ("decision", "systemone"), ("decision", "decisions")],
)
def test_elicitations_agree_over_http(backend, elicitation, endpoint):
    abilities = Abilities(elicitations=(elicitation,), samples=SAMPLES, decision_path=f"/{endpoint}" if endpoint else "")
    with ChaosServer(script(FIXED), seed=1, decision=endpoint) as server:
        client = backend("chaos", base_url=server.base_url, api_key="none", timeout=PATIENCE, abilities=abilities)
        found = answers(client, elicitation, ask())
    CHECKS[elicitation](found, chances(FIXED))


def bytewise(text, question):
    """Depend on every byte of the text that a script sees."""
    return [1 + byte for byte in blake2b(f"{question.key}\n{text}".encode(), digest_size=len(question.options)).digest()]


def test_a_script_sees_the_same_text_whichever_way_it_is_asked():
    expected = answers(Scripted(bytewise), "decision", ask())
    assert answers(Scripted(bytewise), "logprobs", ask())[3] == pytest.approx(expected[3])
    for elicitation, endpoint in [("logprobs", None), ("decision", "systemone"), ("decision", "decisions")]:
        abilities = Abilities(elicitations=(elicitation,), decision_path=f"/{endpoint}")
        with ChaosServer(bytewise, seed=1, decision=endpoint) as server:
            client = AiohttpBackend("chaos", base_url=server.base_url, api_key="none", timeout=PATIENCE, abilities=abilities)
            found = answers(client, elicitation, ask())
        assert [row == pytest.approx(true) for row, true in zip(found, expected, strict=True)] == [True] * len(QUESTIONS)


@pytest.mark.parametrize("elicitation", ELICITATIONS)
def test_http_gives_the_same_as_the_stand_in(elicitation):
    abilities = Abilities(elicitations=(elicitation,), samples=SAMPLES, decision_path="/systemone")
    asked = ask('<page>\n1. "Heat" (1995) | Action\n2. "Sabrina" (1995) | Comedy, Romance\n</page>')
    with ChaosServer("genres", seed=1, decision="systemone") as server:
        client = AiohttpBackend("chaos", base_url=server.base_url, api_key="none", timeout=PATIENCE, abilities=abilities)
        remote = answers(client, elicitation, asked)
    local = answers(Scripted(resolve_script("genres")), elicitation, asked)
    for here, there in zip(local, remote, strict=True):
        assert here == pytest.approx(there, abs=1e-12)


OF_DECISIONS = possible_faults(Call("decision", (), (), 0.0, 1), "/systemone")


@pytest.mark.parametrize(
    ("elicitation", "fault"),
    [(way, fault) for way in ELICITATIONS for fault in FAULTS if way != "decision" or fault in OF_DECISIONS],
)
def test_a_fault_ends_in_the_right_answer_or_in_an_error(elicitation, fault):
    abilities = Abilities(elicitations=(elicitation,), samples=SAMPLES, decision_path="/systemone")
    faults = Faults({fault: 1.0}, most_in_a_row=1, hang_seconds=0.01)
    with ChaosServer(script(FIXED), seed=1, decision="systemone", faults=faults) as server:
        client = AiohttpBackend("chaos", base_url=server.base_url, api_key="none", timeout=PATIENCE, abilities=abilities)
        if fault in HARMLESS:
            CHECKS[elicitation](answers(client, elicitation, ask()), chances(FIXED))
        else:
            with pytest.raises((BackendError, ModelReplyError)):
                answers(client, elicitation, ask())
        assert server.faults == {fault: 1}
