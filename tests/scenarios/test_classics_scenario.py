"""The scenario that compares every recommender by name, and the table that the guide makes of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsim_llm.cli.main import main
from recsim_llm.registry import SHIPPED
from recsim_llm.scenarios import load_scenario

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "documentation" / "recommender_table.py"
LEFT_OUT = {
    "agreeing": "agrees with what users say, which they do in conversations alone; see sycophantic-policy",
    "all-paths": "needs a language model",
    "asking": "asks before it recommends, which users answer in conversations alone; see conversation",
    "chat": "needs a language model",
    "clickbait": "writes titles, which users read where there is a presentation alone; see the scenario of that name",
    "explained": "writes explanations, which users read where there is a presentation alone; see explanations-help-and-mislead",
    "exposure-fair": "re-ranks for the sake of providers, whom only a world in time asks; see provider-exodus",
    "group-fair": "re-ranks for groups of a profile, which the data of the scenario do not have; see fairness",
    "heeding": "goes by refusals, which users give in worlds with actions alone",
    "language": "needs a language model",
    "language-generator": "needs a language model",
    "obliging": "does what users ask for in words, which they do where there are remarks alone",
    "plan-execute": "needs a language model",
    "planner": "plans with the true model, for minutes a page",
    "react": "needs a language model",
    "scores": "needs a file",
    "screened": "leaves out fake users, of whom there are none; see poisoning",
    "softmax": "draws from the scores of another",
    "talking": "needs a language model",
    "warmed": "simulates users for items that nobody rated, of which there are none",
}
"""Recommenders that the scenario leaves out, and why."""
RUN = ["popularity", "user-knn", "als", "bpr", "ease", "slim", "content", "sklearn", "lenskit"]
"""Recommenders that are run here: those of matrices and libraries, which choose for certain."""
SMALL = ["--data", "fictional-100", "--n-users", "20", "--pages", "3", "--slate-size", "5", "--quiet"]


def test_the_scenario_has_every_recommender_by_name_but_for_the_few_that_cannot_stand_there():
    arms = [arm.recommender for arm in load_scenario("classics").recommenders]
    assert sorted(arms) == sorted(SHIPPED["recommenders"].keys() - LEFT_OUT.keys())
    assert arms[0] == "popularity"  # what the others are compared with


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classics")
    out = ["--out", str(folder / "run"), "--json", str(folder / "films.json")]
    assert main(["compare", "classics", "--metrics", "clicks_per_user", "--recommenders", ",".join(RUN), *SMALL, *out]) == 0
    return folder


def test_every_recommender_serves_the_same_users_and_says_what_it_knows_of_its_chances(compared):
    log = pq.read_table(compared / "run" / "impressions", columns=["arm", "user_id", "propensity"]).to_pandas()
    assert set(log.arm.astype(str)) == set(RUN)
    assert log.groupby("arm", observed=True).user_id.nunique().eq(20).all()
    known = log.groupby("arm", observed=True).propensity.agg(["min", "max"])
    assert (known == 1).all(axis=None)


def test_the_table_has_a_row_for_each_with_its_interval_and_the_difference(compared):
    shutil.copy(compared / "films.json", compared / "again.json")
    done = subprocess.run(
        [sys.executable, SCRIPT, compared / "films.json", compared / "again.json"], capture_output=True, text=True, check=True
    )
    head, _, *rows = done.stdout.splitlines()
    content = json.loads((compared / "films.json").read_text(encoding="utf-8"))
    for name in ("films", "again"):
        assert f"{name}: clicks of 20 users, seed 2026 | more than `popularity`" in head
    assert len(rows) == len(content["arms"])
    clicks = {arm: content["values"]["clicks_per_user"][arm]["value"] for arm in content["arms"]}
    assert clicks[rows[0].split("`")[1]] == max(clicks.values())
    (own,) = [row for row in rows if row.startswith("| `popularity` |")]
    assert own.count("[") == 2
    assert all(row.count("[") == 4 for row in rows if row != own)
