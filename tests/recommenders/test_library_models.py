"""Models of other libraries as recommenders: the same numbers for any number of threads, seeds from fit, faults in one line."""

import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest
from implicit.bpr import BayesianPersonalizedRanking
from implicit.lmf import LogisticMatrixFactorization
from implicit.nearest_neighbours import CosineRecommender
from lenskit.data import ItemList, RecQuery
from lenskit.knn import ItemKNNScorer
from lenskit.pipeline import Component, PipelineBuilder, topn_pipeline
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from small_data import ask_for, fitted, make_catalog, make_ratings
from threadpoolctl import threadpool_limits

from recsim_llm.errors import ConfigError, PlugInError
from recsim_llm.recommenders import (
    ALS,
    ImplicitRecommender,
    LensKitRecommender,
    MatrixFactorization,
    SklearnRecommender,
    open_recommender,
)
from recsim_llm.recommenders.sklearn_estimators import _columns
from recsim_llm.testing import check_recommender, small_world


class Probe(Component[ItemList]):
    """A scorer that keeps what it was asked, and scores the first two of the items."""

    config: None
    asked: ClassVar[list[RecQuery]] = []

    def __call__(self, query: RecQuery, items: ItemList) -> ItemList:
        self.asked.append(query)
        return ItemList(item_ids=items.ids()[:2], scores=np.array([1.0, 2.0]))


class Failing(Component[ItemList]):
    """A scorer that crashes."""

    config: None

    def __call__(self, query: RecQuery, items: ItemList) -> ItemList:
        raise RuntimeError("no score today")


def forest():
    return SklearnRecommender(RandomForestClassifier(5, max_depth=3, n_jobs=2))


def few_factors(threads):
    return ImplicitRecommender(BayesianPersonalizedRanking(factors=4, iterations=20, num_threads=threads, random_state=threads))


GIVEN = {
    "bpr": lambda: few_factors(2),
    "logistic factors": lambda: ImplicitRecommender(LogisticMatrixFactorization(factors=4, iterations=5)),
    "cosine": lambda: ImplicitRecommender(CosineRecommender(K=10)),
    "item neighbours": lambda: LensKitRecommender(topn_pipeline(ItemKNNScorer(feedback="implicit"))),
    "probe": lambda: LensKitRecommender(topn_pipeline(Probe())),
    "forest": forest,
    "ridge": lambda: SklearnRecommender(Ridge()),
    "support vectors": lambda: SklearnRecommender(make_pipeline(StandardScaler(), LinearSVC())),
}


@pytest.mark.parametrize("build", GIVEN.values(), ids=GIVEN)
def test_a_model_of_a_library_keeps_the_contract(build):
    check_recommender(build)


@pytest.mark.parametrize("name", ["als", "bpr", "lenskit", "sklearn"])
def test_the_number_of_threads_changes_no_score(name):
    world, scores = small_world(60, 80), []
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            scores.append(fitted(open_recommender(name), world)._score(ask_for(world[1].users)))
    assert np.array_equal(*scores)


def test_neither_threads_nor_seed_of_the_given_model_count_but_the_seed_of_fit_does():
    world = small_world()
    requests = ask_for(world[1].users)
    one, two, other = few_factors(1), few_factors(2), few_factors(1)
    for recommender, seed in ((one, 3), (two, 3), (other, 4)):
        recommender.fit(*world, seed)
    assert np.array_equal(one._score(requests), two._score(requests))
    assert not np.array_equal(one._score(requests), other._score(requests))


def test_a_second_fit_forgets_the_first_and_leaves_the_given_model_alone():
    world, model = small_world(), BayesianPersonalizedRanking(factors=4, iterations=5)
    again = fitted(ImplicitRecommender(model), small_world(10, 60))
    assert model.item_factors is None
    requests = ask_for(world[1].users)
    assert np.array_equal(fitted(again, world)._score(requests), fitted(ImplicitRecommender(model), world)._score(requests))


def test_als_minimises_what_mf_minimises():
    world = small_world()
    settings = {"factors": 5, "regularization": 2.0, "weight": 3.0, "iterations": 60}
    scores = [
        fitted(kind(kind.Settings(**settings)), world)._score(ask_for(world[1].users)) for kind in (ALS, MatrixFactorization)
    ]
    assert np.corrcoef(scores[0].ravel(), scores[1].ravel())[0, 1] > 0.98
    assert np.abs(scores[0] - scores[1]).mean() < 0.05


def test_users_whom_pairwise_factors_do_not_know_get_the_most_popular_items_whatever_they_click():
    world = small_world()
    shown = world[0].item_id[[3, 7, 11]][None]
    page = fitted(few_factors(1), world).recommend(ask_for([999], shown, np.ones((1, 3))), 4).item_id
    popular = fitted(open_recommender("popularity"), world).recommend(ask_for([999], shown, np.ones((1, 3))), 4).item_id
    assert np.array_equal(page, popular)


