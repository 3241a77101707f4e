"""Replay users: a run again from its log, and a refusal of everything that the log does not hold."""

import json
import shutil

import numpy as np
import pyarrow.dataset as arrow
import pytest

from recsim_llm.agents import worlds
from recsim_llm.agents.recorded_decisions import Lookup, to_log_odds
from recsim_llm.agents.replay import ReplayUsers
from recsim_llm.agents.worlds import replay_world
from recsim_llm.core.pages import Pages
from recsim_llm.data import fictional, open_dataset
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.recommenders import RandomRecommender, deterministic
from recsim_llm.registry import resolve
from recsim_llm.scenarios import load_scenario, run

USERS, SLOTS = 30, 5
SMALL = {
    "users.count": USERS,
    "max_pages": 6,
    "slate_size": SLOTS,
    "seed": 3,
    "visits": 2,
    "recommenders": ["popularity", "mf"],
}
DRAWN = ("user_id", "visit", "page", "position", "item_id", "examined", "clicked", "rating", "liked")


def table(folder, kind):
    return arrow.dataset(folder / kind).to_table()


def numbers(folder, kind, name):
    return np.asarray(table(folder, kind)[name].to_numpy(), np.float64)


class OftenBlank(RandomRecommender):
    """Leaves every other slot of the page blank."""

    def recommend(self, requests, k):
        ids = super().recommend(requests, k).item_id.copy()
        ids[:, 1::2] = 999_999
        return deterministic(ids)


