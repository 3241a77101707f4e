"""Arms that are retrained in the middle of a run: what they change, and where the time for it never comes."""

import numpy as np
import pytest
from living import living

from recsim_llm.errors import ConfigError
from recsim_llm.log import open_run
from recsim_llm.scenarios import load_scenario, run

SMALL = {"users.count": 40, "max_pages": 5, "slate_size": 5, "visits": 2, "seed": 3, "users.parameters": {"click_bias": 1.0}}


def arms(*retrain):
    return ["popularity", *({"name": f"again {every}", "recommender": "popularity", "retrain": every} for every in retrain)]


def test_a_retrained_arm_goes_on_otherwise_from_its_first_fit_on(tmp_path):
    folder = run(load_scenario("demo", SMALL | {"recommenders": arms("visit", 2)}), tmp_path / "run")
    log = open_run(folder)

    def pages(arm):
        columns = log.columns("impressions", ["user_id", "visit", "page", "position", "item_id"], arm=arm)
        order = np.lexsort([columns[name] for name in ("position", "page", "visit", "user_id")])
        return {name: column[order] for name, column in columns.items()}

    plain, by_visit, by_pages = (pages(arm) for arm in ("popularity", "again visit", "again 2"))

    def shown(columns, visit, below):
        some = (columns["visit"] == visit) & (columns["page"] < below)
        return columns["item_id"][some].tolist()

    assert shown(plain, 0, 9) == shown(by_visit, 0, 9)
    assert shown(plain, 1, 1) != shown(by_visit, 1, 1)
    assert shown(plain, 0, 2) == shown(by_pages, 0, 2)
    assert shown(plain, 0, 9) != shown(by_pages, 0, 9)


@pytest.mark.parametrize(
    ("retrain", "changes", "said"),
    [
        ("visit", {"visits": 1}, "retrain: got 'visit' with one visit a user, .* pass --set visits=2 or more"),
        (
            2,
            {"barrier": "visit"},
            "retrain: got 2 pages with barrier 'visit', .*, expected 'visit'; or pass --set barrier=page",
        ),
        ("day", {}, "retrain: got 'day' with no clock, expected a clock of two days or more; add clock: {days: 30}"),
        ("day", {"clock": {"days": 1}}, "retrain: got 'day' with one day, expected a clock of two days or more; .*"),
        (10, {}, "retrain: got 10 pages, expected fewer than the 10 that a user sees at most"),
    ],
)
def test_fits_for_which_the_time_never_comes_are_refused(retrain, changes, said, tmp_path):
    with pytest.raises(ConfigError, match=f"^recommender 'again {retrain}', {said}"):
        run(load_scenario("demo", SMALL | {"recommenders": arms(retrain)} | changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_by_day_an_arm_goes_on_otherwise_from_the_second_day_on(tmp_path):
    changes = {"recommenders": arms("day"), "users.parameters.click_bias": 2.0, "train_share": 0.05}
    log = open_run(run(living(**changes), tmp_path / "run"))

    def shown(arm, days):
        visits = log.columns("visits", ["user_id", "visit", "day"], arm=arm)
        some = np.isin(visits["day"], days)
        keys = set(zip(visits["user_id"][some].tolist(), visits["visit"][some].tolist(), strict=True))
        columns = log.columns("impressions", ["user_id", "visit", "page", "position", "item_id"], arm=arm)
        rows = zip(*(columns[name].tolist() for name in columns), strict=True)
        return sorted(row for row in rows if row[:2] in keys)

    assert shown("popularity", [0]) == shown("again day", [0]) != []
    assert shown("popularity", [1, 2]) != shown("again day", [1, 2])


@pytest.mark.parametrize("wrong", [0, True, "page", 1.5])
def test_other_values_of_retrain_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"retrain: got .*, expected .*visit"):
        load_scenario("demo", SMALL | {"recommenders": arms(wrong)})


@pytest.mark.slow
def test_neighbours_fitted_anew_get_more_clicks(tmp_path):
    log = open_run(run(load_scenario("retraining", {"users.count": 200, "seed": 99}), tmp_path / "run"))

    def clicks(arm):
        columns = log.columns("visits", ["user_id", "clicks"], arm=arm)
        return np.bincount(columns["user_id"], weights=columns["clicks"])

    gain = clicks("item-knn retrained") - clicks("item-knn")
    gain = gain[clicks("item-knn") + clicks("item-knn retrained") > 0]
    assert gain.mean() > 1.96 * gain.std() / np.sqrt(len(gain))
