"""Calibrating on real ratings: pages with known outcomes, none of which is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scripted_users import FakeModel

from recsim_llm.agents.language.calibrating import calibrate
from recsim_llm.agents.language.calibration_answers import ask_pages, uncalibrated_users
from recsim_llm.agents.language.calibration_pages import calibration_pages, known_population
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.prompt_templates import Templates, shipped_families
from recsim_llm.cli.main import main
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError, DataError

SETTINGS = {"seed": 3, "users": 40, "taken": 2, "page_size": 10}
FIT = {"seed": 3, "users": 25, "visit_pages": 6.0}


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


@pytest.fixture(params=shipped_families())
def family(request):
    return request.param


def asks_of(dataset, family):
    """Return what is asked in the words of a family, in the way that it was made for, with all that users can be told."""
    model = FakeModel()
    model.elicitation = "forced" if Templates(family).has_leads else "json"
    parameters = LanguageParameters(templates=family, remembered_ratings=5, prompt_tokens=4000)
    ask_pages(uncalibrated_users(model, dataset, parameters, 3), calibration_pages(dataset, **SETTINGS), lambda *_: None)
    return model.asks


def later_rows(dataset):
    _, later = dataset.ratings.split_by_time(0.8)
    keys = set(zip(later.user_id.tolist(), later.item_id.tolist(), strict=True))
    rows = zip(dataset.ratings.user_id.tolist(), dataset.ratings.item_id.tolist(), strict=True)
    return np.array([row in keys for row in rows])


def test_taken_items_are_later_ratings_and_the_others_were_never_rated(dataset):
    pages = calibration_pages(dataset, **SETTINGS)
    assert pages.item_index.shape == (40, 10)
    assert (pages.taken.sum(axis=1) == 2).all()
    assert all(len(set(items)) == 10 for items in pages.item_index.tolist())
    ratings, later = dataset.ratings, later_rows(dataset)
    item = dataset.catalog.index_of(ratings.item_id)
    for user, items, taken, stars, _ in zip(*pages, strict=True):
        own = ratings.user_index == user
        rated = dict(zip(item[own].tolist(), ratings.rating[own].tolist(), strict=True))
        held = set(item[own & later].tolist())
        for place, is_taken, given in zip(items.tolist(), taken, stars, strict=True):
            assert (place in held) if is_taken else (place not in rated)
            assert given == rated[place] if is_taken else np.isnan(given)


def test_people_whom_the_model_learned_from_are_not_asked_about(dataset):
    met = dataset.ratings.users[calibration_pages(dataset, **SETTINGS).user_index][:30]
    asked = dataset.ratings.users[calibration_pages(dataset, **SETTINGS, met=met.tolist()).user_index]
    assert len(asked)
    assert not np.isin(asked, met).any()


def test_personas_do_not_know_what_became_popular_later(dataset, family):
    pages = calibration_pages(dataset, **SETTINGS)
    ratings, later = dataset.ratings, later_rows(dataset)
    rare = dataset.catalog.item_id[np.argsort(dataset.catalog.popularity)]
    moved = replace(ratings, item_id=np.where(later, rare[np.arange(len(ratings)) % 20], ratings.item_id))
    counts = np.bincount(dataset.catalog.index_of(moved.item_id), minlength=len(dataset.catalog))
    other = replace(dataset, ratings=moved, catalog=dataset.catalog.with_popularity(counts))
    told = []
    for data in (dataset, other):
        model = FakeModel()
        parameters = LanguageParameters(templates=family)
        ask_pages(uncalibrated_users(model, data, parameters, 3), pages, lambda done, planned: None)
        told.append(tuple(ask.prompt.parts[1].text for ask in model.asks))
    assert told[0] == told[1]


def test_the_other_items_are_about_as_popular(dataset):
    pages = calibration_pages(dataset, **SETTINGS)
    known, _ = dataset.ratings.split_by_time(0.8)
    count = np.bincount(dataset.catalog.index_of(known.item_id), minlength=len(dataset.catalog))
    rank = np.argsort(np.argsort(count, kind="stable"))[pages.item_index]
    matched, anything = rank[pages.taken].mean() - rank[~pages.taken].mean(), rank[pages.taken].mean() - len(count) / 2
    assert abs(matched) < 0.05 * len(count) < anything


def test_taken_items_stand_anywhere(dataset):
    share = calibration_pages(dataset, **SETTINGS).taken.mean(axis=0)
    assert (share > 0).all()


def test_changing_a_label_changes_no_byte_of_any_prompt_or_question(dataset, family):
    ratings = dataset.ratings
    changed = np.where(later_rows(dataset), 6 - ratings.rating, ratings.rating).astype(np.float32)
    other = replace(dataset, ratings=replace(ratings, rating=changed))
    assert not np.array_equal(
        calibration_pages(dataset, **SETTINGS).stars, calibration_pages(other, **SETTINGS).stars, equal_nan=True
    )
    assert asks_of(dataset, family) == asks_of(other, family)


def test_changing_an_earlier_rating_changes_what_is_told(dataset, family):
    ratings = dataset.ratings
    changed = np.where(later_rows(dataset), ratings.rating, 6 - ratings.rating).astype(np.float32)
    told, other = (asks_of(data, family) for data in (dataset, replace(dataset, ratings=replace(ratings, rating=changed))))
    assert all(one.prompt != another.prompt for one, another in zip(told, other, strict=True))


def test_the_same_seed_lays_out_the_same_pages(dataset):
    first, again, other = (calibration_pages(dataset, **(SETTINGS | {"seed": seed})) for seed in (3, 3, 4))
    assert np.array_equal(first.item_index, again.item_index)
    assert not np.array_equal(first.user_index, other.user_index) or not np.array_equal(first.item_index, other.item_index)


def test_some_items_are_drawn_from_everything_that_was_never_rated(dataset):
    pages = calibration_pages(dataset, **SETTINGS, uniform=4)
    assert (pages.uniform.sum(axis=1) == 4).all()
    assert not (pages.uniform & pages.taken).any()
    count = np.bincount(dataset.catalog.index_of(dataset.ratings.item_id), minlength=len(dataset.catalog))
    rank = np.argsort(np.argsort(count, kind="stable")) / len(count)
    assert abs(rank[pages.item_index[pages.uniform]].mean() - 0.5) < 0.08
    assert rank[pages.item_index[~pages.uniform]].mean() > 0.6


def mean_click(calibration, log_odds):
    return float((1 / (1 + np.exp(-calibration.click(np.array([log_odds]))))).mean())


def test_a_model_that_knows_nothing_clicks_at_the_rate_wanted(dataset):
    found = calibrate(FakeModel("uniform"), dataset, **FIT, click_rate=0.05)
    assert mean_click(found, 0.0) == pytest.approx(0.05)
    assert found.record["measured"]["click_rate"]["after"]["value"] == pytest.approx(0.05, rel=1e-3)
    assert found.record["measured"]["click_rate"]["before"]["value"] == pytest.approx(0.5, rel=1e-3)


def test_another_click_rate_moves_the_click_bias_alone(dataset):
    plain, rare = (calibrate(FakeModel(), dataset, click_rate=rate, **FIT) for rate in (0.2, 0.02))
    assert rare.click_bias < plain.click_bias - 1
    assert replace(rare, click_bias=0, record=None) == replace(plain, click_bias=0, record=None)


def test_users_are_fitted_on_or_kept_apart_and_never_both(dataset):
    record = calibrate(FakeModel(), dataset, **FIT).record
    fitted, apart = set(record["users_fitted"]), set(record["users_apart"])
    assert (len(fitted), len(apart)) == (25, 25)
    assert not fitted & apart
    assert record["measured"]["star_mean"]["after"]["users"] == 25


def test_of_too_few_users_half_are_kept_apart(dataset):
    record = calibrate(FakeModel(), dataset, **(FIT | {"users": 500})).record
    fitted, apart = len(record["users_fitted"]), len(record["users_apart"])
    assert fitted - apart in (0, 1)
    assert fitted + apart > 50


def test_whose_stars_set_the_level_is_listed(dataset):
    plain, ratings = calibrate(FakeModel(), dataset, **FIT), dataset.ratings
    level = np.isin(ratings.user_id, plain.record["users_level"]) & ~np.isin(ratings.user_id, plain.record["users_fitted"])
    kinder = np.where(level & later_rows(dataset), 5, ratings.rating).astype(np.float32)
    other = calibrate(FakeModel(), replace(dataset, ratings=replace(ratings, rating=kinder)), **FIT)
    assert other.stars_slope == plain.stars_slope
    assert other.stars_offsets[4] > plain.stars_offsets[4] + 0.1
    assert set(plain.record["users_fitted"]) <= set(plain.record["users_level"])


def test_what_users_not_listed_did_later_changes_no_number(dataset):
    plain = calibrate(FakeModel(), dataset, **FIT)
    ratings = dataset.ratings
    told = {*plain.record["users_fitted"], *plain.record["users_level"]}
    assert told.isdisjoint(plain.record["users_apart"])
    apart = ~np.isin(ratings.user_id, list(told)) & later_rows(dataset)
    assert len(set(ratings.user_id[apart].tolist())) > len(plain.record["users_apart"])
    changed = np.where(apart, 6 - ratings.rating, ratings.rating).astype(np.float32)
    other = calibrate(FakeModel(), replace(dataset, ratings=replace(ratings, rating=changed)), **FIT)
    assert replace(plain, record=None) == replace(other, record=None)
    assert plain.record["measured"]["star_mean"]["target"] != other.record["measured"]["star_mean"]["target"]


def grumpy(text, question):
    """Answer as somebody who takes and leaves everything, and gives few stars."""
    if question.kind == "yes_no":
        return 0.7, 0.3
    return (0.5, 0.3, 0.1, 0.06, 0.04) if question.key.startswith("stars") else (1.0,) * len(question.options)


def test_stars_far_too_low_get_mean_spread_and_shape_of_people_kept_apart(dataset):
    measured = calibrate(FakeModel(grumpy), dataset, **FIT).record["measured"]
    mean, spread = measured["star_mean"], measured["star_spread"]
    assert mean["before"]["value"] < mean["target"]["value"] - 1.5
    assert abs(mean["after"]["value"] - mean["target"]["value"]) < 0.3  # of 25 users with means that spread by 0.45
    assert abs(spread["after"]["value"] - spread["target"]["value"]) < 0.15
    assert measured["star_wasserstein"]["before"]["value"] > 1.5
    assert measured["star_wasserstein"]["after"]["value"] < 0.3


def test_visits_get_the_length_declared(dataset):
    measured = calibrate(FakeModel(grumpy), dataset, **FIT).record["measured"]["visit_pages"]
    assert measured["before"]["value"] < 2
    assert measured["after"]["value"] == pytest.approx(6, abs=0.01)


def test_visits_are_as_long_as_those_of_choice_users_where_nothing_is_declared(dataset):
    record = calibrate(FakeModel(), dataset, seed=3, users=25).record
    target, after = (record["measured"]["visit_pages"][side]["value"] for side in ("target", "after"))
    assert 3 < target < 20
    assert after == pytest.approx(target, rel=0.1)
    assert "choice users" in record["visits"]


def test_nothing_is_measured_where_nobody_is_kept_apart(dataset):
    record = calibrate(FakeModel(), dataset, **FIT, apart=0).record
    assert "measured" not in record
    assert "users_apart" not in record


def test_a_model_that_sees_the_outcome_is_trusted_more(dataset):
    later, ratings = later_rows(dataset), dataset.ratings
    held = set(zip(ratings.user_id[later].tolist(), ratings.item_id[later].tolist(), strict=True))
    titles = dict(zip(dataset.catalog.title.tolist(), dataset.catalog.item_id.tolist(), strict=True))

    class Knowing(FakeModel):
        def _reply(self, ask):
            self._user = int(ask.subject)
            return super()._reply(ask)

    def knowing(text, question):
        if question.key.startswith("click"):
            line = text.split("<page>\n")[1].split("\n")[int(question.key.split("_")[1]) - 1]
            chance = 0.6 if (model._user, titles[line.split('"')[1]]) in held else 0.4
            return chance, 1 - chance
        return (1.0,) * len(question.options)

    model = Knowing(knowing)
    assert calibrate(model, dataset, **FIT).click_slope > 2


def test_progress_is_told_until_all_pages_are_answered(dataset):
    told = []
    calibrate(FakeModel(), dataset, **FIT, progress=lambda done, planned: told.append((done, planned)))
    assert told[0] == (0, 50)
    assert told[-1] == (50, 50)


def test_a_calibration_is_refused_by_users_on_another_model_or_asked_otherwise(dataset):
    found = calibrate(FakeModel(), dataset, **FIT)
    settings = LanguageParameters(calibration=found)
    population = known_population(dataset)
    LanguageUsers(dataset.catalog, population, FakeModel(), parameters=settings, seed=1)
    other, otherwise = FakeModel(), FakeModel()
    other.name, otherwise.elicitation = "scripted/other", "json"
    compact = replace(settings, templates="en_compact")
    cases = ((other, settings, "model"), (otherwise, settings, "elicitation"), (FakeModel(), compact, "templates"))
    for model, parameters, told in cases:
        with pytest.raises(ConfigError, match=f"^calibration: got one of {told} .*expected one of .*; calibrate these users"):
            LanguageUsers(dataset.catalog, population, model, parameters=parameters, seed=1)


def test_clicks_alone_are_calibrated_where_nobody_gives_stars(dataset):
    found = calibrate(FakeModel(), replace(dataset, feedback="implicit"), **FIT)
    assert found.stars_offsets == (0.0,) * 5
    assert "star_mean" not in found.record["measured"]
    assert found.click_bias < -1


@pytest.mark.parametrize(
    "settings", [{"users": 0}, {"taken": 0}, {"taken": 10}, {"page_size": 10**6}, {"taken": 5000, "page_size": 5001}]
)
def test_impossible_pages_are_refused(dataset, settings):
    with pytest.raises((ConfigError, DataError), match=r"pages of later choices(, \w+)?: got .*expected"):
        calibration_pages(dataset, **(SETTINGS | settings))


@pytest.mark.parametrize("rate", [0, 1, -0.5])
def test_an_impossible_click_rate_is_refused(dataset, rate):
    with pytest.raises(ConfigError, match="calibrate: got click_rate"):
        calibrate(FakeModel(), dataset, click_rate=rate, **FIT)


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path, capsys):
    out = tmp_path / "missing" / "calibration.json"
    assert main(["calibrate", "fictional", str(out), "--model", "scripted/unknown", "--seed", "1"]) == 2
    assert "make the folder first" in capsys.readouterr().err
