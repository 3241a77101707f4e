"""What a log tells of behaviour: what was planted comes out, what is not told stays as it was and says so."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from planted_sessions import PlantedUsers, planted_log

from recsim_llm.agents.browsing.log_normal import draw_log_normal
from recsim_llm.agents.browsing.untold import Untold
from recsim_llm.agents.choice.choice_fit import fit_choice
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.log_behaviour import fit_log_behaviour, with_behaviour
from recsim_llm.agents.choice.log_readers import LogReaders
from recsim_llm.agents.choice.parameter_sources import parameter_sources
from recsim_llm.agents.choice.saved_fits import save_fitted
from recsim_llm.agents.worlds import choice_world
from recsim_llm.cli.main import main
from recsim_llm.core.dice import seed_words
from recsim_llm.core.exposures import Exposures
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.log import open_exposures
from recsim_llm.log.manifest import read_manifest
from recsim_llm.report import write_report
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.statistics.intervals import share_estimate


@pytest.fixture(scope="module")
def log():
    return planted_log(users=250, sessions=3, seed=4)


@pytest.fixture(scope="module")
def told(log):
    return fit_log_behaviour(log, seed=1, intervals=False)


@pytest.fixture(scope="module")
def dataset():
    whole = fictional.load(n_users=60)
    return replace(whole, ratings=whole.ratings.take(np.arange(len(whole.ratings)) % 2 == 0))


@pytest.fixture(scope="module")
def fitted(dataset):
    return fit_choice(dataset, seed=3)


@pytest.fixture(scope="module")
def users(dataset, fitted, told):
    return with_behaviour(fitted, told, dataset)


def play(dataset, fitted, *, visits=150, pages=6, slots=10):
    """Return rows reached and left by page, and the dwell times of clicks, of many visits on random pages."""
    people = fitted.population
    model = ChoiceUsers(dataset.catalog, people, fitted.model)
    kernel = Kernel(users=model, user_id=people.user_id, rows=len(people), slate_size=slots, max_pages=pages)
    who, random = np.arange(len(people)), np.random.default_rng(0)
    reached, left, dwell = np.zeros(pages), np.zeros(pages), []
    for visit in range(visits):
        number = np.full(len(who), visit)
        kernel.begin(ALL_ROWS, who, number, kernel.dice(who, number, seed_words([7])))
        there = who
        for page in range(pages):
            items = np.tile(random.choice(len(dataset.catalog), slots, replace=False), (len(there), 1))
            done = kernel.step(items, there)
            reached[page] += len(there)
            left[page] += done.left.sum()
            dwell.append(done.dwell)
            there = there[~done.left]
            if not there.size:
                break
    return left / reached, np.concatenate(dwell)


def test_the_hazards_of_the_log_come_out_of_users_of_unequal_patience(dataset, users, told):
    hazards, _ = play(dataset, users)
    expected = [hazard.value for hazard in told.leaving.hazard[:4]]
    np.testing.assert_allclose(expected, PlantedUsers.leave[:4], atol=0.08)
    np.testing.assert_allclose(hazards[:4], expected, atol=0.04)


def test_users_stay_as_long_as_the_people_of_the_log(dataset, users):
    _, dwell = play(dataset, users, visits=40)
    np.testing.assert_allclose(np.quantile(dwell, (0.25, 0.5, 0.75)), np.exp(3.0 + np.array([-0.674, 0, 0.674])), rtol=0.15)


def test_pages_are_read_as_far_down_as_those_of_the_log(users):
    parameters = users.model.parameters
    table = parameters.examination_table
    column = np.array(parameters.position_curve if table is None else [row[0] for row in table])
    np.testing.assert_allclose(column[:5] / column[0], 0.75 ** np.arange(5), atol=0.12)


def test_every_parameter_says_where_it_comes_from(users, log):
    table = parameter_sources(users.model, users.model.parameters)
    assert set(table) == set(asdict(users.model.parameters)) - {"price"}  # Not told while nobody weighs prices.
    assert table["leave_by_page"]["fitted_on"] == {"name": log.name, "fingerprint": log.fingerprint, "rows": len(log)}
    ends = zip(*(table["leave_by_page"][name] for name in ("low", "value", "high")), strict=True)
    assert all(low < value < high for low, value, high in ends)
    assert table["boredom"] == {"value": 0.6, "source": "assumed"}
    set_anew = replace(users.model.parameters, leave_by_page=(0.0,), boredom=1.0)
    again = parameter_sources(users.model, set_anew)
    assert again["leave_by_page"] == {"value": [0.0], "source": "set"}
    assert again["boredom"]["source"] == "set"


def test_the_time_between_visits_is_told_and_not_used(log, dataset, fitted):
    log = log.take((log.user_id % 3 > 0) | (log.session < 250))
    dated = replace(log, timestamp=1e9 + 7200.0 * log.session + 10.0 * log.page)
    users = with_behaviour(fitted, fit_log_behaviour(dated, seed=1, intervals=False), dataset)
    table = parameter_sources(users.model, users.model.parameters)
    assert "hours (quartiles): told and not used" in table["return_base"]["note"]
    undated = with_behaviour(fitted, fit_log_behaviour(log, seed=1, intervals=False), dataset)
    assert users.model.parameters == undated.model.parameters


def test_pages_that_all_have_a_click_do_not_tell_what_clicks_change(log, dataset, fitted):
    clicked = log.position == 0
    told = fit_log_behaviour(replace(log, clicked=clicked, dwell=None), seed=1, intervals=False)
    users = with_behaviour(fitted, told, dataset)
    source = parameter_sources(users.model, users.model.parameters)["leave_relief"]
    assert source["value"] == 0.0
    assert source["source"] == "assumed"
    assert "as many clicks as the usual one" in source["note"]


def test_a_layout_is_read_as_its_own_log_tells_and_no_other(log, dataset, fitted, users, tmp_path):
    flat = replace(log, layout="grid", clicked=np.random.default_rng(1).random(len(log)) < 0.15)
    grid = with_behaviour(fitted, fit_log_behaviour(flat, seed=1, intervals=False), dataset)
    deep = [reach(one.model.parameters) for one in (grid, users)]
    assert deep[0] > 0.8
    assert deep[1] < 0.4
    assert parameter_sources(grid.model, grid.model.parameters)["layout"]["fitted_on"]["name"] == log.name
    save_fitted(grid, tmp_path / "grid")
    named = {"layout": "grid"}
    world = choice_world(dataset, seed=1, fitted=tmp_path / "grid", parameters=named)
    assert reach(world.users.parameters) == deep[0]
    assert world.users.provenance["parameter_sources"]["layout"]["value"] == "grid"
    for other in ({"layout": "carousel"}, {"layout": "list"}):
        with pytest.raises(ConfigError, match=f"choice parameter 'layout': got '{other['layout']}', expected 'grid'"):
            choice_world(dataset, seed=1, fitted=tmp_path / "grid", parameters=other)
    own = {"layout": "list", "position_curve": [1.0] * 10, "examination_table": None}
    by_hand = choice_world(dataset, seed=1, fitted=tmp_path / "grid", parameters=own)
    assert by_hand.users.parameters.layout == "list"


def test_a_run_shows_the_layout_that_its_scenario_names(log, dataset, fitted, tmp_path):
    told = fit_log_behaviour(replace(log, layout="grid"), seed=1, intervals=False)
    save_fitted(with_behaviour(fitted, told, dataset), tmp_path / "grid")
    plan = {"recommenders": ["random"], "users.count": 20, "users.fitted": str(tmp_path / "grid"), "seed": 1, "max_pages": 3}
    shown = open_exposures(run(load_scenario("demo", plan | {"users.parameters.layout": "grid"}), tmp_path / "run"))
    assert shown.layout == "grid"
    assert open_exposures(tmp_path / "run", layout="list").layout == "list"


def test_users_who_were_fitted_to_no_log_read_lists(dataset):
    with pytest.raises(ConfigError, match="got 'grid', expected 'list'"):
        choice_world(dataset, seed=1, parameters={"layout": "grid"})
    with pytest.raises(ConfigError, match="'layout'"):
        choice_world(dataset, seed=1, parameters={"layout": "heap"})


def reach(parameters):
    """Return how much of the first position's examination the fifth has, without a click above."""
    table = parameters.examination_table
    column = parameters.position_curve if table is None else [row[0] for row in table]
    return column[4] / max(column)


