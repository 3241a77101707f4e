"""Choice users: the documented formulas, one behaviour at a time."""

from __future__ import annotations

import ast
import inspect
import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from recsim_llm.agents import parameters as parameters_module
from recsim_llm.agents.choice import ChoiceUsers
from recsim_llm.agents.choice_model import ChoiceModel
from recsim_llm.agents.parameters import ChoiceParameters
from recsim_llm.catalog import Catalog
from recsim_llm.dice import seed_words
from recsim_llm.errors import ConfigError
from recsim_llm.kernel import ALL_ROWS, Kernel
from recsim_llm.pages import Pages
from recsim_llm.personas import TRAITS, Population
from recsim_llm.testing import check_user_model

ITEMS, USERS = 6, 5
NO_SLOTS, NO_STARS = np.empty(0, np.int64), np.empty(0, np.float32)
OTHER_VALUES = {
    "click_bias": 1.0,
    "position_decay": 0.5,
    "position_curve": (1.0, 0.2, 0.1),
    "boredom": 3.0,
    "boredom_memory": 0.1,
    "repeat": 1.0,
    "novelty": 2.0,
    "drift": 0.5,
    "drift_memory": 0.2,
    "page_cost": 1.0,
    "click_gain": 2.0,
    "opinion_gain": 2.0,
    "satisfaction_memory": 0.1,
    "leave_start": -1.0,
    "leave_tired": 2.0,
    "fatigue_memory": 0.2,
    "patience_slope": 3.0,
    "leave_relief": 3.0,
    "watch_base": -1.0,
    "watch_slope": 3.0,
    "return_base": -1.0,
    "return_slope": 3.0,
}


def numbers(*shape, seed=0, scale=0.7):
    return (np.random.default_rng([seed, *shape]).normal(size=shape) * scale).astype(np.float32)


