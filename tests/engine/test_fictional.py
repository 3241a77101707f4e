"""The invented films, their planted ratings, and the data set that both make."""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from recsim_llm.catalog import default_features
from recsim_llm.data import fictional, open_dataset
from recsim_llm.data.fictional_ratings import (
    CUTS,
    Items,
    Truth,
    consume,
    fictional_ratings,
    planted_ratings,
    rate,
    read_catalog,
)

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "fictional_films"
SHIPPED = Path(fictional.__file__).with_name("fictional_films.csv")
VOWEL_EXCEPTIONS = ("one", "once", "uni", "use", "usu", "eu", "ukulele", "ura", "oui", "ut")
SILENT_H = ("hour", "honest", "heir", "honour", "mp")


@pytest.fixture(scope="module")
def scripts():
    """The generator's modules, by name; they are scripts, not part of the package."""
    names = ("film_words", "film_text", "make_fictional_films")
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield {name: import_module(name) for name in names}
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def films():
    """The shipped films as text columns."""
    return read_catalog(SHIPPED)


@pytest.fixture(scope="module")
def planted(films):
    return planted_ratings(films, n_users=600, seed=7)


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=60)


def words_of(text):
    return re.findall(r"[\w'-]+", text.lower())


def test_the_script_writes_the_shipped_bytes(scripts, tmp_path):
    maker = scripts["make_fictional_films"]
    assert maker.SHIPPED.samefile(SHIPPED)
    maker.write_catalog(tmp_path / "films.csv")
    assert (tmp_path / "films.csv").read_bytes() == SHIPPED.read_bytes()


def test_another_seed_invents_other_films(scripts):
    maker = scripts["make_fictional_films"]
    titles = [{film.title for film in maker.make_films(seed, 30)} for seed in (1, 1, 2)]
    assert titles[0] == titles[1]
    assert len(titles[0] & titles[2]) < 3


def test_columns_ids_and_ranges_are_as_documented(scripts, films):
    assert tuple(films) == scripts["make_fictional_films"].COLUMNS
    assert SHIPPED.stat().st_size < 800_000
    assert [int(value) for value in films["item_id"]] == list(range(1, 1501))
    years = np.array(films["year"], dtype=int)
    assert 1950 <= years.min() <= years.max() <= 2026
    assert (years >= 2000).mean() > 0.5
    assert all(60 <= int(value) <= 200 for value in films["runtime"])
    assert all(re.fullmatch(r"[01]\.\d{3}", value) and float(value) <= 1 for value in films["quality"])
    assert all(float(value) > 0 for value in films["popularity"])


def test_genres_tones_and_studios_are_all_used(scripts, films):
    known = scripts["film_words"]
    split = [value.split("|") for value in films["genres"]]
    assert all(1 <= len(genres) <= 3 and len(set(genres)) == len(genres) for genres in split)
    counts = Counter(genre for genres in split for genre in genres)
    assert set(counts) == {*known.GENRES, "Family"}
    assert min(counts.values()) >= 60
    assert set(films["tone"]) == set(known.TONES)
    assert min(Counter(films["tone"]).values()) >= 100
    assert set(films["provider"]) == set(known.STUDIOS)


def test_studios_release_films_while_they_exist_and_none_is_bleak_for_families(scripts, films):
    studios = scripts["film_words"].STUDIOS
    for name, year in zip(films["provider"], films["year"], strict=True):
        assert studios[name].first_year <= int(year) <= studios[name].last_year
    pairs = zip(films["genres"], films["tone"], strict=True)
    assert not any("Family" in genres and tone == "bleak" for genres, tone in pairs)


def test_titles_are_unique_unknown_and_echo_in_their_description(scripts, films):
    text = scripts["film_text"]
    keys = [text.normalise_title(title) for title in films["title"]]
    assert len(set(keys)) == len(keys)
    assert len(text.FAMOUS) >= 150
    assert not text.FAMOUS & set(keys)
    for title, description in zip(films["title"], films["description"], strict=True):
        stems = [word[:4].lower() for word in re.findall(r"\w{3,}", title) if word.lower() not in ("the", "and")]
        assert any(stem in description.lower() for stem in stems), title
    shapes = {" ".join(word if word.islower() else "X" for word in title.split()) for title in films["title"]}
    assert len(shapes) > 40


def test_descriptions_are_two_clean_sentences(films):
    assert len(set(films["description"])) == len(films["description"])
    for text in films["description"]:
        parts = text.split(". ")
        assert len(parts) == 2, text
        assert text.endswith("."), text
        assert len(re.findall(r"[.!?]", text)) == 2, text
        assert all(part[0].isupper() or part[0].isdigit() for part in parts), text
        assert not re.search(r"[\[\]{}|*]|  | ,", text), text
        assert all(left != right for part in parts for left, right in pairwise(words_of(part))), text
        assert 18 <= len(words_of(text)) <= 85, text