def test_a_log_without_positions_tells_no_reading_and_leaves_clicks_as_they_were(log, dataset, fitted):
    blind = replace(log, position=np.full(len(log), -1))
    users = with_behaviour(fitted, fit_log_behaviour(blind, seed=1), dataset)
    assert users.model.click_bias == fitted.model.click_bias
    assert users.model.parameters.examination_table is users.model.parameters.position_curve is None
    assert "where on a page" in parameter_sources(users.model, users.model.parameters)["click_rate"]["note"]


def test_sessions_of_one_page_tell_nothing_of_leaving(log, dataset, fitted):
    told = fit_log_behaviour(log.take(log.page == 0), seed=1, intervals=False)
    assert told.leaving == Untold("every session of the log has one page")
    parameters = with_behaviour(fitted, told, dataset).model.parameters
    assert parameters.leave_by_page is None
    assert parameters.leave_start == ChoiceParameters.leave_start


def test_three_rows_tell_nothing_at_all(dataset, fitted):
    three = Exposures(
        name="three",
        user_id=np.array([1, 1, 2]),
        session=np.array([0, 0, 1]),
        page=np.array([0, 1, 0]),
        position=np.array([0, 0, 0]),
        item_id=np.array([9, 8, 9]),
        clicked=np.array([True, False, True]),
    )
    users = with_behaviour(fitted, fit_log_behaviour(three, seed=1), dataset)
    assert users.model.parameters == fitted.model.parameters
    table = parameter_sources(users.model, users.model.parameters)
    assert {told["source"] for told in table.values()} == {"assumed"}
    assert {"click_rate", "leave_start", "dwell", "return_base"} <= {name for name, told in table.items() if "note" in told}


