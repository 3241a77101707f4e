"""The stand-in for whatever a policy asks: which part it plays when, and the titles that it knows by heart."""

import re

import pytest

from recsim_llm.data import open_dataset
from recsim_llm.language.backends.scripted_policy import INVENTED, QUESTIONS, PolicyScript
from recsim_llm.language.backends.scripted_recommender import recommender
from recsim_llm.language.base.questions import Part, Prompt, choice, yes_no
from recsim_llm.language.calls.writing import Writing
from recsim_llm.language.providers import open_model

CATALOG = open_dataset("fictional").catalog
LINES = {f"{title} ({year})" for title, year in zip(CATALOG.title.tolist(), CATALOG.year.tolist(), strict=True)}
MOVES = choice("move", "What do you do next?", ("recommend", "stay silent", "ask which genre", "ask which decade"))


def told(item):
    genres = ", ".join(CATALOG.genres_of(item))
    return f'<history>\n- "{CATALOG.title[item]}" ({CATALOG.year[item]}) | {genres} | 5 stars\n</history>\n'


def named(script, item, count=200):
    return script.write(f"{told(item)}Name {count} titles, one a line as Title (year).").split("\n")


def talk(*said):
    lines = "\n".join(f"recommender: Which one?\nvisitor: {words}" for words in said)
    return f"<dialogue>\n{lines}\n</dialogue>\n"


def test_titles_are_films_of_the_catalog_that_share_genres_and_none_that_was_taken():
    titles = named(PolicyScript(0.0), 7)
    place = {f"{title} ({year})": item for item, (title, year) in enumerate(zip(CATALOG.title, CATALOG.year, strict=True))}
    assert len(set(titles)) == 200
    assert set(titles) <= LINES - {f"{CATALOG.title[7]} ({CATALOG.year[7]})"}
    assert set(CATALOG.genres_of(place[titles[0]])) == set(CATALOG.genres_of(7))


def test_a_share_of_the_titles_is_made_up_and_the_others_are_those_of_the_one_that_makes_up_none():
    sober, inventive = named(PolicyScript(0.0), 7), named(PolicyScript(INVENTED), 7)
    invented = [title for title in inventive if title not in LINES]
    assert abs(len(invented) / 200 - INVENTED) < 0.15
    assert [re.sub(" Part IX", "", title) for title in inventive] == sober


def test_in_a_conversation_it_asks_about_one_attribute_after_the_other_and_then_recommends():
    script = PolicyScript(0.0)
    moves = [script(talk(*["I am looking for genre Drama."] * spoken), MOVES).index(1.0) for spoken in range(QUESTIONS + 2)]
    assert moves == [2, 3, 0, 0]
    assert script("Nothing was said yet.", MOVES).index(1.0) == 2


def test_what_a_visitor_says_in_a_conversation_weighs_as_what_a_visitor_says_of_a_page():
    page = '<candidates>\n1. "One" | War\n2. "Two" | Drama\n</candidates>'
    said = '<said>\n- "I am looking for genre Drama."\n</said>\n'
    for number in (1, 2):
        question = yes_no(f"take_{number}", "?")
        heard = PolicyScript(0.0)(talk("I am looking for genre Drama.") + page, question)
        assert heard == pytest.approx(recommender(said + page, question))


def test_it_acts_for_agents_alone_and_writes_for_all_others():
    script = PolicyScript(0.0)
    assert script.act(f"{told(7)}The page has 3 positions.")
    assert script.act(f"{told(7)}Name 3 titles, one a line as Title (year).") == []
    prompt = Prompt((Part("recent", told(7).strip()), Part("order", "Name 3 titles, one a line.")))
    with open_model("scripted/policy") as model:
        assert set(model.write([Writing(prompt, 200)])[0].split("\n")) <= LINES