def catalog(items=ITEMS):
    genres = [("A",), ("A",), ("A", "B"), ("B",), ("C",), ("A", "B", "C")]
    return Catalog.from_columns(
        item_id=np.arange(items) + 11,
        title=[f"film {item}" for item in range(items)],
        genres=[genres[item % 6] for item in range(items)],
        popularity=[[50, 9, 200, 3, 1, 20][item % 6] + item // 6 for item in range(items)],
    )


def population(users=USERS, width=3, wide=2, levels=3, genre_names=("A", "B", "C")):
    place = np.arange(users)
    columns = {
        "rating_mean": 3 + place % 4 / 2,
        "mainstreamness": 0.3 + place % 7 / 10,
        "patience": [0.0, 1.0, 8.0, 20.0, 130.0][: min(users, 5)] + [7.5 + n for n in range(users - 5)],
        "position_bias": place % 3 / 1.7,
    }
    return Population(
        user_id=place * 3 + 1,
        traits=np.column_stack([columns.get(trait.name, np.ones(users)) for trait in TRAITS]).astype(np.float32),
        genre_names=genre_names,
        taste=np.zeros((users, len(genre_names)), np.float32),
        vectors={
            "click": numbers(users, width),
            "rating": numbers(users, wide),
            "cuts": np.sort(numbers(users, levels - 1, seed=5), axis=1),
            "noise": np.abs(numbers(users, 1, seed=6)) + np.float32(0.2),
        },
    )


def model(items=ITEMS, width=3, wide=2, levels=3, **settings):
    return ChoiceModel(
        item_id=np.arange(items) + 11,
        click_items=numbers(items, width, seed=3) + np.float32(0.5),
        rating_items=numbers(items, wide, seed=4),
        levels=np.arange(1, levels + 1, dtype=np.float32),
        parameters=ChoiceParameters(**settings),
        click_bias=-0.3,
        patience_median=8.0,
        mainstreamness_mean=0.6,
        mainstreamness_spread=0.25,
        click_size=0.7,
        fitted_on="",
    )


def tiny(slots=ITEMS, rows=USERS, **settings):
    """Return choice users of the tiny model, each in the row of the same number at the start of a first visit.

    Unlike by default, items lose nothing by repetition.
    """
    users = ChoiceUsers(catalog(), population(), model(**{"repeat": 0.0} | settings))
    users.allocate(rows, slots)
    users.begin(ALL_ROWS, np.arange(rows), False)
    return users


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
    return log_odds, users.update(pages, clicked, slot, slot // clicked.shape[1], rating)


def clicks_on(item):
    clicked = np.zeros((USERS, ITEMS), np.bool_)
    clicked[:, item] = True
    return clicked


class Reference:
    """The documented model of one user in plain Python numbers."""

    def __init__(self, user, people, fitted, items):
        self.p, self.fitted = fitted.parameters, fitted
        self.click = [float(value) for value in people.vectors["click"][user]]
        self.vectors = [[float(value) for value in row] for row in fitted.click_items]
        self.centre = [sum(column) / ITEMS for column in zip(*self.vectors, strict=True)]
        self.shares = [[has / sum(row) for has in row] for row in items.genres.tolist()]
        self.novelty = self.self_information(items)
        self.trait = {trait.name: float(people.trait(trait.name)[user]) for trait in TRAITS}
        self.impatience = -self.p.patience_slope * math.log2(max(self.trait["patience"], 1.0) / fitted.patience_median)
        self.taste, self.boredom, self.consumed = list(self.click), [0.0] * 3, set()
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
        bored = self.p.boredom * sum(map(lambda a, b: a * b, self.boredom, self.shares[item]))
        mainstream = (self.trait["mainstreamness"] - self.fitted.mainstreamness_mean) / self.fitted.mainstreamness_spread
        novelty = -self.p.novelty * mainstream * self.novelty[item]
        again = self.p.repeat if item in self.consumed else 0.0
        return liking + self.fitted.click_bias + self.p.click_bias - bored - again + novelty

    def turn(self, consumed, stars):
        p = self.p
        away = [[v - c for v, c in zip(row, self.centre, strict=True)] for row in self.vectors]
        size = math.sqrt(sum(value**2 for row in away for value in row) / (ITEMS * 3))
        pull = p.drift * self.fitted.click_size / size
        for d in range(3):
            drawn = pull * sum(away[item][d] for item in consumed)
            self.taste[d] = p.drift_memory * self.taste[d] + (1 - p.drift_memory) * self.click[d] + drawn
            self.boredom[d] = p.boredom_memory * self.boredom[d] + sum(self.shares[item][d] for item in consumed)
        self.consumed |= {int(item) for item in consumed}
        worth = sum(p.click_gain + p.opinion_gain * (star - self.trait["rating_mean"]) for star in stars)
        self.satisfaction = p.satisfaction_memory * self.satisfaction - p.page_cost + worth
        tired = (1 - p.fatigue_memory) * (p.leave_tired + self.impatience)
        self.leaving = p.fatigue_memory * self.leaving + tired - p.leave_relief * worth


@pytest.mark.parametrize(
    "settings",
    [
        {"repeat": 5.0},
        {"repeat": 0.0, "drift": 0.6, "drift_memory": 0.7, "novelty": 1.3, "click_bias": 0.4, "patience_slope": 1.1},
    ],
)
def test_pages_follow_the_documented_formulas(settings):
    users, items, people = tiny(**settings), catalog(), population()
    references = [Reference(user, people, model(**settings), items) for user in range(USERS)]
    random = np.random.default_rng(8)
    for _ in range(6):
        pages = page_of([random.permutation(ITEMS)[:4] for _ in range(USERS)])
        clicked = random.random((USERS, 4)) < 0.4
        slot = np.flatnonzero(clicked)
        stars = random.integers(1, 4, len(slot)).astype(np.float32)
        expected = [[r.log_odds(item) for item in row] for r, row in zip(references, pages.item_index, strict=True)]
        np.testing.assert_allclose(users.decide(pages).click_log_odds, expected, atol=2e-5)
        mood = users.update(pages, clicked, slot, slot // 4, stars)
        for user, reference in enumerate(references):
            reference.turn(pages.item_index[user][clicked[user]], stars[slot // 4 == user])
        np.testing.assert_allclose(mood.satisfaction, [r.satisfaction for r in references], atol=2e-5)
        np.testing.assert_allclose(mood.leave_log_odds, [r.leaving for r in references], atol=2e-5)


def test_log_odds_and_moods_are_float32():
    log_odds, mood = show(tiny(), everyone(), clicks_on(0))
    assert {log_odds.dtype, mood.satisfaction.dtype, mood.leave_log_odds.dtype} == {np.dtype(np.float32)}


def test_a_repeated_genre_bores_and_the_boredom_fades():
    users = tiny(drift=0.0, boredom=1.5, boredom_memory=0.5)
    fresh, _ = show(users, everyone(), clicks_on(0))
    bored, _ = show(users, everyone())
    later, _ = show(users, everyone())
    np.testing.assert_allclose((fresh - bored)[:, [0, 1, 2, 3, 4]], [[1.5, 1.5, 0.75, 0, 0]] * USERS, atol=1e-5)
    np.testing.assert_allclose(fresh - later, 0.5 * (fresh - bored), atol=1e-5)


def test_novelty_draws_users_who_are_less_mainstream_to_rare_items():
    gain = tiny(novelty=1.0).decide(everyone()).click_log_odds - tiny(novelty=0.0).decide(everyone()).click_log_odds
    rare, popular = 4, 2
    below, above = [0, 1, 2], [4]
    assert (gain[below, rare] > 0).all()
    assert (gain[below, popular] < 0).all()
    assert (gain[above, rare] < 0).all()
    assert (gain[above, popular] > 0).all()


def test_drift_pulls_taste_to_what_was_consumed():
    users = tiny(boredom=0.0, drift=0.3, drift_memory=1.0)
    fresh, _ = show(users, everyone(), clicks_on(1))
    moved, _ = show(users, everyone())
    again, _ = show(users, everyone())
    assert (moved[:, 1] > fresh[:, 1] + 0.05).all()
    np.testing.assert_array_equal(again, moved)


def test_drifted_taste_returns_to_where_it_was():
    users = tiny(boredom=0.0, drift=0.3, drift_memory=0.5)
    fresh, _ = show(users, everyone(), clicks_on(1))
    moved, _ = show(users, everyone())
    later, _ = show(users, everyone())
    np.testing.assert_allclose(later - fresh, 0.5 * (moved - fresh), atol=1e-5)


def test_a_returning_user_keeps_taste_and_loses_boredom_and_fatigue():
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


def test_a_consumed_item_loses_by_repetition_on_this_visit_and_the_next():
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


def test_a_new_visitor_takes_nothing_over_from_the_row():
    users = tiny(drift=0.3)
    show(users, everyone(), clicks_on(1))
    users.begin(ALL_ROWS, np.arange(USERS), False)
    np.testing.assert_array_equal(show(users, everyone())[0], show(tiny(drift=0.3), everyone())[0])


def test_satisfaction_recurs():
    users = tiny(page_cost=0.2, satisfaction_memory=0.5, click_gain=0.3, opinion_gain=0.6)
    expected = population().trait("rating_mean")
    _, first = show(users, everyone(), clicks_on(0), stars=3.0)
    worth = 0.3 + 0.6 * (3.0 - expected)
    np.testing.assert_allclose(first.satisfaction, worth - 0.2, atol=1e-6)
    _, second = show(users, everyone())
    np.testing.assert_allclose(second.satisfaction, 0.5 * (worth - 0.2) - 0.2, atol=1e-6)


def test_leaving_tends_to_tired_and_patience_puts_it_off():
    users = tiny(leave_start=-4.0, leave_tired=1.0, fatigue_memory=0.5, patience_slope=0.25)
    doublings = np.log2(np.array([1, 1, 8, 20, 130]) / 8.0)
    for page in range(1, 30):
        _, mood = show(users, everyone())
        near = 0.5**page
        np.testing.assert_allclose(mood.leave_log_odds, -4 * near + (1 - near) - 0.25 * doublings, atol=1e-5)


def test_what_was_worth_the_while_keeps_users_and_what_was_not_drives_them_off():
    relieved = {}
    for stars in (1.0, 3.0):
        users = tiny(leave_relief=0.7, click_gain=0.0, opinion_gain=1.0)
        _, calm = show(tiny(leave_relief=0.7), everyone())
        _, mood = show(users, everyone(), clicks_on(2), stars)
        relieved[stars] = calm.leave_log_odds - mood.leave_log_odds
        np.testing.assert_allclose(relieved[stars], 0.7 * (stars - population().trait("rating_mean")), atol=1e-5)
    assert (relieved[3.0] > relieved[1.0]).all()


def test_attention_falls_geometrically_to_the_power_of_the_position_bias():
    bias = population().trait("position_bias")
    expected = (0.8 ** np.arange(ITEMS))[None, :] ** bias[:, None]
    np.testing.assert_allclose(tiny(position_decay=0.8).examination(np.arange(USERS)), expected, rtol=1e-5)


def test_attention_follows_a_given_curve_to_the_power_of_the_position_bias():
    curve = (1.0, 0.4, 0.7, 0.0)
    got = tiny(slots=3, position_curve=curve).examination(np.arange(USERS))
    np.testing.assert_allclose(got, np.array(curve[:3]) ** population().trait("position_bias")[:, None], rtol=1e-5)


def test_appeal_is_the_log_odds_of_every_item():
    users = tiny(drift=0.3)
    show(users, everyone(), clicks_on(1))
    np.testing.assert_allclose(users.appeal(ALL_ROWS), users.decide(everyone()).click_log_odds, atol=1e-5)
    np.testing.assert_array_equal(users.appeal(np.array([3, 1])), users.appeal(ALL_ROWS)[[3, 1]])


def test_rating_log_odds_are_cuts_less_opinion_in_units_of_noise():
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


def test_noise_of_zero_still_gives_finite_ratings():
    people = population()
    people.vectors["noise"][:] = 0
    users = ChoiceUsers(catalog(), people, model())
    users.allocate(USERS, ITEMS)
    users.begin(ALL_ROWS, np.arange(USERS), False)
    assert np.isfinite(users.rating_log_odds(everyone(), np.array([0]), np.array([0]))).all()


def test_watch_and_return_log_odds_are_lines():
    users = tiny(watch_base=0.5, watch_slope=2.0, return_base=-0.5, return_slope=3.0)
    who, stars = np.array([0, 3, 3]), np.array([1, 2, 3], np.float32)
    expected = 0.5 + 2.0 * (stars - population().trait("rating_mean")[who])
    np.testing.assert_allclose(users.watch_log_odds(stars, who), expected, rtol=1e-6)
    _, mood = show(users, everyone(), clicks_on(0))
    np.testing.assert_allclose(users.return_log_odds(ALL_ROWS), -0.5 + 3.0 * mood.satisfaction, rtol=1e-5)
    np.testing.assert_array_equal(users.return_log_odds(np.array([2])), users.return_log_odds(ALL_ROWS)[2:3])


def test_update_needs_no_earlier_call_but_decide():
    users, told = tiny(), tiny()
    pages, clicked = everyone(), clicks_on(2)
    slot = np.flatnonzero(clicked)
    told.decide(pages)
    told.rating_log_odds(pages, slot[:1], slot[:1] // ITEMS)
    stars = np.full(USERS, 2, np.float32)
    asked = told.update(pages, clicked, slot, slot // ITEMS, stars)
    users.decide(pages)
    np.testing.assert_array_equal(users.update(pages, clicked, slot, slot // ITEMS, stars).satisfaction, asked.satisfaction)


def test_the_contract_of_user_models_is_kept():
    check_user_model(ChoiceUsers(catalog(), population(), model()), catalog(), population())


def browse(users, who, stars, rows=None):
    """Return the bytes of all that each user shows in three pages of forced feedback, one entry a user."""
    users.allocate(len(who) if rows is None else rows.max() + 1, 7)
    users.begin(ALL_ROWS if rows is None else rows, who, False)
    at = ALL_ROWS if rows is None else rows
    shown = [users.examination(who)]
    for page in range(3):
        items = (3 * stars[:, None] + 5 * page + np.arange(7) * 4) % 40
        pages = page_of(items, at, who)
        clicked = (items + stars[:, None]) % 3 == 0
        slot = np.flatnonzero(clicked)
        row = slot // 7
        rating = (1 + (slot % 7 + stars[row]) % 5).astype(np.float32)
        shown.append(users.decide(pages).click_log_odds)
        cuts = np.full((clicked.size, 4), np.nan, np.float32)
        cuts[slot] = users.rating_log_odds(pages, slot, row).T
        watch = np.full((clicked.size, 1), np.nan, np.float32)
        watch[slot, 0] = users.watch_log_odds(rating, who[row])
        shown += [cuts.reshape(len(who), -1), watch.reshape(len(who), -1)]
        shown += [column[:, None] for column in users.update(pages, clicked, slot, row, rating)]
        shown += [users.appeal(at), users.return_log_odds(at)[:, None]]
    return [b"".join(np.ascontiguousarray(part[row]).tobytes() for part in shown) for row in range(len(who))]


@pytest.mark.parametrize("width", [2, 5, 16, 31])
@pytest.mark.parametrize("company", [[13], [4, 90], [7, 8, 9, 10, 11], list(range(0, 97, 2)), list(range(96, -1, -1))])
def test_a_user_behaves_the_same_in_any_company_bit_for_bit(width, company):
    sizes = {"width": width, "wide": width + 2, "levels": 5}
    crowd, fitted = population(97, **sizes), model(40, **sizes)
    everybody = browse(ChoiceUsers(catalog(40), crowd, fitted), np.arange(97), np.arange(97))
    company = np.array(company)
    few = ChoiceUsers(catalog(40), crowd.take(company), fitted)
    assert browse(few, np.arange(len(company)), company) == [everybody[user] for user in company]
    same = ChoiceUsers(catalog(40), crowd, fitted)
    assert browse(same, company, company, rows=np.arange(len(company)) * 2 + 1) == [everybody[user] for user in company]


def kernel_log(**settings):
    """Return the bytes of two seeded visits of all users through the kernel."""
    people = population()
    users = ChoiceUsers(catalog(), people, model(**{"click_bias": 0.5, "leave_start": -1.5} | settings))
    kernel = Kernel(users=users, user_id=people.user_id, rows=USERS, slate_size=3, max_pages=4)
    who, log = np.arange(USERS), []
    slates = np.random.default_rng(0).permuted(np.tile(np.arange(ITEMS), (8, USERS, 1)), axis=2)[:, :, :3]
    for visit in range(2):
        number = np.full(USERS, visit)
        kernel.begin(ALL_ROWS, who, number, kernel.dice(who, number, seed_words(4)), returning=visit > 0)
        for page in range(4):
            told = kernel.step(slates[4 * visit + page])
            log += [told.examined, told.clicked, told.decisions.click_log_odds, told.ratings(), told.watched, *told.mood]
        log.append(users.return_log_odds(ALL_ROWS))
    return b"".join(np.ascontiguousarray(column).tobytes() for column in log)


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_every_parameter_has_an_effect(name):
    assert kernel_log(**{name: OTHER_VALUES[name]}) != kernel_log()


def test_the_same_parameters_have_the_same_effect():
    assert kernel_log() == kernel_log()


def parameter_docstrings():
    body = ast.parse(inspect.getsource(parameters_module)).body
    record = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == "ChoiceParameters")
    pairs = zip(record.body, record.body[1:], strict=False)
    return {
        field.target.id: text.value.value
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


@pytest.mark.parametrize("name", [field.name for field in fields(ChoiceParameters)])
def test_every_parameter_says_whether_it_is_assumed_or_measured(name):
    assert re.search(r"\b(assumed|fitted|measured)\b", parameter_docstrings()[name].lower())


def test_no_parameter_is_left_out_here():
    assert {*OTHER_VALUES, "click_rate"} == {field.name for field in fields(ChoiceParameters)}


@pytest.mark.parametrize(
    "settings",
    [
        {"boredom_memory": 1.1},
        {"drift_memory": -0.1},
        {"satisfaction_memory": float("nan")},
        {"fatigue_memory": 2},
        {"position_decay": -1},
        {"click_rate": 0},
        {"click_rate": 1.0},
        {"boredom": "much"},
        {"boredom": None},
        {"novelty": True},
        {"click_bias": float("inf")},
        {"position_curve": [1.0, 1.2]},
        {"position_curve": []},
        {"position_curve": "steep"},
        {"position_curve": 0.9},
        {"position_curve": [1.0, "half"]},
        {"boredum": 1.0},
    ],
)
def test_bad_parameters_are_refused_in_one_line(settings):
    with pytest.raises(ConfigError, match=r"choice parameter.*got .*expected") as error:
        ChoiceParameters.from_settings(settings)
    assert "\n" not in str(error.value)


def test_a_list_makes_a_position_curve():
    assert ChoiceParameters.from_settings({"position_curve": [1, 0.5]}).position_curve == (1, 0.5)


def test_a_curve_shorter_than_the_slate_is_refused():
    with pytest.raises(ConfigError, match="position_curve: got 2 positions, expected at least 6"):
        tiny(position_curve=(1.0, 0.5))


def test_a_population_without_vectors_is_refused():
    bare = replace(population(), vectors={"click": numbers(USERS, 3)})
    with pytest.raises(ConfigError, match="without cuts, noise, rating"):
        ChoiceUsers(catalog(), bare, model())


@pytest.mark.parametrize(("name", "width"), [("click", 4), ("rating", 1), ("cuts", 3), ("noise", 2)])
def test_a_population_of_another_fit_is_refused(name, width):
    people = population()
    other = replace(people, vectors={**people.vectors, name: numbers(USERS, width)})
    with pytest.raises(ConfigError, match=f"got '{name}' vectors"):
        ChoiceUsers(catalog(), other, model())


def test_a_model_of_other_items_is_refused():
    other = replace(model(), item_id=np.arange(ITEMS) + 12)
    with pytest.raises(ConfigError, match="other items than the catalog"):
        ChoiceUsers(catalog(), population(), other)
