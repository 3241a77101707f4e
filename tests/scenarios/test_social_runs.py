"""Runs in which users have friends: who told whom is in the log, off means off, and a run that was stopped ends alike."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow.dataset as ds
import pytest

from recsim_llm.agents.influenced_users import influence_on
from recsim_llm.cli.main import main
from recsim_llm.core.pages import Pages
from recsim_llm.errors import ConfigError
from recsim_llm.log.schema import FRIENDS_LIKED, IMPRESSIONS, LIKE_THRESHOLD
from recsim_llm.scenarios import load_scenario, resume, run
from recsim_llm.scenarios.building import build_scenario_world, load_dataset

CLOCK = {
    "users.count": 80,
    "max_pages": 2,
    "slate_size": 5,
    "seed": 3,
    "recommenders": ["popularity", "item-knn"],
    "clock": {"days": 7, "arrive_days": 2},
}
SOCIAL = CLOCK | {"social": {"strength": 1.5, "friends": {"degree": 8, "homophily": 0.5}}}
ARMS = ("popularity", "item-knn")
LANGUAGE = {"users.model": "language", "models.user.name": "scripted/genres", "users.count": 20, "recommenders": ["popularity"]}


def rows(folder, table, arm):
    there = ds.dataset(sorted((folder / table).glob("*.parquet"))).to_table().to_pylist()
    return [row for row in there if row["arm"] == arm]


def log_bytes(folder):
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names}


def interrupt_at(calls):
    seen = []

    def progress(state):
        seen.append(state)
        if len(seen) == calls:
            raise KeyboardInterrupt

    return progress


@pytest.fixture(scope="module")
def social(tmp_path_factory):
    return run(load_scenario("demo", SOCIAL), tmp_path_factory.mktemp("social") / "run")


@pytest.fixture(scope="module")
def friends(social):
    """Pairs of ids of the run's friends, both ways."""
    scenario = load_scenario("demo", SOCIAL)
    world = build_scenario_world(scenario, load_dataset(scenario), None)
    graph, ids = influence_on(world.users).heard.friendships, world.population.user_id
    assert json.loads((social / "manifest.json").read_text())["friendships"]["fingerprint"] == graph.fingerprint
    return set(zip(ids[graph.owner].tolist(), ids[graph.friends].tolist(), strict=True))


# What the log holds


def test_a_slot_names_a_friend_who_liked_the_item_on_an_earlier_day(social, friends):
    for arm in ARMS:
        day = {(visit["user_id"], visit["visit"]): visit["day"] for visit in rows(social, "visits", arm)}
        shown = rows(social, "impressions", arm)
        liked = {}
        for slot in shown:
            if slot["rating"] is not None and slot["rating"] >= LIKE_THRESHOLD:
                liked.setdefault((slot["user_id"], slot["item_id"]), day[slot["user_id"], slot["visit"]])
        told = [slot for slot in shown if slot["friend_id"] is not None]
        assert len(told) > 20
        for slot in told:
            assert (slot["user_id"], slot["friend_id"]) in friends
            assert liked[slot["friend_id"], slot["item_id"]] < day[slot["user_id"], slot["visit"]]


def test_clicks_that_can_be_traced_to_a_friend_are_events(social):
    for arm in ARMS:
        keys = ("user_id", "visit", "page", "item_id")
        clicked = {
            tuple(slot[key] for key in keys): slot["friend_id"]
            for slot in rows(social, "impressions", arm)
            if slot["clicked"] and slot["friend_id"] is not None
        }
        events = [event for event in rows(social, "events", arm) if event["event"] == "friend_click"]
        assert {tuple(event[key] for key in keys): event["other_id"] for event in events} == clicked
        assert len(events) > 0
        assert all(0 < event["value"] <= 2.0 for event in events)
        day = {(visit["user_id"], visit["visit"]): visit["day"] for visit in rows(social, "visits", arm)}
        assert all(event["day"] == day[event["user_id"], event["visit"]] for event in events)


def test_what_friends_tell_is_added_to_the_log_odds_of_a_click():
    scenario = load_scenario("demo", SOCIAL)
    world = build_scenario_world(scenario, load_dataset(scenario), None)
    users, heard = world.users, influence_on(world.users).heard
    users.allocate(80, 5)
    everyone, zeros, items = np.arange(80), np.zeros(80, np.int64), np.tile(np.arange(5), (80, 1))
    users.begin(everyone, everyone, False)
    page = Pages(everyone, everyone, zeros, zeros, items)
    before, appeal = users.decide(page).click_log_odds, users.appeal(everyone)
    news = heard.exchange(np.array([0, 0]), np.array([2, 4]))
    assert len(news.user_index) > 0
    added = users.decide(page).click_log_odds - before
    assert added == pytest.approx(heard.shift(everyone, items), abs=1e-5)
    assert users.appeal(everyone) - appeal == pytest.approx(heard.appeal_shift(everyone), abs=1e-5)
    copies = users.copy_rows(np.array([news.user_index[0]]))
    assert copies.influence.heard.shift(slice(None), items[:1]).any()


def test_friends_make_users_click_what_friends_liked(tmp_path, social):
    silent = run(load_scenario("demo", SOCIAL | {"social.strength": 0.02, "social.limit": 0.02}), tmp_path / "silent")
    share = []
    for folder in (silent, social):
        told = [slot["clicked"] for arm in ARMS for slot in rows(folder, "impressions", arm) if slot["friend_id"]]
        share.append(np.mean(told))
    assert share[1] > 1.5 * share[0]


