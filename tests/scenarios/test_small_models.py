"""Runs with real small models, over a llama.cpp server of our own and in this process; and that both ways agree."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pyarrow.dataset as arrow
import pytest
from small_models import need_model, shared_cache

from recsim_llm.errors import BudgetExceeded
from recsim_llm.language import open_model
from recsim_llm.language.backends.llamacpp_backend import LlamaCppBackend
from recsim_llm.language.base.questions import Ask, Part, Prompt, score, yes_no
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.calls.calls_file import FILE_NAME
from recsim_llm.language.probing.probe import load_probe
from recsim_llm.language.providers import open_backend
from recsim_llm.scenarios import load_scenario, resume, run

pytestmark = pytest.mark.slow

SMALL = {
    "users.model": "language",
    "users.count": 2,
    "users.parameters.templates": "en_compact",
    "users.parameters.rating_history": 4,
    "max_pages": 1,
    "slate_size": 3,
    "seed": 3,
    "recommenders": ["popularity"],
}
MODELS = ("smollm2", "gemma3-270m")
SERVED = [pytest.param(f"llamacpp/{model}", id=f"llamacpp-{model}") for model in MODELS]
BOTH = [*SERVED, *(pytest.param(f"transformers/{model}", id=f"transformers-{model}") for model in MODELS)]
TITLES = ("The Quiet Station", "Night of the Red Moon", "9 Lives", "Heat")
ASK = Ask(
    Prompt(
        (
            Part("rules", "You are one person who chooses films. Answer as that person would."),
            Part("persona", 'You gave "The Long River" 5 stars, "Blood Harvest" 1 star and "Two for the Road" 4 stars.'),
            Part("page", "\n".join(f'{place}. "{title}"' for place, title in enumerate(TITLES, 1))),
        )
    ),
    (
        *(yes_no(f"click_{place}", "Click?", f'{place}. "{title}", take it?') for place, title in enumerate(TITLES, 1)),
        score("stars_1", "Stars?", lead=f"{TITLES[0]}, from 1 to 5 stars:"),
        score("satisfaction", "Satisfied?", lead="My satisfaction with this page, from 1 to 5:"),
    ),
)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Probes, models that were put together or converted, and fits, shared with other modules."""
    with shared_cache(tmp_path_factory):
        yield


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory):
    """Folders of runs that were never interrupted, by model."""
    folders = {}

    def make(name):
        if name not in folders:
            folder = tmp_path_factory.mktemp("runs") / "whole"
            folders[name] = run(scenario(name), folder)
        return folders[name]

    return make


def scenario(name, **changes):
    return load_scenario("demo", SMALL | {"models.user": {"name": name, "realisation": "forced"}} | changes)


def decisions(name):
    with open_model(name, realisation="forced") as model:
        return [np.array(answer.probabilities) for answer in model.ask([ASK])[0].answers]


def log_bytes(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("*/*.parquet"))}


def paid_calls(folder):
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM calls WHERE cache_hit = 0 AND status = 'answered'").fetchone()
    return count


@pytest.mark.parametrize("name", SERVED)
def test_the_probe_finds_a_way_to_decisions(name):
    need_model(name)
    backend = open_backend(ModelSettings(name=name))
    assert "forced" in backend.abilities.elicitations
    assert load_probe(backend.name, backend.base_url).abilities == backend.abilities


@pytest.mark.parametrize("name", BOTH)
def test_a_run_decides_every_page_by_the_model(name, whole_runs):
    need_model(name)
    pages = arrow.dataset(whole_runs(name) / "pages").to_table()
    assert pages["decided_by"].to_pylist() == ["language"] * SMALL["users.count"]
    chances = arrow.dataset(whole_runs(name) / "impressions").to_table()["click_prob"].to_numpy()
    assert len(set(chances)) > 1
    assert ((chances > 0) & (chances < 1)).all()


@pytest.mark.parametrize("model", MODELS)
def test_both_ways_give_the_same_decisions_within_quantisation(model):
    need_model(f"llamacpp/{model}")
    need_model(f"transformers/{model}")
    served, local = decisions(f"llamacpp/{model}"), decisions(f"transformers/{model}")
    apart = np.array([0.5 * np.abs(one - other).sum() for one, other in zip(served, local, strict=True)])
    # llama.cpp rounds what the weights are multiplied with to 8 bits, too.
    assert apart.mean() < 0.05, apart
    assert apart.max() < 0.1, apart


@pytest.mark.parametrize("name", SERVED[:1])
def test_a_run_that_stops_half_way_resumes_to_the_same_bytes(name, whole_runs, tmp_path):
    need_model(name)
    with pytest.raises(BudgetExceeded):
        run(scenario(name, **{"limits.calls": 9}), tmp_path / "stopped")
    resumed = resume(tmp_path / "stopped", limits={"calls": 1000})
    assert log_bytes(resumed) == log_bytes(whole_runs(name))
    assert paid_calls(resumed) == paid_calls(whole_runs(name))


@pytest.mark.parametrize("name", SERVED[:1])
def test_a_run_whose_calls_are_sent_again_has_the_same_bytes(name, whole_runs, tmp_path, monkeypatch):
    need_model(name)
    send = LlamaCppBackend.send

    async def send_some_twice(backend, call):
        if call.questions[0].key.startswith("stars"):
            # Of the second one the server would read a single token.
            await send(backend, call)
        return await send(backend, call)

    whole = whole_runs(name)
    monkeypatch.setattr(LlamaCppBackend, "send", send_some_twice)
    assert log_bytes(run(scenario(name), tmp_path / "twice")) == log_bytes(whole)


@pytest.mark.parametrize("name", BOTH)
def test_a_run_is_replayed_from_its_calls_without_one(name, whole_runs, tmp_path):
    need_model(name)
    whole = whole_runs(name)
    replayed = run(load_scenario("demo", SMALL | {"models.user": f"replay/{whole}"}), tmp_path / "replayed")
    assert log_bytes(replayed) == log_bytes(whole)
    assert paid_calls(replayed) == 0
