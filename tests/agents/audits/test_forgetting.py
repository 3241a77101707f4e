"""Forgetting: a recommender that keeps whom it was to forget is found, and one that does not is not."""

import numpy as np
import pytest

from recsim_llm.agents.audits import forgetting
from recsim_llm.agents.audits.top_lists import average_overlap, exposure_distance, footrule
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.recommenders import ItemKNN, MatrixFactorization
from recsim_llm.testing import check_recommender
from recsim_llm.testing.unforgetting import Unforgetting

FEW = {"users": 12, "others": 20, "page_size": 5}


def shop(seed, users=48, items=40):
    """Return users of four tastes who took 10 of 40 things each, mostly of their own."""
    random = np.random.default_rng(seed)
    weight = np.where(np.arange(items) % 4 == np.arange(users)[:, None] % 4, 8.0, 1.0)
    taken = [random.choice(items, 10, replace=False, p=row / row.sum()) for row in weight]
    ratings = Ratings(
        user_id=np.repeat(np.arange(users), 10),
        item_id=np.concatenate(taken),
        rating=np.full(users * 10, 4.0, np.float32),
        timestamp=np.tile(np.arange(10), users),
    )
    catalog = Catalog.from_columns(
        item_id=np.arange(items),
        title=[f"Thing {n}" for n in range(items)],
        genres=[["Tools"]] * items,
        popularity=np.ones(items),
    )
    return Dataset(name="shop", catalog=catalog, ratings=ratings)


def keeping(**settings):
    return lambda: Unforgetting(Unforgetting.Settings(**settings))


def found(result):
    """Return whose pages lean beyond any doubt to having seen the forgotten."""
    return {one.who for one in result.askings if one.kept.low is not None and one.kept.low > 0}


class Refitted(MatrixFactorization):
    """Forgets by itself, by a fit with another seed; or only says so."""

    obeys = True

    def fit(self, catalog, ratings, seed):
        self.fitted_to = catalog, ratings, seed
        super().fit(catalog, ratings, seed)

    def forget(self, user_id):
        catalog, ratings, seed = self.fitted_to
        if self.obeys:
            self.fit(catalog, ratings.take(~np.isin(ratings.user_id, user_id)), seed + 1)


class Deaf(Refitted):
    obeys = False


def test_whoever_keeps_the_forgotten_is_found_and_whoever_forgets_is_not():
    """Seeds other than those that the audit was made with; with nothing kept every page is the same as never having seen."""
    for seed in (201, 202, 203, 204, 205):
        kept, forgot = (forgetting(keeping(share=share), shop(seed), seed=seed, **FEW) for share in (1.0, 0.0))
        assert found(kept) == {"named", "taste", "others"}
        assert kept.exposure.value == kept.had_exposure.value > 0
        assert found(forgot) == set()
        for keeps, clean in zip(kept.askings, forgot.askings, strict=True):
            assert keeps.kept == keeps.had == clean.had
            assert keeps.guessed.value > 0.7
            assert (clean.kept.value, clean.guessed.value, clean.agreement.value, clean.rank_distance.value) == (0, 0.5, 1, 0)
        assert (forgot.exposure.value, forgot.way, forgot.users, forgot.asks) == (0, "fit", 12, 5 * 44)


def test_what_is_kept_as_that_of_strangers_shows_where_no_name_is_asked_for():
    result = forgetting(keeping(names=False), shop(301), seed=301, **FEW)
    assert found(result) >= {"taste", "others"}
    named, taste, _ = result.askings
    assert named.guessed.value == 0.5 < taste.guessed.value - 0.1


def test_a_recommenders_own_way_to_forget_is_taken_and_checked():
    small = MatrixFactorization.Settings(factors=4, iterations=3)
    clean, deaf = (forgetting(lambda kind=kind: kind(small), shop(302), seed=302, **FEW) for kind in (Refitted, Deaf))
    assert clean.way == deaf.way == "forget"
    assert "named" in found(deaf)
    # Another seed gives other pages, which remember nobody.
    assert found(clean) == set()
    assert clean.askings[2].agreement.value < 1


def test_what_cannot_be_audited_is_said_in_one_line():
    with pytest.raises(ConfigError, match="got 0 users, 9 others"):
        forgetting(ItemKNN, shop(1), seed=1, users=0, others=9)
    with pytest.raises(DataError, match="got 3 users with two ratings"):
        forgetting(ItemKNN, shop(1, users=3), seed=1)


def test_the_planted_recommender_keeps_the_contract():
    check_recommender(keeping())


def test_top_lists_are_compared_as_the_formulas_say():
    one, other = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3]]), np.array([[1, 2, 3], [2, 1, 9], [7, 8, 9]])
    # Second row: nothing in common at depth 1, both at depth 2, two of three at depth 3.
    assert average_overlap(one, other).tolist() == pytest.approx([1, (0 + 1 + 2 / 3) / 3, 0])
    # Ranks of 1 and 2 differ by one each; 3 and 9 each stand third and would stand fourth: 4 of 12.
    assert footrule(one, other).tolist() == pytest.approx([0, 4 / 12, 1])
    assert exposure_distance(one, other, 10).value == pytest.approx(4 / 9)
