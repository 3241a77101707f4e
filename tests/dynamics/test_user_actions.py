"""What users do beyond clicks: as often as the settings say, each with dice of its own."""

import numpy as np
import pytest
from scipy import stats

from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import ACTIONS, Decisions, Mood, Pages
from recsim_llm.dynamics.action_settings import ActionSettings
from recsim_llm.dynamics.user_actions import BACK, SEARCHED, Actions
from recsim_llm.errors import ConfigError
from recsim_llm.population.personas import TRAITS, Population
from tests.support.small_data import make_catalog

USERS, SLOTS = 20_000, 4
LOG_ODDS = np.array([-6.0, -3.0, 0.0, 2.0], np.float32)
STARS = np.array([1.0, 3.0, 4.0, 5.0], np.float32)


def population(users=USERS):
    return Population(
        user_id=np.arange(users) + 7,
        traits=np.zeros((users, len(TRAITS)), np.float32),
        genre_names=("All",),
        taste=np.zeros((users, 1), np.float32),
    )


def actions(settings, seed=1, intents=(), items=50):
    return Actions(ActionSettings(**settings), make_catalog(items), population(), seed, intents=intents)


def page(clicked, examined=True):
    """Every user sees the same page; all of its slots are clicked and rated ``STARS``, or none is."""
    users = np.arange(USERS)
    draws = np.zeros((USERS, 2, SLOTS + 1), np.float32)
    draws[:, 0, :SLOTS] = 0.0 if examined else np.inf
    slot = np.arange(USERS * SLOTS if clicked else 0)
    return Feedback(
        Pages(slice(None), users, users % 3, users % 5, np.tile(np.arange(SLOTS), (USERS, 1))),
        Decisions(np.tile(LOG_ODDS, (USERS, 1))),
        draws,
        np.full((USERS, SLOTS), clicked),
        slot,
        slot // SLOTS,
        np.tile(STARS, USERS) if clicked else np.empty(0, np.float32),
        Mood(np.zeros(USERS, np.float32), np.zeros(USERS, np.float32)),
        np.zeros(USERS, np.bool_),
        None,
    )


def check_shares(done, expected):
    """Assert that each slot's share over the users is the expected one, by a chi-square test of all slots together."""
    count, expected = done.sum(axis=0), np.asarray(expected)
    square = ((count - USERS * expected) ** 2 / (USERS * expected * (1 - expected))).sum()
    assert stats.chi2.sf(square, len(count)) > 1e-3


def expit(log_odds):
    return 1 / (1 + np.exp(-np.asarray(log_odds, np.float64)))


@pytest.mark.parametrize("action", ["dislike", "less_like_this"])
def test_what_is_refused_falls_with_the_log_odds_of_a_click(action):
    acts = actions({action: {"log_odds": -1.0, "slope": 0.5}}).act(page(clicked=False))
    check_shares(acts.done(action), expit(-1.0 - 0.5 * LOG_ODDS))
    assert not any(acts.done(other).any() for other in ACTIONS if other != action)
    assert acts.chance[0, :, ACTIONS.index(action)] == pytest.approx(expit(-1.0 - 0.5 * LOG_ODDS), abs=1e-6)


@pytest.mark.parametrize("action", ["save", "share"])
def test_what_is_kept_or_shared_rises_with_the_stars(action):
    acts = actions({action: {"log_odds": -1.0, "per_star": 0.7}}).act(page(clicked=True))
    check_shares(acts.done(action), expit(-1.0 + 0.7 * (STARS - 3)))


def test_what_was_saved_is_bought_more_often():
    acts = actions({"save": {"log_odds": 0.0}, "purchase": {"log_odds": -2.0, "per_star": 0.5, "saved": 1.5}}).act(page(True))
    saved, bought = acts.done("save"), acts.done("purchase")
    for slot, base in enumerate(-2.0 + 0.5 * (STARS - 3)):
        for column, log_odds in ((saved[:, slot], base + 1.5), (~saved[:, slot], base)):
            share = expit(log_odds)
            error = np.sqrt(share * (1 - share) / column.sum())
            assert abs(bought[column, slot].mean() - share) < 4 * error


