"""Which click model, how sure its parameters, and what its table loses."""

import json

import numpy as np
import pytest
from planted_clicks import as_pages, clicked_by, planted, random_items

from recsim_llm.agents.browsing.click_comparison import compare_click_models
from recsim_llm.agents.browsing.click_intervals import parameter_intervals
from recsim_llm.agents.browsing.click_models import CLICK_MODELS, ClickModelSettings, fit_click_model
from recsim_llm.agents.browsing.clicked_pages import ClickedPages, join_pages, read_clicked_pages
from recsim_llm.agents.browsing.examination_tables import measure_table, play_table
from recsim_llm.core.exposures import Exposures
from recsim_llm.errors import ConfigError, DataError


def parts(name):
    """Return three parts of different users, clicked by a planted model."""
    pages = clicked_by(planted(name), random_items(9000))
    return [pages.take(np.arange(start, start + 3000)) for start in (0, 3000, 6000)]


@pytest.mark.parametrize("name", ["user-browsing", "dependent-click", "position-based"])
def test_the_model_that_clicked_forecasts_better_than_another(name):
    found = compare_click_models(*parts(name), names=["cascade", name])
    of = {score.name: score for score in found.scores}
    assert found.best.name == name == found.scores[0].name
    assert found.scores[0].behind.value == 0.0
    assert of["cascade"].behind.low > 0.5
    assert [score.chosen_by for score in found.scores] == sorted((s.chosen_by for s in found.scores), reverse=True)
    assert of[name].perplexity.value < of["cascade"].perplexity.value
    assert len(of[name].perplexity_by_position) == 10


def test_a_comparison_can_be_written_as_json_and_its_numbers_are_those_of_the_models():
    training, choosing, held_out = parts("position-based")
    found = compare_click_models(training, choosing, held_out, names=["position-based"])
    record = json.loads(json.dumps(found.scores[0].to_record()))
    assert record["log_likelihood"]["value"] == pytest.approx(found.best.log_likelihood(held_out).mean())
    by_position = [each["value"] for each in record["perplexity_by_position"]]
    np.testing.assert_allclose(by_position, found.best.perplexity(held_out))
    assert record["log_likelihood"]["users"] == 3000


def test_parts_that_share_users_are_refused():
    training, choosing, held_out = parts("position-based")
    with pytest.raises(DataError, match="got user 0 in the training and the held-out part"):
        compare_click_models(training, choosing, join_pages(held_out, training))
    with pytest.raises(DataError, match="got none to compare"):
        compare_click_models(training, choosing, held_out, names=[])


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_intervals_hold_planted_parameters_and_are_keyed(name):
    truth = planted(name)
    pages = clicked_by(truth, random_items(3000), pages_a_user=3)
    settings = ClickModelSettings(tolerance=1e-5)
    model = fit_click_model(name, pages, settings)
    found = parameter_intervals(model, pages, settings, seed=1, resamples=20)
    again = parameter_intervals(model, pages, settings, seed=1, resamples=20)
    assert set(found) == set(model.parameters())
    held = []
    for key, interval in found.items():
        np.testing.assert_array_equal(interval.low, again[key].low)
        assert interval.users == 1000
        if key not in ("attraction", "satisfaction"):
            known = np.isfinite(interval.low)
            held.append(((interval.low <= truth.parameters()[key]) & (truth.parameters()[key] <= interval.high))[known])
    # Far below a click few pages are left, and cells there are drawn to their mean.
    assert not held or np.concatenate(held).mean() >= 0.75


def test_intervals_need_enough_resamples():
    pages = clicked_by(planted("cascade"), random_items(50))
    with pytest.raises(ConfigError, match="resamples"):
        parameter_intervals(fit_click_model("cascade", pages), pages, seed=1, resamples=5)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_a_table_has_a_chance_for_every_position_below_its_last_click(name):
    table = planted(name).examination_table()
    rank, last = np.arange(10)[:, None], np.arange(11)
    np.testing.assert_array_equal(np.isfinite(table), last <= rank)
    assert np.nanmin(table) >= 0.0
    assert np.nanmax(table) <= 1.0


@pytest.mark.parametrize("name", ["position-based", "cascade", "user-browsing"])
def test_nothing_is_lost_in_the_table_of_a_model_that_has_one(name):
    model, items = planted(name), random_items(500)
    np.testing.assert_array_equal(play_table(model).simulate(items, 1), model.simulate(items, 1))


@pytest.mark.parametrize("name", ["dependent-click", "simplified-dbn", "dbn"])
def test_nothing_is_lost_where_all_items_are_alike(name):
    model = planted(name, attraction=np.full(12, 0.4), satisfaction=np.full(12, 0.5))
    pages = clicked_by(model, random_items(500))
    np.testing.assert_allclose(play_table(model).conditional(pages), model.conditional(pages))


@pytest.mark.parametrize("name", ["dependent-click", "simplified-dbn", "dbn"])
def test_the_table_of_a_chain_loses_little_and_says_so(name):
    items = random_items(20_000)
    loss = measure_table(fit_click_model(name, clicked_by(planted(name), items)), items, 1)
    np.testing.assert_allclose(loss.table.click_rate, loss.model.click_rate, atol=0.02)
    assert loss.table.clicks == pytest.approx(loss.model.clicks, rel=0.05)
    assert loss.table.without == pytest.approx(loss.model.without, abs=0.01)
    assert (loss.table.click_rate != loss.model.click_rate).any()


def test_pages_of_a_log_are_laid_out_with_outside_ids():
    log = Exposures(
        name="log",
        user_id=np.array([5, 5, 5, 6]),
        session=np.array([0, 0, 0, 1]),
        page=np.zeros(4, int),
        position=np.array([0, 2, 1, 0]),
        item_id=np.array([40, 7, 9, 40]),
        clicked=np.array([False, True, False, True]),
    )
    pages = read_clicked_pages(log)
    assert pages.item_id.tolist() == [[40, 9, 7], [40, -1, -1]]
    assert pages.clicked.tolist() == [[False, False, True], [True, False, False]]
    assert pages.user_id.tolist() == [5, 6]
    assert pages.last_click_above().tolist() == [[0, 0, 0], [0, 1, 1]]
    assert read_clicked_pages(log, 1).item_id.tolist() == [[40], [40]]


def test_parts_of_different_width_are_joined_with_blanks():
    joined = join_pages(as_pages([[1]], [[True]]), as_pages([[2, 3]], [[False, True]]))
    assert isinstance(joined, ClickedPages)
    assert joined.item_id.tolist() == [[1, -1], [2, 3]]
    assert joined.clicked.tolist() == [[True, False], [False, True]]
