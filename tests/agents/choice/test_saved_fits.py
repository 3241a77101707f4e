"""Fits: from ratings to users, to a folder and back, and kept for next time."""

from __future__ import annotations

import ast
import json
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from recsim_llm.agents.choice import saved_fits as fitted_module
from recsim_llm.agents.choice.choice_fit import fit_choice, with_click_rate
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.saved_fits import fit_and_save, fitted_for, load_fitted, save_fitted
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import probability
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError, DataError, RunExistsError
from recsim_llm.population import TASTE_FAMILIES

GOLDEN = (
    *(-3.725888, 4.0, 1.039718, -0.549314, 1.015903, 3.843384, 0.457905, 2.806568, 0.599764),
    *(0.444987, 1.136783, 1.116961, 1.446369, 0.676853),
)
"""Of the fit of this file."""
TABLES = ("user_id", "traits", "taste")


@pytest.fixture(scope="module")
def dataset():
    """A few thousand ratings by sixty users."""
    whole = fictional.load(n_users=60)
    return replace(whole, ratings=whole.ratings.take(np.arange(len(whole.ratings)) % 2 == 0))


@pytest.fixture(scope="module")
def fit(dataset):
    return fit_choice(dataset, seed=3)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def same_fit(left, right):
    """Assert that two fits agree to the last bit."""
    for field in fields(left.model):
        if field.name != "families":
            np.testing.assert_array_equal(getattr(left.model, field.name), getattr(right.model, field.name))
    assert list(left.model.families) == list(right.model.families) == list(TASTE_FAMILIES)
    for name, taste in left.model.families.items():
        np.testing.assert_array_equal(taste.click_items, right.model.families[name].click_items)
        assert taste.click_bias == right.model.families[name].click_bias
    for name in TABLES:
        np.testing.assert_array_equal(getattr(left.population, name), getattr(right.population, name))
    assert left.population.genre_names == right.population.genre_names
    assert set(left.population.vectors) == set(right.population.vectors)
    for name, vector in left.population.vectors.items():
        np.testing.assert_array_equal(vector, right.population.vectors[name])
    samples = [side.joint.sample(7, seed=1, first_user_id=900) for side in (left, right)]
    np.testing.assert_array_equal(samples[0].traits, samples[1].traits)
    for name, vector in samples[0].vectors.items():
        np.testing.assert_array_equal(vector, samples[1].vectors[name])


def click_rate(dataset, fit, families=()):
    """Return the mean click probability of an examined item, over all users and all items."""
    parameters = replace(fit.model.parameters, families=families)
    users = ChoiceUsers(dataset.catalog, fit.population, fit.model, parameters)
    users.allocate(len(fit.population), 1)
    users.begin(ALL_ROWS, np.arange(len(fit.population)), False)
    return float(probability(users.appeal(ALL_ROWS)).mean(dtype=np.float64))


def test_users_and_items_of_a_fit_are_those_of_the_data(dataset, fit):
    np.testing.assert_array_equal(fit.population.user_id, dataset.ratings.users)
    np.testing.assert_array_equal(fit.model.item_id, dataset.catalog.item_id)
    np.testing.assert_array_equal(fit.model.levels, dataset.ratings.levels)
    assert fit.model.fitted_on == dataset.fingerprint
    ChoiceUsers(dataset.catalog, fit.population, fit.model)


def test_everything_fitted_is_finite_and_cuts_ascend(fit):
    for column in (fit.model.click_items, fit.model.rating_items, *fit.population.vectors.values()):
        assert column.dtype == np.float32
        assert np.isfinite(column).all()
    assert (np.diff(fit.population.vectors["cuts"], axis=1) >= 0).all()
    assert (fit.population.vectors["noise"] > 0).all()


def test_a_fit_is_a_function_of_data_and_seed(dataset, fit):
    same_fit(fit_choice(dataset, seed=3), fit)
    other = fit_choice(dataset, seed=4)
    assert (other.model.click_items != fit.model.click_items).any()


