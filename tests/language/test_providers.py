"""From a name and settings to a model: addresses, devices, and settings that nothing would obey."""

import shlex

import pytest

from recsim_llm.cli.parser import make_parser
from recsim_llm.errors import ConfigError
from recsim_llm.language import ChaosServer, ModelSettings, open_model, probe_model
from recsim_llm.language.chaos import requests as chaos_requests
from recsim_llm.language.probing.probe_report import load_probe


@pytest.fixture
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return monkeypatch


def test_openai_is_looked_for_where_the_environment_says(environment):
    with ChaosServer("genres", seed=1) as server:
        environment.setenv("OPENAI_BASE_URL", server.base_url + "/")
        report = probe_model(ModelSettings(name="openai/chaos"))
    assert (report.answers, report.base_url) == (True, server.base_url)
    assert load_probe("openai/chaos", server.base_url) == report


def test_an_address_that_is_given_beats_the_environment(environment):
    environment.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9/v1"):
        probe_model(ModelSettings(name="openai/m", base_url="http://127.0.0.1:9/v1"))


def test_another_server_needs_its_own_address(environment):
    environment.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    with pytest.raises(ConfigError, match="expected --base-url, or in a scenario base_url beside the model's name"):
        open_model("openai-compatible/m")


@pytest.mark.parametrize("name", ["scripted/genres", "openai/m", "openai-compatible/m"])
@pytest.mark.parametrize("setting", [{"device": "cpu"}, {"batch_size": 4}])
def test_settings_of_local_models_are_refused_elsewhere(environment, name, setting):
    with pytest.raises(ConfigError, match=f"got {next(iter(setting))}, expected it for transformers/PATH only"):
        open_model(name, **setting)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timeout": 0}, "timeout: got 0, expected a number above 0"),
        ({"samples": "many"}, "samples: got 'many', expected a whole number from 2 to 1000"),
        ({"base": "x"}, "got unknown key 'base', expected one of name, .*; did you mean 'base_url'"),
        ({"prices": {"output": 1}}, "prices.input: got nothing, expected a number"),
        ({"device": "gpu"}, "device: got 'gpu', expected one of auto, cpu, cuda, mps or null"),
    ],
)
def test_settings_are_refused_in_our_own_words(settings, words):
    with pytest.raises(ConfigError, match=f"^{words}") as caught:
        open_model("scripted/genres", **settings)
    assert "pydantic" not in str(caught.value)


def refused(monkeypatch, most, **settings):
    """Open a model on a server that lists so many alternatives of a token at most, and return what is said."""
    monkeypatch.setattr(chaos_requests, "MOST_ALTERNATIVES", most)
    with ChaosServer("genres", seed=1) as server, pytest.raises(ConfigError) as caught:
        open_model("openai-compatible/chaos", base_url=server.base_url, **settings)
    return str(caught.value), server.base_url


def test_log_probabilities_that_are_too_few_are_refused_with_what_remains(environment):
    said, address = refused(environment, 4, realisation="logprobs")
    assert "does not list the log-probabilities of all options of a question, expected one of json, samples" in said
    assert make_parser().parse_args(shlex.split(said.split("`")[1])[1:]).base_url == address


def test_where_log_probabilities_are_too_few_the_next_way_is_taken(environment):
    environment.setattr(chaos_requests, "MOST_ALTERNATIVES", 4)
    with ChaosServer("genres", seed=1) as server, open_model("openai-compatible/chaos", base_url=server.base_url) as model:
        assert model.elicitation == "json"
