"""Runs whose users chat, send each other items and search in words: what is in the log is what happened, and off means off."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pyarrow.dataset as ds
import pytest
from stopped_runs import check_stopped_run

from recsim_llm.agents.influenced_users import influence_on
from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.log.schema import LIKE_THRESHOLD
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.building import build_scenario_world, load_dataset
from recsim_llm.scenarios.social_settings import SocialSettings, befriend

ARM = "item-knn"
SOCIAL = {
    "users.count": 80,
    "max_pages": 2,
    "slate_size": 5,
    "seed": 3,
    "recommenders": ["popularity", ARM],
    "clock": {"days": 7, "arrive_days": 2},
    "social": {"strength": 1.5, "friends": {"degree": 8}},
}
CHATTING = SOCIAL | {"social.chats": {"share": 0.3, "strength": 2.0}}
ACTING = {"actions": {"search": {"share": 0.3}, "share": {"log_odds": 2.0}}}
LANGUAGE = {"users.model": "language", "models.user.name": "scripted/genres", "users.count": 20, "recommenders": ["popularity"]}
TALKING = CHATTING | LANGUAGE | ACTING


def rows(folder, table, arm=ARM):
    there = ds.dataset(sorted((folder / table).glob("*.parquet"))).to_table().to_pylist()
    return [row for row in there if row["arm"] == arm]


def events(folder, event, arm=ARM):
    return [row for row in rows(folder, "events", arm) if row["event"] == event]


def memories(folder):
    """Return what stood in memory on each page: user, visit and text."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        texts = dict(connection.execute("SELECT hash, text FROM parts"))
        calls = connection.execute("SELECT nonce, parts FROM calls").fetchall()
    for nonce, parts in calls:
        _, user, visit, _ = nonce.split()
        yield int(user), int(visit), "\n".join(texts[part] for part in json.loads(parts))


@pytest.fixture(scope="module")
def chatting(tmp_path_factory):
    return run(load_scenario("demo", CHATTING), tmp_path_factory.mktemp("chatting") / "run")


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    return run(load_scenario("demo", TALKING), tmp_path_factory.mktemp("talking") / "run")


# What the log holds


def test_friends_chat_about_what_the_one_who_speaks_took_on_that_day(chatting):
    scenario = load_scenario("demo", CHATTING)
    world = build_scenario_world(scenario, load_dataset(scenario), None)
    graph, ids = influence_on(world.users).heard.friendships, world.population.user_id
    friends = set(zip(ids[graph.owner].tolist(), ids[graph.friends].tolist(), strict=True))
    for arm in ("popularity", ARM):
        day = {(visit["user_id"], visit["visit"]): visit["day"] for visit in rows(chatting, "visits", arm)}
        taken = {
            (day[slot["user_id"], slot["visit"]], slot["user_id"], slot["item_id"]): slot["rating"]
            for slot in rows(chatting, "impressions", arm)
            if slot["clicked"]
        }
        chats = events(chatting, "chat", arm)
        assert len(chats) > 50
        assert len({(chat["day"], *sorted((chat["user_id"], chat["other_id"]))) for chat in chats}) == len(chats)
        for chat in chats:
            assert (chat["user_id"], chat["other_id"]) in friends
            assert taken[chat["day"], chat["other_id"], chat["item_id"]] == chat["value"]


def test_chats_change_what_users_click(chatting, tmp_path):
    silent = run(load_scenario("demo", SOCIAL), tmp_path / "silent")
    shown = [
        {
            (slot["user_id"], slot["visit"], slot["page"], slot["item_id"]): slot["click_prob"]
            for slot in rows(one, "impressions")
        }
        for one in (silent, chatting)
    ]
    moved = [slot for slot in shown[0].keys() & shown[1].keys() if abs(shown[0][slot] - shown[1][slot]) > 0.02]
    told = {(chat["user_id"], chat["item_id"]) for chat in events(chatting, "chat")}
    assert len([slot for slot in moved if (slot[0], slot[3]) in told]) > 5


@pytest.mark.parametrize("more", [{}, {"barrier": "visit"}, LANGUAGE | ACTING], ids=["page", "visit", "language"])
def test_a_stopped_run_ends_like_one_that_was_never_stopped(more, tmp_path):
    check_stopped_run(load_scenario("demo", CHATTING | {"recommenders": ["popularity"]} | more), tmp_path)


def test_neither_segments_nor_batches_change_a_row(chatting, tmp_path, monkeypatch):
    monkeypatch.setattr("recsim_llm.scenarios.arm_logs.SEGMENT_ROWS", 100)
    small = run(load_scenario("demo", CHATTING | {"recommenders": [ARM], "barrier": "visit"}), tmp_path / "small")
    done = [sorted(map(repr, rows(folder, "events"))) for folder in (chatting, small)]
    assert done[0] == done[1]


