"""Memories of items, written from who liked and who refused them: they foretell choices that words alone do not tell."""

import numpy as np
import pytest

from recsim_llm.agents.memory.item_agents import ItemAgentSettings, learn_item_agents, measure_item_agents
from recsim_llm.agents.memory.offered_choices import draw_choices
from recsim_llm.core import keyed
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError
from tests.support.tribes import two_tribes


def keyed_time(pairs):
    return keyed.words(6, "time", pairs).argsort().argsort()


@pytest.fixture(scope="module")
def data():
    return two_tribes()


def test_item_agents_foretell_choices_that_words_do_not_tell(data):
    found = measure_item_agents(data, 1)
    assert found.gain.low > 0.03
    assert found.with_items.value == pytest.approx(found.without_items.value + found.gain.value)
    assert set(found.to_json()) == {"with_items", "without_items", "gain", "strangers_gain", "personal_gain"}


def test_where_tribes_are_no_tribes_item_agents_gain_nothing(data):
    # Everybody takes what somebody else took: there is nothing to be learned of an item.
    mixed = keyed.words(9, "mixed", np.arange(len(data.ratings))).argsort()
    ratings = data.ratings
    pairs = np.unique(ratings.user_id[mixed] * 1000 + ratings.item_id)
    other = Ratings(user_id=pairs // 1000, item_id=pairs % 1000, rating=np.full(len(pairs), 4.0), timestamp=keyed_time(pairs))
    assert measure_item_agents(data.of_ratings(other), 1).gain.value < 0.03


def test_an_item_remembers_who_took_it(data):
    agents = learn_item_agents(data, 1)
    genres = list(data.catalog.genre_names)
    us, them = genres.index("Us"), genres.index("Them")
    silent = np.arange(30, 60)
    lean = agents.items[silent, us] - agents.items[silent, them]
    assert np.mean((lean > 0) == (silent % 2 == 0)) > 0.9
    assert agents.reflections > 0


def test_with_item_agents_off_items_remember_nothing(data):
    assert not learn_item_agents(data, 1, ItemAgentSettings(items=False)).items.any()


def test_no_memory_grows_beyond_its_length(data):
    agents = learn_item_agents(data, 1, ItemAgentSettings(step=5.0, item_step=5.0, longest=2.0))
    for side in (agents.users, agents.items):
        assert np.linalg.norm(side, axis=1).max() <= 2.0 + 1e-9


def test_refused_items_were_never_rated(data):
    choices = draw_choices(data, data.ratings, seed=1, number=0)
    known = set(zip(data.ratings.user_index.tolist(), data.catalog.index_of(data.ratings.item_id).tolist(), strict=True))
    refused = set(zip(choices.user.tolist(), choices.refused.tolist(), strict=True))
    told = choices.taken != choices.refused
    assert told.mean() > 0.99
    assert not known & {
        pair
        for pair, there in zip(zip(choices.user.tolist(), choices.refused.tolist(), strict=True), told, strict=True)
        if there
    }
    assert refused


def test_held_out_choices_reach_no_memory(data):
    training, later = data.training_part(0.8)
    other = Ratings(user_id=later.user_id, item_id=later.item_id[::-1], rating=later.rating, timestamp=later.timestamp)
    changed = data.of_ratings(training.ratings.followed_by(other))
    again, _ = changed.training_part(0.8)
    assert np.array_equal(learn_item_agents(again, 1).items, learn_item_agents(training, 1).items)


@pytest.mark.parametrize("wrong", [{"step": 0}, {"item_step": float("nan")}, {"longest": -1}, {"rounds": 0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError, match="item agents"):
        ItemAgentSettings(**wrong)
