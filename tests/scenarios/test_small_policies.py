"""A real small model on both sides: it leads one conversation, is an agent in another, and plays the users of both."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pyarrow.dataset as arrow
import pytest
from small_models import need_model

from recsim_llm.errors import BudgetExceeded
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.scenarios import load_scenario, resume, run

pytestmark = pytest.mark.slow

MODEL = "transformers/smollm2"
SMALL = {
    "users.count": 1,
    "slate_size": 3,
    "seed": 3,
    "conversation.max_turns": 1,
    "measure": None,
    "expect": [],
    "recommenders": [
        {"name": "talking", "settings": {"candidates": 6}},
        {"name": "react", "settings": {"base": "popularity", "reply_tokens": 50, "history": 3, "budget": {"calls": 1}}},
    ],
}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Models that were converted, and fits, once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    need_model(MODEL)
    return run(played_by(MODEL), tmp_path_factory.mktemp("runs") / "whole")


def played_by(model, **changes):
    return load_scenario("conversation", SMALL | {"models.policy": model, "models.user": model} | changes)


def log_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*.parquet"))}


def paid_calls(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered'").fetchone()
    return count


def rows(folder, table):
    return arrow.dataset(folder / table).to_table().to_pylist()


def test_both_sides_are_decided_by_the_model(whole):
    turns = rows(whole, "turns")
    assert {(turn["arm"], turn["who"]) for turn in turns} == {
        (arm, who) for arm in ("talking", "react") for who in ("policy", "user")
    }
    chances = np.array([page["leave_prob"] for page in rows(whole, "pages")])
    assert ((chances > 0) & (chances < 1)).all()


def test_what_the_agent_writes_is_read_or_counted_and_its_page_is_whole(whole):
    pages = [row for row in rows(whole, "tool_calls") if row["tool"] == "page"]
    assert len(pages) == SMALL["users.count"]
    assert all(page["chosen"] + page["from_candidates"] + page["from_base"] == SMALL["slate_size"] for page in pages)
    # Fifty tokens of a model of this size end no search.
    assert {page["error"] for page in pages} == {"calls"}


def test_a_run_that_stops_half_way_resumes_to_the_same_bytes(whole, tmp_path):
    with pytest.raises(BudgetExceeded):
        run(played_by(MODEL, **{"limits.calls": paid_calls(whole) - 1}), tmp_path / "stopped")
    resumed = resume(tmp_path / "stopped", limits={"calls": 1000})
    assert log_bytes(resumed) == log_bytes(whole)
    assert paid_calls(resumed) == paid_calls(whole)


def test_a_run_is_replayed_from_its_calls_without_one(whole, tmp_path):
    replayed = run(played_by(f"replay/{whole}"), tmp_path / "replayed")
    assert log_bytes(replayed) == log_bytes(whole)
    assert paid_calls(replayed) == 0