def test_a_and_an_agree_with_the_next_word(scripts, films):
    for text in films["description"] + films["title"]:
        for article, word in re.findall(r"\b(an?) ([\w'-]+)", text.lower()):
            vowel = word[0] in "aeiouáéíóú" and not word.startswith(VOWEL_EXCEPTIONS)
            assert (article == "an") == (vowel or word.startswith(SILENT_H)), text
    fix_articles, title_case = scripts["film_text"].fix_articles, scripts["film_text"].title_case
    assert fix_articles("a hour, an unit, a apple, an pear") == "an hour, a unit, an apple, a pear"
    assert title_case("the night boat from here") == "The Night Boat from Here"


def test_texts_are_varied(films):
    counts, bags = Counter(), []
    for text in films["description"]:
        words = words_of(text)
        counts.update({tuple(words[start : start + 8]) for start in range(len(words) - 7)})
        bags.append(set(pairwise(words)))
    assert counts.most_common(1)[0][1] <= 0.015 * len(bags)
    left, right = np.random.default_rng(0).integers(0, len(bags), (2, 20_000))
    close = [len(bags[i] & bags[j]) / len(bags[i] | bags[j]) > 0.5 for i, j in zip(left, right, strict=True) if i != j]
    assert np.mean(close) < 0.002


def test_popularity_follows_quality_loosely_and_ids_say_nothing(films):
    quality, popularity = (np.array(films[name], dtype=float) for name in ("quality", "popularity"))
    item_id = np.array(films["item_id"], dtype=float)
    assert 0.3 < np.corrcoef(quality, np.log(popularity))[0, 1] < 0.7
    assert abs(np.corrcoef(item_id, quality)[0, 1]) < 0.08
    assert abs(np.corrcoef(item_id, np.log(popularity))[0, 1]) < 0.08
    assert 0.12 < quality.std() < 0.25
    assert quality.min() > 0.02
    assert np.sort(popularity)[-150:].sum() / popularity.sum() > 0.3


def test_every_premise_and_tone_is_complete(scripts):
    premises = scripts["film_text"].load_premises()
    assert len(premises) > 200
    for premise in premises:
        assert len(premise.developments) >= 2
        assert len(premise.titles) >= 2
        assert "*" not in premise.opening
    phrases = [phrase for some in scripts["film_text"].load_tones().values() for phrase in some]
    assert all(phrase.count("*") == 1 for phrase in phrases)


def test_stars_pile_up_at_four_like_real_ones(planted):
    columns, _, _ = planted
    assert tuple(columns) == ("user_id", "item_id", "rating", "timestamp")
    assert {column.dtype for column in columns.values()} == {np.dtype(np.int64)}
    shares = np.bincount(columns["rating"], minlength=6)[1:] / len(columns["rating"])
    np.testing.assert_allclose(shares, [0.032, 0.065, 0.203, 0.389, 0.311], atol=0.002)
    assert columns["rating"].mean() == pytest.approx(3.88, abs=0.01)


def test_consumption_has_a_head_and_a_long_tail(planted):
    columns, _, _ = planted
    counts = np.sort(np.bincount(columns["item_id"], minlength=1501)[1:])[::-1]
    assert counts[:150].sum() / counts.sum() == pytest.approx(0.455, abs=0.01)
    assert (counts == 0).sum() < 20


def test_users_rate_twenty_to_eight_hundred_films_once_each(planted):
    columns, truth, _ = planted
    activity = np.bincount(columns["user_id"])[1:]
    assert activity.min() == 20
    assert activity.max() <= 800
    assert 45 < np.median(activity) < 75
    assert (activity <= truth.activity).all()
    assert len(np.unique(columns["user_id"] * 10_000 + columns["item_id"])) == len(columns["user_id"])


def test_nobody_rates_a_film_before_its_release(films, planted):
    columns, _, _ = planted
    years = np.array(films["year"], dtype=np.int64)[columns["item_id"] - 1]
    rated = columns["timestamp"].astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    assert (rated >= years).all()


def test_ratings_follow_the_planted_affinity_and_quality(planted):
    columns, truth, items = planted
    user, row = columns["user_id"] - 1, columns["item_id"] - 1
    np.testing.assert_array_equal(items.item_id[row], columns["item_id"])
    affinity = truth.affinity[user, row]
    assert np.corrcoef(affinity, columns["rating"])[0, 1] > 0.25
    assert np.corrcoef(items.quality_z[row], columns["rating"])[0, 1] > 0.35
    assert affinity.mean() > truth.affinity.mean() + 0.6