def test_users_prefer_what_they_consumed(dataset, fit):
    log_odds = fit.population.vectors["click"] @ fit.model.click_items.T
    consumed = np.zeros(log_odds.shape, np.bool_)
    consumed[dataset.ratings.user_index, dataset.catalog.index_of(dataset.ratings.item_id)] = True
    assert log_odds[consumed].mean() > log_odds[~consumed].mean() + 1


def test_the_click_rate_is_that_of_the_parameters(dataset, fit):
    assert click_rate(dataset, fit) == pytest.approx(fit.model.parameters.click_rate, rel=0.1)


@pytest.mark.parametrize("families", [(), ("popularity", "sequence")])
@pytest.mark.parametrize("rate", [0.002, 0.2])
def test_another_click_rate_is_solved_for(dataset, fit, rate, families):
    other = with_click_rate(fit, rate)
    assert other.model.parameters.click_rate == rate
    assert click_rate(dataset, other, families) == pytest.approx(rate, rel=0.15 if families else 0.1)
    np.testing.assert_array_equal(other.model.click_items, fit.model.click_items)


def test_half_star_levels_that_few_use_are_fitted(dataset):
    stars = dataset.ratings.rating.copy()
    stars[dataset.ratings.user_index == 2] -= 0.5
    fit = fit_choice(replace(dataset, ratings=replace(dataset.ratings, rating=stars)))
    assert len(fit.model.levels) == 10
    assert fit.population.vectors["cuts"].shape == (len(fit.population), 9)


def test_a_saved_fit_is_restored_exactly(fit, tmp_path):
    save_fitted(fit, tmp_path / "new" / "fit")
    same_fit(load_fitted(tmp_path / "new" / "fit"), fit)


def test_a_folder_without_a_fit_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"got no model\.npz, expected a folder written by `recsim-llm fit`"):
        load_fitted(tmp_path)


@pytest.mark.parametrize("name", ["population.parquet", "joint.npz", "model.npz"])
def test_a_fit_with_an_unreadable_part_is_refused(fit, tmp_path, name):
    save_fitted(fit, tmp_path)
    (tmp_path / name).write_bytes(b"torn")
    with pytest.raises(DataError, match=name):
        load_fitted(tmp_path)


