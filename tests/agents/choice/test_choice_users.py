"""Choice users: the documented formulas, one behaviour at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Pages
from recsim_llm.population.personas import TRAITS

ITEMS, USERS = 6, 5


def page_of(items, rows=ALL_ROWS, user_index=None):
    items = np.atleast_2d(np.asarray(items))
    who = np.arange(len(items)) if user_index is None else np.asarray(user_index)
    return Pages(rows, who, np.zeros_like(who), np.zeros_like(who), items)


def everyone(slate=range(ITEMS)):
    return page_of(np.tile(np.asarray(slate), (USERS, 1)))


def show(users, pages, clicked=None, stars=3.0):
    """Show a page and feed back clicks; return the click log-odds before and the mood after."""
    log_odds = users.decide(pages).click_log_odds
    clicked = np.zeros(pages.item_index.shape, np.bool_) if clicked is None else clicked
    slot = np.flatnonzero(clicked)
    rating = np.full(len(slot), stars, np.float32)
    return log_odds, users.update(pages, slot, slot // clicked.shape[1], rating)


def clicks_on(item):
    clicked = np.zeros((USERS, ITEMS), np.bool_)
    clicked[:, item] = True
    return clicked


class Reference:
    """The documented model of one user in plain Python numbers."""

    def __init__(self, user, people, fitted, items, before=()):
        self.p, self.fitted = fitted.parameters, fitted
        self.click = [float(value) for value in people.vectors["click"][user]]
        self.vectors = [[float(value) for value in row] for row in fitted.click_items]
        self.centre = [sum(column) / ITEMS for column in zip(*self.vectors, strict=True)]
        self.shares = [[has / sum(row) for has in row] for row in items.genres.tolist()]
        self.novelty = self.self_information(items)
        self.trait = {trait.name: float(people.trait(trait.name)[user]) for trait in TRAITS}
        self.impatience = -self.p.patience_slope * math.log2(max(self.trait["patience"], 1.0) / fitted.patience_median)
        self.taste, self.boredom, self.page = list(self.click), [0.0] * 3, 0
        self.exposed, self.consumed = {}, {item: [-1] for item in before}  # item: pages on which it was so
        self.satisfaction, self.leaving = 0.0, self.p.leave_start + self.impatience

    @staticmethod
    def self_information(items):
        weight = [float(value) + 1 for value in items.popularity]
        bits = [-math.log2(value / sum(weight)) for value in weight]
        mean = sum(bits) / ITEMS
        spread = math.sqrt(sum((value - mean) ** 2 for value in bits) / ITEMS)
        return [(value - mean) / spread for value in bits]

    def log_odds(self, item):
        away = [value - middle for value, middle in zip(self.vectors[item], self.centre, strict=True)]
        liking = sum(map(lambda a, b: a * b, self.taste, away)) + sum(map(lambda a, b: a * b, self.click, self.centre))
        bored = sum(map(lambda a, b: a * b, self.boredom, self.shares[item]))
        mainstream = (self.trait["mainstreamness"] - self.fitted.mainstreamness_mean) / self.fitted.mainstreamness_spread
        novelty = -self.p.novelty * mainstream * self.novelty[item]
        exposures = self.exposed.get(item, [])
        tired = min(self.p.exposure_loss * len(exposures), self.p.exposure_limit) * self.kept(exposures)
        again = self.p.repeat * self.kept(self.consumed.get(item, []))
        return liking + self.fitted.click_bias + self.p.click_bias - bored - tired - again + novelty

    def kept(self, pages):
        if not pages:
            return 0.0
        return 1.0 if self.p.repeat_half_life is None else 2 ** (-(self.page - 1 - pages[-1]) / self.p.repeat_half_life)

    def turn(self, shown, consumed, stars):
        p = self.p
        away = [[v - c for v, c in zip(row, self.centre, strict=True)] for row in self.vectors]
        length = [math.hypot(*row) for row in away]
        typical = math.sqrt(sum(value**2 for value in length) / ITEMS)
        fresh = [1 - self.kept(self.consumed.get(item, [])) for item in consumed]
        part = (1 - (1 - p.drift) ** len(consumed)) / max(len(consumed), 1)
        drawn = [
            p.drift_reach / typical / max(length[item], typical) * share for item, share in zip(consumed, fresh, strict=True)
        ]
        for d in range(3):
            taste = p.drift_memory * self.taste[d] + (1 - p.drift_memory) * self.click[d]
            goals = [
                self.click[d] * share + pull * away[item][d] for item, share, pull in zip(consumed, fresh, drawn, strict=True)
            ]
            self.taste[d] = taste * (1 - part * sum(fresh)) + part * sum(goals)
            bored = p.boredom_memory * self.boredom[d] + p.boredom * sum(self.shares[item][d] for item in consumed)
            self.boredom[d] = min(bored, p.boredom_limit)
        worth = sum(
            (p.click_gain + p.opinion_gain * (star - self.trait["rating_mean"])) * share
            for star, share in zip(stars, fresh, strict=True)
        )
        self.satisfaction = p.satisfaction_memory * self.satisfaction - p.page_cost
        tired = (1 - p.fatigue_memory) * (p.leave_tired + self.impatience)
        self.leaving = p.fatigue_memory * self.leaving + tired
        if consumed:
            limit = p.satisfaction_limit
            self.satisfaction = min(max(self.satisfaction + worth, min(self.satisfaction, -limit)), limit)
            low, high = min(self.leaving, p.leave_floor), max(self.leaving, p.leave_ceiling)
            self.leaving = min(max(self.leaving - p.leave_relief * worth, low), high)
        for item in shown:
            (self.consumed if item in consumed else self.exposed).setdefault(item, []).append(self.page)
        self.page += 1


RATED = {(0, 2), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (3, 5)}


@pytest.mark.parametrize("rated", [None, RATED], ids=["nothing rated", "some rated before"])
@pytest.mark.parametrize(
    "settings",
    [
        {"repeat": 5.0, "exposure_loss": 0.7, "exposure_limit": 1.8},
        {"repeat": 2.0, "exposure_loss": 0.7, "repeat_half_life": 1.5, "drift": 1.0, "drift_reach": 3.0},
        {"boredom_limit": 0.5, "satisfaction_limit": 0.2, "leave_floor": -3.1, "leave_ceiling": -2.5, "drift_reach": 2.0},
        {"repeat": 0.0, "drift": 0.6, "drift_memory": 0.7, "novelty": 1.3, "click_bias": 0.4, "patience_slope": 1.1},
    ],
)
def test_pages_follow_the_documented_formulas(tiny, catalog, population, model, settings, rated, rated_items):
    settings = {"repeat": 0.0, "exposure_loss": 0.0} | settings
    users = tiny(slots=4, rated=rated and rated_items(rated), **settings)
    before = [[item for owner, item in rated or () if owner == user] for user in range(USERS)]
    items, people = catalog(), population()
    references = [Reference(user, people, model(**settings), items, before[user]) for user in range(USERS)]
    random = np.random.default_rng(8)
    for _ in range(6):
        pages = page_of([random.permutation(ITEMS)[:4] for _ in range(USERS)])
        clicked = random.random((USERS, 4)) < 0.4
        slot = np.flatnonzero(clicked)
        stars = random.integers(1, 4, len(slot)).astype(np.float32)
        expected = [[r.log_odds(item) for item in row] for r, row in zip(references, pages.item_index, strict=True)]
        np.testing.assert_allclose(users.decide(pages).click_log_odds, expected, atol=2e-5)
        mood = users.update(pages, slot, slot // 4, stars)
        for user, reference in enumerate(references):
            shown = pages.item_index[user]
            reference.turn(shown.tolist(), shown[clicked[user]].tolist(), stars[slot // 4 == user].tolist())
        np.testing.assert_allclose(mood.satisfaction, [r.satisfaction for r in references], atol=2e-5)
        np.testing.assert_allclose(mood.leave_log_odds, [r.leaving for r in references], atol=2e-5)


def test_log_odds_and_moods_are_float32(tiny):
    log_odds, mood = show(tiny(), everyone(), clicks_on(0))
    assert {log_odds.dtype, mood.satisfaction.dtype, mood.leave_log_odds.dtype} == {np.dtype(np.float32)}


def test_a_repeated_genre_bores_and_the_boredom_fades(tiny):
    users = tiny(drift=0.0, boredom=1.5, boredom_memory=0.5)
    fresh, _ = show(users, everyone(), clicks_on(0))
    bored, _ = show(users, everyone())
    later, _ = show(users, everyone())
    np.testing.assert_allclose((fresh - bored)[:, [0, 1, 2, 3, 4]], [[1.5, 1.5, 0.75, 0, 0]] * USERS, atol=1e-5)
    np.testing.assert_allclose(fresh - later, 0.5 * (fresh - bored), atol=1e-5)


def test_novelty_draws_users_who_are_less_mainstream_to_rare_items(tiny):
    gain = tiny(novelty=1.0).decide(everyone()).click_log_odds - tiny(novelty=0.0).decide(everyone()).click_log_odds
    rare, popular = 4, 2
    below, above = [0, 1, 2], [4]
    assert (gain[below, rare] > 0).all()
    assert (gain[below, popular] < 0).all()
    assert (gain[above, rare] < 0).all()
    assert (gain[above, popular] > 0).all()


def test_drift_pulls_taste_to_what_was_consumed(tiny):
    users = tiny(boredom=0.0, drift=0.3, drift_memory=1.0)
    fresh, _ = show(users, everyone(), clicks_on(1))
    moved, _ = show(users, everyone())
    again, _ = show(users, everyone())
    assert (moved[:, 1] > fresh[:, 1] + 0.05).all()
    np.testing.assert_array_equal(again, moved)


def test_drifted_taste_returns_to_where_it_was(tiny):
    users = tiny(boredom=0.0, drift=0.3, drift_memory=0.5)
    fresh, _ = show(users, everyone(), clicks_on(1))
    moved, _ = show(users, everyone())
    later, _ = show(users, everyone())
    np.testing.assert_allclose(later - fresh, 0.5 * (moved - fresh), atol=1e-5)


def test_a_returning_user_keeps_taste_and_loses_boredom_and_fatigue(tiny):
    drifting, steady = {"drift": 0.3, "boredom": 2.0}, {"drift": 0.3, "boredom": 0.0}
    shown = {}
    for name, settings in (("bored", drifting), ("never bored", steady)):
        users = tiny(**settings)
        _, first = show(users, everyone(), clicks_on(1), stars=1.0)
        users.begin(ALL_ROWS, np.arange(USERS), True)
        shown[name], mood = show(users, everyone())
        new = tiny(**settings)
        fresh, new_mood = show(new, everyone())
        np.testing.assert_array_equal(mood.leave_log_odds, new_mood.leave_log_odds)
        np.testing.assert_array_equal(mood.satisfaction, new_mood.satisfaction)
        assert (mood.satisfaction != first.satisfaction).any()
        assert (shown[name][:, 1] > fresh[:, 1]).all()
    np.testing.assert_array_equal(shown["bored"], shown["never bored"])


def test_a_consumed_item_loses_by_repetition_on_this_visit_and_the_next(tiny):
    quiet = {"drift": 0.0, "boredom": 0.0}
    users, twin = tiny(repeat=2.0, **quiet), tiny(**quiet)
    loss = 2.0 * clicks_on(3)
    fresh, _ = show(users, everyone(), clicks_on(3))
    np.testing.assert_allclose(fresh - users.decide(everyone()).click_log_odds, loss, atol=1e-5)
    np.testing.assert_allclose(twin.appeal(ALL_ROWS) - users.appeal(ALL_ROWS), loss, atol=1e-5)
    show(users, everyone(), clicks_on(3))
    np.testing.assert_allclose(twin.appeal(ALL_ROWS) - users.appeal(ALL_ROWS), loss, atol=1e-5)
    users.begin(ALL_ROWS, np.arange(USERS), True)
    np.testing.assert_allclose(fresh - users.decide(everyone()).click_log_odds, loss, atol=1e-5)
    users.begin(np.array([1, 4]), np.array([1, 4]), False)
    loss[[1, 4]] = 0
    np.testing.assert_allclose(fresh - users.decide(everyone()).click_log_odds, loss, atol=1e-5)


def test_what_was_rated_before_is_no_news_to_its_user_alone(tiny, rated_items):
    twin, users = tiny(repeat=2.0), tiny(repeat=2.0, rated=rated_items(RATED))
    loss = np.zeros((USERS, ITEMS))
    loss[tuple(zip(*RATED, strict=True))] = 2.0
    np.testing.assert_allclose(twin.appeal(ALL_ROWS) - users.appeal(ALL_ROWS), loss, atol=1e-5)
    copied = users.copy_rows(np.array([3, 1, 1]))
    np.testing.assert_array_equal(copied.appeal(ALL_ROWS), users.appeal(np.array([3, 1, 1])))
    for returning in (True, False):
        users.begin(ALL_ROWS, np.arange(USERS), returning)
        np.testing.assert_allclose(twin.appeal(ALL_ROWS) - users.appeal(ALL_ROWS), loss, atol=1e-5)
    users.begin(np.array([0]), np.array([3]), False)
    np.testing.assert_array_equal(users.appeal(np.array([0])), users.appeal(np.array([3])))
    users.take_rated(None)
    users.allocate(USERS, ITEMS)
    users.begin(ALL_ROWS, np.arange(USERS), False)
    np.testing.assert_array_equal(users.appeal(ALL_ROWS), twin.appeal(ALL_ROWS))


def test_what_was_rated_before_comes_back_by_the_half_life_from_the_first_page_on(tiny, rated_items):
    quiet = {"boredom": 0.0, "repeat": 2.0, "repeat_half_life": 3.0}
    twin, users = tiny(**quiet), tiny(rated=rated_items(RATED), **quiet)
    for page in range(7):
        loss = twin.appeal(ALL_ROWS)[1] - users.appeal(ALL_ROWS)[1]
        np.testing.assert_allclose(loss, 2.0 * 2 ** (-page / 3), atol=1e-5)
        for one in (twin, users):
            show(one, everyone([-1] * ITEMS))


def test_a_new_visitor_takes_nothing_over_from_the_row(tiny):
    users = tiny(drift=0.3)
    show(users, everyone(), clicks_on(1))
    users.begin(ALL_ROWS, np.arange(USERS), False)
    np.testing.assert_array_equal(show(users, everyone())[0], show(tiny(drift=0.3), everyone())[0])


def test_satisfaction_recurs(tiny, population):
    users = tiny(page_cost=0.2, satisfaction_memory=0.5, click_gain=0.3, opinion_gain=0.6)
    expected = population().trait("rating_mean")
    _, first = show(users, everyone(), clicks_on(0), stars=3.0)
    worth = 0.3 + 0.6 * (3.0 - expected)
    np.testing.assert_allclose(first.satisfaction, worth - 0.2, atol=1e-6)
    _, second = show(users, everyone())
    np.testing.assert_allclose(second.satisfaction, 0.5 * (worth - 0.2) - 0.2, atol=1e-6)


def test_leaving_tends_to_tired_and_patience_puts_it_off(tiny):
    users = tiny(leave_start=-4.0, leave_tired=1.0, fatigue_memory=0.5, patience_slope=0.25)
    doublings = np.log2(np.array([1, 1, 8, 20, 130]) / 8.0)
    for page in range(1, 30):
        _, mood = show(users, everyone())
        near = 0.5**page
        np.testing.assert_allclose(mood.leave_log_odds, -4 * near + (1 - near) - 0.25 * doublings, atol=1e-5)


def test_what_was_worth_the_while_keeps_users_and_what_was_not_drives_them_off(tiny, population):
    relieved = {}
    for stars in (1.0, 3.0):
        users = tiny(leave_relief=0.7, click_gain=0.0, opinion_gain=1.0)
        _, calm = show(tiny(leave_relief=0.7), everyone())
        _, mood = show(users, everyone(), clicks_on(2), stars)
        relieved[stars] = calm.leave_log_odds - mood.leave_log_odds
        np.testing.assert_allclose(relieved[stars], 0.7 * (stars - population().trait("rating_mean")), atol=1e-5)
    assert (relieved[3.0] > relieved[1.0]).all()


def test_attention_falls_geometrically_to_the_power_of_the_position_bias(tiny, population):
    bias = population().trait("position_bias")
    expected = (0.8 ** np.arange(ITEMS))[None, :] ** bias[:, None]
    np.testing.assert_allclose(tiny(position_decay=0.8).examination(np.arange(USERS)), expected, rtol=1e-5)


def test_attention_follows_a_given_curve_to_the_power_of_the_position_bias(tiny, population):
    curve = (1.0, 0.4, 0.7, 0.0)
    got = tiny(slots=3, position_curve=curve).examination(np.arange(USERS))
    np.testing.assert_allclose(got, np.array(curve[:3]) ** population().trait("position_bias")[:, None], rtol=1e-5)


def test_appeal_is_the_log_odds_of_every_item(tiny):
    users = tiny(drift=0.3)
    show(users, everyone(), clicks_on(1))
    np.testing.assert_allclose(users.appeal(ALL_ROWS), users.decide(everyone()).click_log_odds, atol=1e-5)
    np.testing.assert_array_equal(users.appeal(np.array([3, 1])), users.appeal(ALL_ROWS)[[3, 1]])


def test_rating_log_odds_are_cuts_less_opinion_in_units_of_noise(tiny, population, model):
    users, people, fitted = tiny(), population(), model()
    pages = everyone()
    users.decide(pages)
    slot = np.array([0, 4, 7, 29])
    row, item = slot // ITEMS, slot % ITEMS
    opinion = (people.vectors["rating"][row] * fitted.rating_items[item]).sum(axis=1)
    expected = ((people.vectors["cuts"][row] - opinion[:, None]) / people.vectors["noise"][row]).T
    got = users.rating_log_odds(pages, slot, row)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert (np.diff(got, axis=0) >= 0).all()


def test_noise_of_zero_still_gives_finite_ratings(catalog, population, model):
    people = population()
    people.vectors["noise"][:] = 0
    users = ChoiceUsers(catalog(), people, model())
    users.allocate(USERS, ITEMS)
    users.begin(ALL_ROWS, np.arange(USERS), False)
    assert np.isfinite(users.rating_log_odds(everyone(), np.array([0]), np.array([0]))).all()


def test_watch_and_return_log_odds_are_lines(tiny, population):
    users = tiny(watch_base=0.5, watch_slope=2.0, return_base=-0.5, return_slope=3.0)
    who, stars = np.array([0, 3, 3]), np.array([1, 2, 3], np.float32)
    expected = 0.5 + 2.0 * (stars - population().trait("rating_mean")[who])
    np.testing.assert_allclose(users.watch_log_odds(stars, who), expected, rtol=1e-6)
    _, mood = show(users, everyone(), clicks_on(0))
    np.testing.assert_allclose(users.return_log_odds(ALL_ROWS), -0.5 + 3.0 * mood.satisfaction, rtol=1e-5)
    np.testing.assert_array_equal(users.return_log_odds(np.array([2])), users.return_log_odds(ALL_ROWS)[2:3])


def test_update_needs_no_earlier_call_but_decide(tiny):
    users, told = tiny(), tiny()
    pages, clicked = everyone(), clicks_on(2)
    slot = np.flatnonzero(clicked)
    told.decide(pages)
    told.rating_log_odds(pages, slot[:1], slot[:1] // ITEMS)
    stars = np.full(USERS, 2, np.float32)
    asked = told.update(pages, slot, slot // ITEMS, stars)
    users.decide(pages)
    np.testing.assert_array_equal(users.update(pages, slot, slot // ITEMS, stars).satisfaction, asked.satisfaction)