@pytest.mark.parametrize(("clicked", "examined"), [(True, True), (False, False)])
def test_only_what_was_examined_and_not_clicked_is_refused(clicked, examined):
    acts = actions({"dislike": {"log_odds": 10.0}}).act(page(clicked, examined))
    assert not acts.did.any()


def test_only_what_was_clicked_is_kept_shared_or_bought():
    every = {name: {"log_odds": 20.0} for name in ("save", "share", "purchase")}
    assert not actions(every).act(page(clicked=False)).did.any()


def test_one_action_changes_no_draw_of_another():
    alone = actions({"dislike": {"log_odds": -1.0}}).act(page(False)).done("dislike")
    both = actions({"dislike": {"log_odds": -1.0}, "less_like_this": {"log_odds": -1.0}}).act(page(False))
    assert np.array_equal(both.done("dislike"), alone)
    other = both.done("less_like_this")
    # Of two independent draws with the same chances hardly more than the product coincide.
    assert abs((alone & other).mean() - (expit(-1 - 0.3 * LOG_ODDS) ** 2).mean()) < 0.01


# Pages that are not recommended


def asked(settings, intents=(), intent=None, **more):
    users = np.arange(USERS)
    intent = np.zeros(USERS, np.int64) if intent is None else intent
    columns = {"intent": intent, "genre": None, "only_genre": np.full(USERS, -1), "lookable": np.ones(USERS, np.bool_)}
    return actions(settings, intents=intents).ask(users, users % 3, users % 2, **columns | more)


def test_pages_are_searches_as_often_as_the_settings_say():
    found = asked({"search": {"share": 0.2}})
    assert abs((found.how == SEARCHED).mean() - 0.2) < 4 * np.sqrt(0.16 / USERS)
    assert np.array_equal(found.how == SEARCHED, found.query != None)  # noqa: E711


def test_users_who_look_for_something_search_more():
    intent = np.arange(USERS) % 2
    found = asked({"search": {"share": 0.1}}, ("browse", "look_for"), intent)
    share = [(found.how[intent == number] == SEARCHED).mean() for number in range(2)]
    assert share == pytest.approx([0.1, 0.5], abs=0.02)


def test_queries_are_titles_or_genres():
    found = asked({"search": {"share": 1.0, "titles": 0.3}})
    assert np.mean(found.query == "all") == pytest.approx(0.7, abs=0.02)
    assert set(found.query) == {"all", *map(str, range(50))}


def test_users_go_back_from_any_page_but_the_first():
    found = asked({"back": {"share": 0.5}})
    first = np.arange(USERS) % 2 == 0
    assert not (found.how[first] == BACK).any()
    assert (found.how[~first] == BACK).mean() == pytest.approx(0.5, abs=0.02)


def test_nobody_goes_back_to_a_page_on_which_nothing_is_left():
    lookable = np.arange(USERS) % 4 == 1
    assert np.array_equal(asked({"back": {"share": 1.0}}, lookable=lookable).how == BACK, lookable)


def test_a_genre_is_asked_for_after_the_first_page_and_until_the_end():
    already = np.where(np.arange(USERS) % 4 == 1, 0, -1)
    found = asked({"filter": {"share": 0.3}}, only_genre=already)
    open_to = (np.arange(USERS) % 2 == 1) & (already < 0)
    assert found.begins[open_to].mean() == pytest.approx(0.3, abs=0.03)
    assert not found.begins[~open_to].any()
    assert np.array_equal(found.only_genre >= 0, found.begins | (already == 0))


def test_an_intent_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match=r"^actions.search.intents: got 'look', expected .*look_for"):
        actions({"search": {"intents": {"look": 0.5}}}, intents=("browse", "look_for"))
