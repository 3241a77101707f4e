"""Attributes that a scenario gives its users."""

import numpy as np
import pytest
from pydantic import ValidationError

from recsim_llm.dynamics.selection import UserSelection
from recsim_llm.dynamics.user_attributes import usual_attributes, with_attributes
from recsim_llm.errors import ConfigError
from recsim_llm.population.sensitive_attributes import SENSITIVE_ATTRIBUTES
from recsim_llm.scenarios import UserSettings


def given(population, seed=3, **attributes):
    return with_attributes(population, attributes, seed).demographics


def test_the_usual_ones_are_drawn_evenly_and_independently_and_hang_on_seed_and_user_alone(make_world):
    population = make_world(items=10, users=3000).population
    drawn = with_attributes(population, usual_attributes(), 3)
    assert set(drawn.demographics) == {"age", *SENSITIVE_ATTRIBUTES}
    for field, values in SENSITIVE_ATTRIBUTES.items():
        names, count = np.unique(drawn.demographics[field].astype(str), return_counts=True)
        assert names.tolist() == sorted(values)
        assert abs(count / 3000 - 1 / len(values)).max() < 0.04
    women, thin = (drawn.demographics[field] == value for field, value in (("gender", "female"), ("physique", "thin")))
    assert abs((women & thin).mean() - women.mean() * thin.mean()) < 0.02
    some = with_attributes(population.take(np.arange(0, 3000, 7)), usual_attributes(), 3)
    assert np.array_equal(some.demographics["race"], drawn.demographics["race"][::7])
    assert not np.array_equal(given(population, 4, **usual_attributes())["race"], drawn.demographics["race"])


def test_the_first_value_whose_conditions_hold_is_taken_and_who_fits_none_has_none(make_world):
    population = make_world(items=10, users=40).population
    fans = UserSelection(likes="War", above=0.75)
    found = given(population, region={"front": fans, "rear": UserSelection(likes="War", above=0.5)})
    assert np.unique(found["region"].astype(str), return_counts=True)[1].tolist() == [20, 10, 10]
    front = population.taste[found["region"] == "front", population.genre_names.index("War")]
    assert front.min() > population.taste[found["region"] == "", population.genre_names.index("War")].max()
    young = {"young fan": UserSelection(demographics={"age": "18-24", "region": "front"}), "other": UserSelection()}
    both = with_attributes(with_attributes(population, {"region": {"front": fans}}, 3), {"kind": young}, 3).demographics
    assert ((both["kind"] == "young fan") == ((both["age"] == "18-24") & (both["region"] == "front"))).all()
    assert set(both["kind"]) == {"young fan", "other"}
    assert with_attributes(population, {}, 3) is population
    with pytest.raises(ConfigError, match="likes: got 'Opera'"):
        given(population, region={"loud": UserSelection(likes="Opera", above=0.5)})


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ("all", "expected usual, or fields"),
        ({"user_id": {"a": {}}}, "got the field 'user_id'"),
        ({"age_tercile": {"a": {}}}, "got the field 'age_tercile'"),
        ({"home town": {"a": {}}}, "got the field 'home town'"),
        ({"region": {}}, "got region without a value"),
        ({"region": {"": {}}}, "got region without a value"),
        ({"region": {"a": {"shares": 1}}}, "shares"),
    ],
)
def test_attributes_that_cannot_be_are_refused(attributes, match):
    with pytest.raises(ValidationError, match=match):
        UserSettings(attributes=attributes)


def test_a_manifest_says_nothing_of_attributes_that_are_not_given():
    assert "attributes" not in UserSettings().model_dump(mode="json")
    assert set(UserSettings(attributes="usual").attributes) == set(SENSITIVE_ATTRIBUTES)
