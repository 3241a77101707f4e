"""Metrics of whole runs: by hand, from any cut of the log, and only from what the run folder holds."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import written_runs as logs
from made_worlds import BOTH, CATALOG, DRAMA, LATER, NONE, TRAIN, WAR, people

from recsim_llm.errors import LogError
from recsim_llm.metrics import DETAILS, measure_run
from recsim_llm.metrics.item_tables import read_tables, write_tables
from recsim_llm.report import write_report
from recsim_llm.scenarios import load_scenario, resume, run

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = {"users.count": 60, "max_pages": 6, "slate_size": 5, "seed": 3, "recommenders": ["random", "popularity", "mf"]}

HAND = [
    ("a", 7, 0, 0, [(DRAMA, 4.0), (WAR, 5.0)]),
    ("a", 7, 0, 1, [(BOTH, 2.0), (-1, None)]),
    ("a", 7, 0, 2, [(NONE, 2.0), (DRAMA, None)]),
    ("a", 9, 0, 0, [(WAR, None), (BOTH, None)]),
    ("a", 9, 0, 1, [(WAR, 3.0), (WAR, None)]),
]


@pytest.fixture
def hand(tmp_path):
    folder = logs.write_run(tmp_path / "run", HAND, arms=["a"])
    write_tables(folder, CATALOG, people(9, 7), train=TRAIN, later=LATER)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(load_scenario("demo", SETTINGS), tmp_path_factory.mktemp("runs") / "whole")


def test_metrics_of_a_small_log_are_those_computed_by_hand(hand):
    arm = measure_run(hand).arm("a")
    found = {key: measure.estimate.value for key, measure in arm.metrics.items()}
    # Training shares, one added to 0, 6, 3, 1: 1/14, 7/14, 4/14, 2/14. Exposures: NONE 1, DRAMA 2, BOTH 2, WAR 4.
    bits = -(np.log2(1 / 14) + 2 * np.log2(7 / 14) + 2 * np.log2(4 / 14) + 4 * np.log2(2 / 14))
    # User 7 wants WAR (rank 2 of 2); user 9 wants DRAMA and BOTH, and gets BOTH at rank 2.
    second = 1 / np.log2(3)
    expected = {
        "ndcg": (second + second / (1 + second)) / 2,
        "recall": (1 + 1 / 2) / 2,
        "precision": 1 / 2,
        "mrr": 1 / 2,
        "hit_rate": 1,
        "novelty": bits / 9,
        # The popularity list holds DRAMA alone: four of five clicks are outside, of nine slots.
        "serendipity": 4 / 9,
        # Distances: DRAMA-WAR 1, NONE-DRAMA 1, WAR-BOTH 1/2, WAR-WAR 0; the page with a blank has no pair.
        "intra_list_diversity": 2.5 / 4,
        "catalog_coverage": 1,
        "exposure_gini": 2 * (1 * 1 + 2 * 2 + 3 * 2 + 4 * 4) / (4 * 9) - 5 / 4,
        # Shown: 7 sees 6, 1, 3, 0, 6; 9 sees 1, 3, 1, 1. Histories: 4.5 and 6.
        "popularity_lift": (16 / 5 + 6 / 4) / (4.5 + 6) - 1,
        # DRAMA and BOTH hold 9 of 10, DRAMA alone 6: the tail is WAR and NONE.
        "long_tail_share": 5 / 9,
        "long_tail_clicks": 3 / 5,
        # Genres clicked: 7 DRAMA, WAR, BOTH: 1.5 and 1.5; 9 only WAR.
        "genre_entropy": (1 + 0) / 2,
        "choice_overlap": 1 / 4,
        # Exposure a 2, b 6; merit .6 and .4 of training ratings; NONE has no provider.
        "exposure_merit_gap": 0.6 - 2 / 8,
        "worst_exposure_ratio": (2 / 8) / 0.6,
        "watched_of_clicked": 3 / 5,
        "rated_of_clicked": 1,
        "liked_of_rated": 2 / 5,
        "invalid_share": 1 / 10,
        "examined_of_shown": None,
        "clicked_of_examined": None,
        "position_bias_examination": None,
        "position_bias_order": None,
        # User 9's half of the clicks is none: nobody else to overlap with.
        "choice_overlap_change": None,
        # Only user 7 has four clicks; quarters DRAMA, WAR, BOTH, NONE, of which the last has no genre.
        "genre_entropy_trend": None,
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    # Clicks 4 of 5 shown at position 1, 1 of 4 at position 2.
    assert found["position_bias"] == pytest.approx(-np.log2((1 / 4) / (4 / 5)))
    # History of 7: DRAMA 1.5, WAR .5; shown DRAMA 2.5, WAR 1.5. History of 9: DRAMA; shown DRAMA .5, WAR 3.5.
    mixed = 0.99 * np.array([2.5 / 4, 1.5 / 4]) + 0.01 * np.array([0.75, 0.25])
    seven = 0.75 * np.log2(0.75 / mixed[0]) + 0.25 * np.log2(0.25 / mixed[1])
    nine = -np.log2(0.99 * 0.5 / 4 + 0.01)
    assert found["genre_miscalibration"] == pytest.approx((seven + nine) / 2)


def test_every_metric_without_value_or_interval_says_why(hand):
    arm = measure_run(hand).arm("a")
    assert list(arm.metrics) == [definition.key for definition in DETAILS]
    for measure in arm.metrics.values():
        assert (measure.note == "") == (measure.estimate.low is not None)
    assert arm.metrics["worst_exposure_ratio"].group == "a"
    assert arm.funnel == {"shown": 9, "examined": 0, "clicked": 5, "watched": 3, "rated": 5, "liked": 2}


def test_the_tables_hold_what_is_known_beside_the_log(hand):
    items, users, held = (pq.read_table(hand / f"{name}.parquet").to_pylist() for name in ("items", "users", "held_out"))
    assert items[1] == {
        "item_id": DRAMA,
        "title": "drama",
        "year": 1999,
        "genres": ["Drama"],
        "provider": "a",
        "popularity": 6,
        "item_key": None,
    }
    assert items[0]["year"] is None
    assert users[1] == {
        "user_id": 7,
        "user_key": None,
        "activity_tercile": "high",
        "diversity_tercile": None,
        "mainstreamness_tercile": None,
        "history_popularity": 4.5,
        "history_genres": [("Drama", 1.5), ("War", 0.5)],
        "gender": "m",
    }
    # User 5 is not of the population.
    assert [(row["user_id"], row["item_id"], row["rating"]) for row in held] == [
        *((7, WAR, 4), (7, DRAMA, 2), (9, DRAMA, 5), (9, BOTH, 4))
    ]


def test_the_tables_of_synthetic_users_hold_no_history_and_no_truth(hand):
    write_tables(hand, CATALOG, people(9, 7, 800), train=TRAIN, later=LATER.take(LATER.user_id == 5))
    tables = read_tables(hand)
    assert len(tables.held_user) == 0
    assert np.isnan(tables.history_popularity).tolist() == [False, False, True]
    assert tables.groups["gender"].tolist() == ["m", "f", None]
    measure = measure_run(hand).arm("a").metrics["ndcg"]
    assert measure.estimate.value is None
    assert "held-out" in measure.note


@pytest.mark.parametrize("batch_rows", [1, 7, 64, 1000])
def test_no_cut_of_the_log_into_batches_changes_a_bit(finished, batch_rows):
    whole = json.dumps(measure_run(finished).to_json())
    assert sum(pq.read_metadata(path).num_rows for path in (finished / "impressions").glob("*")) > 1000
    assert json.dumps(measure_run(finished, batch_rows=batch_rows).to_json()) == whole


def test_no_cut_of_the_log_into_files_changes_a_bit(finished, tmp_path):
    whole = measure_run(finished).to_json()
    cut = shutil.copytree(finished, tmp_path / "cut")
    (cut / "segments.jsonl").unlink()
    for path in sorted((cut / "impressions").glob("*.parquet")):
        table = pq.read_table(path)
        path.unlink()
        for number, start in enumerate(range(0, len(table), 333)):
            pq.write_table(table.slice(start, 333), path.with_name(f"{path.stem}-{number:04d}.parquet"))
    assert measure_run(cut).to_json() == whole


def test_memory_is_bounded_by_users_and_items_not_by_rows(finished):
    from recsim_llm.log import open_run
    from recsim_llm.metrics.streaming import PageReader
    from recsim_llm.metrics.sums import Sums

    tables = read_tables(finished)

    def held(times):
        sums = Sums(tables, 3, slots=5, expected=10, seed=3)
        for _ in range(times):
            for batch in PageReader(open_run(finished), tables, batch_rows=100).impressions():
                assert len(batch.arm) <= 100 // 5 + 1
                sums.add_impressions(batch)
        sums.chosen(0)
        arrays = [value for value in vars(sums).values() if isinstance(value, np.ndarray)]
        arrays += [table for value in vars(sums).values() if isinstance(value, dict) for table in value.values()]
        return sum(array.nbytes for array in arrays)

    # Clicks that come again fall into other halves; beyond these, nothing may be kept.
    assert held(3) == held(6)


def test_measures_of_a_real_run_lie_where_they_can(finished):
    for arm in measure_run(finished).arms:
        for definition in DETAILS:
            estimate = arm.metrics[definition.key].estimate
            if estimate.value is not None and definition.unit in ("share", "0 to 1") and definition.key != "popularity_lift":
                assert 0 <= estimate.value <= 1, definition.key
            if estimate.low is not None:
                assert estimate.low <= estimate.value <= estimate.high, definition.key
        assert len(arm.genre_entropy_by_part) in (0, 4)


def test_popularity_shows_what_it_is(finished):
    arms = measure_run(finished)
    random, popular = arms.arm("random").metrics, arms.arm("popularity").metrics
    assert popular["popularity_lift"].estimate.low > 0 > random["popularity_lift"].estimate.high
    assert popular["long_tail_share"].estimate.value < random["long_tail_share"].estimate.low
    assert popular["novelty"].estimate.high < random["novelty"].estimate.low
    assert popular["ndcg"].estimate.value > random["ndcg"].estimate.value


def test_equal_runs_have_equal_tables_and_a_resumed_run_keeps_its_own(finished, tmp_path):
    names = [f"{name}.parquet" for name in ("items", "users", "held_out")]
    again = run(load_scenario("demo", SETTINGS), tmp_path / "again")
    assert all((again / name).read_bytes() == (finished / name).read_bytes() for name in names)
    (again / "held_out.parquet").write_bytes(b"other")
    resume(again)
    assert (again / "held_out.parquet").read_bytes() == b"other"


def test_what_is_held_out_is_not_read_by_what_serves_users(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "copy")
    (folder / "held_out.parquet").write_bytes(b"no truth here")
    lines = (folder / "segments.jsonl").read_text().splitlines(keepends=True)
    (folder / "segments.jsonl").write_text("".join(lines[:1]))
    resume(folder)
    for kind in ("impressions", "pages", "visits"):
        for path in (finished / kind).glob("*.parquet"):
            assert (folder / kind / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(LogError, match="held_out"):
        measure_run(folder)


def test_a_run_killed_before_its_tables_gets_them_on_resume(finished, tmp_path):
    folder = tmp_path / "killed"
    folder.mkdir()
    shutil.copy(finished / "manifest.json", folder)
    resume(folder)
    assert (folder / "users.parquet").read_bytes() == (finished / "users.parquet").read_bytes()


def test_the_report_folds_the_metrics_and_writes_their_numbers(finished):
    page = write_report(finished).read_text(encoding="utf-8")
    section = page[page.index(">More metrics</a></h2>") : page.index(">How far to trust it</a></h2>")]
    assert section.count("<details>") == section.count("</details>") == 6
    assert "Reciprocal rank" in section
    content = json.loads((finished / "metrics.json").read_text())["metrics"]
    assert content == json.loads(json.dumps(measure_run(finished).to_json()))
    assert set(content["arms"][0]["user_groups"]) >= {"activity_tercile", "mainstreamness_tercile"}


def test_a_log_without_tables_has_no_such_section(tmp_path):
    folder = logs.write_run(tmp_path / "run", logs.HAND, arms=["a", "b"])
    assert measure_run(folder) is None
    assert "More metrics" not in write_report(folder).read_text(encoding="utf-8")
    assert "metrics" not in json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(("file", "column"), [("items", "item_id"), ("users", "user_id")])
def test_a_log_of_others_is_refused(hand, file, column):
    path = hand / f"{file}.parquet"
    table = pq.read_table(path)
    pq.write_table(table.filter(pa.compute.less(table[column], 3)), path)
    with pytest.raises(LogError, match="start a new run"):
        measure_run(hand)


def test_every_metric_is_documented():
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    for definition in DETAILS:
        assert f"`{definition.key}`" in text, definition.key
