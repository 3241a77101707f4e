"""Watched runs are runs: the same log, what is shown is what is in it, and what was changed by hand is written down."""

import json
import shutil
from typing import ClassVar

import numpy as np
import pytest
from watched_runs import CLOCK, LANGUAGE, log_of, play, small, watched

from recsim_llm.comparison import summarise
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.log.reader import open_run
from recsim_llm.recommenders import deterministic
from recsim_llm.scenarios import resume, run

KINDS = {
    "pages": {},
    "clock": {**CLOCK, "intents": "usual"},
    "visits": {"barrier": "visit", "visits": 2},
    "language": {**LANGUAGE, **CLOCK},
    "everything": {
        **CLOCK,
        "intents": "usual",
        "actions": "usual",
        "social": {"friends": {"degree": 6}, "strength": 1.5},
        "interventions": [
            {"name": "talk", "at": 1, "until": 3, "change": {"trend": {"items": {"popular": 0.1}, "size": 1.0}}},
            {"name": "new", "at": 2, "change": {"release": {"items": {"share": 0.1}}}},
        ],
    },
}


def rows(folder, table, names, arm=None):
    """Return columns of a log's table as one structured list of tuples."""
    found = []
    for batch in open_run(folder).batches(table, list(names), arm=arm):
        found += list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A watched run with a clock that nobody changed: the run, and its folder."""
    folder = tmp_path_factory.mktemp("plain") / "run"
    with watched(folder, **CLOCK) as opened:
        play(opened)
    return opened, folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_only_watched_writes_what_run_writes(kind, tmp_path):
    with watched(tmp_path / "watched", **KINDS[kind]) as opened:
        play(opened, 2)
        opened.snapshot()
        for user in opened.users.listed("random", "")["users"]:
            opened.users.shown("random", user["id"])
        play(opened)
    run(small(**KINDS[kind]), tmp_path / "run")
    assert log_of(tmp_path / "watched") == log_of(tmp_path / "run")


def test_a_recommender_that_is_retrained_every_day_is_so_where_it_is_watched(tmp_path):
    again = {"name": "again", "recommender": "popularity", "retrain": "day"}
    changes = CLOCK | {"recommenders": ["popularity", again], "train_share": 0.05, "users.parameters.click_bias": 2.0}
    with watched(tmp_path / "watched", **changes) as opened:
        play(opened)
    run(small(**changes), tmp_path / "run")
    assert log_of(tmp_path / "watched") == log_of(tmp_path / "run")


def test_a_run_that_is_closed_early_is_gone_on_with_to_the_same_log(tmp_path):
    with watched(tmp_path / "watched", **CLOCK) as opened:
        play(opened, 2)
    assert open_run(tmp_path / "watched").begun_arms == ("popularity", "random")
    resume(tmp_path / "watched")
    run(small(**CLOCK), tmp_path / "run")
    assert log_of(tmp_path / "watched") == log_of(tmp_path / "run")


def test_series_are_those_of_the_log(plain):
    opened, folder = plain
    day = {row[:2]: row[2] for row in rows(folder, "visits", ("user_id", "visit", "day"), "random")}
    pages = rows(folder, "pages", ("user_id", "visit", "clicks"), "random")
    series = opened.snapshot()["arms"][1]["values"]
    for step in range(5):
        clicks = [row[2] for row in pages if day[row[:2]] == step]
        users = {row[0] for row in pages if day[row[:2]] == step}
        assert series["users"][step] == len(users) > 0
        assert series["clicks_a_page"][step] == pytest.approx(np.mean(clicks))
    shown = {row[0] for row in rows(folder, "impressions", ("item_id",), "random")}
    assert series["coverage"][-1] == pytest.approx(len(shown) / len(opened.arms["random"].world.catalog))
    ends = rows(folder, "visits", ("visit", "day", "satisfaction", "returned"), "random")
    assert series["satisfaction"][1] == pytest.approx(np.mean([row[2] for row in ends if row[1] == 1]))
    assert series["return_share"][1] == pytest.approx(np.mean([row[3] for row in ends if row[1] == 1]))


def test_a_snapshot_tells_whole_steps_from_where_one_left_off(plain):
    opened, _ = plain
    whole, rest = opened.snapshot(), opened.snapshot(3)
    assert (rest["since"], rest["told"], rest["steps"]) == (3, 5, 5)
    assert rest["arms"][0]["values"]["users"] == whole["arms"][0]["values"]["users"][3:]
    with watched(**CLOCK) as other:
        step = other.step()
        next(step)
        assert other.snapshot()["arms"][0]["values"]["users"] == []
        step.close()


def test_what_is_shown_of_a_user_is_what_the_log_has(plain):
    opened, folder = plain
    names = (
        "visit",
        "page",
        "position",
        "item_id",
        "propensity",
        "examine_prob",
        "click_prob",
        "examined",
        "clicked",
        "rating",
    )
    for listed in opened.users.listed("random", "")["users"][:10]:
        logged = [row[1:] for row in rows(folder, "impressions", ("user_id", *names), "random") if str(row[0]) == listed["id"]]
        last = max(row[0] for row in logged)
        user = opened.users.shown("random", listed["id"])
        seen = [
            [
                *(user["visit"], page["page"]),
                *(slot[name] for name in ("position", "item", "propensity", "examine_prob")),
                pytest.approx(slot["examine_prob"] * slot["click_prob"]),
                *(slot[name] for name in ("examined", "clicked", "rating")),
            ]
            for page in user["pages_seen"]
            for slot in page["slots"]
        ]
        assert seen == [list(row) for row in logged if row[0] == last]
        assert user["clicks"] == sum(row[8] for row in logged)
        assert user["persona"].startswith("You ")


def test_users_are_found_by_the_beginning_of_their_id():
    with watched() as opened:
        everyone = opened.users.listed("random", "")
        assert everyone["found"] == len(everyone["users"]) == 24
        first = everyone["users"][0]["id"]
        assert all(user["id"].startswith(first) for user in opened.users.listed("random", first)["users"])
        assert opened.users.listed("random", "nobody") == {"found": 0, "users": []}
        with pytest.raises(ConfigError, match="got 'nobody', expected the id of one of the 24 users"):
            opened.users.shown("random", "nobody")


@pytest.fixture(scope="module")
def switched(tmp_path_factory):
    """The same run, in which the users of popularity are served by random from day 2 on."""
    folder = tmp_path_factory.mktemp("switched") / "run"
    with watched(folder, **CLOCK) as opened:
        play(opened, 2)
        opened.switch("popularity", "random")
        assert opened.snapshot()["arms"][0]["wanted"] == "random"
        play(opened)
    return opened, folder


def test_a_switch_holds_from_the_next_step_for_one_arm(plain, switched):
    shown = {}
    for name, (_, folder) in {"plain": plain, "switched": switched}.items():
        day = {row[:2]: row[2] for row in rows(folder, "visits", ("user_id", "visit", "day"), "popularity")}
        for row in rows(folder, "impressions", ("user_id", "visit", "page", "position", "item_id"), "popularity"):
            shown.setdefault(name, []).append((day[row[:2]], *row))
    before = [[row for row in shown[name] if row[0] < 2] for name in ("plain", "switched")]
    assert before[0] == before[1]
    # Each page of the oldest users from then on is random's: popularity's own would have shown them others.
    assert [row for row in shown["plain"] if row[0] == 2] != [row for row in shown["switched"] if row[0] == 2]
    assert log_of(plain[1])["impressions/01-00000.parquet"] == log_of(switched[1])["impressions/01-00000.parquet"]
    user = next(user["id"] for user in switched[0].users.listed("popularity", "")["users"] if user["visit"] > 0)
    assert switched[0].users.shown("popularity", user)["pages_seen"][0]["recommender"] == "random"


def test_a_recommender_put_in_place_knows_nothing_of_the_run():
    with watched(**CLOCK) as first, watched(**CLOCK) as other:
        first.switch("popularity", "random")
        play(first, 1)
        play(other, 1)
        pages = [
            [
                [page["slots"] for page in run_.users.shown(arm, user["id"])["pages_seen"]]
                for user in run_.users.listed(arm, "")["users"]
            ]
            for run_, arm in ((first, "popularity"), (other, "random"))
        ]
        assert pages[0] == pages[1]


class Counted:
    """Shows the first items, and keeps what was asked of every one of its kind."""

    made: ClassVar[list] = []

    def fit(self, catalog, ratings, seed):
        self.made.append(self)
        self.items, self.seen = catalog.item_id, {"recommend": 0, "observe": 0}

    def recommend(self, requests, k):
        self.seen["recommend"] += len(requests.user_id)
        return deterministic(self.items[:k][None].repeat(len(requests.user_id), axis=0))

    def observe(self, requests, slates, clicked, rating):
        self.seen["observe"] += len(requests.user_id)


def test_a_recommender_learns_from_its_own_pages_and_goes_on_with_that_when_it_is_back(monkeypatch):
    monkeypatch.setattr(Counted, "made", [])
    arms = ["popularity", {"name": "counted", "recommender": f"{__name__}:Counted"}]
    with watched(**CLOCK, recommenders=arms, repeats="allow") as run_:
        seen = []
        for recommender in ("popularity", "counted", "popularity", "counted"):
            run_.switch("popularity", recommender)
            before = run_.arms["popularity"].counts()["pages"]
            play(run_, 1)
            seen.append(run_.arms["popularity"].counts()["pages"] - before)
    assert len(Counted.made) == 2
    assert Counted.made[1].seen == {"recommend": seen[1] + seen[3], "observe": seen[1] + seen[3]}


def test_a_switch_is_an_event_and_the_manifest_and_every_reader_tell_it(switched):
    opened, folder = switched
    assert rows(folder, "events", ("day", "event", "subject"), "popularity") == [(2, "recommender", "random")]
    (change,) = json.loads((folder / "manifest.json").read_text())["by_hand"]
    assert change == opened.by_hand[0]
    assert (change["step"], change["when"], change["arm"], change["recommender"]) == (2, "day 2", "popularity", "random")
    (said,) = summarise(folder).warnings
    assert said == "changed by hand: day 2: users of popularity are served by random"


def test_nobody_goes_on_with_a_run_that_was_changed_by_hand(switched, tmp_path):
    before = log_of(switched[1])
    resume(switched[1])
    assert log_of(switched[1]) == before
    with watched(tmp_path / "begun", **CLOCK) as opened:
        opened.switch("random", "popularity")
        play(opened, 1)
    with pytest.raises(LogError, match="changed by hand and is not finished"):
        resume(tmp_path / "begun")


def test_the_manifest_is_marked_before_the_change_takes_effect(tmp_path):
    folder = tmp_path / "run"
    with watched(folder, **CLOCK) as opened:
        play(opened, 1)
        opened.switch("random", "popularity")
        assert "by_hand" not in json.loads((folder / "manifest.json").read_text())
        step = opened.step()
        next(step)
        shutil.copytree(folder, tmp_path / "killed")
        step.close()
    assert json.loads((tmp_path / "killed" / "manifest.json").read_text())["by_hand"]


def test_switching_to_where_one_is_changes_nothing(tmp_path):
    with watched(tmp_path / "run") as opened:
        opened.switch("random", "popularity")
        opened.switch("random", "random")
        play(opened)
        assert opened.by_hand == []
        with pytest.raises(ConfigError, match="got a run that is finished"):
            opened.switch("random", "popularity")


@pytest.mark.parametrize(("arm", "recommender"), [("random", "randon"), ("nobody", "random")])
def test_unknown_names_are_refused(arm, recommender):
    with watched() as opened, pytest.raises(ConfigError, match="expected"):
        opened.switch(arm, recommender)


def test_a_slider_is_the_intervention_that_the_manifest_names(tmp_path):
    with watched(tmp_path / "hand", **CLOCK) as opened:
        play(opened, 1)
        opened.move("clicking", 2)
        play(opened, 2)
        opened.move("clicking", 0)
        opened.move("leaving", -1.5)
        play(opened)
    begins, ends, other = json.loads((tmp_path / "hand" / "manifest.json").read_text())["by_hand"]
    first = {**begins["intervention"], "until": ends["until"]}
    run(small(**CLOCK, interventions=[first, other["intervention"]]), tmp_path / "planned")
    names = ("user_id", "visit", "page", "position", "item_id", "clicked", "rating")
    for arm in ("popularity", "random"):
        assert rows(tmp_path / "hand", "impressions", names, arm) == rows(tmp_path / "planned", "impressions", names, arm)
        events = rows(tmp_path / "hand", "events", ("day", "event", "subject"), arm)
        assert events == rows(tmp_path / "planned", "events", ("day", "event", "subject"), arm)
        assert events == [(1, "begins", "by hand 1"), (3, "ends", "by hand 1"), (3, "begins", "by hand 2")]


def test_sliders_move_the_users(plain):
    with watched(**CLOCK) as opened:
        opened.move("genre Drama", 3.0)
        opened.move("clicking", 3.0)
        play(opened)
        moved = opened.snapshot()["arms"][0]
    assert moved["clicks"] > 1.5 * plain[0].snapshot()["arms"][0]["clicks"]


@pytest.mark.parametrize(
    ("name", "value"), [("clickin", 1), ("clicking", 3.5), ("clicking", True), ("clicking", "1"), ("clicking", float("nan"))]
)
def test_sliders_refuse_what_is_none_of_theirs(name, value):
    with watched(**CLOCK) as opened, pytest.raises(ConfigError, match="slider"):
        opened.move(name, value)


def test_without_a_clock_there_are_no_sliders():
    with watched() as opened:
        assert opened.snapshot()["sliders"] == []
        with pytest.raises(ConfigError, match="without a clock, expected one with"):
            opened.move("clicking", 1)
