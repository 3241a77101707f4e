"""Runs with words on pages and from users: off means off, dice are kept, what is written and said is logged and measured."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pyarrow.dataset as ds
import pytest
from stopped_runs import check_stopped_run

from recsim_llm.data import open_dataset
from recsim_llm.dynamics.reasons import ReasonReader
from recsim_llm.errors import ConfigError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.log import open_run
from recsim_llm.log.unread_words import read_unread
from recsim_llm.metrics.item_tables import read_tables
from recsim_llm.metrics.run_words import measure_words
from recsim_llm.report import write_report
from recsim_llm.scenarios import load_scenario, run

PLAIN = {
    "users.count": 40,
    "max_pages": 4,
    "slate_size": 5,
    "visits": 3,
    "seed": 3,
    "users.parameters": {"click_bias": 0.0},
    "recommenders": ["popularity", {"name": "told", "recommender": "explained", "settings": {"base": "popularity"}}],
}
ARM = "told"
READ, SAID = {"presentation": {}}, {"remarks": {"share": 0.5, "requests": 0.5}}
ON = PLAIN | READ | SAID
TITLED = {"name": "titled", "recommender": "clickbait", "settings": {"base": "popularity"}}
ADDED = ("explanation", "shown_title", "plain_click_prob", "trust")


def rows(folder, table, arm=ARM, but=()):
    there = ds.dataset(sorted((folder / table).glob("*.parquet"))).to_table().to_pylist()
    return [{name: value for name, value in row.items() if name not in but} for row in there if row["arm"] == arm]


def prompts(folder):
    """Return the prompt of every call."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        texts = dict(connection.execute("SELECT hash, text FROM parts"))
        calls = connection.execute("SELECT parts FROM calls").fetchall()
    return ["\n\n".join(texts[part] for part in json.loads(parts)) for (parts,) in calls]


def drawn(folder, arm, but=()):
    return [repr(rows(folder, table, arm, but)) for table in ("impressions", "pages", "visits")]


@pytest.fixture(scope="module")
def off(tmp_path_factory):
    return run(load_scenario("demo", PLAIN), tmp_path_factory.mktemp("off") / "run")


@pytest.fixture(scope="module")
def on(tmp_path_factory):
    return run(load_scenario("demo", ON), tmp_path_factory.mktemp("on") / "run")


# Off, stopped, cut into batches


def test_without_presentation_nobody_sees_words_and_their_number_is_told(off):
    base, told = (repr(rows(off, "impressions", arm, but=("arm",))) for arm in ("popularity", ARM))
    assert base == told
    slots = len(rows(off, "impressions"))
    assert read_unread(off) == {ARM: pytest.approx(slots, rel=0.05)}
    assert f"{read_unread(off)[ARM]:,} by {ARM}; add presentation" in write_report(off).read_text()
    assert not {"presentation", "remarks"} & set(json.loads((off / "manifest.json").read_text())["settings"])


def test_a_recommender_without_words_is_served_the_same_users_with_presentation(off, on):
    assert drawn(on, "popularity", but=(*ADDED, "text")) == drawn(off, "popularity", but=("text",))


BABBLE = {"presentation": {"lift": 2.0, "taste": 0.0}}


def babbling(name):
    return {"name": "babbles", "recommender": f"tests.support.acting_recommenders:{name}"}


def test_words_that_give_no_reason_earn_nothing(tmp_path):
    folder = run(
        load_scenario("demo", PLAIN | BABBLE | {"recommenders": ["popularity", babbling("Babbling")]}), tmp_path / "run"
    )
    assert all(row["explanation"] == "." for row in rows(folder, "impressions", "babbles"))
    but = ("arm", "explanation", "plain_click_prob")
    assert drawn(folder, "babbles", but) == drawn(folder, "popularity", but)
    assert measure(folder)[1].faithfulness.readable.value == 0.0