def test_readers_made_of_a_log_leave_and_stay_on_its_other_pages_as_its_people_do(log):
    half = np.isin(log.user_id, log.users[::2])
    training, rest = log.take(half), log.take(~half)
    browsed = LogReaders(training).browse(replace(rest, clicked=np.zeros(len(rest), np.bool_), dwell=None), seed=5)
    first = rest.pages.page == 0
    assert abs(browsed.leaves[first].mean() - PlantedUsers.leave[0]) < 0.08
    assert abs(browsed.clicked.mean() / rest.clicked.mean() - 1) < 0.15
    assert abs(np.median(browsed.dwell[browsed.clicked]) / np.exp(3.0) - 1) < 0.2
    assert np.isnan(browsed.dwell[~browsed.clicked]).all()


def test_answers_on_a_page_do_not_hang_on_a_wider_page_after_it(log):
    half = np.isin(log.user_id, log.users[::2])
    readers, rest = LogReaders(log.take(half)), log.take(~half)
    shown = rest.take((rest.page > 0) | (rest.position < 6))
    shown = replace(shown, clicked=np.zeros(len(shown), np.bool_), dwell=None)
    first = shown.page == 0
    whole, cut = readers.browse(shown, 5), readers.browse(shown.take(first), 5)
    np.testing.assert_array_equal(whole.clicked[first], cut.clicked)
    np.testing.assert_array_equal(whole.leaves[shown.pages.page == 0], cut.leaves)
    np.testing.assert_array_equal(whole.dwell[first], cut.dwell)
    assert cut.leaves.any()


def test_dice_give_the_mixture():
    parts = ((0.3, 1.0, 0.5), (0.7, 4.0, 1.0))
    times = draw_log_normal(parts, (np.arange(20_000) + 0.5) / 20_000)
    logs = np.log(times)
    np.testing.assert_allclose(logs.mean(), 0.3 * 1 + 0.7 * 4, atol=0.01)
    np.testing.assert_allclose(logs.var(), 0.3 * 0.25 + 0.7 + 0.21 * 9, atol=0.02)


PLANTED = {
    "examination_table": [[0.9**rank if last == 0 else 0.25 * 0.8 ** (rank - last) for last in range(6)] for rank in range(5)],
    "click_rate": 0.1,
    "leave_by_page": [-0.2, -1.2, -0.8, -1.5],
    "dwell": [[0.4, 1.5, 0.5], [0.6, 4.0, 0.8]],
}


def shares(log, number, happened, count):
    """Return an estimate by place, over users."""
    user = np.unique(number[0], return_inverse=True)[1]
    found = []
    for place in range(count):
        here = number[1] == place
        sums = [np.bincount(user[here], values, user.max() + 1).astype(float) for values in (happened[here], None)]
        found.append(share_estimate(*sums))
    return found


@pytest.mark.slow
def test_a_runs_own_log_gives_users_who_act_alike(tmp_path):
    small = {"recommenders": ["random"], "slate_size": 5, "max_pages": 12, "visits": 2}
    planted = {f"users.parameters.{name}": value for name, value in PLANTED.items()}
    run(load_scenario("demo", small | planted | {"seed": 5}), tmp_path / "one")
    assert (
        main(["fit", "fictional", str(tmp_path / "fit"), "--exposures", str(tmp_path / "one"), "--json", str(tmp_path / "j")])
        == 0
    )
    parameters = json.loads((tmp_path / "j").read_text())["parameters"]
    assert parameters["dwell"]["source"] == "fitted"
    second = run(load_scenario("demo", small | {"users.fitted": str(tmp_path / "fit"), "seed": 6}), tmp_path / "two")
    assert read_manifest(second)["user_model_provenance"]["parameter_sources"] == parameters
    assert "What the users' behaviour was fitted on" in write_report(second).read_text(encoding="utf-8")
    before, after = open_exposures(tmp_path / "one"), open_exposures(tmp_path / "two")
    ranks = [shares(log, (log.user_id, log.position), log.clicked, 5) for log in (before, after)]
    ends = [shares(log, (log.pages.user_id, log.pages.page), log.pages.last_of_session, 4) for log in (before, after)]
    for one, other in zip(ranks[0] + ends[0], ranks[1] + ends[1], strict=True):
        assert max(one.low, other.low) <= min(one.high, other.high), (one, other)
    quartiles = [np.nanquantile(log.dwell[log.clicked], (0.25, 0.5, 0.75)) for log in (before, after)]
    np.testing.assert_allclose(*quartiles, rtol=0.2)
