"""Cascade users: which pages are passed on, who decides, what both sides get to know."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_users import FakeModel, build_users

from recsim_llm.agents.cascade import CascadeParameters, CascadeUsers
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.core.pages import DECIDERS, Account, Decisions, Mood, Pages, probability
from recsim_llm.core.protocols import AnswersLater
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.testing import check_user_model

CHOICE, LANGUAGE = range(2)
SLOTS = 5


class OtherMind:
    """A stand-in for language users: opinions by arithmetic, a memory that counts clicks, and a record of what it was asked."""

    def __init__(self, levels=(1, 2, 3, 4, 5), stars=(0.1, 0.2, 0.3, 0.6)):
        self.levels = np.array(levels, np.float32)
        self._cuts = np.log(np.array(stars) / (1 - np.array(stars))).astype(np.float32)
        self.provenance = {"model": "other"}

    def allocate(self, rows, slate_size):
        self.clicks = np.zeros(rows, np.float32)
        self.asked, self.told = [], []

    def examination(self, user_index):
        raise AssertionError("the choice model's examination counts")

    def begin(self, rows, user_index, returning):
        if not returning:
            self.clicks[rows] = 0

    def decide(self, pages):
        self.asked += pages.rows.tolist()
        mind = np.sin(pages.user_index[:, None] + 2.0 * pages.item_index) + 0.1 * self.clicks[pages.rows][:, None]
        count = len(mind)
        account = Account(np.ones(count, np.int8), np.full(count, np.nan, np.float32), np.full(count, 3, np.int16))
        return Decisions(mind.astype(np.float32), account)

    def rating_log_odds(self, pages, slot, row):
        return self._cuts[:, None] + np.float32(0.1) * pages.user_index[row].astype(np.float32)

    def update(self, pages, slot, row, rating):
        self.told += np.arange(len(self.clicks))[pages.rows].tolist()
        self.clicks[pages.rows] += np.bincount(row, minlength=len(pages.page))
        return Mood(100 + self.clicks[pages.rows], -50 - self.clicks[pages.rows])

    def return_log_odds(self, rows):
        return 70 + self.clicks[rows]


class SlowMind(OtherMind):
    """The same, answering the highest row first, one at a time."""

    def allocate(self, rows, slate_size):
        super().allocate(rows, slate_size)
        self.waiting = []

    def start(self, pages):
        self.waiting = sorted([*self.waiting, *pages.rows.tolist()])

    def collect(self):
        if not self.waiting:
            raise ContractError("nothing is waiting")
        return np.array([self.waiting.pop()])


def build(world, other=None, *, seed=7, **settings):
    users = CascadeUsers(
        world.users,
        other or OtherMind(),
        user_id=world.population.user_id,
        parameters=CascadeParameters(**settings),
        seed=seed,
    )
    users.allocate(len(world.population), SLOTS)
    users.begin(ALL_ROWS, np.arange(len(world.population)), False)
    return users


def pages_of(world, page=0, rows=ALL_ROWS):
    who = np.arange(len(world.population))[rows]
    items = (3 * who[:, None] + 11 * page + np.arange(SLOTS)) % len(world.catalog)
    return Pages(rows, who, np.zeros_like(who), np.full_like(who, page), items)


def alone(world):
    """Return what the choice model says to the same pages."""
    world.users.allocate(len(world.population), SLOTS)
    world.users.begin(ALL_ROWS, np.arange(len(world.population)), False)
    return world.users.decide(pages_of(world)).click_log_odds


def browse(world, **settings):
    """Serve four pages to everyone as the kernel does; return the users and what they did."""
    users = build(world, **settings)
    who = np.arange(len(world.population))
    kernel = Kernel(users=users, user_id=world.population.user_id, rows=len(who), slate_size=SLOTS, max_pages=4)
    kernel.begin(ALL_ROWS, who, np.zeros_like(who), kernel.dice(who, np.zeros_like(who), seed_words([5])))
    return users, [kernel.step(pages_of(world, page).item_index) for page in range(4)]


def bits(world, pages, log_odds):
    chance = world.users.examination(pages.user_index) * probability(log_odds).astype(float)
    return -(chance * np.log2(chance) + (1 - chance) * np.log2(1 - chance)).mean(axis=1)


@pytest.fixture
def middle(world):
    """A threshold with about half of the pages above it."""
    return float(np.median(bits(world, pages_of(world), alone(world))))


def test_the_contract_of_user_models_is_kept(world, middle):
    check_user_model(build(world, threshold=middle, audit=0.3), world.catalog, world.population)


def test_pages_above_the_threshold_are_decided_by_the_language_side(world, middle):
    log_odds = alone(world)
    uncertain = bits(world, pages_of(world), log_odds) > middle
    users = build(world, threshold=middle, audit=0.0)
    decisions = users.decide(pages_of(world))
    assert 0 < uncertain.sum() < len(uncertain)
    assert np.array_equal(decisions.account.decided_by, np.where(uncertain, LANGUAGE, CHOICE))
    assert users.language.asked == np.flatnonzero(uncertain).tolist()
    assert np.array_equal(decisions.click_log_odds[~uncertain], log_odds[~uncertain])
    expected = OtherMind()
    expected.allocate(len(uncertain), SLOTS)
    everything = expected.decide(pages_of(world, rows=np.arange(len(uncertain)))).click_log_odds
    assert np.array_equal(decisions.click_log_odds[uncertain], everything[uncertain])


def test_deciders_are_named_as_in_the_log():
    assert DECIDERS == ("choice", "language")


def test_a_threshold_of_one_passes_nothing_on(world):
    users = build(world, threshold=1.0, audit=0.0)
    decisions = users.decide(pages_of(world))
    assert not users.language.asked
    assert np.isnan(decisions.account.disagreement).all()


def test_a_threshold_of_zero_passes_everything_on(world):
    assert build(world, threshold=0.0).decide(pages_of(world)).account.decided_by.all()


def test_audited_pages_keep_the_choice_models_decision(world):
    audited = build(world, threshold=1.0, audit=1.0)
    decisions = audited.decide(pages_of(world))
    assert not decisions.account.decided_by.any()
    assert audited.language.asked == list(range(len(world.population)))
    assert np.array_equal(decisions.click_log_odds, alone(world))


@pytest.mark.parametrize("audit", [0.2, 1.0])
def test_an_audit_changes_nothing_of_the_run(make_world, middle, audit):
    plain, audited = (browse(make_world(), threshold=middle, audit=share)[1] for share in (0.0, audit))
    for one, other in zip(plain, audited, strict=True):
        assert np.array_equal(one.decisions.click_log_odds, other.decisions.click_log_odds)
        assert np.array_equal(one.rating, other.rating)
        assert np.array_equal(one.mood.leave_log_odds, other.mood.leave_log_odds)


def test_the_share_audited_is_the_one_asked_for(world):
    users = build(world, threshold=1.0, audit=0.3)
    asked = 0
    for page in range(50):
        asked += np.isfinite(users.decide(pages_of(world, page)).account.disagreement).sum()
    count = 50 * len(world.population)
    assert abs(asked - 0.3 * count) < 4 * np.sqrt(0.21 * count)


def test_who_is_audited_hangs_on_user_and_page_not_on_company(world):
    users = build(world, threshold=1.0, audit=0.3)
    together = np.isfinite(users.decide(pages_of(world)).account.disagreement)
    single = [
        np.isfinite(users.decide(pages_of(world, rows=np.array([row]))).account.disagreement)[0] for row in range(len(together))
    ]
    assert 0 < together.sum() < len(together)
    assert together.tolist() == single


def test_another_seed_audits_other_pages(world):
    first, second = (
        np.isfinite(build(world, threshold=1.0, audit=0.3, seed=seed).decide(pages_of(world)).account.disagreement)
        for seed in (1, 2)
    )
    assert (first != second).any()


def test_disagreement_is_the_mean_distance_of_logged_click_probabilities(world):
    users = build(world, threshold=1.0, audit=1.0)
    pages = pages_of(world)
    decisions = users.decide(pages)
    other = users.language.decide(pages._replace(rows=np.arange(len(pages.page)))).click_log_odds
    examine = world.users.examination(pages.user_index)
    distance = np.abs(examine * (probability(other) - probability(decisions.click_log_odds))).mean(axis=1)
    np.testing.assert_allclose(decisions.account.disagreement, distance, rtol=1e-5)


def test_blank_slots_count_neither_for_uncertainty_nor_for_disagreement(world):
    pages = pages_of(world)
    few = build(world, threshold=1.0, audit=1.0)
    few.allocate(len(pages.page), 3)
    few.begin(ALL_ROWS, pages.user_index, False)
    short = few.decide(pages._replace(item_index=pages.item_index[:, :3]))
    users = build(world, threshold=1.0, audit=1.0)
    blanked = pages.item_index.copy()
    blanked[:, 3:] = -1
    long = users.decide(pages._replace(item_index=blanked))
    np.testing.assert_allclose(long.account.disagreement, short.account.disagreement, rtol=1e-6)


def test_a_page_without_items_is_never_passed_on(world):
    users = build(world, threshold=0.0, audit=1.0)
    pages = pages_of(world)
    blank = np.full_like(pages.item_index, -1)
    assert np.isfinite(users.decide(pages._replace(item_index=blank)).click_log_odds).all()
    assert not users.language.asked


def test_memories_dropped_are_the_language_sides(world, middle):
    account = build(world, threshold=middle, audit=0.0).decide(pages_of(world)).account
    assert np.array_equal(account.memories_dropped, 3 * account.decided_by)


def test_both_sides_hear_of_every_page(world, middle):
    users, steps = browse(world, threshold=middle, audit=0.1)
    clicks = sum(step.clicked.sum(axis=1) for step in steps)
    assert users.language.told == 4 * list(range(len(world.population)))
    assert np.array_equal(users.language.clicks, clicks)
    assert 0 < len(users.language.asked) < len(users.language.told)


def test_the_choice_side_learns_from_pages_that_it_did_not_decide(world):
    users = build(world, threshold=0.0)
    pages = pages_of(world)
    users.decide(pages)
    before = world.users.appeal(ALL_ROWS)
    slot = np.arange(len(pages.page)) * SLOTS
    users.update(pages, slot, np.arange(len(pages.page)), np.full(len(slot), 5, np.float32))
    assert (world.users.appeal(ALL_ROWS) != before).any(axis=1).all()


def test_mood_and_return_follow_whoever_decided(world, middle):
    users = build(world, threshold=middle, audit=0.5)
    by_language = users.decide(pages_of(world)).account.decided_by == LANGUAGE
    none = np.empty(0, np.int64)
    mood = users.update(pages_of(world), none, none, np.empty(0, np.float32))
    assert np.array_equal(mood.satisfaction == 100, by_language)
    assert np.array_equal(mood.leave_log_odds == -50, by_language)
    assert np.array_equal(users.return_log_odds(ALL_ROWS) == 70, by_language)
    some = np.array([5, 2, 9])
    assert np.array_equal(users.return_log_odds(some) == 70, by_language[some])


def test_stars_of_the_language_side_go_to_the_same_levels_and_half_levels_get_none(world):
    users = build(world, threshold=0.0)
    pages = pages_of(world)
    users.decide(pages)
    slot = np.array([0, 7])
    row = slot // SLOTS
    below = probability(users.rating_log_odds(pages, slot, row)).astype(float)
    mass = np.diff(np.vstack([np.zeros((1, 2)), below, np.ones((1, 2))]), axis=0)
    other = probability(users.language.rating_log_odds(pages, slot, row)).astype(float)
    expected = np.diff(np.vstack([np.zeros((1, 2)), other, np.ones((1, 2))]), axis=0)
    assert np.array_equal(users.levels, np.arange(1, 11) / 2)
    np.testing.assert_allclose(mass[1::2], expected, atol=1e-7)
    np.testing.assert_allclose(mass[::2], 0, atol=1e-7)


def test_half_stars_are_never_drawn_for_pages_of_the_language_side(world):
    stars = np.concatenate([step.rating for step in browse(world, threshold=0.0)[1]])
    assert stars.size > 50
    assert set(stars.tolist()) <= {1.0, 2.0, 3.0, 4.0, 5.0}


def test_levels_that_are_missing_here_go_to_the_next_higher_one(world):
    other = OtherMind(levels=(0.25, 1.25, 9), stars=(0.3, 0.6))
    users = build(world, other, threshold=0.0)
    pages = pages_of(world)
    users.decide(pages)
    below = probability(users.rating_log_odds(pages, np.array([0]), np.array([0])))[:, 0]
    np.testing.assert_allclose(below, [0.3, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], atol=1e-6)


def test_stars_follow_whoever_decided(world, middle):
    users = build(world, threshold=middle, audit=0.5)
    pages = pages_of(world)
    by_language = users.decide(pages).account.decided_by == LANGUAGE
    row = np.arange(len(pages.page))
    stars = users.rating_log_odds(pages, row * SLOTS, row)
    own = world.users.rating_log_odds(pages, row * SLOTS, row)
    assert np.array_equal((stars == own).all(axis=0), ~by_language)


def test_pages_that_need_no_answer_are_ready_at_once_and_the_others_as_they_come(world, middle):
    users = build(world, SlowMind(), threshold=middle, audit=0.3)
    assert isinstance(users, AnswersLater)
    account = users.decide(pages_of(world)).account
    asked = np.isfinite(account.disagreement)
    assert account.decided_by.sum() < asked.sum() < len(asked)
    users.start(pages_of(world))
    assert np.array_equal(users.collect(), np.flatnonzero(~asked))
    later = [users.collect().item() for _ in range(asked.sum())]
    assert later == np.flatnonzero(asked)[::-1].tolist()
    with pytest.raises(ContractError):
        users.collect()


def test_a_language_side_that_answers_at_once_keeps_nobody_waiting(world):
    users = build(world, threshold=0.0)
    users.start(pages_of(world, rows=np.array([2, 5])))
    assert users.collect().tolist() == [2, 5]
    with pytest.raises(ContractError, match="expected start"):
        users.collect()


def test_pages_that_were_started_are_decided_as_at_once(world, middle):
    users = build(world, SlowMind(), threshold=middle, audit=0.3)
    whole = users.decide(pages_of(world))
    users.start(pages_of(world))
    some = np.array([1, 4, 6])
    part = users.decide(pages_of(world, rows=some))
    assert np.array_equal(part.click_log_odds, whole.click_log_odds[some])
    assert np.array_equal(part.account.disagreement, whole.account.disagreement[some], equal_nan=True)


def test_language_users_can_be_the_language_side(world, middle):
    model = FakeModel()
    other = build_users(model, world.catalog, world.population)
    check_user_model(build(world, other, threshold=middle, audit=0.3), world.catalog, world.population)
    before = len(model.asks)
    users = build(world, other, threshold=middle, audit=0.0)
    decided = users.decide(pages_of(world)).account.decided_by
    assert [int(ask.subject) for ask in model.asks[before:]] == world.population.user_id[decided == LANGUAGE].tolist()


def test_language_users_remember_pages_that_they_did_not_decide(world, middle):
    model = FakeModel()
    other = build_users(model, world.catalog, world.population)
    users = build(world, other, threshold=1.0, audit=0.0)
    pages = pages_of(world)
    users.decide(pages)
    users.update(pages, np.array([1]), np.array([0]), np.array([5], np.float32))
    assert not model.asks
    other.decide(pages_of(world, page=1))
    taken = world.catalog.title[pages.item_index[0, 1]]
    assert taken in "".join(part.text for part in model.asks[0].prompt.parts[2:-1])


def test_where_the_sides_come_from_is_told(world):
    told = build(world).provenance
    assert told["language"] == {"model": "other"}
    assert told["choice"].keys() == {"parameter_sources"}


@given(low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_lower_threshold_passes_on_the_same_pages_and_more(make_world, low, high):
    world = make_world(users=12)
    low, high = sorted([low, high])
    few, more = (build(world, threshold=limit, audit=0.0).decide(pages_of(world)).account.decided_by for limit in (high, low))
    assert (few <= more).all()


@pytest.mark.parametrize("settings", [{"threshold": -0.1}, {"audit": 1.5}, {"threshold": "half"}, {"audit": True}])
def test_parameters_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="expected a number from 0 to 1"):
        CascadeParameters.from_settings(settings)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ConfigError, match="got 'treshold', expected one of threshold, audit"):
        CascadeParameters.from_settings({"treshold": 0.2})


def test_an_audit_leaves_no_trace_in_the_memories_of_language_users(make_world):
    prompts = []
    for share in (0.0, 0.5):
        world, model = make_world(users=20), FakeModel()
        parameters = LanguageParameters.from_settings({"memory": {"recalled": 3}})
        language = LanguageUsers(world.catalog, world.population, model, parameters=parameters, seed=7)
        users, who = build(world, language, threshold=0.7, audit=share), np.arange(20)
        kernel = Kernel(users=users, user_id=world.population.user_id, rows=20, slate_size=SLOTS, max_pages=15)
        kernel.begin(ALL_ROWS, who, np.zeros_like(who), kernel.dice(who, np.zeros_like(who), seed_words([5])))
        items = np.random.default_rng(0)
        decided = [
            kernel.step(np.stack([items.permutation(60)[:SLOTS] for _ in who])).decisions.account.decided_by for _ in range(15)
        ]
        prompts.append((np.array(decided), {ask.nonce: text for ask, text in zip(model.asks, model.texts, strict=True)}))
    (decided, plain), (decided_too, audited) = prompts
    assert np.array_equal(decided, decided_too)
    assert 0 < len(plain) < len(audited)
    assert {nonce: audited[nonce] for nonce in plain} == plain


def test_bounds_are_those_of_either_model(world):
    catalog, people = world.catalog, world.population
    model = FakeModel()
    language = LanguageUsers(catalog, people, model, parameters=LanguageParameters(), seed=1)
    users = build(world, language, threshold=0.1)
    bounds, choice, other = users.bounds(), world.users.bounds(), language.bounds()
    assert bounds.satisfaction == (min(choice.satisfaction.low, other.satisfaction.low), other.satisfaction.high)
    assert bounds.taste_displacement == choice.taste_displacement
    assert np.isinf(build(world).bounds().satisfaction.high)


def test_no_page_of_a_cascade_leaves_its_bounds(world):
    language = LanguageUsers(world.catalog, world.population, FakeModel(), parameters=LanguageParameters(), seed=1)
    users, told = browse(world, other=language, threshold=0.2)
    bounds = users.bounds()
    for feedback in told:
        for name, values in (
            ("click_log_odds", feedback.decisions.click_log_odds),
            ("satisfaction", feedback.mood.satisfaction),
            ("leave_log_odds", feedback.mood.leave_log_odds),
            ("return_log_odds", users.return_log_odds(ALL_ROWS)),
        ):
            assert getattr(bounds, name).holds(values.min(), values.max()), name
