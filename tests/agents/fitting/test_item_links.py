"""Links between items: against closed forms, and on data in which they were planted."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.agents.fitting.consumption_model import gather_evidence, stack_evidence
from recsim_llm.agents.fitting.consumption_settings import ConsumptionSettings, History
from recsim_llm.agents.fitting.item_links import AGES, fit_links, year_steps

USERS, ITEMS, LONG = 40, 14, 6
SETTINGS = ConsumptionSettings(neighbour_ridge=3.0, steps_ahead=2, step_memory=2.0, step_smoothing=1.5)


@pytest.fixture(scope="module")
def history():
    generator = np.random.default_rng(3)
    item = np.concatenate([generator.permutation(ITEMS)[:LONG] for _ in range(USERS)])
    user = np.repeat(np.arange(USERS), LONG)
    return History(user_index=user, item_index=item, timestamp=np.tile(np.arange(LONG), USERS) * 1.0, n_users=USERS)


@pytest.fixture(scope="module")
def links(history):
    return fit_links(history, ITEMS, SETTINGS, 1)


def test_neighbours_are_those_of_the_closed_form(history, links):
    consumed = np.zeros((USERS, ITEMS))
    consumed[history.user_index, history.item_index] = 1.0
    inverse = np.linalg.inv(consumed.T @ consumed + SETTINGS.neighbour_ridge * np.eye(ITEMS))
    expected = -inverse / np.diag(inverse)
    off = ~np.eye(ITEMS, dtype=np.bool_)
    np.testing.assert_allclose((links.neighbour_from @ links.neighbour_to.T)[off], expected[off], atol=1e-10)


def test_what_comes_next_is_a_markov_chain(history, links):
    counts = np.zeros((ITEMS, ITEMS))
    for own in history.item_index.reshape(USERS, LONG):
        for step in (1, 2):
            np.add.at(counts, (own[:-step], own[step:]), np.exp(-step / SETTINGS.step_memory))
    popularity = np.bincount(history.item_index, minlength=ITEMS) + SETTINGS.step_smoothing
    np.testing.assert_allclose(links.next_from @ links.next_to.T, counts / popularity[:, None], atol=1e-10)
    root = np.sqrt(popularity)
    np.testing.assert_allclose(links.before @ links.after.T, counts / root[:, None] / root, atol=1e-10)


def test_items_are_out_and_old_by_their_year():
    year = np.array([1990.0, 2005.0, np.nan, 1990.0])
    sides, flags = year_steps(year, np.array([1990.4, 2010.0]))
    assert len(sides) == len(AGES)
    out, eldest = sides[AGES.index(0.0)] @ flags.T, sides[AGES.index(16.0)] @ flags.T
    np.testing.assert_array_equal(out, [[1, 0, 0, 1], [1, 1, 0, 1]])
    np.testing.assert_array_equal(eldest, [[0, 0, 0, 0], [1, 0, 0, 1]])


def test_the_family_of_sequences_finds_what_follows_and_popularity_does_not():
    generator = np.random.default_rng(5)
    ring, visits, users = 60, 16, 150
    start = generator.integers(0, ring, users)
    item = ((start[:, None] + np.arange(visits)) % ring).ravel()
    user = np.repeat(np.arange(users), visits)
    history = History(user_index=user, item_index=item, timestamp=np.tile(np.arange(visits), users) * 1.0, n_users=users)
    evidence = gather_evidence(history, np.zeros((ring, 0)), ConsumptionSettings(), 1)
    place = {}
    for family in ("sequence", "popularity"):
        model = stack_evidence(evidence, family=family)
        score = model.user_vectors @ model.item_vectors.T
        following = (start + visits) % ring
        far = (start + visits + 20) % ring
        place[family] = np.mean(score[np.arange(users), following] > score[np.arange(users), far])
    assert place["sequence"] > 0.95
    assert place["popularity"] < 0.8
