"""No sequence of pages drives choice users past the bounds that they declare."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsim_llm.agents.choice.choice_state import SATISFACTION
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel

ROWS, SLOTS, VISITS, PAGES = 6, 5, 3, 20

WORLDS = {
    "defaults": {},
    "eager": {"click_bias": 3.0, "drift": 0.5, "drift_reach": 4.0, "click_gain": 3.0, "leave_relief": 4.0, "boredom": 5.0},
    "songs": {"click_bias": 1.0, "repeat_half_life": 2.0, "drift": 1.0, "boredom": -2.0, "return_slope": -2.0},
    "all is kept": {"click_bias": 1.0, "drift_memory": 1.0, "boredom_memory": 1.0, "fatigue_memory": 1.0, "page_cost": 3.0},
    "leaving by page": {"click_bias": 3.0, "leave_by_page": (-0.2, 4.0, -7.0), "leave_relief": 4.0, "click_gain": 2.0},
    "nothing is kept": {"drift_memory": 0.0, "boredom_memory": 0.0, "fatigue_memory": 0.0, "satisfaction_memory": 0.0},
}


def same_ten(users, page, random):
    return np.tile(np.arange(SLOTS), (ROWS, 1))


def any_items(users, page, random):
    return np.stack([random.choice(users.model.item_id.size, SLOTS, replace=False) for _ in range(ROWS)])


def one_genre(users, page, random):
    of_genre = np.arange(0, users.model.item_id.size, 5)
    return np.tile(of_genre[(np.arange(SLOTS) + page) % len(of_genre)], (ROWS, 1))


def most_wanted(users, page, random):
    return np.argsort(-users.appeal(ALL_ROWS), axis=1)[:, :SLOTS]


def least_wanted(users, page, random):
    return np.argsort(users.appeal(ALL_ROWS), axis=1)[:, :SLOTS]


def by_turns(users, page, random):
    return (most_wanted if page % 2 else least_wanted)(users, page, random)


def blank(users, page, random):
    return np.full((ROWS, SLOTS), -1)


def mostly_blank(users, page, random):
    return np.where(random.random((ROWS, SLOTS)) < 0.7, -1, most_wanted(users, page, random))


ADVERSARIES = (same_ten, any_items, one_genre, most_wanted, least_wanted, by_turns, blank, mostly_blank)


class Extremes:
    """The least and largest of every number that users were seen to have."""

    def __init__(self):
        self.seen = {}

    def take(self, name, values):
        low, high = self.seen.get(name, (np.inf, -np.inf))
        self.seen[name] = (min(low, float(np.min(values, initial=np.inf))), max(high, float(np.max(values, initial=-np.inf))))

    def assert_within(self, bounds):
        for name, (low, high) in self.seen.items():
            if name == "taste displacement":
                assert high <= bounds.taste_displacement + 1e-4, name
            else:
                assert getattr(bounds, name).holds(low, high), (name, low, high, getattr(bounds, name))


def taste_displacement(users):
    """Return how far each row's taste is from where it began, in log-odds on an item of typical length."""
    layout = users._tastes.layouts[0]
    away = users._state[:, layout.taste] - users._start[: len(users._state), layout.taste]
    return np.linalg.norm(away.astype(np.float64), axis=1) * layout.typical


def look(users, seen):
    seen.take("click_log_odds", users.appeal(ALL_ROWS))
    seen.take("return_log_odds", users.return_log_odds(ALL_ROWS))
    seen.take("taste displacement", taste_displacement(users))
    bored = users._state[:, users._tastes.layouts[0].genres]
    assert np.abs(bored).max(initial=0.0) <= users.parameters.boredom_limit
    assert np.isfinite(users._state).all()