def test_of_a_heap_of_words_those_earn_something_in_which_a_reason_is_named(tmp_path):
    folder = run(load_scenario("demo", PLAIN | BABBLE | {"recommenders": [babbling("Rambling")]}), tmp_path / "run")
    reader = ReasonReader.of_catalog(open_dataset("fictional").catalog)
    slots = rows(folder, "impressions", "babbles")
    earned = [row["click_prob"] > row["plain_click_prob"] for row in slots]
    assert earned == [bool(reader.read(row["explanation"])) for row in slots]
    assert 0 < sum(earned) < 0.3 * len(slots)


def test_what_users_say_changes_no_draw(on, tmp_path):
    silent = run(load_scenario("demo", PLAIN | READ), tmp_path / "silent")
    assert drawn(silent, ARM) == [
        repr([{**row, "text": None} if "text" in row else row for row in rows(on, table)])
        for table in ("impressions", "pages", "visits")
    ]
    assert any(row["text"] for row in rows(on, "impressions"))


@pytest.mark.parametrize("more", [{"recommenders": [TITLED]}, {"barrier": "visit"}, {"users.noise": {"random_clicks": 0.02}}])
def test_a_stopped_run_ends_like_one_that_was_never_stopped(more, tmp_path):
    check_stopped_run(load_scenario("demo", ON | more), tmp_path)


def test_the_size_of_segments_changes_no_row(on, tmp_path, monkeypatch):
    monkeypatch.setattr("recsim_llm.scenarios.arm_logs.SEGMENT_ROWS", 100)
    small = run(load_scenario("demo", ON), tmp_path / "small")
    assert len(list((small / "pages").glob("*.parquet"))) > len(list((on / "pages").glob("*.parquet")))
    assert drawn(small, ARM) == drawn(on, ARM)


def test_users_who_run_free_within_a_visit_do_the_same(on, tmp_path):
    free = run(load_scenario("demo", ON | {"barrier": "visit"}), tmp_path / "free")
    for table in ("impressions", "pages", "visits"):
        assert {repr(row) for row in rows(free, table)} == {repr(row) for row in rows(on, table)}


def test_a_user_is_the_same_whoever_else_browses(on, tmp_path):
    block = run(load_scenario("demo", ON | {"users.block": {"size": 10, "number": 1}}), tmp_path / "block")
    some = {row["user_id"] for row in rows(block, "pages")}
    assert 0 < len(some) <= 10
    for table in ("impressions", "pages", "visits"):
        assert repr(rows(block, table)) == repr([row for row in rows(on, table) if row["user_id"] in some])


# What words do


def test_without_its_words_a_page_is_the_page_of_the_base(off, on):
    first = {"visit": 0, "page": 0}
    told, base = (
        [row for row in rows(folder, "impressions", arm) if all(row[name] == value for name, value in first.items())]
        for folder, arm in ((on, ARM), (off, "popularity"))
    )
    assert [row["plain_click_prob"] for row in told] == [row["click_prob"] for row in base]
    assert any(row["click_prob"] > row["plain_click_prob"] for row in told)
    assert all(row["click_prob"] == row["plain_click_prob"] for row in told if row["explanation"] is None)


def test_a_click_is_drawn_with_the_probability_of_the_page_with_its_words(on):
    shown = rows(on, "impressions")
    chance = np.array([row["click_prob"] for row in shown])
    clicked = np.array([row["clicked"] for row in shown])
    error = np.sqrt((chance * (1 - chance)).sum())
    assert abs(clicked.sum() - chance.sum()) < 3.5 * error


def test_trust_is_in_the_log_and_moves_where_there_are_words_alone(on):
    assert {row["trust"] for row in rows(on, "pages", "popularity")} == {0.5}
    assert len({row["trust"] for row in rows(on, "pages")}) > 3


def test_words_that_move_nobody_are_measured_as_such(tmp_path):
    idle = {"presentation": {"lift": 0.0, "taste": 0.0}}
    _, told = measure(run(load_scenario("demo", PLAIN | idle), tmp_path / "idle"))
    assert told.persuasion.lift.value == 0.0
    assert told.persuasion.caused.value == 0.0


def test_words_of_sold_slots_and_of_a_world_in_time_are_logged(tmp_path):
    timed = {"clock": {"days": 3, "arrive_days": 1}, "social": {"friends": {"degree": 6.0}}, "actions": "usual"}
    folder = run(load_scenario("demo", ON | timed), tmp_path / "timed")
    assert any(row["explanation"] for row in rows(folder, "impressions"))
    assert measure(folder)[1].faithfulness.in_catalog.value == 1.0


