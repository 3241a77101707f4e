"""The named parameters: each has an effect, a source and a range."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields

import numpy as np
import pytest

from recsim_llm.agents.choice import choice_parameters as parameters_module
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.core.dice import seed_words
from recsim_llm.core.kernel import ALL_ROWS, Kernel
from recsim_llm.errors import ConfigError

ITEMS, USERS = 6, 5

OTHER_VALUES = {
    "click_bias": 1.0,
    "position_decay": 0.5,
    "position_curve": (1.0, 0.2, 0.1),
    "examination_table": ((1.0, 1.0, 1.0, 1.0), (0.9, 0.1, 1.0, 1.0), (0.8, 0.2, 0.1, 1.0)),
    "leave_by_page": (2.0, -1.0),
    "boredom": 3.0,
    "boredom_memory": 0.1,
    "boredom_limit": 0.1,
    "exposure_loss": 2.0,
    "exposure_limit": 0.2,
    "repeat": 1.0,
    "repeat_half_life": 2.0,
    "novelty": 2.0,
    "drift": 0.5,
    "drift_reach": 5.0,
    "drift_memory": 0.2,
    "page_cost": 1.0,
    "click_gain": 2.0,
    "opinion_gain": 2.0,
    "satisfaction_memory": 0.1,
    "satisfaction_limit": 0.1,
    "leave_start": -1.0,
    "leave_tired": 2.0,
    "fatigue_memory": 0.2,
    "patience_slope": 3.0,
    "leave_relief": 3.0,
    "leave_floor": -1.4,
    "leave_ceiling": -1.5,
    "watch_base": -1.0,
    "watch_slope": 3.0,
    "return_base": -1.0,
    "return_slope": 3.0,
}


@pytest.fixture
def kernel_log(catalog, population, model):
    """Return the bytes of two seeded visits of all users through the kernel, by parameters."""

    def log_of(**settings):
        people = population()
        users = ChoiceUsers(catalog(), people, model(**{"click_bias": 0.5, "leave_start": -1.5} | settings))
        kernel = Kernel(users=users, user_id=people.user_id, rows=USERS, slate_size=3, max_pages=4)
        who, log = np.arange(USERS), []
        slates = np.random.default_rng(0).permuted(np.tile(np.arange(ITEMS), (8, USERS, 1)), axis=2)[:, :, :3]
        for visit in range(2):
            number = np.full(USERS, visit)
            kernel.begin(ALL_ROWS, who, number, kernel.dice(who, number, seed_words(4)), returning=visit > 0)
            for page in range(4):
                told = kernel.step(slates[4 * visit + page])
                log += [told.examined, told.clicked, told.decisions.click_log_odds, told.ratings(), told.watched, *told.mood]
            log.append(users.return_log_odds(ALL_ROWS))
        return b"".join(np.ascontiguousarray(column).tobytes() for column in log)

    return log_of


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_every_parameter_has_an_effect(kernel_log, name):
    assert kernel_log(**{name: OTHER_VALUES[name]}) != kernel_log()


def test_the_same_parameters_have_the_same_effect(kernel_log):
    assert kernel_log() == kernel_log()


def parameter_docstrings():
    body = ast.parse(inspect.getsource(parameters_module)).body
    record = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == "ChoiceParameters")
    pairs = zip(record.body, record.body[1:], strict=False)
    return {
        field.target.id: text.value.value
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


@pytest.mark.parametrize("name", [field.name for field in fields(ChoiceParameters)])
def test_every_parameter_says_whether_it_is_assumed_or_measured(name):
    assert re.search(r"\b(assumed|fitted|measured)\b", parameter_docstrings()[name].lower())


def test_no_parameter_is_left_out_here():
    assert {*OTHER_VALUES, "click_rate", "dwell", "families", "layout", "price"} == {
        field.name for field in fields(ChoiceParameters)
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"boredom_memory": 1.1},
        {"drift_memory": -0.1},
        {"drift": 1.5},
        {"satisfaction_memory": 1},
        {"exposure_loss": -0.5},
        {"boredom_limit": -1},
        {"repeat_half_life": 0},
        {"repeat_half_life": "long"},
        {"satisfaction_memory": float("nan")},
        {"fatigue_memory": 2},
        {"position_decay": -1},
        {"click_rate": 0},
        {"click_rate": 1.0},
        {"boredom": "much"},
        {"boredom": None},
        {"novelty": True},
        {"click_bias": float("inf")},
        {"position_curve": [1.0, 1.2]},
        {"examination_table": [[1.0, 0.5], [0.5, 0.2, 0.1]]},
        {"examination_table": [[1.0, 1.5]]},
        {"examination_table": []},
        {"examination_table": 0.5},
        {"examination_table": [[1.0, 0.5]], "position_curve": [1.0]},
        {"position_curve": []},
        {"position_curve": "steep"},
        {"position_curve": 0.9},
        {"position_curve": [1.0, "half"]},
        {"boredum": 1.0},
        {"families": "factors"},
        {"families": ["factors", "moods"]},
        {"families": ["factors", "factors"]},
        {"families": [3]},
    ],
)
def test_bad_parameters_are_refused_in_one_line(settings):
    with pytest.raises(ConfigError, match=r"choice parameter.*got .*expected") as error:
        ChoiceParameters.from_settings(settings)
    assert "\n" not in str(error.value)


def test_a_list_makes_a_position_curve():
    assert ChoiceParameters.from_settings({"position_curve": [1, 0.5]}).position_curve == (1, 0.5)