@pytest.mark.parametrize("name", ["population.parquet", "joint.npz"])
def test_a_fit_with_a_part_missing_is_refused(fit, tmp_path, name):
    save_fitted(fit, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises((DataError, ConfigError), match=name):
        load_fitted(tmp_path)


@pytest.fixture
def stand_in(dataset, fit, monkeypatch):
    """Let the module's data and fit be those of this file; return the calls."""
    calls = []

    def fit_again(data, seed=0, **_):
        calls.append(seed)
        return fit

    monkeypatch.setattr(fitted_module, "fit_choice", fit_again)
    monkeypatch.setattr(fitted_module, "held_out_scores", lambda data, seed: {"RMSE": float(seed)})
    return calls


def test_fit_and_save_writes_a_fit_and_its_table(dataset, fit, stand_in, tmp_path):
    table = fit_and_save(dataset, tmp_path / "fit", seed=9)
    assert stand_in == [9]
    assert json.loads((tmp_path / "fit" / "fit.json").read_text()) == table
    assert {told["source"] for told in table.pop("parameters").values()} == {"assumed"}
    assert table == {"data": "fictional", "users": 60, "items": 1500, "ratings": len(dataset.ratings)}
    same_fit(load_fitted(tmp_path / "fit"), fit)


def test_fit_and_save_scores_if_asked(dataset, stand_in, tmp_path):
    assert fit_and_save(dataset, tmp_path / "fit", seed=9, held_out=True)["RMSE"] == 9.0


def test_fit_and_save_takes_an_empty_folder_and_no_other(dataset, stand_in, tmp_path):
    fit_and_save(dataset, tmp_path / "fit")
    with pytest.raises(RunExistsError, match="expected a new folder"):
        fit_and_save(dataset, tmp_path / "fit")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunExistsError, match="expected a new folder"):
        fit_and_save(dataset, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    fit_and_save(dataset, tmp_path / "empty")
    assert len(stand_in) == 2


def test_a_fit_is_kept_and_taken_up_again(dataset, cache, fit, stand_in):
    same_fit(fitted_for(dataset), fit)
    same_fit(fitted_for(dataset), fit)
    assert len(stand_in) == 1
    kept = list(cache.glob("*/fits/*"))
    assert [sorted(path.name for path in folder.iterdir()) for folder in kept] == [
        ["joint.npz", "model.npz", "population.parquet"]
    ]


def test_other_data_get_another_fit(dataset, cache, stand_in):
    fitted_for(dataset)
    fitted_for(replace(dataset, ratings=dataset.ratings.take(np.arange(len(dataset.ratings) - 1))))
    fitted_for(replace(dataset, demographics={"gender": {1: "F"}}))
    assert len(stand_in) == 3


def test_other_code_gets_another_fit(dataset, cache, stand_in, monkeypatch, tmp_path):
    fitted_for(dataset)
    code = tmp_path / "code"
    code.mkdir()
    for module in fitted_module.FIT_MODULES:
        (code / f"{module.rpartition('.')[2]}.py").write_text("pass")
    monkeypatch.setattr(fitted_module, "files", lambda package: code)
    fitted_for(dataset)
    assert len(stand_in) == 2
    (code / "bayes_factors.py").write_text("pass  # otherwise")
    fitted_for(dataset)
    assert len(stand_in) == 3


def test_another_release_of_numpy_or_scipy_gets_another_fit(dataset, cache, stand_in, monkeypatch):
    fitted_for(dataset)
    for changed in ("numpy", "scipy"):
        monkeypatch.setattr(fitted_module, "version", lambda name, changed=changed: "next" if name == changed else "0")
        fitted_for(dataset)
    assert len(stand_in) == 3


def imported_by(module):
    """Return the modules of the package that a module's source imports, anywhere in it."""
    tree = ast.parse(Path(find_spec(module).origin).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "recsim_llm":
            for name in node.names:
                inner = find_spec(f"{node.module}.{name.name}") if is_package(node.module) else None
                yield node.module if inner is None else f"{node.module}.{name.name}"
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "recsim_llm")


def is_package(module):
    return find_spec(module).submodule_search_locations is not None


def test_a_kept_fit_belongs_to_all_the_code_that_a_fit_executes_and_to_no_other():
    found, waiting = set(), {fit_choice.__module__}
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= set(imported_by(module)) - found
    assert [f"recsim_llm.{module}" for module in fitted_module.FIT_MODULES] == sorted(found)


def test_the_fit_gives_the_numbers_that_it_always_gave(fit):
    """Where this fails on purpose, kept fits are renewed, and the changelog says that results change."""
    model, vectors = fit.model, fit.population.vectors
    taste = vectors["click"][:5] @ model.click_items[:4].T
    size = np.sqrt(np.mean(np.square(vectors["click"], dtype=np.float64)))
    found = [model.click_bias, model.patience_median, size, taste.mean(), taste.std()]
    stars = vectors["rating"][:5] @ model.rating_items[:4].T
    found += [stars.mean(), stars.std(), vectors["cuts"].mean(), vectors["noise"].mean()]
    families = [vectors[f"click_{name}"][:5] @ taste.click_items[:4].T for name, taste in model.families.items()]
    found += [value.std() for value in families]
    np.testing.assert_allclose(found, GOLDEN, rtol=1e-4)


def test_a_fit_that_another_process_kept_first_is_taken(dataset, cache, fit, stand_in, monkeypatch):
    def fit_slowly(data, seed=0):
        monkeypatch.setattr(fitted_module, "fit_choice", lambda data: fit)
        fitted_for(dataset)
        return fit

    monkeypatch.setattr(fitted_module, "fit_choice", fit_slowly)
    same_fit(fitted_for(dataset), fit)
    assert len(list(cache.glob("*/fits/*"))) == 1