def test_that_friends_liked_it_is_held_against_the_friends_of_the_log(tmp_path):
    timed = {"clock": {"days": 3, "arrive_days": 1}, "social": {"friends": {"degree": 6.0}}}
    arms = {"recommenders": [{"name": "told", "recommender": "tests.support.acting_recommenders:Friendly"}]}
    folder = run(load_scenario("demo", ON | timed | arms), tmp_path / "timed")
    shown = [row["friend_id"] is not None for row in rows(folder, "impressions") if row["explanation"]]
    (told,) = measure(folder)
    assert 0 < sum(shown) < len(shown)
    assert told.faithfulness.in_catalog.value == pytest.approx(np.mean(shown))
    assert told.faithfulness.kinds == {"friends": len(shown)}


def test_planners_plan_with_users_who_read(tmp_path):
    arms = {"recommenders": ["planner"], "users.count": 4, "max_pages": 2, "visits": 1}
    folder = run(load_scenario("demo", ON | arms), tmp_path / "planned")
    assert rows(folder, "pages", "planner")


# What is measured


def measure(folder):
    return measure_words(open_run(folder), read_tables(folder))


@pytest.mark.parametrize("rows_together", [1, 300, 900])
def test_a_long_log_is_measured_some_users_at_a_time_with_the_same_result(on, rows_together):
    log, tables = open_run(on), read_tables(on)
    assert log.count_rows("impressions", ARM) > 1_000
    whole, parts = measure(on), measure_words(log, tables, part_rows=rows_together)
    assert [arm.to_json() for arm in parts] == [arm.to_json() for arm in whole]
    assert whole[1].faithfulness.explanations > 500
    assert whole[1].obedience.requests > 5


@pytest.mark.parametrize("planted", [0.0, 0.3, 1.0])
def test_planted_lies_are_told_from_true_reasons(planted, tmp_path):
    settings = {"base": "popularity", "reasons": ["genre", "similar", "provider"], "unfaithful": planted}
    arms = {"recommenders": [{"name": "told", "recommender": "explained", "settings": settings}]}
    (told,) = measure(run(load_scenario("demo", PLAIN | READ | arms), tmp_path / "run"))
    found = told.faithfulness
    assert found.readable.value == 1.0
    assert found.of_user.value == 1.0
    if planted in (0.0, 1.0):
        assert found.faithful.value == 1 - planted
    else:
        assert found.faithful.low < 1 - planted < found.faithful.high


@pytest.mark.parametrize("fickle", [0.0, 1.0])
def test_recommenders_that_change_their_reasons_are_told_from_those_that_do_not(fickle, tmp_path):
    settings = {"base": "popularity", "reasons": ["year", "genre", "provider"], "fickle": fickle}
    arms = {"recommenders": [{"name": "told", "recommender": "explained", "settings": settings}], "repeats": "allow"}
    (told,) = measure(run(load_scenario("demo", PLAIN | READ | arms), tmp_path / "run"))
    found = told.faithfulness
    assert found.repeated > 200
    assert found.consistent.value == 1.0 if not fickle else found.consistent.high < 0.6
    assert found.in_catalog.value == 1.0


def test_who_does_what_is_asked_for_is_told_from_who_is_deaf(tmp_path):
    base = "tests.support.acting_recommenders:Deaf"
    arms = [
        {"name": "deaf", "recommender": base},
        {"name": "obliging", "recommender": "obliging", "settings": {"base": base, "candidates": 2000}},
    ]
    more = {"recommenders": arms, "remarks": {"share": 0.0, "requests": 0.4}, "users.count": 200}
    deaf, obliging = measure(run(load_scenario("demo", PLAIN | more), tmp_path / "run"))
    assert obliging.obedience.requests > 200
    assert obliging.obedience.obedience.value == 1.0
    assert obliging.obedience.obeyed.value == 1.0
    assert not deaf.obedience.obedience.excludes(0.0)
    assert deaf.obedience.obedience.high < 0.5


