"""The examination curve, learned from click logs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from written_runs import write_run

from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.fitting.position import fit_position_curve, learn_position_curve
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.errors import DataError, LogError
from recsim_llm.log.schema import IMPRESSIONS

CURVE = (1.0, 0.55, 0.7, 0.3, 0.2)
VISITS, ITEMS = 20_000, 60
RANDOM, RANKED = 1e6, 0.5


def click_log(make_world, spread):
    """Return clicks and items of one-page visits of one user, whose liking orders each page up to noise of this spread."""
    world = make_world(items=ITEMS, click_bias=-0.7, position_curve=CURVE)
    kernel = Kernel(users=world.users, user_id=world.population.user_id, rows=VISITS, slate_size=len(CURVE), max_pages=1)
    who, visit, random = np.full(VISITS, 3), np.arange(VISITS), np.random.default_rng(1)
    kernel.begin(ALL_ROWS, who, visit, kernel.dice(who, visit, seed_words(2)))
    liking = world.users.appeal(ALL_ROWS) + spread * random.normal(size=(VISITS, ITEMS))
    items = np.argsort(-liking, axis=1)[:, : len(CURVE)]
    return kernel.step(items).clicked, items


@pytest.fixture(scope="module")
def ranked(request):
    random = np.random.default_rng(0)
    attraction = random.beta(1, 3, ITEMS)
    pool = random.permuted(np.tile(np.arange(ITEMS), (20_000, 1)), axis=1)[:, :25]
    order = np.argsort(-attraction[pool] + random.normal(size=pool.shape) * 0.15, axis=1)
    items = np.take_along_axis(pool, order, axis=1)[:, : len(CURVE)]
    return random.random(items.shape) < np.array(CURVE) * attraction[items], items


def test_random_order_needs_click_rates_only(make_world):
    clicked, _ = click_log(make_world, RANDOM)
    np.testing.assert_allclose(learn_position_curve(clicked), CURVE, atol=0.03)


def test_items_do_no_harm_in_random_order(make_world):
    np.testing.assert_allclose(learn_position_curve(*click_log(make_world, RANDOM)), CURVE, atol=0.03)


def test_ranked_slates_of_simulated_users_give_the_planted_curve(make_world):
    clicked, items = click_log(make_world, RANKED)
    by_items, by_rates = learn_position_curve(clicked, items), learn_position_curve(clicked)
    np.testing.assert_allclose(by_items, CURVE, atol=0.03)
    assert np.abs(np.subtract(by_rates, CURVE)).max() > 0.06


def test_ranked_slates_of_the_model_itself_give_the_planted_curve(ranked):
    np.testing.assert_allclose(learn_position_curve(*ranked), CURVE, atol=0.02)
    assert np.abs(np.subtract(learn_position_curve(ranked[0]), CURVE)).max() > 0.1


def test_the_learned_curve_is_what_users_take(make_world, ranked):
    curve = learn_position_curve(*ranked)
    users = make_world(position_curve=curve).users
    assert isinstance(users, ChoiceUsers)
    users.allocate(1, len(curve))
    np.testing.assert_allclose(users.examination(np.array([0]))[0], curve, rtol=1e-6)


def test_the_curve_does_not_depend_on_the_order_of_pages_or_names_of_items(ranked):
    clicked, items = ranked
    rows = np.random.default_rng(1).permutation(len(items))
    other = learn_position_curve(clicked[rows], items[rows] * 7 + 3)
    np.testing.assert_allclose(other, learn_position_curve(clicked, items), atol=1e-9)


def test_empty_slots_do_not_count(ranked):
    clicked, items = (column.copy() for column in ranked)
    gone = np.random.default_rng(1).random(items.shape) < 0.3
    clicked[gone], items[gone] = False, -1
    np.testing.assert_allclose(learn_position_curve(clicked, items), CURVE, atol=0.02)


def test_positions_that_were_never_filled_are_left_out(ranked):
    clicked, items = (column.copy() for column in ranked)
    clicked[:, 3:], items[:, 3:] = False, -1
    np.testing.assert_allclose(learn_position_curve(clicked, items), CURVE[:3], atol=0.02)


def test_the_first_position_is_one_and_none_is_above():
    clicked = np.array([[True, True], [False, True], [False, False]])
    assert learn_position_curve(clicked) == (1.0, 1.0)
    assert learn_position_curve(clicked[:, ::-1]) == (1.0, 0.5)


@pytest.mark.parametrize("clicked", [np.zeros((3, 2), np.bool_), np.zeros((0, 2), np.bool_), np.array([[False, True]])])
@pytest.mark.parametrize("with_items", [False, True])
def test_a_log_without_a_click_at_the_first_position_is_refused(clicked, with_items):
    items = np.zeros(clicked.shape, np.int64) if with_items else None
    with pytest.raises(DataError, match="got no click at the first position"):
        learn_position_curve(clicked, items)


def test_columns_of_other_shapes_are_refused():
    with pytest.raises(DataError, match="click log, item: got shape"):
        learn_position_curve(np.ones((3, 2), np.bool_), np.ones((2, 3), np.int64))
    with pytest.raises(DataError, match="click log, clicked: got shape"):
        learn_position_curve(np.ones(3, np.bool_))


@pytest.fixture
def run_folder(ranked, tmp_path):
    """A run folder with two segments of one arm, and another arm whose users never look down."""
    clicked, items = ranked
    (tmp_path / "impressions").mkdir()
    for number, rows in enumerate((slice(0, 9000), slice(9000, None))):
        write_impressions(tmp_path / "impressions" / f"0-{number}.parquet", "ranked", clicked[rows], items[rows])
    write_run(tmp_path, [], arms=["ranked", "first only"])
    first = np.zeros(clicked.shape, np.bool_)
    first[:, 0] = clicked[:, 0]
    write_impressions(tmp_path / "impressions" / "1-0.parquet", "first only", first, items)
    return tmp_path


def write_impressions(path, arm, clicked, items):
    count = items.size
    known = {
        "arm": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), [arm]),
        "position": np.broadcast_to(np.arange(items.shape[1]), items.shape).reshape(-1),
        "item_id": items.reshape(-1),
        "clicked": clicked.reshape(-1),
    }
    # A log of a run knows more; what is not read here is null.
    schema = pa.schema([field.with_nullable(True) for field in IMPRESSIONS])
    columns = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
    pq.write_table(
        pa.table([pa.array(column).cast(kind.type) for column, kind in zip(columns, schema, strict=True)], schema=schema), path
    )


def test_an_arm_of_a_run_gives_the_curve_of_its_log(run_folder, ranked):
    np.testing.assert_allclose(fit_position_curve(run_folder, "ranked"), learn_position_curve(*ranked), atol=1e-9)
    assert fit_position_curve(run_folder, "first only") == (1.0, 0.0, 0.0, 0.0, 0.0)


def test_an_unknown_arm_or_folder_is_refused(run_folder, tmp_path):
    with pytest.raises(DataError, match="got no impressions of arm 'other'"):
        fit_position_curve(run_folder, "other")
    with pytest.raises(LogError, match=r"without a readable manifest\.json"):
        fit_position_curve(tmp_path / "none", "ranked")