# Off, stopped, and told in words


def test_without_friends_there_is_nothing_of_them(tmp_path):
    folder = run(load_scenario("demo", CLOCK), tmp_path / "run")
    schema = ds.dataset(sorted((folder / "impressions").glob("*.parquet"))).schema
    assert schema.names == IMPRESSIONS.names
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "friendships" not in manifest
    assert "social" not in manifest["settings"]
    assert not [event for event in rows(folder, "events", "item-knn") if event["event"] == "friend_click"]


def test_with_friends_slots_have_one_more_column(social):
    schema = ds.dataset(sorted((social / "impressions").glob("*.parquet"))).schema
    assert schema.names == [*IMPRESSIONS.names, *FRIENDS_LIKED.names]


@pytest.mark.parametrize("more", [{}, {"barrier": "visit"}, LANGUAGE], ids=["page", "visit", "language"])
def test_a_stopped_run_ends_like_one_that_was_never_stopped(more, tmp_path):
    scenario = load_scenario("demo", SOCIAL | more)
    whole = run(scenario, tmp_path / "whole")
    for calls in (2, 7):
        folder = tmp_path / f"stopped {calls}"
        with pytest.raises(KeyboardInterrupt):
            run(scenario, folder, interrupt_at(calls))
        resume(folder)
        assert log_bytes(folder) == log_bytes(whole)


def test_the_size_of_segments_changes_no_row(social, tmp_path, monkeypatch):
    monkeypatch.setattr("recsim_llm.scenarios.arm_logs.SEGMENT_ROWS", 100)
    small = run(load_scenario("demo", SOCIAL), tmp_path / "small")
    assert len(list((small / "events").glob("*.parquet"))) > len(list((social / "events").glob("*.parquet")))
    for table in ("impressions", "events"):
        for arm in ARMS:
            assert repr(rows(small, table, arm)) == repr(rows(social, table, arm))


def test_users_who_run_free_within_a_visit_hear_the_same(social, tmp_path):
    free = run(load_scenario("demo", SOCIAL | {"barrier": "visit"}), tmp_path / "free")
    events = [{repr(event) for event in rows(folder, "events", "item-knn")} for folder in (free, social)]
    assert events[0] == events[1]


def test_language_users_hear_in_words(tmp_path):
    scenario = load_scenario("demo", SOCIAL | LANGUAGE)
    folder = run(scenario, tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert len(manifest["user_model_provenance"]["friend_templates"]) == 32
    events = [event for event in rows(folder, "events", "popularity") if event["event"] == "friend_click"]
    assert all(event["value"] is None for event in events)
    assert any(slot["friend_id"] is not None for slot in rows(folder, "impressions", "popularity"))


def test_friends_need_a_clock():
    with pytest.raises(ConfigError, match="expected a clock beside social"):
        load_scenario("demo", {"social": {}})


# What is measured


def test_a_report_tells_what_went_from_friend_to_friend(social, friends):
    assert main(["report", str(social), "--quiet"]) == 0
    content = json.loads((social / "metrics.json").read_text())["contagion"]
    for arm in content:
        shown = rows(social, "impressions", arm["arm"])
        clicks = [slot for slot in shown if slot["clicked"]]
        traced = [slot for slot in clicks if slot["friend_id"] is not None]
        assert arm["clicks"] == len(clicks)
        assert arm["traced"]["value"] == pytest.approx(len(traced) / len(clicks))
        assert arm["traced"]["low"] < arm["traced"]["value"] < arm["traced"]["high"]
        sizes = {int(size): count for size, count in arm["cascade_sizes"].items()}
        assert sum(sizes.values()) == arm["cascades"] > 0
        assert (min(sizes), max(sizes)) == (2, arm["largest_cascade"])
        # Repeats are forbidden: every traced click brings one user into a tree.
        assert sum((size - 1) * count for size, count in sizes.items()) == len(traced)
    table = ds.dataset(social / "friends.parquet").to_table().to_pydict()
    assert set(zip(table["user_id"], table["friend_id"], strict=True)) < friends
    page = (social / "report.html").read_text()
    assert "From friend to friend" in page
    assert re.search(r" · a friend, user \d+, liked it", page)
    assert (social / "figures" / "cascade_sizes.png").is_file()


def test_a_report_without_friends_says_nothing_of_them(tmp_path):
    folder = run(load_scenario("demo", CLOCK | {"clock.days": 2}), tmp_path / "run")
    assert main(["report", str(folder), "--quiet"]) == 0
    assert "contagion" not in json.loads((folder / "metrics.json").read_text())
    assert "From friend to friend" not in (folder / "report.html").read_text()


def test_what_a_file_of_friends_holds_besides_is_told(tmp_path, capsys):
    file = tmp_path / "friends.csv"
    file.write_text("user_id,friend_id\n1,2\n2,1\n3,999999\n")
    settings = CLOCK | {"users.count": None, "clock": {"days": 1, "arrive_days": 1}, "social": {"friends": str(file)}}
    folder = run(load_scenario("demo", settings | {"recommenders": ["popularity"], "max_pages": 1}), tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["friendships"]["left_out"] == {"unknown": 1, "oneself": 0, "repeated": 1}
    assert manifest["users_warnings"] == ["friends: 2 rows left out (unknown user 1, repeated 1)"]
    file.write_text("user_id,friend_id\n1,3\n")
    assert main(["resume", str(folder), "--quiet"]) == 2
    assert "friendships" in capsys.readouterr().err
