"""Runs served in shards: the same bytes as without, whatever is lost on the way, and never more calls than allowed."""

import os
import signal
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest
from living import EVERYTHING, living
from lost_workers import kill_workers, paid
from stopped_runs import log_bytes, stop_run

from recsim_llm.errors import BudgetExceeded, ConfigError, LogError, PlugInError
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.calls.joined_calls import join_calls, shard_files
from recsim_llm.log.tables import read_table
from recsim_llm.scenarios import arm_logs, load_scenario, resume, run, shard_calls, sharded_arms
from recsim_llm.shards.sharding import Sharding, open_crew

LANGUAGE = {"users.model": "language", "models.user": "scripted/genres", "recommenders": ["popularity", "linucb"]}
AGENTS = {"users.count": 6, "seed": 3}
INLINE = Sharding("inline", 3)


def demo(**more):
    return load_scenario("demo", {"users.count": 30, "seed": 3, "max_pages": 4, "recommenders": ["popularity", "mf"]} | more)


SCENARIOS = {
    "recommenders that learn nothing": demo(),
    "returning users and a bandit": demo(visits=2, recommenders=["linucb", "content"]),
    "visits that run free": demo(visits=2, barrier="visit", recommenders=["thompson", "popularity"]),
    "fits during the run": load_scenario("retraining", {"users.count": 20, "seed": 3}),
    "language users": demo(**LANGUAGE | {"users.count": 8, "visits": 2, "barrier": "visit"}),
    "a clock, interventions and intents": living(interventions=EVERYTHING, intents="usual"),
    "friends, actions and prices": load_scenario("shop", {"users.count": 25, "seed": 3, "clock.days": 4}),
    "chats": load_scenario("chats", {"users.count": 20, "seed": 3, "clock.days": 3}),
    "providers who leave": load_scenario("provider-exodus", {"users.count": 30, "seed": 3, "clock.days": 4}),
    "words on pages": load_scenario("clickbait", {"users.count": 20, "seed": 3}),
    "agents with tools": load_scenario("tools-against-ranker", AGENTS),
}


@pytest.fixture(scope="module", params=SCENARIOS)
def whole(request, tmp_path_factory):
    """A scenario and its run without shards."""
    scenario = SCENARIOS[request.param]
    return scenario, run(scenario, tmp_path_factory.mktemp("whole") / "run")


def test_shards_give_the_same_bytes(whole, tmp_path):
    scenario, before = whole
    sharded = run(scenario, tmp_path / "run", sharding=INLINE)
    assert log_bytes(sharded) == log_bytes(before)
    for table in ("counts", "timings"):
        assert (sharded / f"{table}.parquet").exists() == (before / f"{table}.parquet").exists()


@pytest.mark.parametrize("shards", [1, 2, 6])
def test_any_number_of_shards_gives_the_same_bytes(shards, tmp_path):
    few = demo(**{"users.count": 6})
    sharded = run(few, tmp_path / "sharded", sharding=Sharding("inline", shards))
    assert log_bytes(sharded) == log_bytes(run(few, tmp_path / "whole"))


def test_what_the_recommenders_took_is_told_of_all_shards_together(tmp_path):
    folders = [run(demo(), tmp_path / "whole"), run(demo(), tmp_path / "sharded", sharding=INLINE)]
    served = [read_table(folder, "serving").to_pydict() for folder in folders]
    assert served[0]["pages"] == served[1]["pages"]


