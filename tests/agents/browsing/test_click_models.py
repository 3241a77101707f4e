"""Click models: planted parameters come back, chances add up, and fits are maxima."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from planted_clicks import CONTINUATION, as_pages, chances, clicked_by, planted, random_items

from recsim_llm.agents.browsing.click_models import CLICK_MODELS, ClickModelSettings, fit_click_model
from recsim_llm.errors import ConfigError, DataError

PAGES = 50_000
EXACT = ClickModelSettings(item_weight=0.0, cell_weight=0.0, tolerance=1e-9, most_steps=5000)


@pytest.fixture(scope="module")
def items():
    return random_items(PAGES)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_planted_parameters_come_back_within_five_percent(name):
    # Satisfaction by item shows at the last clicks of pages alone: fewer items, so that each is clicked last often enough.
    size = {"items": 6, "positions": 6} if "dbn" in name else {}
    truth = planted(name, **size)
    pages = clicked_by(truth, random_items(PAGES, **size))
    found = fit_click_model(name, pages)
    assert found.settled
    np.testing.assert_allclose(found.attraction.chance, truth.attraction.chance, rtol=0.05)
    if name == "position-based":
        np.testing.assert_allclose(found.parameters()["examination"], truth.parameters()["examination"], rtol=0.05)
    if name == "user-browsing":
        cells = np.zeros(truth.examination.shape)
        np.add.at(cells, (np.arange(10), pages.last_click_above()), pages.clicked)
        told = cells >= 4000
        assert told.sum() >= 12
        np.testing.assert_allclose(found.examination[told], truth.examination[told], rtol=0.05)
    if name == "dependent-click":
        after = truth.parameters()["continuation_after_click"]
        np.testing.assert_allclose(found.parameters()["continuation_after_click"], after, rtol=0.05)
    if name in ("dbn", "simplified-dbn"):
        np.testing.assert_allclose(found.satisfaction.chance, truth.satisfaction.chance, rtol=0.05)
    if name == "dbn":
        assert found.continuation == pytest.approx(CONTINUATION, rel=0.05)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_chances_of_all_click_patterns_add_up_and_give_the_marginals(name):
    model = planted(name, items=4, positions=4)
    patterns = np.array(list(product([False, True], repeat=4)))
    pages = as_pages(np.tile([3, 0, 2, 1], (16, 1)), patterns)
    chance = np.where(patterns, model.conditional(pages), 1.0 - model.conditional(pages)).prod(axis=1)
    assert chance.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(model.marginal(pages.item_id[:1])[0], chance @ patterns)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_simulated_clicks_follow_the_marginals_and_the_dice_are_keyed(name, items):
    model = planted(name)
    clicked = model.simulate(items[:20_000], 3)
    np.testing.assert_allclose(clicked.mean(axis=0), model.marginal(items[:20_000]).mean(axis=0), atol=0.015)
    assert (model.simulate(items[:50], 3) == clicked[:50]).all()
    assert (model.simulate(items[:50], 4) != clicked[:50]).any()


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_no_small_change_of_a_fitted_parameter_raises_the_likelihood(name):
    pages = clicked_by(planted(name, items=4, positions=4), random_items(400, items=4, positions=4))
    model = fit_click_model(name, pages, EXACT)
    best = model.log_likelihood(pages).sum()
    changed = []
    for step, item in product((-0.01, 0.01), range(4)):
        moved = model.attraction.chance.copy()
        moved[item] = np.clip(moved[item] + step, 0.0, 1.0)
        changed.append(replace(model, attraction=chances(moved)))
    if hasattr(model, "examination"):
        for step, rank in product((-0.01, 0.01), range(1, 4)):
            table = model.examination.copy()
            table[rank] = np.clip(table[rank] + step, 0.0, 1.0)
            changed.append(replace(model, examination=table))
    elif name != "cascade":
        for step, group in product((-0.01, 0.01), range(3)):
            moved = model.satisfaction.chance.copy()
            moved[group] = np.clip(moved[group] + step, 0.0, 1.0)
            changed.append(replace(model, satisfaction=replace(model.satisfaction, chance=moved)))
    if name == "dbn":
        changed += [replace(model, continuation=min(model.continuation + step, 1.0)) for step in (-0.01, 0.01)]
    assert max(other.log_likelihood(pages).sum() for other in changed) <= best + 1e-6


def test_a_cascade_is_clicks_over_looks_down_to_the_first_click():
    pages = clicked_by(planted("position-based", items=6, positions=5), random_items(300, items=6, positions=5))
    looks, hits = np.zeros(6), np.zeros(6)
    for row, clicks in zip(pages.item_id, pages.clicked, strict=True):
        for item, click in zip(row, clicks, strict=True):
            looks[item] += 1
            hits[item] += click
            if click:
                break
    found = fit_click_model("cascade", pages, EXACT)
    np.testing.assert_allclose(found.attraction.chance, hits / looks)


def test_continuation_after_a_click_is_counted_where_nothing_is_hidden():
    # An item that everybody clicks follows: whoever goes on shows it, and the count of those is the estimate.
    items = np.tile([0, 1], (300, 1))
    clicked = np.zeros((300, 2), bool)
    clicked[:200, 0] = clicked[:150, 1] = clicked[200:, 1] = True
    found = fit_click_model("dependent-click", as_pages(items, clicked), EXACT)
    assert found.parameters()["continuation_after_click"] == pytest.approx([150 / 200], abs=1e-4)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_page_weights_count_pages_more_than_once(name):
    pages = clicked_by(planted(name), random_items(600))
    times = np.arange(600) % 3
    repeated = pages.take(np.repeat(np.arange(600), times))
    one, other = fit_click_model(name, pages, EXACT, weight=times.astype(float)), fit_click_model(name, repeated, EXACT)
    np.testing.assert_allclose(one.attraction.chance, other.attraction.chance, atol=1e-4)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_a_fit_begun_from_itself_stays(name):
    pages = clicked_by(planted(name), random_items(2000))
    model = fit_click_model(name, pages)
    again = fit_click_model(name, pages, start=model)
    for key, value in model.parameters().items():
        np.testing.assert_allclose(again.parameters()[key], value, atol=2e-3)


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_blank_slots_and_short_pages_change_nothing_that_they_say_nothing_of(name, items):
    pages = clicked_by(planted(name), items[:4000])
    short = as_pages(
        np.where(np.arange(10) < 6, pages.item_id, -1), np.where(np.arange(10) < 6, pages.clicked, False), pages.user_id
    )
    model, cut = fit_click_model(name, short, EXACT), pages.item_id[:, :6]
    same = fit_click_model(name, as_pages(cut, pages.clicked[:, :6], pages.user_id), EXACT)
    np.testing.assert_allclose(model.attraction.chance, same.attraction.chance, atol=1e-4)
    assert not model.simulate(short.item_id, 1)[:, 6:].any()
    assert (model.conditional(short)[:, 6:] == 0.0).all()


@pytest.mark.parametrize("name", ["cascade", "simplified-dbn", "dbn"])
def test_readers_pass_over_a_blank_slot_as_if_it_were_not_there(name):
    pages = clicked_by(planted(name), random_items(3000)[:, :4])
    gap = as_pages(np.insert(pages.item_id, 2, -1, axis=1), np.insert(pages.clicked, 2, False, axis=1), pages.user_id)
    whole, holed = fit_click_model(name, pages), fit_click_model(name, gap)
    np.testing.assert_allclose(holed.attraction.chance, whole.attraction.chance)
    np.testing.assert_allclose(holed.log_likelihood(gap), whole.log_likelihood(pages))


@pytest.mark.parametrize("name", CLICK_MODELS)
def test_rare_items_are_drawn_to_the_usual_chance_and_none_is_special_at_infinite_weight(name):
    pages = clicked_by(planted(name), random_items(2000))
    item_id = pages.item_id.copy()
    item_id[0, 0] = 99
    rare = as_pages(item_id, pages.clicked, pages.user_id)
    drawn = fit_click_model(name, rare, ClickModelSettings(item_weight=1e6)).attraction
    assert drawn.of(np.array([99])) == pytest.approx(drawn.usual, abs=1e-3)
    one = fit_click_model(name, rare, ClickModelSettings(item_weight=np.inf)).attraction
    assert np.ptp(one.chance) == 0.0
    assert one.of(np.array([[12345, -1]])).tolist() == [[one.usual, 0.0]]


def test_rare_clicks_are_fitted_to_rest():
    model = planted("position-based", items=200, attraction=np.linspace(0.01, 0.05, 200))
    pages = clicked_by(model, random_items(50_000, items=200))
    found = fit_click_model("position-based", pages, ClickModelSettings(item_weight=30.0))
    assert found.settled
    np.testing.assert_allclose(found.examination[:, 0], model.examination[:, 0], atol=0.1)


def test_perplexity_of_a_known_chance():
    pages = as_pages([[0, 1]] * 4, [[1, 0], [0, 0], [0, 0], [0, 0]])
    found = fit_click_model("position-based", pages, ClickModelSettings(item_weight=np.inf)).perplexity(pages)
    assert found[0] == pytest.approx(2 ** -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)), abs=1e-4)
    assert found[1] == pytest.approx(1.0, abs=1e-3)


def test_what_cannot_be_fitted_is_refused():
    pages = as_pages([[0, 1]], [[1, 0]])
    with pytest.raises(ConfigError, match="click model: got 'pbm'"):
        fit_click_model("pbm", pages)
    with pytest.raises(DataError, match="without a click"):
        fit_click_model("dbn", as_pages([[0, 1]], [[0, 0]]))
    with pytest.raises(DataError, match="without a click"):
        fit_click_model("dbn", pages, weight=np.zeros(1))
    with pytest.raises(DataError, match="expected at most 2"):
        fit_click_model("dbn", pages).marginal(np.zeros((1, 3), int))
    with pytest.raises(DataError, match="blank slot"):
        as_pages([[0, -1]], [[0, 1]])
    with pytest.raises(DataError, match="no item on any page"):
        as_pages([[-1]], [[0]])
    for wrong in ({"item_weight": -1.0}, {"cell_weight": np.nan}, {"most_steps": 0}, {"tolerance": 0.0}):
        with pytest.raises(ConfigError):
            ClickModelSettings(**wrong)
