"""The named parameters of language users."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.memory import MemorySettings
from recsim_llm.errors import ConfigError, DataError


def test_nothing_given_means_the_defaults():
    assert LanguageParameters.from_settings({}) == LanguageParameters()


def test_parameters_survive_json():
    settings = {"rotate": False, "prompt_tokens": 900, "memory": {"recalled": 3}, "calibration": {"click_bias": -1 / 3}}
    parameters = LanguageParameters.from_settings(settings)
    assert parameters.memory.recalled == 3
    assert LanguageParameters.from_settings(json.loads(json.dumps(parameters.settings()))) == parameters


@pytest.mark.parametrize("name", ["position_decay", "watch_base", "watch_slope", "return_base", "return_slope"])
def test_what_choice_users_share_has_the_same_default(name):
    assert getattr(LanguageParameters(), name) == getattr(ChoiceParameters(), name)


def test_a_calibration_file_becomes_part_of_the_parameters(tmp_path):
    calibration = Calibration(click_bias=-2.5, stars_slope=0.7)
    calibration.save(tmp_path / "calibration.json")
    for path in (tmp_path / "calibration.json", str(tmp_path / "calibration.json")):
        parameters = LanguageParameters.from_settings({"calibration": path})
        assert parameters.calibration == calibration
        assert parameters.settings()["calibration"]["click_bias"] == -2.5


@pytest.mark.parametrize("value", [None, Calibration(), {}])
def test_no_calibration_may_be_said_in_several_ways(value):
    assert LanguageParameters.from_settings({"calibration": value}).calibration == Calibration()


def test_memory_settings_may_be_given_as_they_are():
    memory = MemorySettings(recalled=2)
    assert LanguageParameters.from_settings({"memory": memory}).memory is memory


@pytest.mark.parametrize(
    "settings",
    [
        {"rotat": True},
        {"rotate": 1},
        {"prompt_tokens": -1},
        {"prompt_tokens": 1.5},
        {"memory_tokens": True},
        {"templates": ""},
        {"templates": 3},
        {"embeddings": 3},
        {"position_decay": 1.1},
        {"position_decay": "steep"},
        {"watch_base": float("nan")},
        {"return_slope": None},
        {"memory": 7},
        {"memory": {"recaled": 3}},
        {"calibration": 3},
    ],
)
def test_bad_parameters_are_refused_in_one_line(settings):
    with pytest.raises(ConfigError, match=r"language parameter.*got .*expected") as error:
        LanguageParameters.from_settings(settings)
    assert "\n" not in str(error.value)


def test_a_missing_calibration_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected a JSON file"):
        LanguageParameters.from_settings({"calibration": str(tmp_path / "none.json")})


def test_no_parameter_has_been_forgotten():
    shared = {"position_decay", "watch_base", "watch_slope", "return_base", "return_slope"}
    own = {"rotate", "rating_history", "prompt_tokens", "memory_tokens", "templates", "memory", "calibration", "embeddings"}
    own |= {"remembered_ratings", "facts", "personas", "memory_kind", "intents", "contrast"}
    assert {field.name for field in fields(LanguageParameters)} == shared | own