def test_segments_end_where_they_end_without_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(arm_logs, "SEGMENT_ROWS", 200)
    assert log_bytes(run(demo(), tmp_path / "sharded", sharding=INLINE)) == log_bytes(run(demo(), tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shards"),
    [("returning users and a bandit", 4), ("friends, actions and prices", 2), ("language users", 2)],
)
def test_processes_give_the_same_bytes(name, shards, tmp_path):
    scenario = SCENARIOS[name]
    sharded = run(scenario, tmp_path / "sharded", sharding=Sharding("processes", shards))
    assert log_bytes(sharded) == log_bytes(run(scenario, tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recommenders that learn nothing", "a clock, interventions and intents"])
def test_a_worker_that_is_killed_is_replaced(name, tmp_path, monkeypatch):
    scenario = SCENARIOS[name]
    kill_one, seen = kill_workers(monkeypatch, {3: 1, 9: 1})
    sharded = run(scenario, tmp_path / "sharded", kill_one, sharding=Sharding("processes", 2))
    assert len(seen) > 9
    assert log_bytes(sharded) == log_bytes(run(scenario, tmp_path / "whole"))


@pytest.mark.slow
def test_a_worker_that_is_lost_again_and_again_is_told(tmp_path, monkeypatch):
    def kill_at_once(sharding):
        crew = open_crew(sharding)
        call = crew.call

        def killed(answers):
            os.kill(crew.process_ids[1], signal.SIGKILL)
            return call(answers)

        crew.call = killed
        return crew

    with monkeypatch.context() as patch:
        patch.setattr(sharded_arms, "open_crew", kill_at_once)
        with pytest.raises(LogError, match="shard 1 of 2: got a worker that was ended by signal 9, 3 times"):
            run(demo(), tmp_path / "sharded", sharding=Sharding("processes", 2))
    assert not (tmp_path / "sharded").exists()


@pytest.mark.parametrize(("first", "then"), [(INLINE, None), (None, INLINE), (INLINE, Sharding("inline", 2))])
@pytest.mark.parametrize("name", ["returning users and a bandit", "language users", "friends, actions and prices"])
def test_a_stopped_run_goes_on_in_any_number_of_shards(name, first, then, tmp_path):
    scenario = SCENARIOS[name]
    stop_run(scenario, tmp_path / "stopped", 5, first)
    resumed = resume(tmp_path / "stopped", sharding=then)
    assert log_bytes(resumed) == log_bytes(run(scenario, tmp_path / "whole"))


def test_a_run_that_is_stopped_can_be_read(tmp_path):
    stop_run(demo(), tmp_path / "run", 3, INLINE)
    assert any((tmp_path / "run" / "pages").iterdir())


def test_calls_of_all_shards_are_in_one_file_and_none_is_paid_twice(tmp_path):
    scenario = SCENARIOS["language users"]
    whole = run(scenario, tmp_path / "whole")
    stop_run(scenario, tmp_path / "stopped", 4, INLINE)
    assert not shard_files(tmp_path / "stopped")
    assert 0 < paid(tmp_path / "stopped") < paid(whole)
    resumed = resume(tmp_path / "stopped", sharding=Sharding("inline", 2))
    assert (paid(resumed), shard_files(resumed)) == (paid(whole), [])
    assert (
        log_bytes(
            run(
                demo(**LANGUAGE | {"models.user": f"replay/{resumed}", "users.count": 8, "visits": 2, "barrier": "visit"}),
                tmp_path / "replayed",
                sharding=INLINE,
            )
        ).keys()
        == log_bytes(whole).keys()
    )


def test_what_shards_of_a_killed_run_left_is_not_paid_again_without_shards(tmp_path):
    scenario = SCENARIOS["language users"]
    stop_run(scenario, tmp_path / "run", 4, INLINE)
    (tmp_path / "run" / FILE_NAME).rename(tmp_path / "run" / "calls-shard-000-killed.sqlite")
    resumed = resume(tmp_path / "run")
    assert (paid(resumed), shard_files(resumed)) == (paid(run(scenario, tmp_path / "whole")), [])


@pytest.mark.parametrize("allowed", [7, 40])
def test_all_shards_together_keep_a_limit_on_calls(allowed, tmp_path):
    scenario = SCENARIOS["language users"]
    limited = scenario.model_copy(update={"limits": scenario.limits.model_copy(update={"calls": allowed})})
    with pytest.raises(BudgetExceeded, match="limit calls"):
        run(limited, tmp_path / "run", sharding=INLINE)
    # What a shard leaves of its lease goes to the others, until less than one call for each is left.
    assert allowed - INLINE.shards < paid(tmp_path / "run") <= allowed
    resumed = resume(tmp_path / "run", sharding=INLINE, limits={"calls": 10_000})
    assert log_bytes(resumed, "manifest.json") == log_bytes(run(scenario, tmp_path / "whole"), "manifest.json")


def calls_by_user(folder):
    query = "SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered' GROUP BY subject"
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return [row[0] for row in connection.execute(query)]


def test_a_limit_on_calls_about_a_user_counts_those_before_the_run_was_stopped(tmp_path):
    scenario = SCENARIOS["language users"]
    limited = scenario.model_copy(update={"limits": scenario.limits.model_copy(update={"calls_a_user": 2})})
    with pytest.raises(BudgetExceeded, match="limit calls_a_user of user"):
        run(limited, tmp_path / "run", sharding=INLINE)
    assert max(calls_by_user(tmp_path / "run")) == 2
    with pytest.raises(BudgetExceeded, match="limit calls_a_user of user"):
        resume(tmp_path / "run", sharding=Sharding("inline", 2), limits={"calls_a_user": 3})
    assert max(calls_by_user(tmp_path / "run")) == 3


def test_the_time_allowed_is_the_same_in_any_number_of_shards(tmp_path, monkeypatch):
    scenario = SCENARIOS["language users"]
    limited = scenario.model_copy(update={"limits": scenario.limits.model_copy(update={"seconds": 1000.0})})
    now = iter(range(0, 100_000, 400))
    monkeypatch.setattr(shard_calls, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with pytest.raises(BudgetExceeded, match="limit seconds"):
        run(limited, tmp_path / "run", sharding=Sharding("inline", 8))


@pytest.mark.slow
def test_a_worker_that_is_killed_gets_no_second_lease_and_pays_nothing_twice(tmp_path, monkeypatch):
    scenario = SCENARIOS["language users"]
    kill_one, seen = kill_workers(monkeypatch, {3: 1, 5: 1, 8: 0})
    whole = run(scenario, tmp_path / "whole")
    limits = scenario.limits.model_copy(update={"calls": paid(whole) + 2})
    limited = scenario.model_copy(update={"limits": limits})
    sharded = run(limited, tmp_path / "sharded", kill_one, sharding=Sharding("processes", 2))
    assert len(seen) > 8
    assert paid(sharded) == paid(whole)
    assert log_bytes(sharded, "manifest.json") == log_bytes(whole, "manifest.json")


def test_joining_calls_again_adds_none(tmp_path):
    whole = run(SCENARIOS["language users"], tmp_path / "whole")
    part = tmp_path / "calls-shard-000-00.sqlite"
    content = (whole / FILE_NAME).read_bytes()
    for _ in range(2):
        part.write_bytes(content)
        join_calls(tmp_path / FILE_NAME, [part])
    assert paid(tmp_path) == paid(whole)
    assert not part.exists()


@pytest.mark.parametrize(
    ("scenario", "shards", "said"),
    [
        (demo(), 31, "got 31 for 30 users"),
        (demo(**LANGUAGE | {"models.user": {"name": "scripted/genres", "concurrency": 2}}), 3, "got 2 for 3 shards"),
    ],
)
def test_what_cannot_be_sharded_is_refused_and_leaves_nothing(scenario, shards, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        run(scenario, tmp_path / "run", sharding=Sharding("inline", shards))
    assert not (tmp_path / "run").exists()


class Breaks:
    """A recommender that breaks for one user."""

    def fit(self, catalog, ratings, seed):
        del ratings, seed
        self._item_id = catalog.item_id

    def recommend(self, requests, k):
        del requests, k
        raise ZeroDivisionError("nothing to share")

    def observe(self, *_):
        """Learn nothing."""


@pytest.mark.parametrize("backend", ["inline", pytest.param("processes", marks=pytest.mark.slow)])
def test_what_breaks_in_a_shard_is_told_like_elsewhere(backend, tmp_path):
    broken = demo(recommenders=[{"name": "broken", "recommender": f"{__name__}:Breaks"}])
    with pytest.raises(PlugInError, match=r"recommender 'broken', recommend in visit 0.*ZeroDivisionError"):
        run(broken, tmp_path / "run", sharding=Sharding(backend, 2))
    assert "nothing to share" in (tmp_path / "run" / "traceback.txt").read_text(encoding="utf-8")
