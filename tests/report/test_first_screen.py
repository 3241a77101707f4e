"""The first screen: who won and how sure that is, each difference with its evidence state and its worst visits."""

import pytest

from recsim_llm.comparison import ORACLE
from recsim_llm.report.claims import Claim
from recsim_llm.report.first_screen import evidence_list, page_title, winner
from recsim_llm.statistics import Estimate

VALUE = Estimate(value=6.6, low=6.2, high=7.0, users=600)


def claim(against, verdict, low=1.0, high=2.0, **changes):
    effect = Estimate(value=None if low is None else (low + high) / 2, low=low, high=high, users=9)
    made = Claim("mf", against, "Clicks per user", False, verdict, effect, [], [])
    return made._replace(**changes)


def say(*claims):
    return winner("mf", VALUE, "clicks per user", claims)


def test_who_beats_all_others_has_the_most_whatever_the_oracle_has():
    claims = claim("random", "better"), claim("knn", "better"), claim(ORACLE, "worse", -3.0, -2.0)
    assert say(*claims) == "mf has the most clicks per user: 6.6 [6.2, 7.0]."


def test_who_is_level_with_some_is_ahead_but_not_of_those():
    said = say(claim("random", "better"), claim("knn", "undecided", -0.5, 1.0))
    assert said == "mf is ahead in clicks per user, 6.6 [6.2, 7.0], but not decidedly ahead of knn."


def test_many_who_are_level_are_counted():
    claims = [claim(f"a{number}", "undecided", -0.5, 1.0) for number in range(7)]
    assert say(claim("random", "better"), *claims).endswith("but not decidedly ahead of 7 of 8 others.")


@pytest.mark.parametrize("found", [("undecided", -0.5, 1.0), ("undecided", None, None)])
def test_nobody_wins_where_nothing_is_decided(found):
    assert say(claim("random", *found)) == "No winner in clicks per user is decided; mf has 6.6 [6.2, 7.0]."


def test_nobody_wins_among_equals():
    assert say(claim("random", "identical", None, None)) == "No winner in clicks per user: every user gave all the same."


def test_who_is_alone_has_a_value_and_no_rival():
    assert say().endswith("It has nothing to be compared with.")


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (("better", 1.0, 2.0), "● decided: better"),
        (("no difference that matters", -0.1, 0.1), "● decided: no difference that matters"),
        (("identical", None, None), "= identical for these 9 users"),
        (("undecided", -1.0, 1.0), "○ not decided"),
        (("undecided", None, None), "✕ not assessed"),
    ],
)
def test_each_claim_has_one_of_three_states_in_words_with_a_mark(found, state):
    assert claim("random", *found).said == state


def test_a_claim_seen_from_the_other_side_swaps_those_who_lost_and_gained():
    lost, gained = [{"user_id": 1, "one": 0.0, "other": 2.0, "difference": -2.0}], []
    turned = claim("random", "better", lost=lost, gained=gained).turned()
    assert (turned.arm, turned.verdict, turned.effect.high) == ("random", "worse", -1.0)
    assert (turned.lost, turned.gained) == ([], [{"user_id": 1, "one": 2.0, "other": 0.0, "difference": 2.0}])


def test_the_nearest_rival_comes_first_and_the_oracle_last():
    claims = claim(ORACLE, "worse", -3.0, -2.0), claim("random", "better", 4.0, 5.0), claim("<b>", "better", 1.0, 2.0)
    html = evidence_list(claims, lambda _: "")
    places = [html.index(text) for text in ("over &lt;b&gt;", "over random", "against the oracle")]
    assert places == sorted(places)


def test_a_claim_whose_interval_holds_zero_says_that_its_size_is_open():
    assert "by how much is open" in evidence_list([claim("random", "better", -0.1, 2.0)], lambda _: "")


def test_rivals_beyond_the_fifth_are_folded():
    html = evidence_list([claim(f"a{number}", "better") for number in range(8)], lambda _: "")
    assert html.index("3 more") < html.index("over a5")
    assert html.count("<li>") == 8


@pytest.mark.parametrize(
    ("arms", "title"),
    [
        (["a", "b"], "night: a against b on shop"),
        (["a"], "night: a on shop"),
        (["a", "b", "c"], "night: a, b and c on shop"),
        ([f"a recommender with the number {number}" for number in range(3)], "night: 3 recommenders on shop"),
    ],
)
def test_the_title_names_scenario_recommenders_and_data(arms, title):
    assert page_title("night", arms, {"data": {"name": "shop"}}) == title
    assert page_title("night", arms, {}) == title.removesuffix(" on shop")
