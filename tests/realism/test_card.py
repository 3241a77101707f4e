"""The card as a whole, on invented data and on real ones, and its lines on answers that are known in advance."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from real_data import movielens_folder
from scipy.stats import wasserstein_distance

from recsim_llm.agents.choice.choice_candidate import ChoiceCandidate, choice_candidate
from recsim_llm.agents.choice.choice_fit import fit_choice
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.language.calibration_fit import share_levels
from recsim_llm.data import fictional, open_dataset
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.realism import CardSettings, UserModelCandidate, hold_out, realism_card
from recsim_llm.realism.candidates import on_levels
from recsim_llm.realism.lines.population import mean_similarity
from recsim_llm.realism.lines.star_shape import jensen_shannon, wasserstein

SETTINGS = CardSettings(seeds=(1, 2), resamples=60, panel_items=80)


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


class Clairvoyant:
    """Knows the held-out part: what the card must give full marks."""

    def __init__(self, training, held):
        self.levels = training.ratings.levels
        self._taken = np.full((len(training.ratings.users), len(training.catalog)), -5.0)
        self._taken[held.user_index, held.item_index] = 5.0
        self._level = np.zeros(self._taken.shape, np.int64)
        self._level[held.user_index, held.item_index] = np.searchsorted(self.levels, held.rating)

    def taste(self, user_index, item_index):
        return self._taken[user_index[:, None], item_index]

    def stars(self, user_index, item_index):
        return np.eye(len(self.levels))[self._level[user_index[:, None], item_index]]


@pytest.fixture(scope="module")
def perfect(dataset):
    held = hold_out(dataset, seed=1)
    return realism_card(dataset, "oracle", lambda training, seed: Clairvoyant(training, held), SETTINGS)


@pytest.fixture(scope="module")
def choice(dataset):
    return realism_card(dataset, "choice", choice_candidate, SETTINGS)


def value(card, number, name):
    return card.line(number).measure(name).candidate.estimate.value


@pytest.mark.parametrize("kind", ["uniform negatives", "popularity-matched negatives", "negatives matched by all counts"])
@pytest.mark.parametrize(("ratio", "share"), [("1:1", 0.5), ("1:2", 0.35), ("1:3", 0.25), ("1:9", 0.1)])
def test_knowing_the_answers_gives_full_marks_for_taste(perfect, kind, ratio, share):
    for name in ("accuracy", "AUC", "precision", "recall", "F1"):
        assert value(perfect, 1, f"{name}, {ratio}, {kind}") == 1
    assert value(perfect, 1, f"share of yes, {ratio}, {kind}") == pytest.approx(share)


def test_knowing_the_answers_gives_full_marks_for_chances_and_stars(perfect):
    assert value(perfect, 2, "bits a decision, uniform negatives") < 0.01
    assert value(perfect, 2, "Brier score, uniform negatives, as given") < 0.001
    assert value(perfect, 2, "ECE, uniform negatives, as given") < 0.01
    assert value(perfect, 3, "RMSE") == value(perfect, 3, "MAE") == 0
    assert value(perfect, 3, "exact share") == 1
    assert value(perfect, 3, "bits a star") == 0
    assert value(perfect, 3, "Spearman within users") == pytest.approx(1)


def test_knowing_the_answers_gives_full_marks_for_shape_and_population(perfect):
    for name in ("Wasserstein-1, all ratings", "Wasserstein-1 per user", "Jensen-Shannon per user"):
        assert value(perfect, 4, name) == pytest.approx(0, abs=1e-12)
    assert value(perfect, 4, "spread ratio") == pytest.approx(1)
    assert value(perfect, 6, "correlation of user mean ratings") == pytest.approx(1)
    for name in ("spread of user mean ratings", "popularity slope of clicks"):
        measure = perfect.line(6).measure(name)
        assert measure.candidate.estimate.value == pytest.approx(measure.row("real users").estimate.value)
    sameness = perfect.line(6).measure("sameness of users")
    real = sameness.row("real users").estimate.value
    assert abs(sameness.candidate.estimate.value - real) < abs(sameness.row("random").estimate.value - real)


def test_random_scores_do_as_chance_does(choice):
    for kind in ("uniform negatives", "popularity-matched negatives"):
        assert choice.line(1).measure(f"AUC, 1:1, {kind}").row("random").estimate.value == pytest.approx(0.5, abs=0.06)


def test_fitted_users_beat_what_knows_no_user(choice):
    taste = choice.line(1).measure("accuracy, 1:1, popularity-matched negatives")
    assert "above popularity (better)" in taste.verdict
    assert "below global mean (better)" in choice.line(3).verdict


def test_lines_one_to_six_are_there_and_behaviour_says_why_not(choice):
    assert [line.number for line in choice.lines] == [1, 2, 3, 4, 5, 6]
    assert "ratings without exposures" in choice.line(5).not_assessed


def test_what_predicts_the_same_for_all_items_has_no_rank_correlation(choice):
    row = choice.line(3).measure("Spearman within users").row("global mean")
    assert row.estimate.value is None
    assert row.note


def test_the_card_is_plain_json_and_a_plain_table(choice):
    told = json.loads(json.dumps(choice.to_json(), allow_nan=False))
    assert [line["number"] for line in told["lines"]] == [1, 2, 3, 4, 5, 6]
    rows = choice.table()
    assert {"line", "measure", "row", "value", "low", "high", "users", "seeds", "difference value"} <= set(rows[0])
    assert len(rows) == sum(len(measure.rows) for line in choice.lines for measure in line.measures)


def test_the_same_settings_give_the_same_card(dataset):
    held = hold_out(dataset, seed=1)
    settings = replace(SETTINGS, seeds=(3,), users=8, ratings_a_user=5)
    cards = [realism_card(dataset, "o", lambda training, seed: Clairvoyant(training, held), settings) for _ in range(2)]
    assert cards[0].to_json() == cards[1].to_json()


def test_a_reference_stands_beside_the_candidate(dataset):
    settings = replace(SETTINGS, seeds=(1,), users=8, ratings_a_user=5)
    card = realism_card(dataset, "mine", choice_candidate, settings, reference=("fitted users", choice_candidate))
    row = card.line(1).measures[0].row("fitted users")
    assert row.role == "reference"
    assert row.difference.value == 0
    assert row.estimate.users == 8


def test_too_few_held_out_items_are_said_not_scored(dataset):
    early = replace(dataset, ratings=dataset.ratings.take(np.arange(len(dataset.ratings)) % 40 == 0))
    card = realism_card(
        early, "choice", lambda data, seed: ChoiceCandidate(fit_choice(data, seed)), replace(SETTINGS, seeds=(1,))
    )
    why = "not assessed: no user has 10 held-out items, half a page of 20; data with 50 ratings a user, and 20 rated items"
    assert card.line(1).verdict == (f"{why} that they did not rate, would do",)
    assert card.line(3).measures


def test_further_lines_are_put_in_order_and_numbers_differ(choice):
    assert [line.number for line in replace(choice, lines=choice.lines[3:]).with_lines(choice.lines[:3]).lines] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    with pytest.raises(ConfigError, match="different numbers"):
        choice.with_lines(choice.lines[:1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seeds": ()}, "seeds: got"),
        ({"seeds": (1, 1)}, "seeds: got"),
        ({"kinds": ("matched",)}, "expected uniform"),
        ({"page_items": 2}, "page_items: got 2"),
        ({"users": 0}, "users: got 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        CardSettings(**settings)


def test_answers_that_are_no_distribution_are_refused(dataset):
    class Broken(Clairvoyant):
        def stars(self, user_index, item_index):
            return 2 * super().stars(user_index, item_index)

    held = hold_out(dataset, seed=1)
    with pytest.raises(ContractError, match="no distribution"):
        realism_card(dataset, "broken", lambda training, seed: Broken(training, held), SETTINGS)


def test_vectors_score_as_the_users_themselves_do_without_novelty(dataset):
    training = hold_out(dataset, seed=1).training
    fitted = fit_choice(training, 1)
    parameters = replace(fitted.model.parameters, novelty=0.0)
    users = ChoiceUsers(training.catalog, fitted.population, fitted.model, parameters)
    whole, short = UserModelCandidate(users, fitted.population, training, page_size=4), ChoiceCandidate(fitted)
    who, items = np.arange(9), np.random.default_rng(2).integers(0, 500, size=(9, 11))
    assert np.allclose(whole.taste(who, items), short.taste(who, items), atol=1e-4)
    assert np.allclose(whole.stars(who, items), short.stars(who, items), atol=1e-5)


def test_fewer_levels_are_spread_over_the_datas_as_the_histogram_is():
    levels, histogram = np.array([0.5, 1.0, 1.5, 2.0]), np.array([1.0, 3.0, 2.0, 4.0])
    spread = on_levels(np.array([[0.25, 0.75]]), np.array([1.0, 2.0], np.float32), levels, histogram)
    # Half of the ratings at 1.5 are a one, the other half a two.
    assert spread[0] == pytest.approx([0.25 / 5, 0.75 / 5, 0.25 / 5 + 0.75 / 5, 0.75 * 4 / 5], abs=1e-4)


def test_whole_stars_that_were_fitted_to_half_ones_give_back_their_histogram_and_mean():
    levels, histogram = np.arange(0.5, 5.25, 0.5), np.array([0.0, 3, 2, 7, 5, 20, 13, 27, 8, 13])
    own = share_levels(levels)
    spread = on_levels(histogram @ own[None] / histogram.sum(), np.arange(1.0, 6.0).astype(np.float32), levels, histogram)
    assert spread[0] == pytest.approx(histogram / histogram.sum(), abs=1e-4)
    assert histogram @ own @ np.arange(1, 6) == pytest.approx(histogram @ levels)


@given(arrays(np.float64, (2, 5), elements=st.floats(0.01, 1)))
def test_distances_of_histograms_are_those_of_the_textbook(counts):
    left, right = counts / counts.sum(axis=1, keepdims=True)
    levels = np.array([1.0, 1.5, 3.0, 4.0, 5.0])
    assert wasserstein(left, right, levels) == pytest.approx(wasserstein_distance(levels, levels, left, right))
    assert jensen_shannon(left, right, levels) == pytest.approx(jensen_shannon(right, left, levels))
    assert 0 <= jensen_shannon(left, right, levels) + 1e-12 <= 1
    assert jensen_shannon(left, left, levels) == pytest.approx(0)


def test_histograms_that_share_nothing_are_one_bit_apart():
    one, other = np.eye(2)
    assert jensen_shannon(one, other, np.array([1.0, 2.0])) == 1


def test_similarity_is_over_pairs_of_different_users():
    consumed = np.array([[1.0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    weights = np.array([[1.0, 1, 1, 1], [2, 1, 0, 5]])
    assert mean_similarity(consumed)(weights) == pytest.approx([np.sqrt(0.5) / 3, np.sqrt(0.5)])


@pytest.mark.slow
def test_fitted_users_stand_the_test_on_real_ratings():
    dataset = open_dataset(movielens_folder())
    card = realism_card(dataset, "choice", choice_candidate, CardSettings(seeds=(1,), resamples=100))
    assert value(card, 1, "accuracy, 1:1, uniform negatives") >= 0.85
    assert value(card, 1, "accuracy, 1:1, popularity-matched negatives") >= 0.725
    assert value(card, 4, "Wasserstein-1, all ratings") < 0.05
    assert value(card, 6, "correlation of user mean ratings") > 0.5


def test_clicks_and_purchases_are_not_judged_by_stars(dataset):
    taken = replace(dataset.ratings, rating=np.full_like(dataset.ratings.rating, 5.0))
    clicks = replace(dataset, ratings=taken, feedback="implicit")
    held = hold_out(clicks, seed=1)
    card = realism_card(clicks, "oracle", lambda training, seed: Clairvoyant(training, held), SETTINGS)
    why = "the data are clicks or purchases, to which nobody gave stars"
    assert [card.line(number).not_assessed for number in (1, 2, 3, 4, 6)] == ["", "", why, why, ""]
    population = card.line(6)
    assert not [measure.name for measure in population.measures if "rating" in measure.name]
    assert f"User means: not assessed, since {why}." in population.protocol
    assert "star" not in " ".join(measure.unit for line in card.lines for measure in line.measures)
