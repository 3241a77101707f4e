"""What needs users who come alone refuses scenarios in time, and says how to go on."""

from __future__ import annotations

import shlex

import pytest

from recsim_llm.cli.main import main
from recsim_llm.envs import BrowseEnv
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios import load_scenario
from recsim_llm.scenarios.block_runs import refuse_parts
from recsim_llm.scenarios.schema import parse_overrides, shipped_scenarios
from recsim_llm.scenarios.without_time import without_time

IN_TIME = [name for name in shipped_scenarios() if load_scenario(name).clock is not None]
ACTING = {"clock": {"days": 3}, "intents": "usual", "actions": {"save": {}}, "social": {}}


@pytest.mark.parametrize("name", IN_TIME)
def test_the_options_that_take_time_away_leave_a_scenario_that_is_valid(name):
    options = [word for word in shlex.split(without_time(load_scenario(name))) if word != "--set"]
    assert load_scenario(name, parse_overrides(options)).clock is None


def test_users_block_by_block_are_refused_with_the_options_to_pass():
    with pytest.raises(ConfigError, match="pass --set clock=null --set intents=null --set social=null --set actions=null"):
        refuse_parts(load_scenario("demo", ACTING))


def test_the_command_says_so_too(tmp_path, capsys):
    asked = [
        "compare",
        "living",
        "--until-decided",
        "--out",
        str(tmp_path / "run"),
        "--quiet",
        "--recommenders",
        "mf,popularity",
    ]
    assert main(asked) == 2
    assert "leave --until-decided and --plan out, or pass --set clock=null --set intents=null" in capsys.readouterr().err


def test_an_environment_names_what_must_be_left_out():
    with pytest.raises(ConfigError, match=r"LivingWorld, or leave clock, intents, social, actions out"):
        BrowseEnv(scenario=load_scenario("demo", ACTING))


def test_estimates_from_a_log_with_actions_say_what_to_do(tmp_path, capsys):
    more = ["--set", "clock={days: 2}", "--set", "actions={save: {}}", "--n-users", "10", "--pages", "2"]
    assert main(["run", "demo", "--recommenders", "random", *more, "--out", str(tmp_path / "run"), "--quiet"]) == 0
    assert main(["ope", str(tmp_path / "run"), "--logging", "random", "--target", "popularity"]) == 2
    said = capsys.readouterr().err
    assert "run it without (such as --set actions=null), or serve both recommenders in runs and take recsim-llm compare" in said