def test_planted_constants_are_those_of_the_docstring(planted):
    _, truth, _ = planted
    assert truth.mainstream.mean() == pytest.approx(1.7, abs=0.04)
    assert truth.mainstream.std() == pytest.approx(0.28, abs=0.03)
    assert truth.tendency.std() == pytest.approx(0.45, abs=0.04)
    assert np.log(truth.spread).std() == pytest.approx(0.20, abs=0.02)
    product = truth.user_factors @ truth.item_factors.T
    assert product.std() == pytest.approx(0.35, abs=0.02)
    assert truth.genre_taste.mean() == pytest.approx(1.1 * 3 / truth.genre_taste.shape[1] - 0.3, abs=0.02)


def two_films(affinity, log_popularity, quality):
    """Return items and truth of 20,000 alike users who choose one of two films."""
    users = 20_000
    items = Items(
        np.array([1, 2]), np.ones((2, 1)), np.zeros(2, int), np.zeros(2, int), np.array(log_popularity),
        np.array(quality), np.array([1990, 1990]), ("Drama",), ("wry",), ("Any",),
    )  # fmt: skip
    truth = Truth(
        np.zeros((users, 1)), np.zeros((users, 1)), np.zeros((users, 1)), np.zeros((users, 4)), np.zeros((2, 4)),
        np.full(users, 1.5), np.ones(users, int), np.zeros(users), np.ones(users), np.tile(affinity, (users, 1)),
    )  # fmt: skip
    return items, truth


def test_a_film_is_consumed_by_plackett_luce_with_the_documented_weights():
    items, truth = two_films(affinity=[0.3, 0.0], log_popularity=[0.0, 0.2], quality=[0.0, 0.0])
    chosen = consume(np.random.default_rng(0), items, truth, np.full(20_000, 2020))
    log_odds = 2.2 * 0.3 - 1.5 * 0.2
    assert np.mean([row[0] == 0 for row in chosen]) == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=0.01)


def test_a_rating_is_the_number_of_cuts_below_the_documented_sum():
    items, truth = two_films(affinity=[0.5, 0.0], log_popularity=[0.0, 0.0], quality=[1.0, 0.0])
    user = np.arange(20_000)
    stars = rate(np.random.default_rng(0), items, truth, user, np.zeros(20_000, int))
    noise = np.random.default_rng(1).normal(size=20_000)
    latent = 0.60 * 1.0 + 0.60 * 0.5 + 0.70 * noise
    expected = [np.mean(latent > cut) for cut in CUTS]
    np.testing.assert_allclose([np.mean(stars > level) for level in (1, 2, 3, 4)], expected, atol=0.015)


def test_the_same_seed_plants_the_same_ratings(films):
    first, second, other = (fictional_ratings(films, n_users=30, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_the_data_set_holds_films_and_ratings(dataset, films):
    catalog, ratings = dataset.catalog, dataset.ratings
    assert dataset.name == "fictional"
    assert "Invented" in dataset.licence
    assert len(catalog) == 1500
    assert catalog.title.tolist() == films["title"]
    assert catalog.provider.tolist() == films["provider"]
    assert catalog.description.tolist() == films["description"]
    np.testing.assert_allclose(catalog.quality, np.array(films["quality"], float), atol=1e-6)
    assert ratings.users.tolist() == list(range(1, 61))
    assert ratings.levels.tolist() == [1, 2, 3, 4, 5]
    assert (catalog.index_of(ratings.item_id) >= 0).all()
    assert not dataset.demographics


def test_features_are_the_default_ones_then_tone_and_provider(dataset, films):
    catalog = dataset.catalog
    width = len(catalog.genre_names) + 2
    defaults = default_features(catalog.genres, catalog.year, catalog.popularity)
    np.testing.assert_array_equal(catalog.features[:, :width], defaults)
    tones, providers = sorted(set(films["tone"])), sorted(set(films["provider"]))
    extra = catalog.features[:, width:]
    assert extra.shape == (1500, len(tones) + len(providers))
    assert [tones[column] for column in extra[:, : len(tones)].argmax(axis=1)] == films["tone"]
    assert [providers[column] for column in extra[:, len(tones) :].argmax(axis=1)] == films["provider"]
    assert (extra.sum(axis=1) == 2).all()


def test_the_data_set_is_kept_and_always_the_same(dataset):
    assert fictional.load(n_users=60) is dataset
    again = fictional.load.__wrapped__(n_users=60)
    assert again is not dataset
    assert again.fingerprint == dataset.fingerprint
    assert fictional.load(n_users=60, seed=8).fingerprint != dataset.fingerprint


def test_the_data_set_opens_by_name():
    dataset = open_dataset("fictional")
    assert dataset is fictional.load()
    assert len(dataset.ratings.users) == 600
