"""How much taste there is: planted taste is found and measured, planted ignorance is not called taste, popularity neither."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from recsim_llm.agents import language_taste
from recsim_llm.core import keyed
from recsim_llm.data import fictional, open_dataset
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.language.backends.scripted import Scripted, resolve_script
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.log.schema import LIKE_THRESHOLD
from recsim_llm.realism import hold_out, measure_taste
from recsim_llm.realism.taste_pages import KINDS

LEVELS = np.arange(1, 6, dtype=np.float32)


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=250)


class Planted:
    """A user model that knows what a person liked later, as far as ``strength`` says, and nothing else.

    A liked item's score is ``strength`` above another's on average, in units of the noise of each.
    """

    levels = LEVELS

    def __init__(self, dataset, training, strength=0.0, number=0, popularity=0.0):
        held = hold_out(dataset, seed=1)
        self.truth = np.zeros((held.users, len(dataset.catalog)))
        liked = held.rating >= LIKE_THRESHOLD
        self.truth[held.user_index[liked], held.item_index[liked]] = strength
        self.popularity = popularity * np.log1p(training.catalog.popularity.astype(np.float64))
        self.number, self.asked = number, set()

    def taste(self, user_index, item_index):
        self.asked |= set(user_index.tolist())
        chance = keyed.uniform(keyed.words(self.number, "planted", user_index[:, None], item_index))
        noise = 0.0 if self.popularity.any() else norm.ppf(chance)
        return self.truth[user_index[:, None], item_index] + self.popularity[item_index] + noise

    def stars(self, user_index, item_index):
        up = np.clip(0.5 + 0.2 * self.taste(user_index, item_index), 0, 1)
        zeros = np.zeros(item_index.shape)
        return np.stack([1 - up, zeros, zeros, zeros, up], axis=-1)


def factory(dataset, **planted):
    return lambda training, seed: Planted(dataset, training, **planted)


def test_planted_taste_is_measured_as_strong_as_it_is(dataset):
    taste = measure_taste(dataset, {"mine": factory(dataset, strength=1.0)}, seed=1, kinds=tuple(KINDS))
    truth = norm.cdf(1.0 / np.sqrt(2))
    for kind in KINDS.values():
        (found,) = (m.candidate.estimate for m in taste.measures if m.name == f"AUC, {kind}")
        assert found.value == pytest.approx(truth, abs=0.03)
        assert found.low < truth < found.high
    right = next(m for m in taste.measures if m.name == f"accuracy, {KINDS['nearest']}").candidate.estimate
    assert right.value == pytest.approx(norm.cdf(0.5), abs=0.03)
    assert taste.tells_apart
    assert taste.sentence.startswith("these users tell recommenders apart")


def test_disliked_items_are_told_from_liked_ones_by_clicks_and_by_stars(dataset):
    taste = measure_taste(dataset, {"mine": factory(dataset, strength=2.0)}, seed=1)
    clicks, stars = taste.measures[-2:]
    assert stars.name == "AUC, liked against disliked, by expected stars"
    assert clicks.candidate.estimate.value == pytest.approx(norm.cdf(np.sqrt(2)), abs=0.05)
    assert clicks.candidate.estimate.users > 20
    assert stars.candidate.estimate.low > 0.7
    assert clicks.row("random").estimate.low < 0.5 < clicks.row("random").estimate.high


def test_users_without_taste_have_an_interval_that_holds_chance_as_often_as_it_says(dataset):
    blind = {f"blind {number}": factory(dataset, number=number) for number in range(200)}
    taste = measure_taste(dataset, blind, seed=1, users=40, page_items=10, kinds=("nearest",))
    rows = [taste.discrimination.row(name).estimate for name in blind]
    assert all(row.users == 40 for row in rows)
    holds = np.mean([row.low <= 0.5 <= row.high for row in rows])
    # 95% less what a percentile interval of 40 users lacks; four binomial standard errors of 200 about 93%.
    assert 0.86 < holds < 0.995


def test_users_without_taste_are_said_not_to_tell_recommenders_apart(dataset):
    taste = measure_taste(dataset, {"blind": factory(dataset)}, seed=1, users=40)
    assert not taste.tells_apart
    assert taste.sentence.startswith("these users do not tell recommenders apart: they pick at chance (AUC 0.")
    assert taste.to_json()["tells_apart"] is False


def test_of_a_handful_of_users_it_is_not_told_whether_they_have_taste(dataset):
    taste = measure_taste(dataset, {"mine": factory(dataset, strength=3.0)}, seed=1, users=4)
    assert taste.discrimination.candidate.estimate.low > 0.5
    assert taste.to_json()["tells_apart"] is None
    assert taste.sentence.startswith(
        "whether these users tell recommenders apart: too few users to tell (4; take 10 or more); AUC "
    )


@pytest.mark.parametrize("data", ["fictional", "fictional-100"])
def test_who_knows_only_what_is_popular_has_no_taste_though_it_does_well_among_uniform_others(data):
    whole = open_dataset(data)
    taste = measure_taste(whole, {"peeker": factory(whole, popularity=1.0)}, seed=1, users=200)
    uniform = next(measure for measure in taste.measures if measure.name == f"AUC, {KINDS['uniform']}")
    assert uniform.candidate.estimate.low > 0.65
    assert taste.discrimination.candidate.estimate.value == pytest.approx(0.5, abs=0.03)
    assert not taste.tells_apart
    assert "do not tell recommenders apart" in taste.sentence


def test_users_kept_apart_are_not_asked(dataset):
    known = {}

    def build(training, seed):
        known["model"], known["users"] = Planted(dataset, training), training.ratings.users
        return known["model"]

    whole = measure_taste(dataset, {"mine": build}, seed=1)
    everyone = known["users"][sorted(known["model"].asked)]
    apart = everyone[::2].tolist()
    rest = measure_taste(dataset, {"mine": build}, seed=1, apart=apart)
    assert not set(apart) & set(known["users"][sorted(known["model"].asked)].tolist())
    assert 0 < rest.users < whole.users


def test_a_page_is_smaller_where_users_have_fewer_liked_items():
    small = fictional.load(n_users=60)
    few = replace(small, ratings=small.ratings.take(np.flatnonzero(small.ratings.user_index < 30)))
    taste = measure_taste(few, {"blind": factory(few)}, seed=1, page_items=40)
    assert taste.page_items < 40
    assert taste.users >= 1


class Listener(Scripted):
    """Answers by genres, and keeps what it was asked."""

    def __init__(self):
        super().__init__(resolve_script("genres"))
        self.prompts = []

    async def send(self, call):
        self.prompts.append(call.messages)
        return await super().send(call)


def listened(dataset):
    listener = Listener()
    with LanguageModel(listener, elicitation="decision") as model:
        taste = language_taste(model, dataset, seed=1, users=3, page_items=4, choice=False)
        assert model.meter().calls == len(listener.prompts)
    return taste, sorted(listener.prompts)


def test_no_label_reaches_a_prompt(dataset):
    numbered = replace(dataset.ratings, rating=np.arange(len(dataset.ratings), dtype=np.float32))
    late = hold_out(replace(dataset, ratings=numbered), seed=1).rating.astype(np.int64)
    stars = dataset.ratings.rating.copy()
    # Whoever liked an item loves it, whoever disliked it hates it: the same pages, other labels.
    stars[late] = np.where(stars[late] >= LIKE_THRESHOLD, 5, np.where(stars[late] < 3, 1, 3))
    _, prompts = listened(dataset)
    assert listened(replace(dataset, ratings=replace(dataset.ratings, rating=stars)))[1] == prompts


def test_calls_tokens_and_pages_are_counted(dataset):
    taste, prompts = listened(dataset)
    cost = taste.costs["language users"]
    assert cost.calls == cost.pages == len(prompts)
    assert cost.prompt_tokens > 100 * len(prompts)
    written = json.loads(json.dumps(taste.to_json()))
    assert written["costs"]["language users"]["calls"] == len(prompts)
    assert [row["name"] for row in written["measures"][0]["rows"]][:2] == ["language users", "random"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"page_items": 7}, "got 7, expected an even number"),
        ({"page_items": 2}, "expected"),
        ({"kinds": ("nearby",)}, "got nearby, expected some of uniform"),
        ({"kinds": ()}, "got none"),
        ({"users": 0}, "expected"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(dataset, settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        measure_taste(dataset, {"mine": factory(dataset)}, seed=1, **settings)
    assert "\n" not in str(caught.value)


def test_a_name_that_a_baseline_has_is_refused(dataset):
    with pytest.raises(ConfigError, match="'ALS', which is a baseline's name"):
        measure_taste(dataset, {"ALS": factory(dataset)}, seed=1)
    with pytest.raises(ConfigError, match="no candidate"):
        measure_taste(dataset, {}, seed=1)


def test_too_few_ratings_are_refused_with_what_would_do(dataset):
    order = np.lexsort((dataset.ratings.timestamp, dataset.ratings.user_index))
    first = np.flatnonzero(np.diff(dataset.ratings.user_index[order], prepend=-1))
    few = replace(dataset, ratings=dataset.ratings.take(np.sort(order[np.concatenate([first, first + 1])])))
    with pytest.raises(DataError, match="use data with 20 ratings a user"):
        measure_taste(few, {"mine": factory(few)}, seed=1)