def test_the_report_tells_what_words_did(on, off):
    page = write_report(on).read_text()
    section = page.partition("Words</a></h2>")[2].partition("<h2")[0]
    for said in ("Regret, stars", "True altogether", "Obedience", "How much users trust words on pages"):
        assert said in section
    told = json.loads((on / "metrics.json").read_text())["page_words"]
    assert [arm["arm"] for arm in told] == ["popularity", ARM]
    assert told[1]["persuasion"]["lift"]["value"] > 0
    assert (on / "figures" / "trust_by_visit.csv").is_file()
    assert measure(off) is None
    assert "Words</a></h2>" not in write_report(off).read_text()


# Language users


LANGUAGE = PLAIN | {
    "users.model": "language",
    "users.parameters": {},
    "models.user.name": "scripted/genres",
    "users.count": 4,
    "max_pages": 2,
    "visits": 1,
    "recommenders": [PLAIN["recommenders"][1], TITLED],
}


@pytest.mark.parametrize("barrier", ["page", "visit"])
def test_language_users_read_the_words_as_data(barrier, tmp_path):
    folder = run(load_scenario("demo", LANGUAGE | READ | {"barrier": barrier}), tmp_path / "run")
    asked = prompts(folder)
    assert any('Beside 1 stands "Because you like' in prompt for prompt in asked)
    assert any("is advertised as" in prompt and "You won't believe" in prompt for prompt in asked)
    assert all(row["plain_click_prob"] is None for row in rows(folder, "impressions"))
    told, _ = measure(folder)
    assert (told.persuasion.slots, told.persuasion.unknown > 0) == (0, True)


def test_language_users_can_be_asked_without_the_words_as_well(tmp_path):
    one = run(load_scenario("demo", LANGUAGE | READ), tmp_path / "one")
    both = run(load_scenario("demo", LANGUAGE | {"presentation": {"ask_without": True}}), tmp_path / "both")
    assert drawn(both, ARM, but=("plain_click_prob",)) == drawn(one, ARM, but=("plain_click_prob",))
    assert all(row["plain_click_prob"] is not None for row in rows(both, "impressions"))
    asked = [{prompt for prompt in prompts(folder) if "The page says:" in prompt} for folder in (one, both)]
    assert asked[0] == asked[1]
    assert len(prompts(both)) == 2 * len(asked[1])


LONG_TERM = {"data": "recsim-lts", "users.model": "recsim-lts", "users.parameters": {}, "recommenders": ["random"]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"presentation": {"lfit": 1.0}}, "unknown key 'presentation.lfit', expected .*lift"),
        ({"presentation": {"trust": 2.0}}, "presentation.trust: got 2.0, expected a number from 0"),
        ({"remarks": {"share": -1.0}}, "remarks.share: got -1.0, expected a number from 0"),
        ({"presentation": {}, **LONG_TERM}, "presentation: got .* leave presentation out"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        run(load_scenario("demo", PLAIN | settings), tmp_path / "run")


# The writer


def test_what_is_said_can_be_worded_by_the_writer_and_is_the_same_otherwise(on, tmp_path):
    by_model = {"remarks": {"share": 0.5, "requests": 0.5, "words": "writer"}, "models.writer.name": "scripted/genres"}
    few = {"users.count": 6, "visits": 1}
    templated = run(load_scenario("demo", ON | few), tmp_path / "templated")
    written = run(load_scenario("demo", ON | few | by_model), tmp_path / "written")
    assert drawn(written, ARM, but=("text",)) == drawn(templated, ARM, but=("text",))
    said = [[row["text"] for row in rows(folder, "impressions")] for folder in (templated, written)]
    assert [text is None for text in said[0]] == [text is None for text in said[1]]
    assert said[0] != said[1]
    assert any("What the visitor means: " in prompt for prompt in prompts(written))


def test_a_writer_that_nobody_named_is_asked_for_before_anything_is_served(tmp_path):
    with pytest.raises(ConfigError, match="writer"):
        run(load_scenario("demo", ON | {"remarks": {"words": "writer"}}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
