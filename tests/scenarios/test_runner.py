"""Runs: the log, its determinism, common dice, and survival of kills."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.dataset as arrow
import pytest

from recsim_llm.core.pages import Slates
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, LogError, PlugInError, RunExistsError, SlateError
from recsim_llm.log.schema import IMPRESSIONS, PAGES, VISITS
from recsim_llm.recommenders import Popularity, deterministic
from recsim_llm.scenarios import arm_logs, load_scenario, resume, run

SMALL = {"users.count": 40, "max_pages": 6, "slate_size": 5, "seed": 3, "recommenders": ["random", "popularity", "mf"]}


def scenario(**changes):
    return load_scenario("demo", SMALL | changes)


def log_bytes(folder):
    """Every file of the log that is not about clock times."""
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names}


def table(folder, kind):
    return arrow.dataset(folder / kind).to_table()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(scenario(visits=2), tmp_path_factory.mktemp("runs") / "whole")


class TwinPopularity(Popularity):
    """The same recommender under another name."""


class Unknown(Popularity):
    """Recommends an item that does not exist."""

    def recommend(self, requests, k):
        slates = super().recommend(requests, k)
        ids = slates.item_id.copy()
        ids[0, 0] = 999_999
        return deterministic(ids)


class Repeating(Popularity):
    """Fills the page with one item."""

    def recommend(self, requests, k):
        ids = super().recommend(requests, k).item_id
        return Slates(np.repeat(ids[:, :1], k, axis=1))


def test_the_log_has_the_published_columns(finished):
    for kind, schema in (("impressions", IMPRESSIONS), ("pages", PAGES), ("visits", VISITS)):
        assert table(finished, kind).schema.names == schema.names


def test_the_three_tables_agree(finished):
    impressions, pages, visits = (table(finished, kind) for kind in ("impressions", "pages", "visits"))
    assert len(impressions) == 5 * len(pages)
    assert sum(visits["pages"].to_pylist()) == len(pages)
    clicks = sum(impressions["clicked"].to_pylist())
    assert clicks == sum(pages["clicks"].to_pylist()) == sum(visits["clicks"].to_pylist())
    assert set(pages["next_action"].to_pylist()) <= {"next", "leave"}
    ended = [reason for reason in pages["stop_reason"].to_pylist() if reason]
    assert len(ended) == len(visits)


def test_what_was_not_clicked_has_no_rating(finished):
    impressions = table(finished, "impressions")
    clicked = np.array(impressions["clicked"].to_pylist())
    for name in ("watched", "rating", "liked"):
        known = np.array([value is not None for value in impressions[name].to_pylist()])
        assert np.array_equal(known, clicked)


def test_clicks_happen_as_often_as_their_probabilities_say(finished):
    impressions = table(finished, "impressions")
    chance = impressions["click_prob"].to_numpy().astype(float)
    clicks = float(impressions["clicked"].to_numpy(zero_copy_only=False).sum())
    assert abs(clicks - chance.sum()) < 4 * np.sqrt((chance * (1 - chance)).sum())


def test_only_users_who_come_back_have_a_second_visit(finished):
    visits = table(finished, "visits").to_pylist()
    returned = {(row["arm"], row["user_id"]) for row in visits if row["visit"] == 0 and row["returned"]}
    assert returned == {(row["arm"], row["user_id"]) for row in visits if row["visit"] == 1}


def test_same_seed_same_bytes(finished, tmp_path):
    assert log_bytes(run(scenario(visits=2), tmp_path / "again")) == log_bytes(finished)


def test_another_seed_another_log(finished, tmp_path):
    other = run(scenario(visits=2, seed=4), tmp_path / "other")
    assert not table(other, "impressions").equals(table(finished, "impressions"))


def test_segments_do_not_change_the_rows(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(arm_logs, "SEGMENT_ROWS", 300)
    cut = run(scenario(visits=2), tmp_path / "cut")
    assert len(list(cut.glob("impressions/*.parquet"))) > 6
    for kind in ("impressions", "pages", "visits"):
        assert table(cut, kind).equals(table(finished, kind))


def test_a_subset_of_users_has_the_same_visits(tmp_path):
    """Non-learning recommenders: leaving users out changes nothing for the rest."""
    many = run(scenario(recommenders=["popularity"]), tmp_path / "many")
    few = run(scenario(recommenders=["popularity"], **{"users.count": 15}), tmp_path / "few")
    kept = set(table(few, "visits")["user_id"].to_pylist())
    rows = [row for row in table(many, "impressions").to_pylist() if row["user_id"] in kept]
    assert len(kept) == 15
    assert sorted(map(repr, rows)) == sorted(map(repr, table(few, "impressions").to_pylist()))


def test_two_arms_with_the_same_slates_get_the_same_feedback(tmp_path):
    arms = ["popularity", {"name": "twin", "recommender": f"{__name__}:TwinPopularity"}]
    folder = run(scenario(recommenders=arms), tmp_path / "twins")
    rows = table(folder, "impressions").to_pylist()
    halves = [[{**row, "arm": ""} for row in rows if row["arm"] == arm] for arm in ("popularity", "twin")]
    assert halves[0] == halves[1]


class Spy(Popularity):
    """Notes what it is told."""

    told: ClassVar[dict[str, object]] = {}

    def fit(self, catalog, ratings, seed):
        self.told.update(catalog=catalog, ratings=ratings, seed=seed)
        super().fit(catalog, ratings, seed)


class Raising(Popularity):
    """Breaks down on its second page."""

    def recommend(self, requests, k):
        if requests.page[0]:
            raise KeyError("lost")
        return super().recommend(requests, k)


def test_a_recommender_learns_neither_the_dice_nor_what_is_hidden(tmp_path):
    run(scenario(recommenders=[{"name": "spy", "recommender": f"{__name__}:Spy"}]), tmp_path / "spied")
    dataset = open_dataset("fictional")
    train, _ = dataset.ratings.split_by_time(0.8)
    told = Spy.told
    assert told["seed"] != SMALL["seed"]
    assert told["ratings"].fingerprint == train.fingerprint
    assert told["catalog"].quality is None
    assert told["catalog"].popularity.sum() == len(train)


def test_a_recommender_that_raises_is_named_and_leaves_its_traceback_alone(tmp_path):
    with pytest.raises(PlugInError, match=r"recommender 'bad', recommend in visit 0: got KeyError: 'lost'"):
        run(scenario(recommenders=[{"name": "bad", "recommender": f"{__name__}:Raising"}]), tmp_path / "raised")
    assert [path.name for path in (tmp_path / "raised").iterdir()] == ["traceback.txt"]


def test_other_users_than_at_the_start_are_not_resumed(tmp_path):
    folder = run(scenario(), tmp_path / "users")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["population"]["fingerprint"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(LogError, match="population"):
        resume(folder)


def test_an_invalid_item_stops_the_run_by_default(tmp_path):
    with pytest.raises(SlateError, match="999999"):
        run(scenario(recommenders=[{"name": "bad", "recommender": f"{__name__}:Unknown"}]), tmp_path / "bad")


def test_invalid_slots_are_blanked_and_counted_on_request(tmp_path):
    arms = [{"name": "same", "recommender": f"{__name__}:Repeating"}]
    folder = run(scenario(recommenders=arms, invalid="count"), tmp_path / "blank")
    assert set(table(folder, "pages")["invalid_slots"].to_pylist()) == {4}
    blank = [row for row in table(folder, "impressions").to_pylist() if row["item_id"] == -1]
    assert blank
    assert not any(row["examined"] or row["clicked"] or row["click_prob"] for row in blank)
    assert all(row["propensity"] is None for row in blank)


def test_a_folder_with_files_is_not_overwritten(finished):
    before = log_bytes(finished)
    with pytest.raises(RunExistsError, match="resume"):
        run(scenario(), finished)
    assert log_bytes(finished) == before


def test_bad_settings_leave_no_folder(tmp_path):
    for changes in ({"reward": "fame"}, {"recommenders": ["nonesuch"]}, {"slate_size": 9999}, {"data": "nonesuch"}):
        with pytest.raises(ConfigError):
            run(scenario(**changes), tmp_path / "never")
        assert not (tmp_path / "never").exists()


def test_resuming_a_finished_run_changes_nothing(finished):
    before = log_bytes(finished)
    resume(finished)
    assert log_bytes(finished) == before


def test_a_damaged_segment_is_found(tmp_path):
    folder = run(scenario(), tmp_path / "damaged")
    victim = next(folder.glob("pages/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-7] + b"garbage")
    with pytest.raises(LogError, match="SHA-256"):
        resume(folder)


def test_a_run_under_other_settings_is_not_resumed(tmp_path):
    folder = run(scenario(), tmp_path / "changed")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["data"]["fingerprint"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(LogError, match="data"):
        resume(folder)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(LogError, match="manifest"):
        resume(tmp_path)


CHILD = """
import signal, sys, time
from pathlib import Path
from recsim_llm.scenarios import arm_logs, load_scenario, resume, run
arm_logs.SEGMENT_ROWS = 300
out = Path(sys.argv[1])
scenario = load_scenario("demo", {settings!r})
begun = time.process_time()
signal.setitimer(signal.ITIMER_PROF, float(sys.argv[2]))
if (out / "manifest.json").exists():
    resume(out)
