"""What can be asked about."""

import numpy as np
import pytest

from recsim_llm.conversation.attributes import find_attributes
from recsim_llm.core.catalog import Catalog


@pytest.fixture
def attributes():
    catalog = Catalog.from_columns(
        item_id=[1, 2, 3, 4],
        title=list("abcd"),
        genres=[["Drama"], ["Drama", "War"], ["War"], []],
        year=[1999, 2000, -1, 2005],
        popularity=[1, 5, 3, 9],
        provider=["x", "y", "x", ""],
    )
    return find_attributes(catalog)


def test_genre_decade_provider_and_fame_can_be_asked_about(attributes):
    assert attributes.names == ("genre", "decade", "provider", "fame")
    assert attributes.value_names[:6] == ("Drama", "War", "1990s", "2000s", "x", "y")


def test_an_item_without_a_year_has_no_decade(attributes):
    decade = attributes.values_of(attributes.names.index("decade"))
    assert attributes.members[:, decade].sum(axis=1).tolist() == [1, 1, 0, 1]


def test_an_attribute_of_one_value_is_left_out():
    catalog = Catalog.from_columns(item_id=[1, 2], title=["a", "b"], genres=[["War"], ["War"]], popularity=[1, 1])
    assert find_attributes(catalog).names == ()


def test_the_main_value_is_the_one_that_fewest_items_have(attributes):
    assert attributes.main[:, :2].tolist() == [[True, False], [True, False], [False, True], [False, False]]


def test_shares_sum_to_one_within_each_attribute_or_to_nothing(attributes):
    shares = attributes.shares(attributes.members.astype(float))
    sums = shares @ attributes.of.T
    assert np.all(np.isclose(sums, 1) | (sums == 0))
    assert shares[1, :2].tolist() == [0.5, 0.5]