def test_lenskit_is_told_the_latest_stars_and_the_clicks_of_the_run():
    ratings = make_ratings([1, 1, 2, 1], [10, 11, 12, 10])
    ratings.rating[:] = [1, 3, 4, 2]  # the mean is 2.5, and user 1 gave item 10 two stars in the end
    recommender = fitted(LensKitRecommender(topn_pipeline(Probe())), (make_catalog(6), ratings))
    requests = ask_for([1, 9], [[13, 14, 15], [13, -1, -1]], [[True, True, False], [False, False, False]])
    requests.history_rating[:] = [[5, np.nan, np.nan]] * 2
    requests.history_rating[1] = np.nan
    Probe.asked.clear()
    page = recommender.recommend(requests, 3).item_id
    first, second = Probe.asked
    assert first.user_id == 1
    assert dict(zip(first.history_items.ids().tolist(), first.history_items.field("rating").tolist(), strict=True)) == {
        10: 2.0,
        11: 3.0,
        13: 5.0,
        14: 2.5,
    }
    assert len(second.history_items) == 0
    # Items 10 and 11 have scores; for the new user they come first, then what is popular.
    assert page[1].tolist() == [11, 10, 12]


def test_a_crash_inside_a_library_is_named_as_such():
    recommender = fitted(LensKitRecommender(topn_pipeline(Failing())), small_world())
    with pytest.raises(
        PlugInError, match=r"^LensKit pipeline, scorer: got .*no score today.*expected an item list with scores$"
    ):
        recommender.recommend(ask_for([1]), 3)
    with pytest.raises(PlugInError, match=r"^scikit-learn estimator, fit: got .*expected one that learns"):
        fitted(SklearnRecommender(LogisticRegression(C=-1.0)), small_world())


def test_the_columns_of_an_estimator_are_those_of_its_docstring():
    item, mean = np.array([[1.0, 2.0]]), np.array([[0.5, 0.25]])
    expected = [1, 2, np.log(4), 0.5, 0.25, np.log(6), 0.5, 0.5, 1.0]
    assert np.allclose(_columns(item, np.array([3]), mean, np.array([5])), [expected])


def test_an_estimator_learns_of_a_pair_as_if_it_were_not_there():
    catalog, ratings = small_world()
    whole = fitted(SklearnRecommender(Ridge()), (catalog, ratings))
    for pair in (0, 17):
        rest = fitted(SklearnRecommender(Ridge()), (catalog, ratings.take(np.arange(len(ratings)) != pair)))
        row = whole._known.user_rows(ratings.user_id[[pair]])
        item = catalog.index_of(ratings.item_id[[pair]])
        assert np.allclose(whole._pairs(row, item, own=1), rest._pairs(row, item, own=0))


def test_no_pair_is_a_consumption_and_none_at_once():
    recommender = fitted(SklearnRecommender(Ridge()), small_world())
    matrix = recommender._known.matrix
    row, item = recommender._not_consumed(*(column.astype(np.int64) for column in matrix.nonzero()))
    assert len(row) > matrix.nnz
    assert not matrix.toarray()[row, item].any()


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("lenskit", {"scorer": "lenskit.als:Nothing"}, "LensKit scorer 'lenskit.als:Nothing': got no 'Nothing'"),
        (
            "lenskit",
            {"scorer": "recsim_llm.core.catalog:Catalog"},
            "LensKit: scorer: got 'recsim_llm.core.catalog:Catalog', expected the class of a component",
        ),
        ("lenskit", {"config": {"epoch": 3}}, "LensKit: config: got unknown key 'epoch', .*did you mean 'epochs'"),
        ("lenskit", {"config": {"epochs": "many"}}, "LensKit: config: epochs: got 'many', expected a whole number"),
        (
            "sklearn",
            {"estimator": "recsim_llm.core.catalog:Catalog"},
            "Sklearn: estimator: got 'recsim_llm.core.catalog:Catalog', expected the class of an",
        ),
        ("sklearn", {"estimator": "sklearn.cluster:KMeans"}, r"Sklearn: got .*KMeans.*, expected a classifier or a regressor"),
        ("sklearn", {"config": {"Cs": 3}}, "Sklearn: config: got unknown key 'Cs', expected one of .*did you mean 'C'"),
    ],
)
def test_what_a_library_does_not_take_is_refused_by_key_and_value(name, settings, said):
    with pytest.raises(ConfigError, match=said) as told:
        open_recommender(name, settings)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: ImplicitRecommender("als"), "ImplicitRecommender: got builtins.str, expected a factor model"),
        (lambda: LensKitRecommender(ItemKNNScorer()), "LensKitRecommender: got ItemKNNScorer, expected a pipeline of LensKit"),
        (
            lambda: LensKitRecommender(PipelineBuilder().build()),
            "LensKitRecommender: got a pipeline with .*also items, query, sc",
        ),
        (lambda: SklearnRecommender(StandardScaler()), r"SklearnRecommender: got StandardScaler\(\), expected a classifier or"),
        (lambda: SklearnRecommender(Ridge), "SklearnRecommender: got .*Ridge.*, expected a classifier or a regressor"),
    ],
)
def test_an_adapter_refuses_what_is_no_model_of_its_library(build, said):
    with pytest.raises(ConfigError, match=said):
        build()


@pytest.mark.parametrize(
    ("name", "package"), [("als", "implicit"), ("bpr", "implicit"), ("lenskit", "lenskit"), ("sklearn", "sklearn")]
)
def test_a_missing_package_is_said_in_one_line_with_the_extra_that_has_it(name, package, monkeypatch):
    for module in [module for module in sys.modules if f"{module}.".startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"got no package '{package}', .*'recommenders'.*pip install") as told:
        open_recommender(name)
    assert "\n" not in str(told.value)


def test_no_library_is_imported_before_it_is_used():
    heavy = ("implicit", "lenskit", "sklearn", "torch", "pandas")
    code = f"import sys, recsim_llm.recommenders; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
