"""What is learned is what is asked: one pass over a prompt and all its branches."""

from __future__ import annotations

import pytest
import torch

from recsim_llm.agents.tuning.packed_training import Packer, answer_loss, answer_scores, batches
from recsim_llm.agents.tuning.tuning_examples import Example
from recsim_llm.language import Ask, Part, Prompt
from recsim_llm.language.backends.local_model import LocalModel
from recsim_llm.language.backends.option_scores import option_probabilities
from recsim_llm.language.base.wire import Message
from recsim_llm.language.providers import open_model


@pytest.fixture(scope="module")
def model(begun_model):
    return LocalModel(begun_model, "cpu", "float32", 1 << 20)


def test_training_and_serving_give_the_same_probabilities(model, begun_model, examples):
    drawn = examples.draw(11, 3)
    packed = [Packer(model).pack(example) for example in drawn]
    with torch.inference_mode():
        trained = [answer_scores(model.network, batches([one], 4096, 0)[0]) for one in packed]
    asks = [
        Ask(Prompt(tuple(Part("part", message.content) for message in one.messages)), one.questions, str(number))
        for number, one in enumerate(drawn)
    ]
    with open_model(f"transformers/{begun_model}", realisation="forced") as served:
        replies = served.ask(asks)
    for example, scores, reply in zip(drawn, trained, replies, strict=True):
        for question, row, answer in zip(example.questions, scores, reply.answers, strict=True):
            assert option_probabilities(row, model.options(question)) == pytest.approx(answer.probabilities, abs=1e-4)


def test_examples_side_by_side_do_not_see_each_other(model, examples):
    packed = [Packer(model).pack(example) for example in examples.draw(12, 4)]
    with torch.inference_mode():
        together = sorted(answer_loss(model.network, batches(packed, 1 << 20, 0)[0]).tolist())
        alone = sorted(loss for one in packed for loss in answer_loss(model.network, batches([one], 1 << 20, 0)[0]).tolist())
    assert together == pytest.approx(alone, abs=1e-4)


def test_batches_hold_no_more_tokens_than_said_and_every_example_once(model, examples):
    packed = [Packer(model).pack(example) for example in examples.draw(13, 9)]
    made = batches(packed, 2048, 0)
    assert all(batch.tokens.numel() <= 2048 for batch in made)
    assert sum(len(batch.tokens) for batch in made) == 9
    assert sum(len(batch.answered) for batch in made) == sum(len(one.labels) for one in packed)


def test_leads_are_cut_as_the_model_cuts_them_when_it_is_asked(model, examples):
    (example,) = examples.draw(14, 1)
    packed = Packer(model).pack(example)
    for branch, (question, labels) in enumerate(zip(example.questions, packed.labels, strict=True)):
        lead = [token for token, owner in zip(packed.tokens, packed.owners, strict=True) if owner == branch]
        options = model.options(question)
        assert lead == list(options.lead)
        assert labels == [rest[0] for rest in options.rest]


def test_a_prompt_is_the_products_own(model, examples):
    (example,) = examples.draw(15, 1)
    assert isinstance(example, Example)
    assert example.messages[0].role == "system"
    packed = Packer(model).pack(example)
    prompt = [token for token, owner in zip(packed.tokens, packed.owners, strict=True) if owner == -1]
    assert prompt == model.prompt([Message(one.role, one.content) for one in example.messages]).tokens
