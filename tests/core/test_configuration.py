"""Settings that are declared once, and the words with which they are refused."""

from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from recsim_llm.core.configuration import FrozenSettings, config_error
from recsim_llm.errors import ConfigError


class Oven(FrozenSettings):
    degrees: int = Field(default=180, ge=30, le=300)
    minutes: float = Field(default=20.0, gt=0)
    share: float = Field(default=0.5, ge=0, lt=1)
    mode: Literal["fan", "grill"] = "fan"
    light: bool = False
    label: str = Field(default="", pattern="^[a-z]*$")
    rest: int | None = None
    turn: Literal["often"] | Annotated[int, Field(ge=1)] | None = None
    extras: dict[str, float] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"degrees": 20}, "degrees: got 20, expected a whole number from 30 to 300"),
        ({"degrees": "200"}, "degrees: got '200', expected a whole number from 30 to 300"),
        ({"degrees": True}, "degrees: got True, expected a whole number from 30 to 300"),
        ({"minutes": 0}, "minutes: got 0, expected a number above 0"),
        ({"minutes": "1e-4"}, "minutes: got '1e-4', expected a number above 0"),
        ({"minutes": float("nan")}, "minutes: got nan, expected a finite number"),
        ({"minutes": float("inf")}, "minutes: got inf, expected a finite number"),
        ({"share": 1}, "share: got 1, expected a number of at least 0 and below 1"),
        ({"mode": "steam"}, "mode: got 'steam', expected one of fan, grill"),
        ({"light": "on"}, "light: got 'on', expected true or false"),
        ({"label": "Mine"}, "label: got 'Mine', expected text that matches ^[a-z]*$"),
        ({"rest": 0.5}, "rest: got 0.5, expected a whole number or null"),
        ({"turn": 0}, "turn: got 0, expected often or a whole number of at least 1 or null"),
        ({"extras": [1]}, "extras: got [1], expected settings by name"),
        ({"extras": {"salt": "much"}}, "extras.salt: got 'much', expected a number"),
        (
            {"degres": 200},
            "got unknown key 'degres', expected one of degrees, minutes, share, mode, light, label, rest, turn, extras; "
            "did you mean 'degrees'?",
        ),
    ],
)
def test_a_refusal_says_key_value_and_what_is_expected(settings, said):
    with pytest.raises(ConfigError) as refused:
        Oven(**settings)
    assert str(refused.value) == said


def test_a_refusal_of_settings_that_were_read_begins_with_their_source():
    with pytest.raises(ConfigError, match=r"^oven 'mine': degrees: got 20, expected"):
        Oven.read({"degrees": 20}, "oven 'mine'")
    with pytest.raises(ConfigError, match=r"^oven 'mine': got unknown key '7', expected one of"):
        Oven.read({7: 20}, "oven 'mine'")


@given(st.integers(30, 300), st.floats(1e-9, 1e9), st.sampled_from(["fan", "grill"]), st.booleans())
def test_settings_come_back_from_plain_values_and_from_json(degrees, minutes, mode, light):
    settings = Oven(degrees=degrees, minutes=minutes, mode=mode, light=light)
    assert Oven.read(settings.model_dump(), "oven") == settings
    assert Oven.model_validate_json(settings.model_dump_json()) == settings


def test_scalars_of_numpy_are_plain_numbers():
    settings = Oven(degrees=np.int64(200), minutes=np.float32(2.5), light=np.bool_(True))
    assert settings == Oven(degrees=200, minutes=2.5, light=True)
    assert type(settings.degrees) is int


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Oven().degrees = 200


def test_a_constructor_takes_its_own_settings_or_none():
    assert Oven.given(None) == Oven()
    assert Oven.given(Oven(degrees=99)).degrees == 99
    with pytest.raises(ConfigError, match="got 99, expected Oven"):
        Oven.given(99)


class Shelf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    height: Literal["low", "high"] | Literal["any"] = "any"
    depth: Annotated[float, Field(gt=0)] = 1.0
    name: str

    @field_validator("name")
    @classmethod
    def _short(cls, name):
        if len(name) > 3:
            raise ValueError("expected three letters")
        return name


class Kitchen(BaseModel):
    shelves: tuple[Shelf, ...] = ()
    by_room: dict[str, Shelf | None] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"shelves": [{"name": "a"}, {"name": "b", "height": "top"}]}, "shelves.1.height: got 'top', expected one of"),
        (
            {"shelves": [{"name": "a", "hight": "low"}]},
            "got unknown key 'shelves.0.hight', expected one of height, depth",
        ),
        ({"by_room": {"hall": {"name": "a", "depth": 0}}}, "by_room.hall.depth: got 0, expected a number above 0"),
        ({"by_room": {"hall": {"name": "a", "dept": 0}}}, "did you mean 'depth'?"),
        ({"by_room": {"hall": {}}}, "by_room.hall.name: got nothing, expected text"),
        ({"by_room": {"hall": {"nam": "a"}}}, "got unknown key 'by_room.hall.nam', expected one of height, depth, name; did"),
        ({"by_room": {"hall": {"name": "long"}}}, "by_room.hall.name: got 'long', expected three letters"),
        ({"by_room": {1: {"name": "a"}}}, "by_room: got key 1, expected a name; put it in quotes if it is one"),
        ({"shelves": 3}, "shelves: got 3, expected a list"),
        ({"shelves": [3]}, "shelves.0: got 3, expected settings by name: height, depth, name"),
    ],
)
def test_a_fault_inside_is_told_by_its_place(values, said):
    with pytest.raises(ValidationError) as found:
        Kitchen.model_validate(values)
    assert said in str(config_error(found.value, Kitchen))


def test_a_long_value_is_shown_by_its_beginning():
    class Named(FrozenSettings):
        count: int

    with pytest.raises(ConfigError) as error:
        Named(count="x" * 10_000)
    assert "count: got 'xxx" in str(error.value)
    assert len(str(error.value)) < 300
