"""The suite's version: results that could be others raise it."""

import hashlib
import json
from importlib.resources import files

import pyarrow.dataset as arrow
import yaml

from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.suite_probes import PROBES, SEEDS
from recsim_llm.scenarios.suite_table import SCENARIOS, VERSION

# A line for each version; what is published with a number does not change. SHA-256 of the scenarios with their profile, and of
# what is drawn in small worlds of several kinds.
KNOWN = {
    1: {
        "definitions": "f986b0154af3a1408423a5896374011ab170d2d521ba4fbc137475c612b82e3c",
        "results": "13074b04cbb434598d69c97e314f1cc871dde9a2d16d8f8c6a77ea8a0740fcf2",
    },
}
WORLDS = {
    "filter-bubble": {"clock.days": 5, "recommenders": ["random", "popularity"]},
    "provider-exodus": {"clock.days": 9, "recommenders": ["popularity"]},
    "word-of-mouth": {"clock.days": 4, "recommenders": ["item-knn"]},
    "clickbait": {"visits": 3},
    "conversation": {"recommenders": ["asking", "popularity"]},
}
DRAWN = {
    "impressions": ["arm", "user_id", "visit", "page", "position", "item_id", "examined", "clicked"],
    "pages": ["arm", "user_id", "visit", "page", "next_action", "stop_reason"],
}
SAID = "the suite's results could be others than before: raise VERSION in suite_table, and add a line here"


def digest(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def without_words(settings):
    """Return a scenario's settings without its question and claims, which may be worded better."""
    return settings | {"description": "", "expect": [finding | {"claim": ""} for finding in settings["expect"]]}


def test_another_scenario_seed_or_measure_raises_the_version():
    shipped = files("recsim_llm.scenarios") / "shipped"
    texts = {one.name: (shipped / f"{one.name}.yaml").read_text(encoding="utf-8") for one in SCENARIOS}
    scenarios = [[one.subset, without_words(yaml.safe_load(texts[one.name]))] for one in SCENARIOS]
    bases = [yaml.safe_load((shipped / f"{probe.base}.yaml").read_text(encoding="utf-8")) for probe in PROBES]
    probes = [[*probe[:1], *probe[2:4], [measure[2:] for measure in probe.measures], probe.fitted_daily] for probe in PROBES]
    assert digest([scenarios, bases, probes, SEEDS]) == KNOWN[VERSION]["definitions"], SAID


def test_other_draws_of_users_raise_the_version(tmp_path):
    # Whole numbers and words alone: last digits of probabilities differ between machines.
    small = {"users.count": 15, "seed": 3, "measure": None, "expect": []}
    drawn = {}
    for name, changes in WORLDS.items():
        folder = run(load_scenario(name, small | changes), tmp_path / name)
        drawn[name] = [
            arrow.dataset(sorted((folder / table).glob("*.parquet"))).to_table(columns=columns).to_pylist()
            for table, columns in DRAWN.items()
        ]
    assert digest(drawn) == KNOWN[VERSION]["results"], SAID
