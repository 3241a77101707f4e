"""Series of whole runs: each metric against a count by hand over the log, by visit, page and day, of some users and items."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_worlds import CATALOG, LATER, TRAIN, people
from written_runs import write_run

from recsim_llm.log import open_run
from recsim_llm.log.columns import plain
from recsim_llm.metrics import catalog_coverage, gini
from recsim_llm.metrics.bubbles import entropy, overlap_by_user
from recsim_llm.metrics.exposure import head_exposure
from recsim_llm.metrics.item_tables import read_tables, write_tables
from recsim_llm.metrics.reading_series import read_series
from recsim_llm.metrics.series import Cell
from recsim_llm.metrics.series_definitions import SERIES
from recsim_llm.metrics.series_settings import ItemGroup, SeriesSettings, UserGroup
from recsim_llm.scenarios import load_scenario, run

SETTINGS = {
    "users.count": 60,
    "max_pages": 3,
    "visits": 3,
    "slate_size": 5,
    "seed": 3,
    "recommenders": ["popularity", "random"],
    "users.parameters.click_bias": 1.5,
    "measure": {"series": {"eager": {"metric": "click_share", "users": {"trait": "activity", "above": 0.5}}}},
}
SHOWN, MADE_GENRE = ["arm", "user_id", "visit", "page", "position", "item_id", "clicked", "rating"], "Comedy"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(load_scenario("demo", SETTINGS), tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def rows(finished):
    return open_run(finished).columns("impressions", SHOWN, arm="random")


def series(folder, batch_rows=None, **settings):
    log, tables = open_run(folder), read_tables(folder)
    return read_series(log, tables, {"it": SeriesSettings(**settings)}, batch_rows=batch_rows)["it"]


def level(folder, time, **settings):
    return series(folder, **settings).level(1, time, time).value


def test_click_share_by_visit_and_by_page_is_clicks_over_impressions(finished, rows):
    for by in ("visit", "page"):
        at = rows[by] == 1
        assert level(finished, 1, metric="click_share", by=by) == pytest.approx(rows["clicked"][at].mean())


def test_visits_that_are_told_whole_are_those_of_the_log(finished):
    visits = open_run(finished).columns("visits", ["user_id", "visit", "pages", "returned", "clicks", "reward"], arm="random")
    second = visits["visit"] == 1
    known = visits["returned"][second & ~np.isnan(visits["returned"])]
    found = {name: level(finished, 1, metric=name) for name in ("pages_per_visit", "active_share", "return_share")}
    assert found == pytest.approx(
        {"pages_per_visit": visits["pages"][second].mean(), "active_share": second.sum() / 60, "return_share": known.mean()}
    )
    found = {name: level(finished, 1, metric=name) for name in ("clicks_per_visit", "reward_per_visit", "clicks_per_user")}
    clicks = visits["clicks"][second]
    assert found == pytest.approx(
        {
            "clicks_per_visit": clicks.mean(),
            "reward_per_visit": visits["reward"][second].mean(),
            "clicks_per_user": clicks.sum() / 60,
        }
    )


def test_properties_of_everyone_are_those_of_the_counts_of_items(finished, rows):
    items = read_tables(finished).item_id
    counts = np.bincount(np.searchsorted(items, rows["item_id"][rows["visit"] == 0]), minlength=len(items))
    found = {name: level(finished, 0, metric=name) for name in ("catalog_coverage", "exposure_gini", "head_exposure")}
    known = {"catalog_coverage": catalog_coverage, "exposure_gini": gini, "head_exposure": head_exposure}
    assert found == pytest.approx({name: measure(counts) for name, measure in known.items()})


def test_what_users_choose_and_get_is_taken_user_by_user(finished, rows):
    tables = read_tables(finished)
    first, clicked = rows["visit"] == 0, rows["clicked"].astype(bool)
    item, user = (
        np.searchsorted(known, rows[name]) for known, name in ((tables.item_id, "item_id"), (tables.user_id, "user_id"))
    )
    spread = tables.genres / np.maximum(tables.genres.sum(axis=1, keepdims=True), 1)
    for metric, some in (("genre_entropy", first & clicked), ("shown_genre_entropy", first)):
        weights = np.array([spread[item[some & (user == one)]].sum(axis=0) for one in range(60)])
        assert level(finished, 0, metric=metric) == pytest.approx(np.nanmean(entropy(weights)), rel=1e-5)
    for metric, some in (("choice_overlap", first & clicked), ("exposure_overlap", first)):
        sets = np.zeros((60, len(tables.item_id)), bool)
        sets[user[some], item[some]] = True
        assert level(finished, 0, metric=metric) == pytest.approx(np.nanmean(overlap_by_user(sets)))


def test_a_share_of_exposure_is_that_of_the_items_named(finished, rows):
    tables = read_tables(finished)
    name = tables.genre_names[0]
    members = tables.item_id[tables.genres[:, 0]]
    of_genre = np.isin(rows["item_id"], members)
    first = rows["visit"] == 0
    genre = ItemGroup(genre=name)
    assert level(finished, 0, metric="exposure_share", items=genre) == pytest.approx(of_genre[first].mean())
    clicked = rows["clicked"].astype(bool) & first
    assert level(finished, 0, metric="choice_share", items=genre) == pytest.approx(of_genre[clicked].mean())
    assert level(finished, 0, metric="click_share", items=genre) == pytest.approx(rows["clicked"][first & of_genre].mean())
    ids = ItemGroup(ids=[int(one) for one in members])
    assert level(finished, 0, metric="exposure_share", items=ids) == level(finished, 0, metric="exposure_share", items=genre)
    rank = rows["position"][first & of_genre].mean() + 1
    assert level(finished, 0, metric="mean_rank", items=ids) == pytest.approx(rank)
    pages = dict.fromkeys(zip(rows["user_id"][first], rows["page"][first], strict=True), False)
    pages |= dict.fromkeys(zip(rows["user_id"][first & of_genre], rows["page"][first & of_genre], strict=True), True)
    assert level(finished, 0, metric="page_share", items=ids) == pytest.approx(np.mean(list(pages.values())))


def test_head_tail_and_new_items_are_all_there_are(finished):
    parts = [level(finished, 0, metric="exposure_share", items=ItemGroup(popularity=part)) for part in ("head", "tail", "none")]
    assert parts[0] + parts[1] == pytest.approx(1.0)
    assert 0.0 <= parts[2] <= parts[1]


def test_some_users_are_picked_by_a_trait_and_the_two_halves_are_everyone(finished):
    halves = [{"trait": "activity", "above": 0.5}, {"trait": "activity", "below": 0.5}]
    found = [series(finished, metric="click_share", users=UserGroup(**half)).level(1, 0, 2) for half in halves]
    whole = series(finished, metric="click_share").level(1, 0, 2)
    assert found[0].users + found[1].users == whole.users == 60
    assert min(one.value for one in found) < whole.value < max(one.value for one in found)


def test_a_window_pools_its_times(finished, rows):
    found = series(finished, metric="mean_rating").level(1, 1, 2).value
    assert found == pytest.approx(np.nanmean(rows["rating"][rows["visit"] >= 1]), rel=1e-6)


def test_a_time_after_the_end_has_no_number(finished):
    for metric in SERIES:
        kind = SERIES[metric]
        if metric != "events_per_user" and kind.of != "providers":
            items = ItemGroup(popularity="tail") if kind.needs_items else None
            assert series(finished, metric=metric, items=items).level(1, 7, 9).value is None, metric


def test_no_number_depends_on_how_the_log_is_read(finished):
    for metric in ("click_share", "shown_genre_entropy", "exposure_overlap", "exposure_gini", "mean_satisfaction"):
        cells = [Cell(1, 0, 2), Cell(0, 0, 2, -1.0)]
        whole, cut = (series(finished, rows, metric=metric).contrast(cells) for rows in (None, 17))
        assert whole == cut, metric


def test_days_come_from_the_visits_and_events_are_counted_a_user(tmp_path):
    pages = [("a", user, visit, 0, [(1, 4.0 if visit else None), (2, None)]) for user in (9, 7) for visit in (0, 1)]
    folder = write_run(tmp_path / "run", pages, arms=["a"])
    write_tables(folder, CATALOG, people(9, 7), train=TRAIN, later=LATER)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"visits": 2, "settings": {"clock": {"days": 4}}}))
    (path,) = (folder / "visits").glob("*.parquet")
    visits = pq.read_table(path)
    days = {(9, 0): 0, (9, 1): 2, (7, 0): 2, (7, 1): 3}
    when = [days[key] for key in zip(visits["user_id"].to_pylist(), visits["visit"].to_pylist(), strict=True)]
    pq.write_table(visits.append_column("day", pa.array(when, pa.int32())), path)
    events = [("heard", 9, 0), ("heard", 9, 0), ("heard", 7, 2), ("begins", -1, 2)]
    columns = {"arm": ["a"] * 4, "user_id": [user for _, user, _ in events], "visit": [0, 0, 0, -1]}
    columns |= {"day": [day for *_, day in events], "event": [name for name, *_ in events]}
    (folder / "events").mkdir()
    pq.write_table(pa.table(columns), folder / "events" / path.name)

    def by_day(**settings):
        one = series(folder, **settings)
        assert one.by == "day"
        return [one.level(0, day, day).value for day in range(one.times)]

    assert by_day(metric="active_share") == [0.5, 0.0, 1.0, 0.5]
    assert by_day(metric="click_share") == [0.0, None, 0.25, 0.5]
    assert by_day(metric="events_per_user", event="heard") == [1.0, 0.0, 0.5, 0.0]
    assert series(folder, metric="click_share", by="visit").level(0, 1, 1).value == 0.5


def test_users_are_picked_by_a_demographic_field(tmp_path):
    pages = [("a", user, 0, 0, [(1, 4.0 if user == 9 else None), (2, None)]) for user in (9, 7)]
    folder = write_run(tmp_path / "run", pages, arms=["a"])
    write_tables(folder, CATALOG, people(9, 7), train=TRAIN, later=LATER)
    found = [
        series(folder, metric="click_share", users=UserGroup(field="gender", value=value)).level(0, 0, 0).value
        for value in ("f", "m")
    ]
    assert found == [0.5, 0.0]


def test_the_traits_by_which_users_are_picked_are_written_down_and_no_others(finished):
    columns = pq.read_table(finished / "users.parquet").schema.names
    assert [name for name in columns if name.startswith("trait_")] == ["trait_activity"]
    assert plain(pq.read_table(finished / "users.parquet")["trait_activity"]).min() >= 0
    assert "trait_activity" not in read_tables(finished).groups