def test_without_chats_nothing_is_said_of_them(tmp_path):
    folder = run(load_scenario("demo", SOCIAL | {"recommenders": [ARM], "social.chats": None}), tmp_path / "run")
    assert main(["report", str(folder), "--quiet"]) == 0
    assert "chats" not in json.loads((folder / "manifest.json").read_text())["settings"]["social"]
    assert "chats" not in json.loads((folder / "metrics.json").read_text())["contagion"][0]
    assert "Chats" not in (folder / "report.html").read_text()
    assert events(folder, "chat") == []


# Users who are told in words


def test_language_users_remember_chats_and_what_was_sent_by_the_friends_id(talking):
    sent = {(event["other_id"], event["user_id"]) for event in events(talking, "share", "popularity")}
    chats = {(event["user_id"], event["other_id"]) for event in events(talking, "chat", "popularity")}
    found = {"sent you": 0, "You talked with a friend": 0}
    for user, _, text in memories(talking):
        for line in text.splitlines():
            if "sent you" in line:
                assert any(f"A friend, user {friend}, sent you" in line for reader, friend in sent if reader == user)
                found["sent you"] += 1
            if "You talked with a friend" in line:
                with_whom = {b if a == user else a for a, b in chats if user in (a, b)}
                assert any(f"user {friend}, about" in line for friend in with_whom)
                found["You talked with a friend"] += 1
    assert min(found.values()) > 5


def test_language_users_are_told_which_page_answers_what_they_typed(talking):
    typed = {(event["user_id"], event["visit"], event["subject"]) for event in events(talking, "search", "popularity")}
    told = {(user, visit, text.partition('You typed "')[2].partition('"')[0]) for user, visit, text in memories(talking)}
    assert {one for one in told if one[2]} == {(user, visit, query.replace('"', "'")) for user, visit, query in typed}
    assert len(typed) > 10


def test_language_users_who_do_not_chat_have_the_words_that_they_had(tmp_path):
    folder = run(load_scenario("demo", SOCIAL | LANGUAGE), tmp_path / "run")
    provenance = json.loads((folder / "manifest.json").read_text())["user_model_provenance"]
    assert "friend_templates" in provenance
    assert not {"message_templates", "search_templates"} & provenance.keys()


def test_users_who_hear_in_words_and_read_no_messages_cannot_chat():
    class Hearing:
        def meet_friends(self):
            pass

        def show_friends(self, rows, friend_id):
            pass

        def hear(self, rows, item_index, friend_id):
            pass

    scenario = load_scenario("demo", CHATTING)
    world = build_scenario_world(scenario, load_dataset(scenario), None)
    settings = SocialSettings.model_validate({"chats": {}})
    with pytest.raises(ConfigError, match=r"social\.chats: got users Hearing, who hear friends in words and read no messages"):
        befriend(influence_on(world.users), settings, world._replace(users=Hearing()), 3)


def test_chats_of_an_unknown_key_are_refused():
    with pytest.raises(ConfigError, match=r"social.chats.rate"):
        load_scenario("demo", SOCIAL | {"social.chats": {"rate": 0.1}})


# What is measured


def test_a_report_counts_chats_and_the_clicks_that_came_after_them(chatting):
    assert main(["report", str(chatting), "--quiet"]) == 0
    content = {arm["arm"]: arm["chats"] for arm in json.loads((chatting / "metrics.json").read_text())["contagion"]}
    for arm, chats in content.items():
        said = events(chatting, "chat", arm)
        assert chats["count"] == len(said)
        assert chats["per_user"]["value"] == pytest.approx(len(said) / 80)
        assert chats["liked"]["value"] == pytest.approx(sum(one["value"] >= LIKE_THRESHOLD for one in said) / len(said))
        day = {(visit["user_id"], visit["visit"]): visit["day"] for visit in rows(chatting, "visits", arm)}
        first = {}
        for one in said:
            pair = (one["user_id"], one["item_id"])
            first[pair] = min(first.get(pair, one["day"]), one["day"])
        clicks = [slot for slot in rows(chatting, "impressions", arm) if slot["clicked"]]
        after = [c for c in clicks if first.get((c["user_id"], c["item_id"]), 99) < day[c["user_id"], c["visit"]]]
        assert chats["clicks"]["value"] == pytest.approx(len(after) / len(clicks))
        assert len(after) > 0
    assert "Clicks on what a friend had spoken of in a chat" in (chatting / "report.html").read_text()
