"""What a recommender behind HTTP answers, whatever it is: slates, or one line that names the field."""

import json

import numpy as np
import pytest
from fuzzing import Refusal, damaged, encoded, fuzz, outcome, spoiled
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.core.pages import NO_PROFILE, Requests, Slates
from recsim_llm.recommenders import HttpRecommender
from recsim_llm.recommenders.http_client import HttpClient
from recsim_llm.testing.recommender import small_world

CATALOG, RATINGS = small_world(users=4, items=12)
K = 3
USERS = RATINGS.users[:2]
ITEMS = CATALOG.item_key[:K].tolist() if CATALOG.item_key is not None else CATALOG.item_id[:K].tolist()
DESCRIPTION = {"schema_version": 1, "name": "shop", "version": "7", "fit": True, "observe": True, "search": True}
SLATES = {
    "slates": [
        {
            "user_id": int(user),
            "item_id": ITEMS,
            "propensity": [0.5, 0.25, 0.125],
            "prefix_propensity": [0.5, 0.5, 0.5],
            "slate_propensity": 0.125,
            "explanation": ["good", "", "bad"],
            "title": ["Heat", "", ""],
        }
        for user in USERS
    ]
}


def requests():
    zero = np.zeros(len(USERS), np.int64)
    empty = np.zeros((len(USERS), 0))
    return Requests(USERS, zero, zero, empty.astype(np.int64), empty.astype(np.bool_), empty.astype(np.float32), NO_PROFILE)


@pytest.fixture
def answered(monkeypatch):
    """Let a recommender hear bytes in place of a server's; return what comes of it."""

    def hear(description, slates):
        said = {"/": description, "/fit": b"{}", "/recommend": slates, "/search": slates}
        monkeypatch.setattr(HttpClient, "ask", lambda _, path, *__, **___: said[path])

        def play():
            made = HttpRecommender(HttpRecommender.Settings(address="http://127.0.0.1:1"))
            made.fit(CATALOG, RATINGS, 1)
            return made.recommend(requests(), K)

        found = outcome(play)
        assert isinstance(found, Refusal | Slates)
        if isinstance(found, Slates):
            assert found.item_id.shape == (len(USERS), K)
            for column in (found.propensity, found.prefix_propensity, found.slate_propensity):
                assert ((column > 0) | np.isnan(column)).all()
        return found

    return hear


def test_good_answers_are_taken(answered):
    assert isinstance(answered(json.dumps(DESCRIPTION).encode(), json.dumps(SLATES).encode()), Slates)


@fuzz(300)
@given(slates=spoiled(SLATES))
def test_slates_of_other_shapes(answered, slates):
    answered(json.dumps(DESCRIPTION).encode(), encoded(json.dumps(slates)))


@fuzz(100)
@given(description=spoiled(DESCRIPTION))
def test_descriptions_of_other_shapes(answered, description):
    answered(encoded(json.dumps(description)), json.dumps(SLATES).encode())


@fuzz(150)
@given(content=damaged(json.dumps(SLATES).encode()) | st.binary(max_size=40))
def test_bodies_of_any_bytes(answered, content):
    answered(json.dumps(DESCRIPTION).encode(), content)


@pytest.mark.parametrize(
    "content", [b"[" * 500_000, b'{"slates":' * 100_000, b'{"slates": [' + b"9" * 100_000 + b"]}", b"\xff\xfe"]
)
def test_bombs(answered, content):
    assert isinstance(answered(json.dumps(DESCRIPTION).encode(), content), Refusal)
