"""Lines 8 to 13 and the card as a whole, on users whose answers are known in advance."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from real_data import movielens_folder
from scripted_users import FakeModel

from recsim_llm.agents.choice.choice_candidate import (
    CHOICE_FAMILIES,
    ENSEMBLE,
    ChoiceCandidate,
    choice_candidate,
    choice_members,
    logged_choice_users,
)
from recsim_llm.agents.choice.choice_fit import fit_choice, with_click_rate
from recsim_llm.agents.language.calibrating import calibrate
from recsim_llm.agents.language.language_candidate import calibrated_factory, language_factory
from recsim_llm.core import keyed
from recsim_llm.data import fictional, open_dataset
from recsim_llm.population import TASTE_FAMILIES, draw_families
from recsim_llm.realism import CardSettings, hold_out
from recsim_llm.realism.baselines import TASTE_ROWS
from recsim_llm.realism.card import PARTS
from recsim_llm.realism.lines.cost import MeteredFactory, Usage, cost_line, most_pages
from recsim_llm.realism.lines.counterfactual import SAME_RATE, WORLD, as_log_odds, counterfactual_line, level_shift, record_log
from recsim_llm.realism.lines.repeatability import repeatability_line
from recsim_llm.realism.lines.sensitivity import NO_CHANGE, anonymised, sensitivity_line, shuffled, swapped
from recsim_llm.realism.policy_trials import run_policy_trials
from recsim_llm.realism.trials import run_trials
from recsim_llm.realism.whole_card import Subject, whole_card

SETTINGS = CardSettings(seeds=(1, 2), resamples=40, panel_items=20)
LOST = "AUC lost with another's persona, 1:1, popularity-matched negatives"
LEFT = "AUC left with another's persona, 1:1, popularity-matched negatives"
ORDER = "change of click chances by the order of the page"
TITLES = "AUC lost with anonymous titles, 1:1, popularity-matched negatives"


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


@pytest.fixture(scope="module")
def held(dataset):
    return hold_out(dataset, seed=1)


def test_users_apart_stay_in_the_training_part_and_are_never_asked_about(dataset, held):
    apart = tuple(dataset.ratings.users[:40].tolist())
    settings = CardSettings(seeds=(1,), resamples=10, apart=apart)
    (found,) = run_trials(dataset, "me", lambda training, seed: Knowing(training, held), settings)
    assert found.held.training.ratings.users.tolist() == dataset.ratings.users.tolist()
    users = found.held.training.ratings.users
    for index in (found.pages["uniform"].user_index, found.pages["matched"].user_index, found.stars.user_index):
        assert len(index)
        assert set(users[index].tolist()).isdisjoint(apart)


class Knowing:
    """Knows each user's held-out items, if titles are told; with ``by_place`` it also prefers the front of a page."""

    def __init__(self, training, held, by_place=0.0, noise=None):
        self.levels = training.ratings.levels
        told = not str(training.catalog.title[0]).startswith("Item ")
        self._score = np.full((len(training.ratings.users), len(training.catalog)), -3.0)
        if told:
            self._score[held.user_index, held.item_index] = 3.0
        self._by_place, self._noise = by_place, noise

    def taste(self, user_index, item_index):
        score = self._score[user_index[:, None], item_index] - self._by_place * np.arange(item_index.shape[1])
        return score if self._noise is None else score + self._noise.normal(size=score.shape)

    def stars(self, user_index, item_index):
        return np.full((*item_index.shape, len(self.levels)), 1 / len(self.levels))


def sensitivity(dataset, factory, seeds=(1,)):
    settings, metered = replace(SETTINGS, seeds=seeds), MeteredFactory(factory, 20)
    trials = run_trials(dataset, "mine", metered, settings)
    models = {"mine": dict(metered.built)}
    hidden = {trial.seed: factory(anonymised(trial.held.training), trial.seed) for trial in trials}
    return sensitivity_line(run_policy_trials(trials, models), models, settings, anonymous=hidden)


def test_users_who_know_their_items_lose_all_with_anothers_persona_and_without_titles(dataset, held):
    line = sensitivity(dataset, lambda training, seed: Knowing(training, held))
    assert line.measure(LOST).candidate.estimate.value > 0.35
    assert line.measure(LEFT).candidate.estimate.value == pytest.approx(0.5, abs=0.12)
    assert line.measure(TITLES).candidate.estimate.value == pytest.approx(0.5)
    assert f"above {NO_CHANGE} (worse)" not in line.measure(ORDER).verdict
    assert line.measure(ORDER).candidate.estimate.value == 0
    assert line.measure(LOST).row("popularity").estimate.value == 0
    assert line.measure("share of clicks, item-kNN and random").candidate.estimate.value > 0.6


