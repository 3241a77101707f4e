"""What all settings have in common."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from recsim_llm.core.parameters import field_names, is_number, refuse_unknown_names
from recsim_llm.errors import ConfigError


@dataclass
class Two:
    second: float = 0.0
    first: float = 0.0


def test_known_names_pass():
    refuse_unknown_names("two", ["first", "second"], field_names(Two))


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError) as refused:
        refuse_unknown_names("parameter of two", ["first", "third"], field_names(Two))
    assert str(refused.value) == "parameter of two: got 'third', expected one of second, first"


@pytest.mark.parametrize("value", [0, -3, 2.5])
def test_numbers_are_numbers(value):
    assert is_number(value)


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf"), [1.0]])
def test_anything_else_is_no_number(value):
    assert not is_number(value)
