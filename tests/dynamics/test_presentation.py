"""What words on pages do to users: what is added, and the trust that is earned and lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Slates
from recsim_llm.dynamics.presentation import Presentation, PresentationSettings, TitleSettings, clickbait_strength
from recsim_llm.population.personas import TRAITS, Population

CATALOG = Catalog.from_columns(
    item_id=[1, 2, 3], title=["Quiet Hill", "Red Sea", "Old Songs"], genres=[["Drama"], ["Horror"], ["Drama", "Horror"]]
)
MEAN = [trait.name for trait in TRAITS].index("rating_mean")
EVERYONE = slice(None)
USERS = np.arange(2)
PAGE = np.array([[0, 1], [1, 2]])


def population():
    traits = np.zeros((2, len(TRAITS)), np.float32)
    traits[:, MEAN] = 3.5
    taste = np.array([[3.0, -3.0], [0.0, 0.0]], np.float32)
    return Population(user_id=np.array([7, 8]), traits=traits, genre_names=("Drama", "Horror"), taste=taste)


def presentation(**settings):
    made = Presentation(PresentationSettings(**settings), CATALOG, population())
    made.allocate(2, 2)
    return made


def words(*rows):
    return np.array(rows, object)


def shown(made, explanation=None, title=None):
    made.show(EVERYONE, USERS, PAGE, Slates(np.array([[1, 2], [2, 3]]), explanation=explanation, title=title))
    return made


def consumed(made, slot, row, rating):
    made.consume(EVERYONE, USERS, (np.array(slot, np.int64), np.array(row, np.int64), np.array(rating, np.float32)))
    return made.trust.tolist()


def test_an_explanation_adds_what_is_set_times_trust_and_more_where_it_names_what_the_user_likes():
    made = shown(
        presentation(lift=0.4, taste=1.0, trust=0.5),
        words(["Because you like Drama.", "Because you like Horror."], ["Very popular.", ""]),
    )
    liked = np.tanh(3.0)
    expected = [[0.5 * (0.4 + liked), 0.5 * (0.4 - liked)], [0.5 * 0.4, 0.0]]
    np.testing.assert_allclose(made.clicks(EVERYONE, PAGE), expected, atol=1e-6)


@pytest.mark.parametrize("text", [".", " ", "Very good.", "zx qwv " * 70, "Quiet Hill", "Because you like Polka."])
def test_what_names_no_reason_is_as_if_nothing_had_been_written(text):
    made = shown(presentation(lift=1.0, promise=1.0, trust=0.5), words([text, ""], ["", ""]))
    assert made.clicks(EVERYONE, PAGE) is None
    assert consumed(made, [0], [0], [5.0]) == [0.5, 0.5]


def test_a_title_is_taken_in_beside_an_explanation_that_names_nothing():
    made = shown(
        presentation(trust=1.0), words([".", ""], ["", ""]), words(["SHOCKING! You won't believe this...", ""], ["", ""])
    )
    np.testing.assert_allclose(made.clicks(EVERYONE, PAGE), [[0.8, 0.0], [0.0, 0.0]], atol=1e-6)


def test_a_title_adds_by_its_strength_or_by_being_another_one():
    titles = words(["You won't believe what happens in Quiet Hill...!", "Red Sea!"], ["", ""])
    by_strength = shown(presentation(trust=1.0, titles=TitleSettings(lift=1.0)), title=titles).clicks(EVERYONE, PAGE)
    changed = shown(presentation(trust=1.0, titles=TitleSettings(lift=1.0, rule="changed")), title=titles)
    np.testing.assert_allclose(by_strength, [[1.0, 0.25], [0.0, 0.0]])
    np.testing.assert_allclose(changed.clicks(EVERYONE, PAGE), [[1.0, 1.0], [0.0, 0.0]])


def test_words_are_about_the_page_that_they_stand_on_alone():
    made = shown(presentation(), words(["Very popular.", ""], ["", ""]))
    assert made.clicks(EVERYONE, PAGE[:, ::-1]) is None
    assert made.clicks(EVERYONE, np.zeros((2, 3), np.int64)) is None


@pytest.mark.parametrize(("rating", "trust"), [(4.0, 0.5 + 0.1 * 0.5), (3.5, 0.5 + 0.1 * 0.5), (3.0, 0.5 - 0.2 * 0.5)])
def test_trust_rises_where_what_was_praised_is_as_good_as_usual_and_falls_where_it_is_worse(rating, trust):
    made = shown(presentation(gain=0.1, loss=0.2), words(["Very popular.", ""], ["", ""]))
    assert consumed(made, [0], [0], [rating]) == pytest.approx([trust, 0.5])


def test_a_promise_is_held_against_what_was_trusted():
    made = shown(presentation(promise=1.0, trust=0.5, loss=0.2), words(["Very popular.", ""], ["", ""]))
    assert consumed(made, [0], [0], [3.5])[0] == pytest.approx(0.4)


def test_a_reason_that_the_item_refutes_costs_trust_though_the_item_is_liked():
    made = shown(presentation(broken=2.0), words(["Because you like Horror.", ""], ["", ""]))
    assert consumed(made, [0], [0], [5.0])[0] < 0.5


def test_what_is_clicked_without_words_says_nothing_of_words():
    made = shown(presentation(), words(["Very popular.", ""], ["", ""]))
    assert consumed(made, [1, 2], [0, 1], [1.0, 1.0]) == [0.5, 0.5]


def test_a_disappointment_lasts_and_fades():
    made = shown(presentation(memory=0.5), words(["Very popular.", ""], ["", ""]))
    consumed(made, [0], [0], [1.5])
    assert made.disappointment.tolist() == pytest.approx([1.0, 0.0])
    consumed(made, [], [], [])
    assert made.disappointment.tolist() == pytest.approx([0.5, 0.0])


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.5, 3.0, 5.0])), max_size=40))
def test_trust_stays_between_0_and_1(history):
    made = presentation(gain=1.0, loss=0.9, broken=4.0)
    for true, rating in history:
        reason = "Because you like Drama." if true else "Because you like Horror."
        shown(made, words([reason, ""], ["", ""]))
        assert 0 <= consumed(made, [0], [0], [rating])[0] <= 1
        assert 0 <= made.disappointment[0] <= made.most_disappointment


def test_copies_trust_as_their_originals_do_and_share_nothing_with_them():
    made = shown(presentation(), words(["Very popular.", ""], ["", ""]))
    consumed(made, [0], [0], [1.0])
    copies = made.copy_rows(np.array([0, 0, 1]))
    assert copies.trust.tolist() == [made.trust[0], made.trust[0], made.trust[1]]
    copies.trust[:] = 1.0
    assert made.trust[0] < 0.5
    assert copies.clicks(EVERYONE, np.zeros((3, 2), np.int64)) is None


def test_who_begins_anew_trusts_as_anybody():
    made = shown(presentation(), words(["Very popular.", ""], ["", ""]))
    consumed(made, [0], [0], [1.0])
    made.begin(np.array([0]))
    assert made.trust.tolist() == [0.5, 0.5]
    assert made.disappointment.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("title", "strength"),
    [
        ("Quiet Hill", 0.0),
        ("Quiet Hill!", 0.25),
        ("You have to see Quiet Hill!", 0.5),
        ("SHOCKING! You won't believe this...", 1.0),
        ("10 films for the weekend", 0.25),
    ],
)
def test_a_title_is_as_much_clickbait_as_it_has_marks(title, strength):
    assert clickbait_strength(title) == strength
