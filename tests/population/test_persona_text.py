import re
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.population.persona_text import AVOIDS_TO, BANDS, LIKES_FROM, LOVES_FROM, render_persona, taste_words
from recsim_llm.population.personas import TRAITS, Persona

MIDDLING = {"activity": 80, "diversity": 8, "mainstreamness": 0.92, "conformity": 0.9, "rating_mean": 3.65}
MIDDLING |= {"rating_spread": 0.9, "pickiness": 0.4, "patience": 30, "position_bias": 1}


def make_persona(**changes):
    return Persona(**{"user_id": 1, "taste": {}, **MIDDLING, **changes})


def test_text_of_a_persona_is_exactly_this():
    persona = make_persona(
        taste={"Drama": 0.3, "Horror": -1.2, "Comedy": 0.9, "War": 0.0, "Sci-Fi": 0.5},
        demographics={"region": "Oslo", "gender": "female", "age": "25-34"},
        activity=300,
        pickiness=0.1,
        rating_mean=4.25,
    )
    assert render_persona(persona) == (
        "About you: gender female; age 25-34; region Oslo. "
        "You rate titles all the time and have been through a great many. "
        "You love Comedy and Sci-Fi. You also like Drama. You seldom choose Horror. "
        "Your choices spread over a normal mix of genres. "
        "You mostly pick well-known titles and now and then a lesser-known one. "
        "On average you give 4.2 stars: you are a generous rater. "
        "Your ratings vary to a normal degree. "
        "Your ratings sometimes differ from what most people think. "
        "You are easy to please and seldom go below your usual rating. "
        "You stay for a sitting of ordinary length."
    )


def test_text_does_not_depend_on_user_id_or_the_order_of_mappings():
    taste = {"A": 0.5, "B": 0.5, "C": -1, "D": 0.3, "E": -1}
    facts = {"zeal": "high", "age": "25-34", "hobby": "chess"}
    persona = make_persona(taste=taste, demographics=facts)
    turned_taste, turned_facts = dict(sorted(taste.items())[::-1]), dict(sorted(facts.items()))
    turned = replace(persona, user_id=9, taste=turned_taste, demographics=turned_facts)
    assert render_persona(turned).encode() == render_persona(persona).encode()


def test_float32_and_float64_of_the_same_persona_give_the_same_text():
    persona = make_persona(rating_mean=3.7)
    assert render_persona(replace(persona, rating_mean=float(np.float32(3.7)))) == render_persona(persona)


@pytest.mark.parametrize("trait", list(BANDS))
def test_each_trait_has_a_wording_below_within_and_above_its_band(trait):
    band = BANDS[trait]
    values = [np.nextafter(band.low, -np.inf), band.low, band.high, np.nextafter(band.high, np.inf)]
    below, first, last, above = (render_persona(make_persona(**{trait: value})) for value in values)
    assert band.sentences[0] in below
    assert band.sentences[1] in first
    assert band.sentences[1] in last
    assert band.sentences[2] in above


def test_bands_cover_every_trait_but_position_bias():
    assert set(BANDS) == {trait.name for trait in TRAITS} - {"position_bias"}
    assert set(BANDS) < {field.name for field in fields(Persona)}


def test_mean_rating_is_the_only_number():
    text = render_persona(make_persona(taste={"Drama": 1.234, "War": -3.21}, patience=12345, activity=2698))
    assert "".join(letter for letter in text if letter.isdigit()) == "36"


def test_taste_words_follow_the_documented_thresholds():
    taste = {
        "loved": LOVES_FROM,
        "liked": np.nextafter(LOVES_FROM, 0),
        "barely": LIKES_FROM,
        "neutral": np.nextafter(LIKES_FROM, 0),
        "less": np.nextafter(AVOIDS_TO, 0),
        "avoided": AVOIDS_TO,
    }
    assert taste_words(make_persona(taste=taste)) == (["loved"], ["liked", "barely"], ["avoided"])


def test_taste_words_name_four_genres_each_strongest_first_and_ties_by_name():
    taste = {f"L{i}": 1 + i for i in range(6)} | {f"A{i}": -1.0 - (i > 4) for i in reversed(range(6))}
    loves, likes, avoids = taste_words(make_persona(taste=taste))
    assert loves == ["L5", "L4", "L3", "L2"]
    assert likes == []
    assert avoids == ["A5", "A0", "A1", "A2"]


def test_persona_without_marked_taste_says_so_and_one_without_genres_says_nothing():
    assert "You have no favourite genre and avoid none." in render_persona(make_persona(taste={"Drama": 0.0}))
    assert "genre and avoid" not in render_persona(make_persona(taste={}))


def test_unknown_demographics_are_left_out():
    assert "About you" not in render_persona(make_persona(demographics={"age": ""}))


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.floats(-5, 5)))
def test_text_is_one_line_whatever_the_data_contain(demographics, taste):
    text = render_persona(make_persona(demographics=demographics, taste=taste))
    assert len(text.splitlines()) == 1
    assert text == text.strip()


def test_who_gives_no_stars_is_told_nothing_of_them():
    text = render_persona(make_persona(rates=False))
    assert text.startswith("You take something fairly regularly. ")
    assert not re.search(r"\b(stars?|rat(e|ings?))\b", text)
    assert len(text.split(". ")) == len(render_persona(make_persona()).split(". ")) - 4