BLANKING = [{"name": "blanking", "recommender": f"{__name__}:OftenBlank"}]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return run(load_scenario("demo", SMALL), tmp_path_factory.mktemp("runs") / "recorded")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A run of one arm."""
    changes = {"recommenders": ["popularity"], "visits": 1, "users.parameters.click_rate": 0.1}
    return run(load_scenario("demo", SMALL | changes), tmp_path_factory.mktemp("runs") / "once")


@pytest.fixture(scope="module")
def dataset():
    return open_dataset("fictional")


def again(recorded, out, arm="popularity", recommender=None, **changes):
    """Run the recorded scenario with replay users."""
    settings = {"users.model": "replay", "users.parameters": {"run": str(recorded), "arm": arm}, "users.count": None}
    return run(load_scenario("demo", SMALL | settings | {"recommenders": [recommender or arm]} | changes), out)


def build(once, dataset, **settings):
    world = replay_world(dataset, parameters={"run": str(once)} | settings, seed=1)
    world.users.allocate(USERS, SLOTS)
    world.users.begin(slice(None), np.arange(USERS), False)
    return world


def first_pages(once, world):
    """Return the recorded first pages in the order of the users."""
    rows = [row for row in table(once, "impressions").to_pylist() if row["page"] == 0]
    place = {user: index for index, user in enumerate(world.population.user_id.tolist())}
    items = np.zeros((USERS, SLOTS), np.int64)
    for row in rows:
        items[place[row["user_id"]], row["position"]] = row["item_id"]
    who = np.arange(USERS)
    return Pages(slice(None), who, np.zeros_like(who), np.zeros_like(who), world.catalog.index_of(items))


def test_replay_is_a_shipped_name():
    assert resolve("users", "replay") is replay_world


@pytest.mark.parametrize("arm", ["popularity", "mf"])
def test_the_same_run_happens_again(recorded, tmp_path, arm):
    replayed = again(recorded, tmp_path / "again", arm)
    for kind, names in (
        ("impressions", DRAWN),
        ("pages", ("user_id", "visit", "page", "clicks", "next_action", "stop_reason", "decided_by", "reward")),
        ("visits", ("user_id", "visit", "pages", "clicks", "stop_reason", "returned")),
    ):
        before = table(recorded, kind).filter(arrow.field("arm") == arm)
        after = table(replayed, kind)
        assert len(after) == len(before)
        for name in names:
            assert after[name].to_pylist() == before[name].to_pylist(), name
    chances = (table(folder, "visits").filter(arrow.field("arm") == arm)["return_prob"] for folder in (recorded, replayed))
    np.testing.assert_allclose(*(column.to_numpy() for column in chances), rtol=2e-5)
    assert sum(table(replayed, "impressions")["clicked"].to_pylist()) > 20


def test_probabilities_and_shares_watched_are_the_recorded_ones(once, tmp_path):
    replayed = again(once, tmp_path / "again", visits=1)
    for kind, names in (
        ("impressions", ("examine_prob", "click_prob", "watched")),
        ("pages", ("satisfaction", "leave_prob")),
        ("visits", ("satisfaction", "return_prob")),
    ):
        for name in names:
            np.testing.assert_allclose(numbers(replayed, kind, name), numbers(once, kind, name), rtol=2e-5, err_msg=name)


def test_blank_slots_are_replayed(tmp_path):
    changes = {"recommenders": BLANKING, "visits": 1, "invalid": "count"}
    blank = run(load_scenario("demo", SMALL | changes), tmp_path / "blank")
    replayed = again(blank, tmp_path / "again", "blanking", **changes)
    assert table(replayed, "impressions")["clicked"].to_pylist() == table(blank, "impressions")["clicked"].to_pylist()


def test_a_run_whose_users_kept_ratings_back_is_refused_at_once(tmp_path):
    quiet = run(load_scenario("demo", SMALL | {"users.noise.missing_ratings": 0.5, "visits": 1}), tmp_path / "quiet")
    with pytest.raises(LogError, match="kept ratings back"):
        again(quiet, tmp_path / "again")


def test_an_item_that_was_not_on_the_page_is_an_error(recorded, tmp_path):
    with pytest.raises(
        LogError, match=r"user \d+, visit 0, page 0, item \d+; they can only judge what they were shown, recorded"
    ):
        again(recorded, tmp_path / "other", "popularity", "mf")


def test_the_order_of_the_items_is_free(once, dataset):
    world = build(once, dataset)
    pages = first_pages(once, world)
    straight = world.users.decide(pages).click_log_odds
    turned = world.users.decide(pages._replace(item_index=pages.item_index[:, ::-1])).click_log_odds
    assert np.array_equal(turned, straight[:, ::-1])


def test_decisions_are_those_of_the_model_that_was_recorded(once, dataset):
    world = build(once, dataset)
    original = worlds.choice_world(dataset, USERS, parameters={"click_rate": 0.1}, seed=3)
    original.users.allocate(USERS, SLOTS)
    original.users.begin(slice(None), np.arange(USERS), False)
    pages = first_pages(once, world)
    np.testing.assert_allclose(
        world.users.decide(pages).click_log_odds, original.users.decide(pages).click_log_odds, rtol=1e-4, atol=1e-5
    )
    assert np.array_equal(world.users.examination(pages.user_index), original.users.examination(pages.user_index))


def test_a_page_beyond_the_recorded_ones_is_an_error(once, dataset):
    world = build(once, dataset)
    pages = first_pages(once, world)
    with pytest.raises(LogError, match=r"user \d+, visit 0, page 99, which was never shown in arm 'popularity'"):
        world.users.decide(pages._replace(page=np.full(USERS, 99)))
    with pytest.raises(LogError, match=r"visit 4, page 0, which was never shown"):
        world.users.decide(pages._replace(visit=np.full(USERS, 4)))


def test_a_click_without_a_recorded_rating_is_an_error(once, dataset):
    world = build(once, dataset)
    pages = first_pages(once, world)
    world.users.decide(pages)
    slot = np.arange(USERS * SLOTS)
    with pytest.raises(LogError, match=r"got a click on user \d+, visit 0, page 0, item \d+, of which no rating was recorded"):
        world.users.rating_log_odds(pages, slot, slot // SLOTS)


def test_recorded_ratings_are_certain(once, dataset):
    world = build(once, dataset)
    pages = first_pages(once, world)
    world.users.decide(pages)
    given = np.array([row["rating"] or np.nan for row in _in_order(once, world)])
    slot = np.flatnonzero(~np.isnan(given))
    below = world.users.rating_log_odds(pages, slot, slot // SLOTS) > 0
    assert np.array_equal(world.users.levels[(~below).sum(axis=0)], given[slot])
    assert slot.size > 10


def _in_order(once, world):
    place = {user: index for index, user in enumerate(world.population.user_id.tolist())}
    rows = [row for row in table(once, "impressions").to_pylist() if row["page"] == 0]
    return sorted(rows, key=lambda row: (place[row["user_id"]], row["position"]))


def test_with_match_user_the_first_decision_on_the_item_answers(once, dataset):
    pages = first_pages(once, build(once, dataset))
    later = pages._replace(page=np.ones(USERS, np.int64))
    stayed = np.flatnonzero([1 in _pages_of(once, user) for user in build(once, dataset).population.user_id.tolist()])
    later, pages = (_some(shown, stayed) for shown in (later, pages))
    strict, free = build(once, dataset), build(once, dataset, match="user")
    with pytest.raises(LogError, match="they can only judge what they were shown"):
        strict.users.decide(later)
    assert np.array_equal(free.users.decide(later).click_log_odds, strict.users.decide(pages).click_log_odds)
    assert len(stayed) > 5


def _pages_of(once, user):
    return [row["page"] for row in table(once, "pages").to_pylist() if row["user_id"] == user]


def _some(pages, rows):
    return Pages(rows, *(column[rows] for column in pages[1:]))


def test_with_match_user_an_item_never_shown_to_the_user_is_still_an_error(once, dataset):
    world = build(once, dataset, match="user")
    pages = first_pages(once, world)
    seen = set(table(once, "impressions")["item_id"].to_pylist())
    other = next(index for index, item in enumerate(world.catalog.item_id.tolist()) if item not in seen)
    items = pages.item_index.copy()
    items[4, 2] = other
    with pytest.raises(LogError, match=rf"page 0, item {world.catalog.item_id[other]}; they can only judge"):
        world.users.decide(pages._replace(item_index=items))


def test_a_user_of_whom_nothing_was_recorded_is_an_error(once, dataset):
    world = replay_world(dataset, USERS + 1, parameters={"run": str(once)}, seed=3)
    world.users.allocate(USERS + 1, SLOTS)
    with pytest.raises(LogError, match=r"got user \d+, of whom arm 'popularity' recorded nothing"):
        world.users.examination(np.arange(USERS + 1))


def test_fewer_users_than_recorded_can_be_replayed(recorded, tmp_path):
    few = again(recorded, tmp_path / "few", **{"users.count": 10})
    users = set(table(few, "impressions")["user_id"].to_pylist())
    both = [
        [row for row in table(folder, "impressions").to_pylist() if row["arm"] == "popularity" and row["user_id"] in users]
        for folder in (recorded, few)
    ]
    assert len(users) == 10
    drawn = [{(row["user_id"], row["visit"], row["page"], row["position"], row["clicked"]) for row in rows} for rows in both]
    assert drawn[0] == drawn[1]


def test_more_slots_than_recorded_are_refused(once, dataset):
    with pytest.raises(ConfigError, match=f"slate_size: got {SLOTS + 1}, expected at most {SLOTS}"):
        build(once, dataset).users.allocate(USERS, SLOTS + 1)


def test_the_end_of_a_visit_that_was_not_recorded_is_an_error(once, dataset):
    with pytest.raises(LogError, match="after which no probability of another was recorded"):
        build(once, dataset).users.return_log_odds(slice(None))


def test_a_rating_that_was_never_given_has_no_share_watched(once, dataset):
    with pytest.raises(LogError, match=r"got 0\.25 stars by user \d+"):
        build(once, dataset).users.watch_log_odds(np.array([0.25], np.float32), np.array([0]))


def test_users_without_a_number_are_those_of_the_run(once, dataset):
    world = replay_world(dataset, parameters={"run": once}, seed=99)
    assert set(world.population.user_id.tolist()) == set(table(once, "pages")["user_id"].to_pylist())


def test_the_run_is_named_as_where_the_users_come_from(once, dataset):
    provenance = build(once, dataset).users.provenance
    assert provenance == {"arm": "popularity", "match": "page", "run": "demo", "seed": 3}


def test_one_of_several_arms_must_be_named(recorded, dataset):
    for settings in ({}, {"arm": "oracle"}):
        with pytest.raises(ConfigError, match="expected one of popularity, mf"):
            replay_world(dataset, parameters={"run": str(recorded)} | settings, seed=1)


@pytest.mark.parametrize("settings", [{}, {"run": 7}, {"run": "x", "seed": 3}])
def test_unknown_or_missing_parameters_are_refused(dataset, settings):
    with pytest.raises(ConfigError, match="replay parameter"):
        replay_world(dataset, parameters=settings, seed=1)


def test_an_unknown_match_is_refused(once, dataset):
    with pytest.raises(ConfigError, match="'match': got 'item', expected page or user"):
        replay_world(dataset, parameters={"run": str(once), "match": "item"}, seed=1)


def test_a_folder_without_a_run_is_refused(dataset, tmp_path):
    with pytest.raises(LogError, match=r"without a readable manifest\.json"):
        replay_world(dataset, parameters={"run": str(tmp_path)}, seed=1)


def test_the_log_of_an_environment_is_refused(once, dataset, tmp_path):
    shutil.copytree(once, tmp_path / "environment")
    manifest = json.loads((once / "manifest.json").read_text()) | {"settings": {}}
    (tmp_path / "environment" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(LogError, match="the log of an environment"):
        replay_world(dataset, parameters={"run": str(tmp_path / "environment")}, seed=1)


def test_a_run_on_other_data_is_refused(once):
    with pytest.raises(LogError, match="got a run on data 'fictional'"):
        replay_world(fictional.load(n_users=60), parameters={"run": str(once)}, seed=1)


@pytest.mark.parametrize("kind", ["impressions", "pages", "visits"])
def test_a_log_with_a_missing_table_is_refused(once, dataset, tmp_path, kind):
    shutil.copytree(once, tmp_path / "torn")
    shutil.rmtree(tmp_path / "torn" / kind)
    with pytest.raises(LogError, match=rf"{kind}/.*: got a file missing or damaged"):
        replay_world(dataset, parameters={"run": str(tmp_path / "torn")}, seed=1)


def test_a_damaged_table_is_refused(once, dataset, tmp_path):
    shutil.copytree(once, tmp_path / "torn")
    next((tmp_path / "torn" / "pages").glob("*")).write_bytes(b"PAR1")
    with pytest.raises(LogError, match=r"pages/.*: got a file missing or damaged"):
        replay_world(dataset, parameters={"run": str(tmp_path / "torn")}, seed=1)


def test_items_of_another_catalog_are_refused(once, dataset, make_world):
    population = worlds.choice_world(dataset, USERS, seed=3).population
    with pytest.raises(LogError, match="got a log of other items"):
        ReplayUsers(once, None, make_world().catalog, population)


def test_log_odds_are_bounded_where_digits_are_lost():
    got = to_log_odds(np.array([0.0, 0.5, 1.0, np.nan], np.float32))
    np.testing.assert_allclose(got, [-17, 0, 17, np.nan], atol=1e-4)


def test_lookups_find_the_first_row_of_a_key():
    lookup = Lookup((np.array([3, 1, 3, 2]), np.array([0.5, 1, 0.5, 1], np.float32)), np.array([10, 20, 30, 40], np.float32))
    found = lookup.values(np.array([3, 2, 1, 3, 9]), np.array([0.5, 1, 0.5, 1, 0.5], np.float32))
    np.testing.assert_array_equal(found, [10, 40, np.nan, np.nan, np.nan])


def test_a_lookup_of_nothing_finds_nothing():
    nothing = np.empty(0, np.int64)
    assert np.isnan(Lookup((nothing,), np.empty(0, np.float32)).values(np.array([3]))).all()
