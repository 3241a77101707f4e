"""Replies of a policy's model that cannot be read end no run: pages, counts, report, a stop and a resume."""

import json

import pyarrow.dataset as arrow
import pyarrow.parquet as pq
import pytest
from killed_calls import PAID, TWICE, kill_run, rows

from recsim_llm.errors import BackendError, BudgetExceeded
from recsim_llm.language import Roles
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.report import write_report
from recsim_llm.scenarios import load_scenario, resume, run

WAYS = ("yes_no", "rating", "pairs", "list", "written_list")
BASE = {"base": "popularity", "candidates": 6}
SETTINGS = {
    "data": "fictional-100",
    "users.count": 6,
    "max_pages": 2,
    "slate_size": 4,
    "seed": 3,
    "recommenders": [
        "popularity",
        *({"name": way, "recommender": "language", "settings": BASE | {"ask": way}} for way in WAYS),
        {"name": "chat", "settings": BASE | {"near": 4}},
    ],
}
UNREAD = {"refusal": 1e-9}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return the scenario of a server that was probed while all was well, and its port."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patched:
        # Probes of servers are kept in a cache folder; ports come again.
        patched.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        with ChaosServer("recommender", seed=1) as server:
            model = {"name": "openai-compatible/chaos", "base_url": server.base_url, "transport": "aiohttp"}
            scenario = load_scenario("demo", SETTINGS | {"models.policy": model | {"realisation": "json"}})
            with Roles({"policy": scenario.models["policy"]}) as roles:
                roles.role("policy")
            port = int(server.base_url.split(":")[2].split("/")[0])
        yield scenario, port


def faulty(port, share):
    """A server that gives nothing readable for a share of what it is asked, however often."""
    rates = UNREAD if share else 0.0
    return ChaosServer("recommender", seed=1, port=port, faults=Faults(rates, forever=share))


def log_bytes(folder):
    paths = [folder / "segments.jsonl", folder / "counts.parquet", *sorted(folder.glob("*/*.parquet"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def unread(folder):
    """Return how much could not be read, and of how much, by arm."""
    told = [row for row in pq.read_table(folder / "counts.parquet").to_pylist() if row["what"].endswith("not be read")]
    arms = {row["arm"] for row in told}
    return {arm: tuple(sum(row[name] for row in told if row["arm"] == arm) for name in ("amount", "cases")) for arm in arms}


def pages_of(folder, arm):
    table = arrow.dataset(folder / "impressions").to_table(filter=arrow.field("arm") == arm)
    return table.select(["user_id", "visit", "page", "position", "item_id", "clicked"]).to_pylist()


def test_a_run_of_whose_policies_nothing_can_be_read_ends_with_the_bases_pages(served, tmp_path):
    scenario, port = served
    with faulty(port, 1.0):
        out = run(scenario, tmp_path / "run")
    base = pages_of(out, "popularity")
    found = unread(out)
    assert set(found) == {*WAYS, "chat"}
    for arm, (amount, cases) in found.items():
        assert amount == cases > 0, arm
        assert pages_of(out, arm) == base, arm
    page = write_report(out).read_text(encoding="utf-8")
    told = json.loads((out / "metrics.json").read_text())["recommender_counts"]
    for what in ("candidates whose answer", "comparisons that", "lists that"):
        assert f"{what} could not be read: refusal" in page
        assert {row["estimate"]["value"] for row in told if row["what"] == f"{what} could not be read"} == {1.0}


@pytest.mark.parametrize("barrier", ["page", "visit"])
def test_a_run_of_whose_replies_a_fifth_cannot_be_read_is_replayed_to_the_same_bytes(served, tmp_path, barrier):
    scenario, port = served
    scenario = scenario.model_copy(update={"barrier": barrier})
    with faulty(port, 0.2):
        whole = run(scenario, tmp_path / "whole")
    with faulty(port, 0.2):
        again = run(scenario, tmp_path / "again")
    assert log_bytes(again) == log_bytes(whole)
    amount, cases = (sum(column) for column in zip(*unread(whole).values(), strict=True))
    assert 0.05 < amount / cases < 0.4
    cached = run(scenario, tmp_path / "cached", cache=whole)
    assert log_bytes(cached) == log_bytes(whole)
    assert rows(cached, PAID) == [(0,)]


def test_what_could_not_be_read_before_a_stop_is_not_asked_again_after_it(served, tmp_path):
    scenario, port = served
    scenario, out = scenario.model_copy(update={"recommenders": scenario.recommenders[3:4]}), tmp_path / "run"
    with faulty(port, 0.3):
        whole = run(scenario, tmp_path / "whole")
    calls = int(0.8 * rows(whole, "SELECT count(*) FROM calls WHERE cache_hit = 0")[0][0])
    with faulty(port, 0.3), pytest.raises(BudgetExceeded):
        run(scenario.model_copy(update={"limits": scenario.limits.model_copy(update={"calls": calls})}), out)
    unanswered = rows(out, "SELECT count(*) FROM notes WHERE name LIKE 'no answer to %'")[0][0]
    failed = rows(out, "SELECT count(*) FROM calls WHERE status = 'failed'")
    # By now all can be read. What has been served is checked against what is on disk.
    with faulty(port, 0.0):
        resume(out, limits={"calls": 10_000})
    assert rows(out, "SELECT count(*) FROM calls WHERE status = 'failed'") == failed
    amount, cases = unread(out)["pairs"]
    # Each is of one comparison.
    assert 0 < unanswered == amount < cases


def test_a_server_that_is_gone_still_ends_the_run(served, tmp_path):
    scenario, _ = served
    with pytest.raises(BackendError):
        run(scenario, tmp_path / "run")


@pytest.mark.slow
def test_ten_kills_change_nothing_of_what_cannot_be_read(served, tmp_path):
    scenario, port = served
    policy, arms = scenario.models["policy"].model_copy(update={"concurrency": 1}), scenario.recommenders
    few = scenario.model_copy(update={"models": {"policy": policy}, "recommenders": (arms[1], arms[3], arms[5])})
    with faulty(port, 0.2):
        calm = run(few, tmp_path / "calm")
        assert kill_run(tmp_path / "killed", calm, kills=10) == 10
    assert log_bytes(tmp_path / "killed") == log_bytes(calm)
    assert rows(tmp_path / "killed", TWICE) == []
    assert rows(tmp_path / "killed", PAID) == rows(calm, PAID)
