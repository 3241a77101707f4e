"""Conversations between language models, killed twenty times: the same bytes, and nothing paid twice."""

import pytest
from killed_calls import PAID, TWICE, kill_run, rows

from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.scenarios import load_scenario, run

SMALL = {
    "data": "fictional-100",
    "users.count": 8,
    "conversation.mode": "chat",
    "conversation.max_turns": 4,
    "max_pages": 4,
    "measure": None,
    "expect": [],
    "seed": 3,
    "recommenders": [{"name": "talking", "settings": {"base": "popularity"}}, "asking"],
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Probes of servers are kept in a cache folder; ports come again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def log_bytes(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in [folder / "segments.jsonl", *sorted(folder.glob("*/*.parquet"))]
    }


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_pay_nothing_twice(tmp_path):
    out = tmp_path / "killed"
    with ChaosServer(seed=1, latency=0.01) as server:
        model = {"name": "openai-compatible/chaos", "base_url": server.base_url, "transport": "aiohttp", "realisation": "json"}
        models = {"models.user": model | {"concurrency": 1}, "models.policy": model | {"concurrency": 2}}
        calm = run(load_scenario("conversation", SMALL | models | {"barrier": "visit"}), tmp_path / "calm")
        assert kill_run(out, calm) == 20
    assert log_bytes(out) == log_bytes(calm)
    assert rows(out, TWICE) == []
    assert rows(out, PAID) == rows(calm, PAID)