else:
    run(scenario, out)
print(time.process_time() - begun)
"""


def work_until(folder, settings, instant):
    """Run or resume in a process of its own that dies after so many seconds of work, 0 never.

    Returns:
        The seconds of work; None if it died.
    """
    # Work and not time: what else the machine does then moves no death behind the end. Nobody catches this signal.
    command = [sys.executable, "-c", CHILD.format(settings=settings), str(folder), str(instant)]
    child = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ, check=False)
    assert child.returncode in (0, -signal.SIGPROF)
    return None if child.returncode else float(child.stdout)


@pytest.mark.slow
def test_a_run_killed_at_twenty_instants_ends_with_the_same_log(tmp_path):
    """Death at random instants, resumed each time: the bytes equal an uninterrupted run's."""
    settings = SMALL | {"recommenders": ["random", "popularity", "linucb"], "visits": 2, "users.count": 300}
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    length = work_until(whole, settings, 0)
    killed, restarts = 0, 0
    for share in np.random.default_rng(20).uniform(0.2, 1.0, 20):
        stopped = work_until(folder, settings, float(share) * length) is None
        killed += stopped
        if not stopped and killed < 20:
            # It got to the end: begin anew, so that later kills meet an unfinished run too.
            assert log_bytes(folder) == log_bytes(whole)
            restarts += 1
            folder = tmp_path / f"killed{restarts}"
    work_until(folder, settings, 0)
    assert killed >= 10
    assert log_bytes(folder) == log_bytes(whole)


def test_the_random_recommenders_propensities_are_logged(finished):
    rows = [row for row in table(finished, "impressions").to_pylist() if row["arm"] == "random"]
    assert len(rows) > 100
    assert all(0 < row["propensity"] <= row["prefix_propensity"] * 1.0001 < 1 for row in rows)


def test_a_run_folder_holds_what_is_published(finished):
    names = {path.name for path in Path(finished).iterdir()}
    assert {"manifest.json", "segments.jsonl", "impressions", "pages", "visits", "timings.parquet"} <= names
