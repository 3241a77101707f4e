"""Users of several families: who has which taste, and that nothing else about them changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_fit import fit_choice
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Pages
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.population import TASTE_FAMILIES, draw_families

USERS, SLOTS = 90, 6
THREE = ("factors", "neighbours", "popularity")


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=USERS)


@pytest.fixture(scope="module")
def fit(dataset):
    return fit_choice(dataset, seed=2)


def make(dataset, fit, families, rows=None):
    parameters = replace(fit.model.parameters, families=families)
    people = fit.population if rows is None else fit.population.take(rows)
    users = ChoiceUsers(dataset.catalog, people, fit.model, parameters)
    users.allocate(len(people), SLOTS)
    users.begin(ALL_ROWS, np.arange(len(people)), False)
    return users


def browse(users, who, pages=4):
    """Show pages of different items, of which everybody consumes the second; return all log-odds and satisfactions."""
    rows, told = np.arange(len(who)), []
    for page in range(pages):
        items = (who[:, None] * 7 + page * 31 + np.arange(SLOTS) * 11) % 1500
        shown = Pages(ALL_ROWS, rows, np.full(len(who), page), np.zeros(len(who), np.int64), items)
        log_odds = users.decide(shown).click_log_odds
        slot = rows * SLOTS + 1
        mood = users.update(shown, slot, rows, np.full(len(who), 4.0, np.float32))
        told += [log_odds, mood.satisfaction[:, None], mood.leave_log_odds[:, None]]
    return np.hstack(told)


def test_a_user_keeps_the_family_whoever_else_is_there_and_in_whatever_order_families_are_named():
    user_id = np.arange(3000) * 5 + 2
    everyone = np.array(TASTE_FAMILIES)[draw_families(user_id, TASTE_FAMILIES)]
    turned = TASTE_FAMILIES[::-1]
    np.testing.assert_array_equal(np.array(turned)[draw_families(user_id, turned)], everyone)
    np.testing.assert_array_equal(np.array(TASTE_FAMILIES)[draw_families(user_id[10:40], TASTE_FAMILIES)], everyone[10:40])
    without = tuple(name for name in TASTE_FAMILIES if name != "content")
    left = np.array(without)[draw_families(user_id, without)]
    np.testing.assert_array_equal(left[everyone != "content"], everyone[everyone != "content"])


def test_families_are_drawn_about_equally_often():
    shares = np.bincount(draw_families(np.arange(20_000), TASTE_FAMILIES), minlength=5) / 20_000
    np.testing.assert_allclose(shares, 0.2, atol=0.01)


def test_users_of_several_families_do_as_the_users_of_each_family_alone(dataset, fit):
    who = np.arange(USERS)
    mixed = browse(make(dataset, fit, THREE), who)
    family = draw_families(fit.population.user_id, THREE)
    assert len(set(family.tolist())) == 3
    for place, name in enumerate(THREE):
        alone = browse(make(dataset, fit, (name,)), who)
        np.testing.assert_array_equal(mixed[family == place], alone[family == place])
        assert (mixed[family != place] != alone[family != place]).any(axis=1).all()


def test_a_user_of_a_family_does_the_same_in_any_batch(dataset, fit):
    who = np.arange(USERS)
    some = who[7::11]
    np.testing.assert_array_equal(browse(make(dataset, fit, THREE, some), some), browse(make(dataset, fit, THREE), who)[some])


def test_the_oracle_is_told_the_taste_of_each_users_own_family(dataset, fit):
    users = make(dataset, fit, THREE)
    items = np.arange(USERS)[:, None] * 3 + np.arange(SLOTS)
    shown = Pages(ALL_ROWS, np.arange(USERS), np.zeros(USERS, np.int64), np.zeros(USERS, np.int64), items)
    appeal = np.take_along_axis(users.appeal(ALL_ROWS), items, axis=1)
    np.testing.assert_allclose(appeal, users.decide(shown).click_log_odds, atol=1e-4)
    rows = np.array([4, 50, 9])
    np.testing.assert_array_equal(users.copy_rows(rows).appeal(ALL_ROWS), users.appeal(rows))


def test_what_users_of_families_do_stays_within_the_bounds_that_they_declare(dataset, fit):
    users = make(dataset, fit, THREE)
    told = browse(users, np.arange(USERS), pages=6).reshape(USERS, 6, SLOTS + 2)
    bounds = users.bounds()
    assert bounds.click_log_odds.holds(told[..., :SLOTS].min(), told[..., :SLOTS].max())
    assert bounds.satisfaction.holds(told[..., SLOTS].min(), told[..., SLOTS].max())
    assert bounds.leave_log_odds.holds(told[..., SLOTS + 1].min(), told[..., SLOTS + 1].max())


def test_a_fit_without_families_is_refused_in_one_line(dataset, fit):
    bare = fit._replace(model=replace(fit.model, families={}))
    with pytest.raises(ConfigError, match=r"families with 'factors', expected users of a fit that has it; fit again"):
        make(dataset, bare, THREE)


def test_synthetic_users_have_families_too(dataset, fit):
    people = fit.joint.sample(40, seed=3, first_user_id=5000)
    parameters = replace(fit.model.parameters, families=THREE)
    users = ChoiceUsers(dataset.catalog, people, fit.model, parameters)
    users.allocate(40, SLOTS)
    users.begin(ALL_ROWS, np.arange(40), False)
    assert np.isfinite(users.appeal(ALL_ROWS)).all()