def test_users_who_judge_by_place_are_found_out(dataset, held):
    line = sensitivity(dataset, lambda training, seed: Knowing(training, held, by_place=0.3))
    assert line.measure(ORDER).candidate.estimate.value > 0.05
    assert line.measure(ORDER).verdict == (f"above {NO_CHANGE} (worse)",)


def test_personas_are_swapped_with_others():
    user_id = np.arange(100, 140) * 3
    other = swapped(user_id, 4)
    assert sorted(other) == list(range(40))
    assert (other != np.arange(40)).all()


def test_pages_are_shuffled_within_themselves():
    items = np.arange(28)[None].repeat(5, axis=0)
    order = shuffled(items, keyed.words(1, "test", np.arange(5)), 20)
    assert all(sorted(row[:14]) == list(range(14)) for row in order.tolist())
    assert all(sorted(row) == list(range(28)) for row in order.tolist())
    assert len({tuple(row) for row in order.tolist()}) == 5


def repeatability(dataset, factory):
    metered = MeteredFactory(factory, 20)
    trials = run_trials(dataset, "mine", metered, SETTINGS)
    studies = run_policy_trials(trials, {"mine": metered.built})
    return repeatability_line(studies, factory, metered.built, SETTINGS)


def test_the_same_seed_is_held_to_the_bit_and_noise_is_found_out(dataset, held):
    sound = repeatability(dataset, lambda training, seed: Knowing(training, held))
    noise = np.random.default_rng(1)
    noisy = repeatability(dataset, lambda training, seed: Knowing(training, held, noise=noise))
    name = "spread over seeds, clicks a page by item-kNN"
    assert sound.measures[0].candidate.estimate.value == 1
    assert noisy.measures[0].candidate.estimate.value == 0.5  # stars are the same, scores are not
    assert sound.measure(name).candidate.estimate.value == 0
    assert noisy.measure(name).candidate.estimate.value > 0
    assert noisy.measure(name).candidate.seeds == 2


def test_costs_are_for_a_thousand_pages_and_failures_are_told_by_cause():
    usage = Usage(pages=500, users=10, seconds=2.0, fits=2, fit_seconds=3.0)
    meter = {"calls": 400, "hits": 100, "prompt_tokens": 9000, "completion_tokens": 1000, "cost": 0.5}
    line = cost_line("mine", usage, {**meter, "failures": {"timeout": 3, "refusal": 1}}, page_size=20, seeds=1)
    found = {measure.name: measure.candidate for measure in line.measures}
    assert found["seconds for 1,000 pages"].estimate.value == 4
    assert found["calls for 1,000 pages"].estimate.value == 800
    assert found["tokens for 1,000 pages"].estimate.value == 20_000
    assert found["dollars for 1,000 pages"].estimate.value == 1
    assert found["failed attempts"].estimate.value == pytest.approx(4 / 404)
    assert found["failed attempts"].note == "refusal 1, timeout 3"
    assert "100 answers came from the record" in line.protocol


def test_prices_that_are_not_known_are_not_zero():
    usage = Usage(pages=5, users=1, seconds=0.1, fits=1, fit_seconds=0.1)
    line = cost_line("mine", usage, {"calls": 5, "cost": None}, page_size=20, seeds=1)
    assert line.measure("dollars for 1,000 pages").candidate.estimate.value is None


@pytest.fixture(scope="module")
def world(held):
    return ChoiceCandidate(with_click_rate(fit_choice(held.training, 1), 0.05))


def test_a_log_holds_the_clicks_that_were_not_spared_and_asks_about_what_was_not_seen(held, world):
    log = record_log(held.training, world, seed=1)
    fitted = log.clicked & ~log.spared
    assert fitted.any(axis=1).all()
    assert len(log.data.ratings) == fitted.sum()
    users = held.training.ratings.users[log.user_index]
    assert np.array_equal(log.data.ratings.users, users)
    known = held.training.catalog.index_of(held.training.ratings.item_id)
    for row, user in enumerate(log.user_index.tolist()):
        seen = {*log.logged[row].tolist(), *known[held.training.ratings.user_index == user].tolist()}
        assert not seen & set(log.asked[row].tolist())
    assert log.clicked.mean() > 1.3 * log.truth.mean()


