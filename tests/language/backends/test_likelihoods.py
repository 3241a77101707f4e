"""How probable given words are: a real, tiny, random model against its own forward passes, and what is refused."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import math

import pytest

pytest.importorskip("torch", reason="needs recsim_llm[transformers]")
pytest.importorskip("transformers", reason="needs recsim_llm[transformers]")
pytest.importorskip("llguidance", reason="needs recsim_llm[transformers]")

import torch
from tiny_language_model import make_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from recsim_llm.errors import ConfigError
from recsim_llm.language.backends import guided
from recsim_llm.language.backends.scripted import Scripted, ScriptedReplies
from recsim_llm.language.backends.scripts import uniform
from recsim_llm.language.base.questions import Ask, Part, Prompt, likelihood, yes_no
from recsim_llm.language.base.wire import Abilities, RawReply
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.providers import open_model

HEADING = "Titles that one person saw and liked:"
WORDS = ('"Heat"', '"Heat and Dust"', '"Sabrina"', '"Heat"', '"<|end|>"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", 1)


def ask(*words, told=('"Alien"', '"Brazil"')):
    questions = tuple(likelihood(f"title_{number}", text) for number, text in enumerate(words or WORDS, 1))
    return Ask(Prompt((Part("heading", HEADING), Part("history", "\n".join(told)))), questions)


def chances(model, *asks):
    return [[answer.probabilities[0] for answer in reply.answers] for reply in model.ask(list(asks))]


def test_words_are_as_probable_as_the_model_s_own_passes_say(folder):
    network, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with open_model(f"transformers/{folder}", realisation="forced") as model:
        ((*found, spelled),) = chances(model, ask())
    assert found[0] == found[3]
    prompt = tokenizer.encode(tokenizer.bos_token + f'{HEADING}\n\n"Alien"\n"Brazil"\n', add_special_tokens=False)
    for words, chance in zip(WORDS[:4], found, strict=True):
        own = tokenizer.encode(words, add_special_tokens=False)
        with torch.inference_mode():
            scores = torch.log_softmax(network(torch.tensor([prompt + own])).logits[0].double(), -1)
        expected = sum(float(scores[len(prompt) - 1 + place, token]) for place, token in enumerate(own))
        assert math.log(chance) == pytest.approx(expected, abs=1e-3)
    # A control token spelled out in a title is none: it is several tokens, none of which ends anything.
    assert 0 < spelled < 1e-6


def test_the_numbers_do_not_hang_on_what_is_asked_before_or_beside(folder):
    with open_model(f"transformers/{folder}", realisation="forced") as model:
        alone = chances(model, ask())
    with open_model(f"transformers/{folder}", realisation="forced") as model:
        together = chances(model, ask(told=('"Zodiac"',)), ask('"Heat"'), ask(), ask())
    assert together[2] == together[3] == alone[0]
    assert together[0] != alone[0]


def test_what_is_read_is_counted_and_a_prompt_that_comes_again_is_not_read_again(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    words = tokenizer.encode('"Sabrina"', add_special_tokens=False)
    prompt = tokenizer.encode(tokenizer.bos_token + f'{HEADING}\n\n"Alien"\n"Brazil"\n', add_special_tokens=False)
    with open_model(f"transformers/{folder}", realisation="forced") as model:
        chances(model, ask('"Sabrina"'))
        assert model.meter().prompt_tokens == len(prompt) + len(words) - 1
        chances(model, ask('"Heat"'))
        assert model.meter().cached_tokens == len(prompt) - 1


def test_many_words_are_weighed_a_few_at_a_time(folder, monkeypatch):
    with open_model(f"transformers/{folder}", realisation="forced") as model:
        whole = chances(model, ask())
    monkeypatch.setattr(guided, "_ROWS", 3)
    with open_model(f"transformers/{folder}", realisation="forced") as model:
        assert chances(model, ask())[0] == pytest.approx(whole[0], rel=1e-3)


def test_likelihoods_are_kept_and_found_whatever_the_way_to_a_decision(folder, tmp_path):
    with open_model(f"transformers/{folder}", realisation="forced", calls=tmp_path / FILE_NAME) as model:
        told = chances(model, ask())
    with open_model(f"transformers/{folder}", realisation="logprobs", calls=tmp_path / FILE_NAME) as model:
        assert chances(model, ask()) == told
        assert (model.meter().calls, model.meter().hits) == (0, 1)


def test_a_stand_in_that_knows_no_words_is_sure_of_all():
    with LanguageModel(Scripted(uniform), elicitation="json") as model:
        assert chances(model, ask('"Heat"', '"Alien"')) == [[1.0, 1.0]]


def test_a_model_that_cannot_tell_is_refused_in_one_line():
    backend = ScriptedReplies([RawReply()], abilities=Abilities(elicitations=("logprobs",)))
    with (
        LanguageModel(backend, elicitation="logprobs") as model,
        pytest.raises(ConfigError, match="expected a model in this process") as caught,
    ):
        model.ask([ask()])
    assert "\n" not in str(caught.value)
    assert backend.calls == []


def test_likelihoods_do_not_stand_among_other_questions():
    mixed = ask()._replace(questions=(likelihood("title_1", '"Heat"'), yes_no("leave", "Leave?")))
    with (
        LanguageModel(Scripted(uniform), elicitation="forced") as model,
        pytest.raises(ConfigError, match="got question leave"),
    ):
        model.ask([mixed])
