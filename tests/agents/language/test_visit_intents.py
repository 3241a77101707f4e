"""What users come for on a visit: drawn by keyed dice, told in its prompts, and acted upon."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scripted_users import FakeModel, build_users, films, pages, people

from recsim_llm.agents.language.visit_intents import INTENT_SHARES, VisitIntents
from recsim_llm.population.persona_text import taste_words

SHOWN = np.arange(20).reshape(4, 5)
WORDS = {"browse": "look around", "genre": "with genre", "gift": "a present", "time": "kill some time"}


def intents_of(model):
    return [[part.text for part in ask.prompt.parts if part.name == "intent"] for ask in model.asks]


def kind(text):
    (found,) = [name for name, words in WORDS.items() if words in text]
    return found


def test_without_being_asked_for_nobody_is_told_an_intent():
    plain, model = FakeModel(), FakeModel()
    build_users(plain).decide(pages(SHOWN))
    build_users(model, intents=False).decide(pages(SHOWN))
    assert intents_of(model) == [[]] * 4
    assert model.asks == plain.asks


def test_an_intent_stands_before_the_page_for_the_whole_visit_and_changes_with_it():
    model = FakeModel()
    users = build_users(model, intents=True)
    for visit in range(12):
        for page in range(2):
            users.decide(pages(SHOWN, visit=visit, page=page))
    told = np.array(intents_of(model))[:, 0].reshape(12, 2, 4)
    assert (told[:, 0] == told[:, 1]).all()
    assert all(len(set(told[:, 0, user])) > 1 for user in range(4))
    assert [part.name for part in model.asks[0].prompt.parts][-2:] == ["intent", "page"]


def test_intents_have_their_shares_and_genres_are_the_users_own():
    population, catalog = people(12), films()
    intents = VisitIntents(population, catalog, "en", seed=5)
    texts = [(user, intents.part(user, visit).text) for user in range(12) for visit in range(200)]
    counts = Counter(kind(text) for _, text in texts)
    for name, share in INTENT_SHARES.items():
        # Five standard errors of 2,400 draws.
        assert abs(counts[name] / 2400 - share) < 5 * np.sqrt(share * (1 - share) / 2400)
    for user, text in texts:
        loves, likes, _ = taste_words(population.persona(user))
        if kind(text) == "genre" and (loves or likes):
            assert text.removesuffix(".").rsplit(" ", 1)[1] in (*loves, *likes)


def test_intents_hang_on_seed_user_and_visit_alone():
    population, catalog = people(12), films()
    first, again, other = (VisitIntents(population, catalog, "en", seed=seed) for seed in (5, 5, 6))
    turned = VisitIntents(replace(population, user_id=population.user_id + 1), catalog, "en", seed=5)
    told = [[one.part(user, visit).text for user in range(12) for visit in range(20)] for one in (first, again, other, turned)]
    assert told[0] == told[1]
    assert told[0] != told[2]
    assert told[0] != told[3]


@pytest.mark.parametrize("family", ["en", "en_compact"])
def test_users_who_came_for_a_genre_take_more_of_it(family):
    population = people(12)
    clicks = {True: [], False: []}
    for intents in (True, False):
        model = FakeModel()
        users = build_users(model, population=population, rows=12, intents=intents, templates=family, rotate=False)
        catalog = films()
        for visit in range(6):
            chances = users.decide(pages(np.arange(60).reshape(12, 5) % 40, visit=visit))[0]
            for row in range(12):
                genre = VisitIntents(population, catalog, family, seed=7).part(row, visit).text
                if kind(genre) == "genre":
                    wanted = genre.removesuffix(".").rsplit(" ", 1)[1]
                    items = (np.arange(5) + 5 * row) % 40
                    clicks[intents] += [
                        float(chances[row, place]) for place in range(5) if wanted in catalog.genres_of(int(items[place]))
                    ]
    assert len(clicks[True]) > 5
    assert np.allclose(np.array(clicks[True]) - np.array(clicks[False]), np.log(6.0), atol=1e-3)


@pytest.mark.parametrize("family", ["de", "de_compact"])
def test_german_users_come_for_something_in_german(family):
    intents = VisitIntents(people(12), films(), family, seed=5)
    texts = {intents.part(user, visit).text for user in range(12) for visit in range(20)}
    assert all(text.startswith("Diesmal ") for text in texts)
    assert len(texts) >= 4
