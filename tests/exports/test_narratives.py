"""Narrative queries from a log: they lead to what was taken, know what was taken before, and never name it."""

import json
import sqlite3
from contextlib import closing

import pyarrow.dataset as ds
import pytest
from killed_calls import PAID, TWICE

from recsim_llm.cli.main import main
from recsim_llm.core.catalog import Catalog
from recsim_llm.data import open_dataset
from recsim_llm.errors import BudgetExceeded, ConfigError
from recsim_llm.exports import HISTORY, NARRATIVES_FILE, ArmLog, ExportSource, Identities, write_narratives
from recsim_llm.exports.narratives import _names, _without
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.log import open_run
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.export import export
from recsim_llm.scenarios.narrative_writing import NarrativeModel

ARM = "popularity"
SMALL = {
    "users.count": 120,
    "max_pages": 4,
    "slate_size": 5,
    "visits": 2,
    "seed": 3,
    "users.parameters": {"click_bias": 1.0},
    "recommenders": [ARM, "random"],
}
SCRIPTED = ModelSettings(name="scripted/genres")
CATALOG = open_dataset("fictional").catalog


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return run(load_scenario("demo", SMALL), tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def out(played):
    export(played, "narratives", played.parent / "out")
    return played.parent / "out"


def lines(folder, name=NARRATIVES_FILE, arm=ARM):
    return [json.loads(line) for line in (folder / arm / name).read_text(encoding="utf-8").splitlines()]


def clicks(folder, arm=ARM):
    rows = ds.dataset(sorted((folder / "impressions").glob("*.parquet"))).to_table().to_pylist()
    rows = [row for row in rows if row["arm"] == arm and row["clicked"]]
    return sorted(rows, key=lambda row: (row["user_id"], row["visit"], row["page"], row["position"]))


def calls(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def title_of(item):
    return str(CATALOG.title[CATALOG.index_of(item)])


def test_each_liked_click_after_another_page_has_a_query_with_what_was_taken_before(played, out):
    told, taken = {line["query_id"]: line for line in lines(out)}, clicks(played)
    first = leaked = 0
    for row in taken:
        before = [
            one
            for one in taken
            if one["user_id"] == row["user_id"] and (one["visit"], one["page"]) < (row["visit"], row["page"])
        ][-HISTORY:]
        before = [one for one in before if one["item_id"] != row["item_id"]]
        line = told.pop(f"{row['user_id']}-{row['visit']}-{row['page']}-{row['position']}", None)
        if row["rating"] < 4 or not before:
            assert line is None
            first += row["rating"] >= 4
        elif line is None:
            leaked += 1
        else:
            assert line["target_item_ids"] == [row["item_id"]]
            assert line["history"] == [{"item_id": one["item_id"], "rating": one["rating"]} for one in before]
    counts = json.loads((out / "export.json").read_text())["arms"][ARM]
    assert (counts["first"], counts["leaked"], counts["queries"]) == (first, leaked, len(lines(out)))
    assert not told
    assert len(lines(out)) > 50


def test_a_query_says_what_the_target_is_and_names_what_is_like_it_but_never_the_target(out):
    named = 0
    for line in lines(out):
        (target,) = line["target_item_ids"]
        place = CATALOG.index_of(target)
        assert title_of(target).casefold() not in line["query"].casefold()
        assert all(genre.lower() in line["query"] for genre in CATALOG.genres_of(int(place)))
        assert f"{CATALOG.year[place] // 10 * 10}s" in line["query"]
        named += any(f'"{title_of(one["item_id"])}"' in line["query"] for one in line["history"])
    assert named > 0.9 * len(lines(out))


def test_items_are_documents_for_all_that_can_be_asked_for(out):
    items = lines(out, "items.jsonl")
    assert [row["item_id"] for row in items] == CATALOG.item_id.tolist()
    assert items[0]["text"].endswith(str(CATALOG.description[0]))


@pytest.mark.parametrize(
    ("text", "title", "named"),
    [
        ("Something like Red Sea, please", "Red Sea (1994)", True),
        ("something like the red, sea?", "Red Sea", True),
        ("The Quiet Hill is what I mean", "Quiet Hill, The (1994)", True),
        ("a quiet hill in the evening", "Quiet Hill, The", True),
        ("Red Seas", "Red Sea", False),
        ("A red and wide sea", "Red Sea", False),
        ("anything", "…", False),
    ],
)
def test_a_title_is_found_however_it_is_spelt(text, title, named):
    assert _names(text, title) is named
    assert not _names(_without(f"It is {title}, again.", title), title) or title.endswith("The")


def test_queries_that_name_their_target_are_left_out_and_counted(tmp_path):
    played = run(load_scenario("demo", SMALL | {"users.count": 40, "recommenders": [ARM]}), tmp_path / "run")
    users = ArmLog(open_run(played), ARM).keys("user_id")[0]
    titles = ["Comedy" if row else "Drama" for row in CATALOG.genres[:, CATALOG.genre_names.index("Comedy")]]
    named = Catalog.from_columns(
        item_id=CATALOG.item_id,
        title=titles,
        genres=[CATALOG.genres_of(place) for place in range(len(CATALOG))],
    )
    source = ExportSource(
        log=ArmLog(open_run(played), ARM),
        catalog=named,
        identities=Identities(users, anonymous=False, user_key=None),
        max_pages=4,
    )
    (tmp_path / "out").mkdir()
    counts = write_narratives(source, tmp_path / "out")
    assert counts["leaked"] > 0
    told = [json.loads(line) for line in (tmp_path / "out" / NARRATIVES_FILE).read_text().splitlines()]
    for line in told:
        assert not _names(line["query"], titles[CATALOG.index_of(line["target_item_ids"][0])])


def test_a_model_writes_them_its_calls_are_kept_and_it_is_told_no_title_of_a_target(played, tmp_path):
    out = tmp_path / "out"
    content = export(played, "narratives", out, arm=ARM, model=NarrativeModel(settings=SCRIPTED))
    told = lines(out)
    assert {line["written_by"] for line in told} == {"scripted/genres"}
    assert content["arms"][ARM]["queries"] == len(told) > 50
    kept = tmp_path / "out.calls.sqlite"
    paid = calls(kept, PAID)[0][0]
    assert paid > 0
    texts = dict(calls(kept, "SELECT hash, text FROM parts"))
    asked = [[texts[part] for part in json.loads(parts)] for (parts,) in calls(kept, "SELECT parts FROM calls")]
    assert not any("title" in part.split("</item>")[0] for parts in asked for part in parts if part.startswith("<item>"))
    export(played, "narratives", tmp_path / "again", arm=ARM, model=NarrativeModel(settings=SCRIPTED, cache=kept))
    assert lines(tmp_path / "again") == told
    assert calls(tmp_path / "again.calls.sqlite", PAID)[0][0] == 0


def test_an_export_that_was_stopped_pays_for_nothing_twice(played, tmp_path):
    out, kept = tmp_path / "out", tmp_path / "out.calls.sqlite"
    with pytest.raises(BudgetExceeded):
        export(played, "narratives", out, arm=ARM, model=NarrativeModel(settings=SCRIPTED, limits={"calls": 20}))
    assert not out.exists()
    assert 0 < calls(kept, PAID)[0][0] <= 20
    export(played, "narratives", out, arm=ARM, model=NarrativeModel(settings=SCRIPTED))
    assert calls(kept, TWICE) == []
    assert lines(out)


def test_what_the_model_will_be_asked_is_confirmed_first_and_other_formats_take_none(played, tmp_path):
    def refuse(estimate):
        assert estimate.calls > 50
        raise ConfigError("called off")

    with pytest.raises(ConfigError, match="called off"):
        export(played, "narratives", tmp_path / "out", model=NarrativeModel(settings=SCRIPTED, confirm=refuse))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="expected one for narratives alone"):
        export(played, "movielens", tmp_path / "out", model=NarrativeModel(settings=SCRIPTED))


def test_an_anonymous_export_has_the_same_queries_of_other_users(played, out, tmp_path):
    export(played, "narratives", tmp_path / "hidden", anonymous=True)
    assert sorted(line["query"] for line in lines(tmp_path / "hidden")) == sorted(line["query"] for line in lines(out))
    assert not {line["user_id"] for line in lines(tmp_path / "hidden")} & {line["user_id"] for line in lines(out)}


def test_the_command_writes_them_with_and_without_a_model(played, tmp_path, capsys):
    assert main(["export", str(played), "narratives", str(tmp_path / "one"), "--arm", ARM]) == 0
    assert "popularity queries" in capsys.readouterr().out
    assert main(["export", str(played), "narratives", str(tmp_path / "two"), "--arm", ARM, "--model", "scripted/genres"]) == 0
    assert [line["target_item_ids"] for line in lines(tmp_path / "one")] == [
        line["target_item_ids"] for line in lines(tmp_path / "two")
    ]
    assert main(["export", str(played), "narratives", str(tmp_path / "no"), "--max-calls", "3"]) == 2
    assert "expected --model provider/name with it" in capsys.readouterr().err
