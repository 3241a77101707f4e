"""Where a model from scratch begins, on two planted circles of people."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.tuning.greedy_tokenizer import phrase_tokens
from recsim_llm.agents.tuning.packed_training import Packer, answer_scores, batches
from recsim_llm.agents.tuning.tiny_model import _titles, new_network, new_tokenizer, tell_items
from recsim_llm.agents.tuning.tuning_examples import Examples, ExampleSettings
from recsim_llm.agents.tuning.tuning_split import split_users, users_part
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.language.backends.local_model import LocalModel

SEED, CIRCLE, TAKEN = 3, 24, 20
WORDS = "a quiet comedy of two strangers on a ferry who look for a lost letter and find an orchard, told by numbers"


def circles():
    """Everybody takes twenty of twenty-four titles of one circle and none of the other's; no title is more popular by plan."""
    random = np.random.default_rng(SEED)
    users = np.arange(60)
    item = np.concatenate([CIRCLE * (user % 2) + random.permutation(CIRCLE)[:TAKEN] for user in users])
    user = np.repeat(users, TAKEN)
    order = random.permutation(2 * CIRCLE)
    catalog = Catalog.from_columns(
        item_id=np.arange(2 * CIRCLE),
        title=[f"The {word} title" for word in order],
        genres=[["Film"]] * (2 * CIRCLE),
        popularity=np.bincount(item, minlength=2 * CIRCLE),
        description=[f"Number {word}: {WORDS}." for word in order],
    )
    times = 1_700_000_000 + 600 * np.arange(len(item))
    ratings = Ratings(user_id=user, item_id=item, rating=np.full(len(item), 4.0, np.float32), timestamp=times)
    return Dataset(name="circles", catalog=catalog, ratings=ratings)


@pytest.fixture(scope="module")
def split():
    people = circles()
    parts = split_users(people, SEED)
    drawn = ExampleSettings(rating_history=12, page_items=(6,))
    return [
        Examples(users_part(people, users), Templates("en_compact"), drawn, seed=SEED)
        for users in (parts.training, parts.validation, parts.test)
    ], users_part(people, parts.training)


@pytest.fixture
def model(split, tmp_path):
    (training, _, _), known = split
    leads = tell_items(known.catalog, Templates("en_compact"))
    tokenizer = new_tokenizer(known.catalog, leads, training.draw(0, 40))
    tokenizer.save_pretrained(tmp_path)
    new_network(tokenizer, leads, known, width=64, layers=3, seed=SEED).save_pretrained(tmp_path)
    return LocalModel(tmp_path, "cpu", "float32", 1 << 20)


def share_ranked_right(model, examples, count=40):
    """Mean share of pairs of a taken and another title of a page in which the taken one is likelier to be taken."""
    shares = []
    with torch.inference_mode():
        for example in examples.draw(5, count):
            batch = batches([Packer(model).pack(example)], 1 << 20, 0)[0]
            scores = answer_scores(model.network, batch).gather(1, batch.labels)
            asked = [place for place, question in enumerate(example.questions) if question.lead.endswith("take it?")]
            likelier = (scores[:, 0] - scores[:, 1]).numpy()[asked]
            taken = np.array([example.targets[place][0] for place in asked]) == 1.0
            if taken.any() and not taken.all():
                shares.append((likelier[taken][:, None] > likelier[~taken]).mean())
    return float(np.mean(shares))


def test_the_first_weights_rank_what_ones_own_circle_takes_above_the_rest(split, model):
    (_, _, kept_apart), _ = split
    assert share_ranked_right(model, kept_apart) > 0.65


def test_a_title_tells_as_much_of_the_person_whether_rare_or_popular(split, model):
    _, known = split
    tokens = phrase_tokens(model.tokenizer, _titles(tell_items(known.catalog, Templates("en_compact"))))
    coordinates = model.network.model.embed_tokens.weight.detach().numpy()[tokens, :16]
    counts = np.bincount(known.catalog.index_of(known.ratings.item_id), minlength=len(known.catalog))
    assert counts.min() < 0.8 * counts.max()
    np.testing.assert_allclose(np.linalg.norm(coordinates, axis=1), np.sqrt(16), rtol=1e-5)


def test_an_untrained_model_answers_with_labels_and_no_other_token(split, model):
    (_, _, kept_apart), _ = split
    with torch.inference_mode():
        for example in kept_apart.draw(7, 4):
            batch = batches([Packer(model).pack(example)], 1 << 20, 0)[0]
            labels = torch.cat([row.unique() for row in batch.labels]).unique()
            likelihood = torch.softmax(answer_scores(model.network, batch), -1)[:, labels].sum(1)
            assert likelihood.min() > 0.99


def test_a_description_is_one_token_of_a_prompt(split, model):
    (_, _, kept_apart), _ = split
    (example,) = kept_apart.draw(6, 1)
    told = model.tokenizer.convert_ids_to_tokens(model.prompt(example.messages).tokens)
    spelled = [text for text in told if "ferry" in text]
    assert len(spelled) == 6
    assert all(text.startswith("Ġ|ĠNumberĠ") and text.endswith("Ċ") for text in spelled)
