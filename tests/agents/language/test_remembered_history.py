"""Memory begins with the rating history: the telling ratings, what users make of them, and nothing that is told anyway."""

from __future__ import annotations

import numpy as np
import pytest
from scripted_users import FakeModel, films, pages, people, taking, text_of

from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.agents.language.remembered_history import impression
from recsim_llm.core.ratings import Ratings

SHOWN = np.arange(20).reshape(4, 5)


def ratings_of(stars, user_id=100, first=0):
    """Return ratings of one user: items ``first``, ``first + 1``, … with these stars, a day apart."""
    count = len(stars)
    return Ratings(
        user_id=np.full(count, user_id),
        item_id=(np.arange(count) + first) * 7 + 5,
        rating=np.array(stars, np.float32),
        timestamp=np.arange(count, dtype=np.int64) * 86_400,
    )


def build(stars, rates=True, catalog=None, **parameters):
    catalog, population, model = catalog or films(), people(), FakeModel()
    history = RatingHistory(ratings_of(stars), population.user_id, catalog, rates=rates)
    made = LanguageParameters.from_settings({"remembered_ratings": 100} | parameters)
    users = LanguageUsers(catalog, population, model, parameters=made, seed=7, history=history)
    users.allocate(4, 5)
    users.begin(slice(None), np.arange(4), False)
    return users


def test_users_begin_with_their_ratings_and_what_they_make_of_them():
    users = build([5, 5, 4, 1, 1, 5])
    lines = users.memory_of(100)
    assert lines[0].startswith("Lately enjoyed Comedy (liked 4 of 6, 3.5 stars on average)")
    assert lines[1:3] == ['You gave "Film 0" (Comedy) 5 stars.', 'You gave "Film 1" (Comedy, Crime) 5 stars.']
    assert lines[-1] == 'You gave "Film 5" (Comedy, Crime) 5 stars.'
    assert users.memory_of(103) == []


def test_an_old_rating_is_in_the_first_prompt_whose_page_calls_it_up():
    catalog = films()
    catalog.title[3], catalog.title[39] = "Nine Lanterns", "The Lantern Maker"
    users = build([3] * 20, catalog=catalog, memory={"recalled": 2})
    shown = SHOWN + 20
    recalled = []
    for item in (38, 39):
        shown[0, 0] = item
        users.decide(pages(shown))
        own = [text_of(ask) for ask in users.model.asks if ask.subject == "100"][-1]
        recalled.append(own.split("What you remember:\n")[1].split("\n\n")[0])
        assert "What you know of yourself:\n- Lately enjoyed" in own
    assert ["Nine Lanterns" in text for text in recalled] == [False, True]
    assert all("What you" not in text_of(ask) for ask in users.model.asks if ask.subject != "100")


def test_by_default_memory_begins_empty():
    users = build([5, 5, 4, 1, 1], remembered_ratings=LanguageParameters().remembered_ratings)
    assert users.memory_of(100) == []


def test_the_most_telling_ratings_are_kept():
    # The user's mean is 2.5: five stars and one star are telling, the later the more.
    users = build([5, 1, *[2.5] * 28], remembered_ratings=3, memory={"evidence_window": 1})
    lines = [line for line in users.memory_of(100) if line.startswith("You gave")]
    assert len(lines) == 3
    assert [line.split('"')[1] for line in lines] == ["Film 0", "Film 1", "Film 29"]


def test_what_the_persona_tells_is_not_recalled_but_counts():
    users = build([5] * 6 + [1] * 4, templates="en_compact", rating_history=4)
    lines = users.memory_of(100)
    assert "liked 6, disliked 4" in lines[0]
    assert [line.split('"')[1] for line in lines[1:]] == [f"Film {number}" for number in range(6)]


def test_where_nobody_gives_stars_what_was_taken_is_remembered():
    users = build([1] * 20, rates=False)
    lines = users.memory_of(100)
    assert "You took" in lines[1]
    assert "star" not in " ".join(lines)
    assert "liked 20, disliked 0" in lines[0]


@pytest.mark.parametrize("kind", ["window", "none"])
def test_other_kinds_of_memory_begin_with_it_too(kind):
    lines = build([5, 5, 4, 1, 1], memory_kind=kind).memory_of(100)
    assert len(lines) == (5 if kind == "window" else 0)


def test_the_past_fades_and_the_present_takes_over():
    users = build([5] * 20 + [1] * 2, memory={"reflect_at": 1.0, "evidence_half_life": 1.0, "evidence_window": 20})
    for page in range(30):
        taking(users, pages((SHOWN + 4 * page) % 40, page=page), [0, 0, 0, 0], [1, 1, 1, 1])
    assert "let down by" in users.memory_of(100)[0].lower()
    assert "liked 0, disliked 20" in users.memory_of(100)[0]


def test_who_begins_anew_begins_with_the_same_history():
    users = build([5, 5, 4, 1, 1])
    before = users.memory_of(100)
    taking(users, pages(SHOWN), [0, 0, 0, 0], [5, 5, 5, 5])
    assert users.memory_of(100) != before
    users.begin(slice(None), np.arange(4), False)
    assert users.memory_of(100) == before


def test_impressions_are_stronger_the_further_from_the_users_mean():
    importance, valence = impression(np.array([5.0, 3.0, 1.0, np.nan]), 3.0)
    assert valence.tolist() == [1.0, 0.0, -1.0, 0.5]
    assert importance == pytest.approx([1.0, 0.3, 1.0, 0.3])