def play(world, adversary, seed=0, likes=None, pages=PAGES):
    """Browse several long visits of everybody; ``likes`` gives feedback without dice: all items clicked with these stars."""
    users, seen = world.users, Extremes()
    who, random = np.arange(ROWS), np.random.default_rng(seed)
    kernel = Kernel(users=users, user_id=world.population.user_id, rows=ROWS, slate_size=SLOTS, max_pages=pages)
    for visit in range(VISITS):
        number = np.full(ROWS, visit)
        kernel.begin(ALL_ROWS, who, number, kernel.dice(who, number, seed_words(seed)), returning=visit > 0)
        for page in range(pages):
            items = adversary(users, page, random)
            if likes is None:
                told = kernel.step(items, empty=items < 0)
                log_odds, mood = told.decisions.click_log_odds, told.mood
            else:
                shown = kernel.pages(items)
                log_odds, slot = users.decide(shown).click_log_odds, np.flatnonzero(items >= 0)
                mood = users.update(shown, slot, slot // SLOTS, np.full(len(slot), likes(page), np.float32))
            seen.take("click_log_odds", log_odds[items >= 0])
            seen.take("satisfaction", mood.satisfaction)
            seen.take("leave_log_odds", mood.leave_log_odds)
            if page % 10 == 9:
                look(users, seen)
    return seen


@pytest.mark.parametrize("adversary", ADVERSARIES, ids=lambda adversary: adversary.__name__)
@pytest.mark.parametrize("name", WORLDS)
def test_no_adversary_leaves_the_bounds_by_what_is_drawn(make_world, name, adversary):
    world = make_world(**WORLDS[name])
    play(world, adversary).assert_within(world.users.bounds())


@pytest.mark.parametrize("stars", [lambda page: 0.5, lambda page: 5.0, lambda page: 5.0 if page % 2 else 0.5])
@pytest.mark.parametrize("name", WORLDS)
def test_no_feedback_leaves_the_bounds_either(make_world, name, stars):
    world = make_world(**WORLDS[name])
    for adversary in (same_ten, most_wanted, one_genre):
        play(world, adversary, likes=stars).assert_within(world.users.bounds())


def test_two_hundred_pages_of_what_is_most_wanted_stay_within_the_bounds(make_world):
    world = make_world(items=90, click_bias=0.0)
    play(world, most_wanted, pages=70).assert_within(world.users.bounds())


@given(
    pages=st.lists(
        st.tuples(st.lists(st.integers(-1, 29), min_size=3, max_size=3, unique=True), st.integers(0, 7), st.floats(0.5, 5)),
        max_size=40,
    ),
    settings_=st.fixed_dictionaries(
        {},
        optional={
            "drift": st.floats(0, 1),
            "drift_reach": st.floats(0, 10),
            "boredom": st.floats(-10, 10),
            "boredom_limit": st.floats(0, 10),
            "exposure_loss": st.floats(0, 3),
            "repeat": st.floats(0, 9),
            "repeat_half_life": st.floats(0.1, 50),
            "opinion_gain": st.floats(-5, 5),
            "leave_relief": st.floats(-5, 5),
            "leave_start": st.floats(-9, 9),
            "leave_tired": st.floats(-9, 9),
            "satisfaction_limit": st.floats(0, 9),
            "satisfaction_memory": st.floats(0, 0.99),
            "page_cost": st.floats(-2, 2),
            "return_slope": st.floats(-3, 3),
        },
    ),
)
@settings(max_examples=40)
def test_bounds_hold_for_all_parameters_and_pages(make_world, pages, settings_):
    world = make_world(items=30, users=1, **settings_)
    users, seen = world.users, Extremes()
    kernel = Kernel(users=users, user_id=world.population.user_id, rows=1, slate_size=3, max_pages=60)
    for number, (items, clicks, stars) in enumerate(pages):
        if number % 20 == 0:
            users.begin(ALL_ROWS, np.array([0]), number > 0)
        shown = kernel.pages(np.array([items]))
        slot = np.array([place for place, item in enumerate(items) if item >= 0 and clicks >> place & 1], np.int64)
        seen.take("click_log_odds", users.decide(shown).click_log_odds[0][np.array(items) >= 0])
        mood = users.update(shown, slot, slot * 0, np.full(len(slot), stars, np.float32))
        seen.take("satisfaction", mood.satisfaction)
        seen.take("leave_log_odds", mood.leave_log_odds)
        look(users, seen)
    seen.assert_within(users.bounds())


@pytest.mark.parametrize("name", ["defaults", "songs"])
def test_appeal_is_what_a_page_of_the_same_items_gets_to_the_last_bit(make_world, name):
    world = make_world(**WORLDS[name])
    users, random = world.users, np.random.default_rng(3)
    kernel = Kernel(users=users, user_id=world.population.user_id, rows=ROWS, slate_size=SLOTS, max_pages=PAGES)
    number = np.zeros(ROWS, np.int64)
    kernel.begin(ALL_ROWS, np.arange(ROWS), number, kernel.dice(np.arange(ROWS), number, seed_words(1)))
    for _ in range(PAGES):
        items = np.stack([random.choice(20, SLOTS, replace=False) for _ in range(ROWS)])
        foretold = np.take_along_axis(users.appeal(ALL_ROWS), items, axis=1)
        np.testing.assert_array_equal(kernel.step(items).decisions.click_log_odds, foretold)


def test_a_user_alone_moves_as_among_others(make_world):
    world = make_world(click_bias=2.0, drift=0.4, repeat_half_life=3.0)
    users, random = world.users, np.random.default_rng(5)
    pages = [np.stack([random.choice(20, SLOTS, replace=False) for _ in range(ROWS)]) for _ in range(PAGES)]
    logs = []
    for who in (np.arange(ROWS), np.array([4])):
        kernel = Kernel(users=users, user_id=world.population.user_id, rows=len(who), slate_size=SLOTS, max_pages=PAGES)
        number = np.zeros(len(who), np.int64)
        kernel.begin(ALL_ROWS, who, number, kernel.dice(who, number, seed_words(1)))
        told = [kernel.step(items[who]) for items in pages]
        place = list(who).index(4)
        logs.append([(page.decisions.click_log_odds[place].tolist(), page.mood.satisfaction[place]) for page in told])
    assert logs[0] == logs[1]


def test_the_bounds_are_reached(make_world):
    world = make_world(click_bias=4.0, drift=1.0, drift_memory=1.0, click_gain=3.0)
    bounds = world.users.bounds()
    seen = play(world, same_ten, likes=lambda page: 5.0).seen
    assert seen["satisfaction"][1] == bounds.satisfaction.high
    assert seen["leave_log_odds"][0] == bounds.leave_log_odds.low
    assert seen["taste displacement"][1] > 0.3 * bounds.taste_displacement


def test_relief_does_not_keep_anybody_beyond_the_floor_but_patience_may(tiny):
    patient = tiny(leave_start=-9.0, leave_floor=-4.0, leave_relief=50.0, rows=3)
    assert patient.bounds().leave_log_odds.low < -9.0
    eager = tiny(leave_start=-1.0, leave_tired=-1.0, leave_floor=-2.0, leave_relief=50.0, patience_slope=0.0)
    assert eager.bounds().leave_log_odds.low == -2.0


def test_satisfaction_stays_where_pages_alone_would_bring_it(tiny):
    costly = tiny(page_cost=2.0, satisfaction_memory=0.5, satisfaction_limit=1.0)
    assert costly.bounds().satisfaction == (-4.0, 1.0)
    assert costly._state[0, SATISFACTION] == 0
