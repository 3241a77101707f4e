"""The files behind the page of sessions hold what the log and the calls hold, whoever is drawn, however it is cut."""

import json
import re
import sqlite3

import numpy as np
import pyarrow as pa
import pytest
import written_runs as logs

from recsim_llm.cli.main import main
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.log import open_run
from recsim_llm.log.tables import TEXTS, write_table
from recsim_llm.report import session_files, write_report, write_sessions
from recsim_llm.scenarios import load_scenario, run

SETTINGS = {
    "users.count": 12,
    "users.model": "language",
    "models.user": "scripted/genres",
    "recommenders": ["random", "popularity"],
    "max_pages": 3,
    "visits": 2,
    "slate_size": 4,
    "seed": 5,
}


def content_of(folder, kind):
    """Return what the scripts of a kind hold of each user, and what they share, all files together."""
    users, shared = {}, {}
    for path in sorted((folder / "sessions").glob(f"{kind}-*.js")):
        number, text = re.fullmatch(rf"sessions\.{kind}\((\d+), (.*)\);\n", path.read_text(encoding="ascii")).groups()
        assert path.name == f"{kind}-{int(number):05d}.js"
        content = json.loads(text)
        assert not users.keys() & content["users"].keys()
        users |= content.pop("users")
        for part in content.values():
            shared |= part
    return users, shared


