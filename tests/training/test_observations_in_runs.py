"""What a policy sees in a run is what it saw in its environment."""

import numpy as np
import pytest

from recsim_llm.core.pages import Requests
from recsim_llm.data import open_dataset
from recsim_llm.envs.observations import PARTS
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.scenarios.arm_session import ArmSession
from recsim_llm.scenarios.building import recommender_seed, stage
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.scenarios.serving import give_hooks
from recsim_llm.scenarios.train_settings import TrainSettings
from recsim_llm.training.learners import Choice
from recsim_llm.training.policy_recommender import PolicyRecommender
from recsim_llm.training.policy_terms import PolicyTerms, digest_items, make_terms, profile_names
from recsim_llm.training.request_observer import RequestObserver

SHOWN = [part for part in PARTS if part != "candidates"]
"""Candidates are drawn by the environment's seed, which no recommender may know."""


class Watched:
    """A policy whose slates hang on what it sees, and that remembers it."""

    def __init__(self, items, slots):
        self.seen, self._items, self._slots = [], items, slots

    def act(self, observation, word=None):
        self.seen.append(observation)
        history = observation["history_item"].sum(axis=1) + observation["history_clicked"].sum(axis=1) * 31
        return Choice((history[:, None] * 7 + np.arange(self._slots) * 53) % self._items)


class Asked(PolicyRecommender):
    """Remembers who was asked about."""

    def recommend(self, requests, k):
        self.asked = [*getattr(self, "asked", []), requests]
        return super().recommend(requests, k)


class Shown:
    """A log that remembers the pages."""

    def __init__(self):
        self.page_of = {}

    def page(self, feedback, **_):
        pages = feedback.pages
        for row, key in enumerate(zip(*(c.tolist() for c in (pages.user_index, pages.visit, pages.page)), strict=True)):
            self.page_of[key] = pages.item_index[row]

    def visits(self, **_):
        pass

    def turn(self):
        pass


def served(scenario, calls):
    """Serve everyone with a watched policy: return what it saw by (user, visit, page), and what users were shown."""
    with stage(scenario, calls=calls) as built:
        training, _ = built.training_part()
        population = built.world.population
        terms = make_terms(scenario, scenario.train, profile=profile_names(population), items=digest_items(training.catalog))
        policy, shown = Watched(len(training.catalog), scenario.slate_size), Shown()
        recommender = Asked(terms, lambda _: policy)
        session = ArmSession(scenario, built.world, recommender, name="watched", log=shown)
        give_hooks(recommender, built, session)
        recommender.fit(training.catalog, training.ratings, recommender_seed(scenario))
        for _ in session.play():
            pass
    index = {user: place for place, user in enumerate(population.user_id.tolist())}
    seen = {}
    for requests, observation in zip(recommender.asked, policy.seen, strict=True):
        for row, (user, visit, page) in enumerate(zip(*(c.tolist() for c in requests[:3]), strict=True)):
            seen[index[user], visit, page] = {name: column[row] for name, column in observation.items()}
    return seen, shown.page_of, population.user_id


@pytest.mark.parametrize("barrier", ["page", "visit"])
@pytest.mark.parametrize("visits", [1, 3])
def test_a_run_shows_a_policy_what_its_environment_shows_to_the_last_bit(visits, barrier, tmp_path):
    train = TrainSettings(action="slate", observation=SHOWN, history_pages=2)
    changes = {"users.count": 40, "users.model": "users_with_ages:world", "users.parameters.click_bias": 1.0}
    pages = {"slate_size": 4, "max_pages": 5, "visits": visits, "barrier": barrier}
    scenario = load_scenario("demo", changes | pages)
    scenario = scenario.model_copy(update={"train": train})
    seen, shown, user_id = served(scenario, tmp_path / "calls")
    env = BrowseVectorEnv(len(user_id), scenario=scenario, action="slate", observation=SHOWN, history_pages=2)
    observation, info = env.reset(seed=[scenario.seed] * len(user_id), options={"user_id": user_id})
    usual = np.arange(scenario.slate_size)
    going, compared = np.ones(len(user_id), bool), 0
    page = np.zeros(len(user_id), int)
    while going.any():
        action = np.tile(usual, (len(user_id), 1))
        for user in np.flatnonzero(going).tolist():
            key = user, int(info["visit"][user]), int(page[user])
            for name, value in seen[key].items():
                np.testing.assert_array_equal(observation[name][user], value, err_msg=f"{name} of {key}", strict=True)
            action[user], compared = shown[key], compared + 1
        observation, _, terminated, truncated, info = env.step(action)
        page = np.where(info["visit_ended"], 0, page + 1)
        going &= ~(terminated | truncated)
    assert compared == len(seen) > len(user_id)
    assert {name for name, _, _ in seen} == set(range(len(user_id)))


def test_pages_beyond_those_of_the_training_look_like_its_last_one():
    training, _ = open_dataset("fictional-100").training_part(0.8)
    names = {"algorithm": "ppo", "action": "slate", "parts": ["page"], "slate_size": 2, "max_pages": 3}
    terms = PolicyTerms(**names, history_pages=1, candidates=0, profile=[], items="", holdout=None)
    page, history = np.array([0, 2, 7]), np.full((3, 14), -1)
    requests = Requests(np.arange(3), np.zeros(3, int), page, history, history > 0, np.full(history.shape, np.nan, "f4"))
    seen = RequestObserver(terms, training.catalog, training.ratings).observe(requests, np.ones((3, 100), bool), None)
    np.testing.assert_array_equal(seen["page"][:, 0], np.float32([0, 2 / 3, 2 / 3]))
