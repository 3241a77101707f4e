"""The same model as one file for llama.cpp: the same tokens, the same decisions."""

from __future__ import annotations

import pytest
import torch

from recsim_llm.agents.tuning.gguf_file import write_gguf
from recsim_llm.agents.tuning.packed_training import Packer, answer_scores, batches
from recsim_llm.language import Ask, Part, Prompt
from recsim_llm.language.backends.local_model import LocalModel
from recsim_llm.language.providers import open_model


def test_llama_cpp_decides_by_the_same_scores(begun_model, examples, tmp_path):
    pytest.importorskip("xllamacpp")
    file = tmp_path / "users.gguf"
    write_gguf(begun_model, file, "users")
    (example,) = examples.draw(21, 1)
    packed = Packer(LocalModel(begun_model, "cpu", "float32", 1 << 20)).pack(example)
    with torch.inference_mode():
        network = LocalModel(begun_model, "cpu", "float32", 1 << 20).network
        scores = answer_scores(network, batches([packed], 4096, 0)[0])
    # An untrained model also writes labels in other ways, which not every server counts: the usual way alone.
    ours = [torch.softmax(row[labels], 0).tolist() for row, labels in zip(scores, packed.labels, strict=True)]
    parts = tuple(Part("part", message.content) for message in example.messages)
    with open_model(f"llamacpp/{file}", realisation="forced") as model:
        (reply,) = model.ask([Ask(Prompt(parts), example.questions, "once")])
    assert len(ours) > 6
    for expected, answer in zip(ours, reply.answers, strict=True):
        assert answer.probabilities == pytest.approx(expected, abs=0.01)
