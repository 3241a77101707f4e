"""The invented films: the script that writes them, and what it wrote."""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from recsim_llm.data import fictional
from recsim_llm.data.fictional_ratings import (
    read_catalog,
)

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "fictional_films"
SHIPPED = Path(fictional.__file__).with_name("fictional_films.csv")
VOWEL_EXCEPTIONS = ("one", "once", "uni", "use", "usu", "eu", "ukulele", "ura", "oui", "ut")
SILENT_H = ("hour", "honest", "heir", "honour", "mp")


@pytest.fixture(scope="module")
def scripts():
    """The generator's modules, by name; they are scripts, not part of the package."""
    if not SCRIPTS.is_dir():
        pytest.skip("this copy of the tests comes without the scripts")
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
