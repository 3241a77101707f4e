"""Choice users: each is alone with its pages, whoever else browses; and what they are made of must fit together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Pages
from recsim_llm.errors import ConfigError
from recsim_llm.testing import check_user_model

ITEMS, USERS = 6, 5


def page_of(items, rows=ALL_ROWS, user_index=None):
    items = np.atleast_2d(np.asarray(items))
    who = np.arange(len(items)) if user_index is None else np.asarray(user_index)
    return Pages(rows, who, np.zeros_like(who), np.zeros_like(who), items)


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
        shown += [column[:, None] for column in users.update(pages, slot, row, rating)]
        shown += [users.appeal(at), users.return_log_odds(at)[:, None]]
    return [b"".join(np.ascontiguousarray(part[row]).tobytes() for part in shown) for row in range(len(who))]


@pytest.mark.parametrize("width", [2, 5, 16, 31])
@pytest.mark.parametrize("company", [[13], [4, 90], [7, 8, 9, 10, 11], list(range(0, 97, 2)), list(range(96, -1, -1))])
def test_a_user_behaves_the_same_in_any_company_bit_for_bit(catalog, population, model, width, company):
    sizes = {"width": width, "wide": width + 2, "levels": 5}
    crowd, fitted = population(97, **sizes), model(40, **sizes)
    everybody = browse(ChoiceUsers(catalog(40), crowd, fitted), np.arange(97), np.arange(97))
    company = np.array(company)
    few = ChoiceUsers(catalog(40), crowd.take(company), fitted)
    assert browse(few, np.arange(len(company)), company) == [everybody[user] for user in company]
    same = ChoiceUsers(catalog(40), crowd, fitted)
    assert browse(same, company, company, rows=np.arange(len(company)) * 2 + 1) == [everybody[user] for user in company]


def test_the_contract_of_user_models_is_kept(catalog, population, model):
    check_user_model(ChoiceUsers(catalog(), population(), model()), catalog(), population())


def test_a_curve_shorter_than_the_slate_is_refused(tiny):
    with pytest.raises(ConfigError, match="position_curve: got 2 positions, expected at least 6"):
        tiny(position_curve=(1.0, 0.5))


def test_a_population_without_vectors_is_refused(catalog, population, model):
    bare = replace(population(), vectors={"click": np.zeros((USERS, 3), np.float32)})
    with pytest.raises(ConfigError, match="without cuts, noise, rating"):
        ChoiceUsers(catalog(), bare, model())


@pytest.mark.parametrize(("name", "width"), [("click", 4), ("rating", 1), ("cuts", 3), ("noise", 2)])
def test_a_population_of_another_fit_is_refused(catalog, population, model, name, width):
    people = population()
    other = replace(people, vectors={**people.vectors, name: np.zeros((USERS, width), np.float32)})
    with pytest.raises(ConfigError, match=f"got '{name}' vectors"):
        ChoiceUsers(catalog(), other, model())


def test_a_model_of_other_items_is_refused(catalog, population, model):
    other = replace(model(), item_id=np.arange(ITEMS) + 12)
    with pytest.raises(ConfigError, match="other items than the catalog"):
        ChoiceUsers(catalog(), population(), other)
