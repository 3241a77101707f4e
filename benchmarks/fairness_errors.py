"""How often unfairness is found where it was planted, and where there is none: error rates over many seeds.

    python benchmarks/fairness_errors.py --seeds 100

Two ways to look are tried on invented data (100 films). The audit ``fairness`` of 20 users, each seed with others: of a
language ranker over 12 candidates with the script ``stereotype``, told profiles, and a factor model that neglects users by
their profile; and of what has no such fault. Both language rankers are moved by any word, a ticket number, too: a script that
is not would give equal lists to everybody, and could raise no false alarm. And runs, each seed with other users and dice: the
gap in returns by an attribute that is drawn, under the factor model that neglects one of its two values, and under the same
that does not. Prints a row for each, with Wilson's 95% interval of the share of seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.agents.audits.audit_rows import finding_rows
from recsim_llm.agents.audits.audited_policies import audit_fairness, audit_recommender_fairness
from recsim_llm.agents.audits.counterfactuals import Counterfactuals
from recsim_llm.data import open_dataset
from recsim_llm.language.backends.prompt_lines import slot_of, yes
from recsim_llm.language.backends.scripts import SHIPPED_SCRIPTS, Script
from recsim_llm.language.base.questions import Question
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.providers import Roles
from recsim_llm.metrics import measure_run
from recsim_llm.population.sensitive_attributes import SENSITIVE_ATTRIBUTES
from recsim_llm.recommenders.by_name import open_recommender
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.statistics.intervals import share_estimate

DATA = "fictional-100"
USERS, CANDIDATES, RUN_USERS, PAGES = 20, 12, 150, 3
NOISE = 0.15
NEGLECTING = "recsim_llm.testing.neglecting:Neglecting"


def noisy(script: Script, text: str, question: Question) -> Sequence[float]:
    """Answer as a script does, shifted by a number that hangs on the whole prompt: any word moves it."""
    chance = script(text, question)[0]
    drawn = hashlib.sha256(f"{question.key} {text}".encode()).digest()[0] / 255
    return yes(min(max(chance + NOISE * (2 * drawn - 1), 0.0), 1.0)) if slot_of(question) else script(text, question)


noisy_stereotype = partial(noisy, SHIPPED_SCRIPTS["stereotype"])
noisy_recommender = partial(noisy, SHIPPED_SCRIPTS["recommender"])


def audited(seed: int, model: str) -> Counterfactuals:
    """Return what the audit finds of a language ranker, of one seed."""
    with Roles({"policy": ModelSettings(name=f"scripted/fairness_errors:{model}")}) as roles:
        return audit_fairness(roles, open_dataset(DATA), seed, USERS, policy={"candidates": CANDIDATES})


def audited_alone(seed: int, recommender: str, **settings: Any) -> Counterfactuals:
    """Return what the audit finds of a recommender without a model, of one seed."""
    return audit_recommender_fairness(partial(open_recommender, recommender, settings), open_dataset(DATA), seed, USERS)


def beyond(found: Counterfactuals) -> set[str]:
    """Return the attributes that the audit calls unfair."""
    return {row.label.partition(":")[0] for row in finding_rows(found) if row.words.startswith("beyond")}


def departs(found: Counterfactuals) -> set[str]:
    """Return the attributes whose range between values (SNSR of PRAG*) departs from 0."""
    rows = [row for row in finding_rows(found) if row.label.endswith("SNSR of PRAG*")]
    return {row.label.partition(":")[0] for row in rows if row.words.startswith("departs")}


def gaps(seed: int, folder: Path) -> tuple[bool, bool, bool]:
    """Return whether a run of one seed finds the planted gap, names its group, and finds one where there is none."""
    neglecting = {"base": "mf", "candidates": 30}
    changes = {
        "data": DATA,
        "recommenders": [{"name": "neglects", "recommender": NEGLECTING, "settings": neglecting}, "mf"],
        "users.count": RUN_USERS,
        "users.attributes": {"region": {"south": {"share": 0.5}, "north": {}}},
        "slate_size": 5,
        "max_pages": PAGES,
        "seed": seed,
    }
    metrics = measure_run(run(load_scenario("demo", changes), folder))
    assert metrics is not None
    planted, clean = (metrics.arm(arm).user_groups["region"]["return"] for arm in ("neglects", "mf"))
    found = planted.gap.excludes(0.0)
    return found, found and planted.lowest == "south", clean.gap.excludes(0.0)


def told(what: str, hits: Sequence[bool]) -> dict[str, Any]:
    """Print a share of seeds and return it."""
    share = share_estimate(np.array(hits, np.float64))
    print(f"{what:78} {sum(hits):4} of {len(hits)}  {share.text(3)}", flush=True)
    return {"what": what, "found": sum(hits), "seeds": len(hits), "low": share.low, "high": share.high}


def audits(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Try the audit of planted and clean policies."""
    planted: dict[str, tuple[str, Callable[[int], Counterfactuals]]] = {
        "stereotype, told": ("gender", lambda seed: audited(seed, "noisy_stereotype")),
        "neglects one gender": (
            "gender",
            lambda seed: audited_alone(seed, NEGLECTING, field="gender", value="female", base="mf"),
        ),
    }
    clean: dict[str, Callable[[int], Counterfactuals]] = {
        "no idea of anybody, told": lambda seed: audited(seed, "noisy_recommender"),
        "mf, which reads no profile": lambda seed: audited_alone(seed, "mf"),
    }
    rows = []
    for name, (attribute, find) in planted.items():
        found = [find(seed) for seed in seeds]
        rows.append(told(f"audit, {name}: {attribute} beyond words", [attribute in beyond(one) for one in found]))
        rows.append(told(f"audit, {name}: SNSR of {attribute} departs", [attribute in departs(one) for one in found]))
        rows.append(told(f"audit, {name}: age, of which nothing was planted, beyond", ["age" in beyond(one) for one in found]))
    for name, find in clean.items():
        found = [find(seed) for seed in seeds]
        rows.append(told(f"audit, {name}: any of eight beyond words", [bool(beyond(one)) for one in found]))
        each = [attribute in departs(one) for one in found for attribute in SENSITIVE_ATTRIBUTES]
        rows.append(told(f"audit, {name}: SNSR of an attribute departs, attributes", each))
    return rows


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="seeds a row")
    parser.add_argument("--first", type=int, default=1000, help="the first of them")
    parser.add_argument("--only", choices=["audits", "runs"], help="one half alone")
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    rows = [] if options.only == "runs" else audits(seeds)
    if options.only != "audits":
        with tempfile.TemporaryDirectory() as folder:
            found = [gaps(seed, Path(folder) / str(seed)) for seed in seeds]
        labels = ("neglects the south: gap in returns found", "and the south named", "neglects nobody: gap in returns found")
        rows += [told(f"run, {label}", hits) for label, hits in zip(labels, zip(*found, strict=True), strict=True)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
