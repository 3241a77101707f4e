"""Recommenders that do not learn from those who look like fake users."""

import numpy as np
import pytest
from small_data import ask_for

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Ratings
from recsim_llm.dynamics.fake_profiles import FIRST_FAKE, ProfileAttack, with_fakes
from recsim_llm.dynamics.selection import ItemSelection
from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.scripted import Scripted
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.recommenders import Popularity, Screened
from recsim_llm.recommenders.suspicion import similarity_suspicion
from recsim_llm.testing import check_recommender

ITEMS, USERS, K = 80, 60, 5
TARGET = 175
RANDOM = np.random.default_rng(5)
CATALOG = Catalog.from_columns(
    item_id=100 + np.arange(ITEMS),
    title=[f"Film {item}" for item in range(ITEMS)],
    genres=[["Drama"] if item % 2 else ["War"] for item in range(ITEMS)],
)
TASTES = [np.sort(RANDOM.choice(70, RANDOM.integers(4, 12), replace=False)) for _ in range(USERS)]
GENUINE = Ratings(
    user_id=np.repeat(np.arange(USERS), [len(one) for one in TASTES]),
    item_id=100 + np.concatenate(TASTES),
    rating=np.full(sum(map(len, TASTES)), 4, np.float32),
    timestamp=np.arange(sum(map(len, TASTES))),
)
COPIES = ProfileAttack(items=ItemSelection(items=[TARGET]), kind="plain", share=0.4)


def made(**settings):
    return Screened(Screened.Settings(**{"base": "popularity", **settings}))


@pytest.mark.parametrize("threshold", [0.5, 5.0])
def test_it_keeps_the_contract(threshold):
    check_recommender(lambda: made(base="item-knn", threshold=threshold))


def test_copies_of_one_recipe_are_found_and_teach_nothing():
    catalog, ratings = with_fakes(COPIES, CATALOG, GENUINE, seed=1)
    suspicion, fake = similarity_suspicion(ratings), ratings.users >= FIRST_FAKE
    assert suspicion[fake].min() > 2.5 > np.quantile(suspicion[~fake], 0.9)
    plain, screened, clean = Popularity(), made(), Popularity()
    for one, stock in ((plain, (catalog, ratings)), (screened, (catalog, ratings)), (clean, (CATALOG, GENUINE))):
        one.fit(*stock, 1)
    pages = {one: one.recommend(ask_for(range(USERS)), K).item_id for one in (plain, screened, clean)}
    assert (pages[plain] == TARGET).any(axis=1).all()
    assert (pages[screened] == pages[clean]).all()
    assert (screened.suspects == ratings.users[fake]).all()
    assert [count.amount.sum() for count in screened.counts()] == [0]


def test_who_is_left_out_by_mistake_is_served_from_what_they_rated():
    suspicion = similarity_suspicion(GENUINE)
    threshold = float(np.sort(suspicion)[-5])
    one = made(base="item-knn", threshold=threshold)
    one.fit(CATALOG, GENUINE, 1)
    assert len(one.suspects) == 5
    asked = one._told(ask_for(range(USERS)))
    for user in range(USERS):
        known = set(asked.history_item[user][asked.history_clicked[user]].tolist())
        assert known == ({100 + item for item in TASTES[user]} if user in one.suspects else set())
    shown = one.recommend(ask_for(range(USERS)), K).item_id
    assert not any(set(shown[user]) & {100 + item for item in TASTES[user]} for user in range(USERS))
    (count,) = one.counts()
    assert (count.what, count.amount.sum(), count.cases.sum()) == ("users who look fake and teach nobody", 5, USERS)


def test_people_who_are_all_alike_are_nobodys_suspects():
    alike = Ratings(user_id=[1, 2, 3], item_id=[100] * 3, rating=[4.0] * 3, timestamp=[0] * 3)
    assert similarity_suspicion(alike).tolist() == [0, 0, 0]
    alone = Ratings(user_id=[1], item_id=[100], rating=[4.0], timestamp=[0])
    assert similarity_suspicion(alone).tolist() == [0]


def test_a_language_model_reads_histories_without_ids_and_judges_them():
    read = []

    def judge(text, question):
        read.append(text)
        return (0.9, 0.1) if '"Film 75"' in text and question.key == "fake" else (0.1, 0.9)

    catalog, ratings = with_fakes(COPIES, CATALOG, GENUINE, seed=1)
    one = made(by="language")
    with LanguageModel(Scripted(judge, name="scripted/planted"), elicitation="decision") as model:
        one.consult(model)
        one.fit(catalog, ratings, 1)
    assert (one.suspects == ratings.users[ratings.users >= FIRST_FAKE]).all()
    assert '- "Film 75" | Drama | 4 stars' in "".join(read)
    assert not any(str(FIRST_FAKE) in text for text in read)


def test_without_a_model_or_anybody_left_it_says_what_to_do():
    with pytest.raises(ConfigError, match="got no language model for the role policy"):
        made(by="language").fit(CATALOG, GENUINE, 1)
    with pytest.raises(ConfigError, match="got 60 suspects of 60 users, expected somebody to learn from; raise threshold"):
        made(threshold=1e-9).fit(CATALOG, GENUINE.take(GENUINE.user_id != 60), 1)