def test_users_who_are_the_world_foresee_it_and_the_same_rate_does_not(held, world):
    log = record_log(held.training, world, seed=1)

    class Itself:
        levels = world.levels

        def taste(self, user_index, item_index):
            return world.taste(log.user_index[user_index], item_index) - 2.0

    settings = replace(SETTINGS, seeds=(1,))
    line = counterfactual_line(held.training, "mine", lambda data, seed: Itself(), world, settings=settings)
    rate = line.measure("click rate on random pages")
    assert rate.candidate.estimate.value == pytest.approx(rate.row(WORLD).estimate.value, rel=0.25)
    assert rate.row(SAME_RATE).estimate.value > 1.3 * rate.row(WORLD).estimate.value
    assert f"nearer to real users than {SAME_RATE}" in rate.verdict
    given = line.measure("error of the click rate, relative, as given").candidate.estimate.value
    assert given > 2 * line.measure("error of the click rate, relative").candidate.estimate.value


def test_what_a_row_foresees_does_not_hang_on_the_unit_of_its_score(held, world):
    log = record_log(held.training, world, seed=1)
    score = TASTE_ROWS["item-kNN"].fit(log.data, 1)
    users = np.arange(len(log.user_index))
    one, other = (
        as_log_odds(lambda user, item, unit=unit: unit * score(user, item) - unit, log.data, 1)(users, log.asked)
        for unit in (1.0, 40.0)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert one.std() > 0.1


def test_a_world_where_nobody_clicks_is_not_assessed(held, world):
    class Bored:
        levels = world.levels
        stars = world.stars

        def taste(self, user_index, item_index):
            return np.full(item_index.shape, -40.0)

    line = counterfactual_line(held.training, "mine", choice_candidate, Bored(), settings=replace(SETTINGS, seeds=(1,)))
    assert "clicked anything" in line.not_assessed


def test_the_level_is_moved_to_the_clicks_that_were_there():
    log_odds, clicked = np.linspace(-3, 3, 998), np.arange(998) < 99
    shift = level_shift(log_odds, clicked)
    assert (1 / (1 + np.exp(-(log_odds + shift)))).mean() == pytest.approx(0.1)


@pytest.fixture(scope="module")
def choice(dataset):
    subject = Subject(
        name="choice users",
        factory=choice_candidate,
        families=CHOICE_FAMILIES,
        reads_titles=False,
        logged=logged_choice_users,
        members=choice_members,
    )
    return whole_card(dataset, subject, replace(SETTINGS, seeds=(1,)))


def test_system_ranking_has_the_users_of_each_family_and_of_all_beside_the_candidate_and_other_lines_have_not(choice):
    members = {f"users by {name} alone" for name in TASTE_FAMILIES} | {ENSEMBLE}
    for measure in choice.line(7).measures:
        assert members <= {row.name for row in measure.rows}
    values = [choice.line(7).measures[0].row(name).estimate.value for name in sorted(members)]
    assert len(set(values)) > 2
    headline = choice.line(7).measures[0]
    assert {row.name for row in headline.rows if row.role == "member"} == members
    assert f"{ENSEMBLE} {headline.row(ENSEMBLE).estimate.value:.2f}" in headline.candidate.note
    for number in (1, 8, 12):
        assert not members & {row.name for measure in choice.line(number).measures for row in measure.rows}


def test_a_candidate_of_families_has_each_users_own_taste(dataset):
    fit = fit_choice(dataset, 1)
    mixed, alone = (ChoiceCandidate(fit, names) for names in (("factors", "content"), ("content",)))
    user, item = np.arange(len(fit.population)), np.tile(np.arange(9), (len(fit.population), 1))
    same = (mixed.taste(user, item) == alone.taste(user, item)).all(axis=1)
    np.testing.assert_array_equal(same, draw_families(fit.population.user_id, ("factors", "content")) == 1)
    assert same.any()
    assert not same.all()


def test_the_whole_card_has_thirteen_lines_and_says_why_behaviour_is_missing(choice):
    assert [line.number for line in choice.lines] == list(range(1, 14))
    assert [line.number for line in choice.lines if line.not_assessed] == [5, 13]
    assert choice.line(12).measures[1].name == "smallest share of worse slots that is seen"
    assert "not applicable" in choice.line(8).measure(TITLES).candidate.note
    assert choice.line(9).measures[0].candidate.estimate.value == 1
    assert choice.line(10).measure("calls for 1,000 pages").candidate.estimate.value == 0
    assert "above random (better)" in choice.line(7).verdict
    assert "above popularity (better)" in choice.line(8).verdict


def test_the_json_groups_the_lines_by_score_and_makes_no_figure_of_them_all(choice):
    told = choice.to_json()
    assert [told[key]["lines"] for key in ("behaviour", "tester", "audit")] == [[5, 1, 2, 3, 4, 6], [7, 12], [13]]
    # Line 14, of dialogues, has a card of its own.
    assert sorted(number for part in PARTS for number in part.lines) == [*(line["number"] for line in told["lines"]), 14]
    assert set(told["behaviour"]) == {"question", "lines", "headlines"}
    first, second = told["tester"]["headlines"]
    assert first["value"] == choice.line(7).measures[0].candidate.estimate.value
    assert second["verdict"] == list(choice.line(12).verdict)
    assert told["behaviour"]["headlines"][0]["value"] is None


class Counted(FakeModel):
    """A model that answers equal prompts once, as the store sees to."""

    def meter(self):
        calls = len(set(self.texts))
        fields = {"calls": calls, "hits": len(self.texts) - calls, "prompt_tokens": 0, "completion_tokens": 0}
        return SimpleNamespace(_asdict=lambda: {**fields, "cost": None, "failures": {}})


SHORT = CardSettings(
    seeds=(1,), kinds=("uniform", "matched"), users=4, ratings_a_user=6, panel_items=20, page_items=10, resamples=20
)


def played(dataset, model, calibration_users=0):
    plain = language_factory(model, page_size=10)
    factory = calibrated_factory(model, users=calibration_users, page_size=10) if calibration_users else plain
    beside = ("before", plain) if calibration_users else None
    spent = lambda: model.meter()._asdict()  # noqa: E731
    subject = Subject(name="played", factory=factory, reference=beside, spent=spent)
    return whole_card(dataset, subject, SHORT)


@pytest.fixture(scope="module")
def few(dataset):
    return replace(dataset, ratings=dataset.ratings.take(np.arange(1000)))


def test_a_model_is_not_asked_more_than_was_announced(few):
    model = Counted()
    card = played(few, model)
    assert 20 < model.meter()._asdict()["calls"] <= most_pages(SHORT, users=4, page_size=10)
    assert card.line(11).not_assessed
    assert card.line(10).measure("calls for 1,000 pages").candidate.estimate.value > 0


def planted(dataset):
    ratings = dataset.ratings
    rows = replace(dataset, ratings=replace(ratings, rating=np.arange(len(ratings), dtype=np.float32)))
    late = hold_out(rows, seed=1).rating.astype(np.int64)
    stars = ratings.rating.copy()
    stars[late] = np.where(stars[late] > 1, 1, 5)
    return replace(dataset, ratings=replace(ratings, rating=stars))


def test_planted_stars_change_no_prompt_of_any_line(few):
    models = Counted(), Counted()
    for data, model in zip((few, planted(few)), models, strict=True):
        played(data, model, calibration_users=5)
    assert models[0].texts == models[1].texts


def test_before_and_after_calibration_stand_side_by_side_and_order_items_alike(few):
    card = played(few, Counted(), calibration_users=20)
    area = next(measure for measure in card.line(1).measures if measure.name.startswith("AUC, 1:1"))
    assert area.row("before").difference.value == pytest.approx(0, abs=1e-9)
    brier = next(m for m in card.line(2).measures if m.name.startswith("Brier") and m.name.endswith("as given"))
    assert brier.row("before").difference.value != 0


def test_calibration_sees_the_training_part_alone(few):
    training = hold_out(few, seed=1).training
    again = hold_out(planted(few), seed=1).training
    assert calibrate(Counted(), training, seed=1, users=10) == calibrate(Counted(), again, seed=1, users=10)


@pytest.mark.slow
def test_fitted_users_rank_recommenders_and_lose_their_taste_with_anothers_persona_on_real_ratings():
    everyone = open_dataset(movielens_folder())
    dataset = everyone.of_ratings(everyone.ratings.take(everyone.ratings.user_index % 3 == 0))
    subject = Subject(
        name="choice users", factory=choice_candidate, families=CHOICE_FAMILIES, reads_titles=False, logged=logged_choice_users
    )
    card = whole_card(dataset, subject, CardSettings(seeds=(1,), resamples=100))
    assert card.line(7).measures[0].candidate.estimate.value > 0.75
    assert "above popularity (better)" in card.line(7).verdict
    assert card.line(8).measure(LEFT).candidate.estimate.value == pytest.approx(0.5, abs=0.05)