def index_of(folder):
    text = (folder / "sessions" / "index.js").read_text(encoding="ascii")
    return json.loads(re.fullmatch(r"sessions\.index\((.*)\);\n", text).group(1))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A run of language users, whose calls are kept."""
    return run(load_scenario("demo", SETTINGS), tmp_path_factory.mktemp("sessions") / "run")


@pytest.fixture
def whole(spoken):
    write_sessions(spoken, "all")
    return content_of(spoken, "pages")[0]


def test_every_slot_of_the_log_is_there_with_its_chances_and_what_was_drawn(spoken, whole):
    log, told = open_run(spoken), {}
    for user, arms in whole.items():
        for arm, visits in zip(log.arms, arms, strict=True):
            for visit in visits:
                for page in visit["pages"]:
                    for position, slot in enumerate(page["slots"]):
                        told[arm, int(user), visit["visit"], page["page"], position] = slot[:6]
    names = ["user_id", "visit", "page", "position", "item_id", "propensity", "examine_prob", "click_prob"]
    rows = 0
    for arm in log.arms:
        columns = log.columns("impressions", [*names, "examined", "clicked", "rating"], arm=arm)
        for *key, item, shown, look, click, examined, clicked, rating in zip(*columns.values(), strict=True):
            slot = told[arm, *map(int, key)]
            assert slot[0] == item
            assert slot[1:4] == pytest.approx([shown, look, click], rel=1e-3)
            assert slot[4] == (2 if clicked else 1 if examined else 0)
            assert slot[5] == (None if np.isnan(rating) else rating)
            rows += 1
    assert rows == len(told) > 200


def test_visits_say_how_they_ended(spoken, whole):
    log = open_run(spoken)
    for arm, visits in zip(log.arms, zip(*whole.values(), strict=True), strict=True):
        ends = [visit["pages"][-1]["end"] for user in visits for visit in user]
        assert sorted(ends) == sorted(log.columns("visits", ["stop_reason"], arm=arm)["stop_reason"])
        assert all(visit["over"]["stop_reason"] == visit["pages"][-1]["end"] for user in visits for visit in user)


def test_prompts_and_replies_stand_with_the_page_of_the_recommender_that_was_asked_about(spoken, whole):
    asked, parts = content_of(spoken, "calls")
    titles = content_of(spoken, "pages")[1]
    pages = 0
    for user, arms in whole.items():
        for arm, visits in enumerate(arms):
            for visit in visits:
                for page in visit["pages"]:
                    mine = [
                        call for call in asked[user] if call["place"] == [visit["visit"], page["page"]] and arm in call["arms"]
                    ]
                    assert mine
                    for call in mine:
                        text = "\n".join(parts[one][1] for one in call["prompt"])
                        assert all(titles[str(slot[0])].replace('"', "”") in text for slot in page["slots"])
                        questions = json.loads(parts[call["asked"]][1])
                        assert len(call["chances"]) == len(questions)
                        assert all(sum(row) == pytest.approx(1.0, abs=1e-3) for row in call["chances"])
                    pages += 1
    assert pages > 40


def test_an_answer_that_was_known_before_is_shown_with_its_reply(tmp_path):
    arms = [{"name": name, "recommender": "popularity", "settings": {}} for name in ("one", "two")]
    folder = run(load_scenario("demo", SETTINGS | {"users.count": 3, "recommenders": arms}), tmp_path / "run")
    write_sessions(folder, "all")
    calls = [call for mine in content_of(folder, "calls")[0].values() for call in mine]
    connection = sqlite3.connect(folder / "calls.sqlite")
    kept = connection.execute("SELECT count(*), sum(cache_hit), sum(reply IS NULL) FROM calls").fetchone()
    connection.close()
    assert kept[0] == len(calls)
    assert kept[1] == kept[2] == sum(call["cached"] for call in calls) > 0
    assert all(call["chances"] and call["arms"] == [0, 1] for call in calls)


@pytest.mark.parametrize(("group", "chunk"), [(1, 1), (20, 7), (10**6, 10**6)])
def test_however_it_is_cut_it_holds_the_same(spoken, whole, monkeypatch, group, chunk):
    expected, index = content_of(spoken, "calls"), index_of(spoken)
    monkeypatch.setattr(session_files, "_GROUP_PAGES", group)
    monkeypatch.setattr(session_files, "_CHUNK_PAGES", chunk)
    write_sessions(spoken, "all")
    assert content_of(spoken, "pages")[0] == whole
    assert content_of(spoken, "calls") == expected
    firsts = index_of(spoken).pop("firsts")
    assert len(firsts) == {1: 12, 10**6: 1}.get(chunk, len(firsts))
    assert firsts == sorted(set(firsts))
    assert index_of(spoken) | {"firsts": []} == index | {"firsts": []}


def test_users_are_drawn_by_the_seed_and_more_of_them_hold_the_fewer(spoken, whole):
    drawn = {}
    for count in (3, 6, 3, 50):
        write_sessions(spoken, count)
        drawn.setdefault(count, []).append(index_of(spoken)["users"])
    assert drawn[3][0] == drawn[3][1] == sorted(drawn[3][0])
    assert set(drawn[3][0]) < set(drawn[6][0]) < set(drawn[50][0])
    assert drawn[50][0] == sorted(map(int, whole))
    assert content_of(spoken, "pages")[0].keys() == whole.keys()


def test_the_same_run_gives_the_same_bytes_and_nothing_half_written_stays(spoken):
    def files():
        return {path: path.read_bytes() for path in [spoken / "sessions.html", *(spoken / "sessions").iterdir()]}

    write_sessions(spoken, "all")
    before = files()
    (spoken / "sessions" / "pages-00099.js").write_text("of an older run")
    (spoken / "sessions.part").mkdir()
    write_sessions(spoken, "all")
    assert files() == before
    assert not (spoken / "sessions.part").exists()


def test_too_many_pages_are_refused_and_what_was_there_stays(spoken, monkeypatch):
    write_sessions(spoken, 2)
    before = index_of(spoken)
    monkeypatch.setattr(session_files, "MOST_PAGES", 50)
    with pytest.raises(ConfigError, match=r"got \d+ pages of 12 users, expected 50 pages at most; name fewer users, .* \d+$"):
        write_sessions(spoken, "all")
    with pytest.raises(ConfigError, match="expected 1 or more, or all"):
        write_sessions(spoken, 0)
    assert index_of(spoken) == before


def test_damaged_calls_are_told_and_what_was_there_stays(spoken, tmp_path):
    write_sessions(spoken, 2)
    before, path = index_of(spoken), spoken / "calls.sqlite"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:4096] + b"\0" * (len(content) - 4096))
        with pytest.raises(LogError, match=r"calls\.sqlite: got"):
            write_sessions(spoken, "all")
    finally:
        path.write_bytes(content)
    assert index_of(spoken) == before


def test_a_log_of_another_tool_is_shown_by_numbers(tmp_path):
    folder = logs.write_run(tmp_path / "run", logs.HAND, arms=["a", "b"])
    told = dict.fromkeys(TEXTS.names) | {
        "arm": "b",
        "user_id": 9,
        "visit": 0,
        "page": 0,
        "kind": "left",
        "text": "enough\x1b[2J",
    }
    write_table(folder, "texts", pa.Table.from_pylist([told], schema=TEXTS))
    write_sessions(folder, "all")
    users, items = content_of(folder, "pages")
    assert items == {"-1": "(blank)", "1": "item 1", "2": "item 2", "3": "item 3"}
    item, shown, *_, drawn, stars = users["7"][0][0]["pages"][1]["slots"][1]
    assert (item, shown, drawn, stars) == (-1, None, 0, None)
    assert users["9"][1][0]["pages"][0]["said"] == [{"kind": "left", "position": None, "text": "enough"}]
    assert not list((folder / "sessions").glob("calls-*"))
    assert index_of(folder)["calls"] is False


def test_a_log_without_pages_is_refused(tmp_path):
    folder = logs.write_run(tmp_path / "run", [], arms=["a"])
    with pytest.raises(LogError, match="without pages"):
        write_sessions(folder, "all")
    assert not (folder / "sessions").exists()


def test_the_command_writes_it_and_the_report_leads_there(spoken, capsys):
    (spoken / "sessions.html").unlink(missing_ok=True)
    assert "--sessions 100" in write_report(spoken).read_text(encoding="utf-8")
    assert main(["report", str(spoken), "--sessions", "4"]) == 0
    assert f"sessions {spoken / 'sessions.html'}" in capsys.readouterr().out
    assert 'href="sessions.html"' in (spoken / "report.html").read_text(encoding="utf-8")
    assert len(index_of(spoken)["users"]) == 4
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(spoken), "--sessions", "many"])
    assert "got 'many', expected a number of users, or all" in capsys.readouterr().err


def test_a_training_is_refused_and_told_where_its_run_is(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text('{"training": 1}')
    assert main(["report", str(tmp_path), "--sessions", "all"]) == 2
    assert f"got {tmp_path}, a training, expected a run; name its folder evaluation" in capsys.readouterr().err
