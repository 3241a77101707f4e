"""Providers who leave: what they deserve, when their patience ends, and what is refused."""

import numpy as np
import pytest
from living import tiny_catalog

from recsim_llm.core.catalog import Catalog
from recsim_llm.dynamics.provider_exits import ProviderExits, ProviderSettings
from recsim_llm.errors import ConfigError
from recsim_llm.log.schema import PROVIDER_EXPOSURE as EXPOSURE
from recsim_llm.log.schema import PROVIDER_LEAVES as LEAVES

EVERYTHING = np.ones(6, np.bool_)
FIRST = np.array([[0, 2], [0, 4], [2, -1]])  # five slots, all of studio 0


def exits(slate_size=2, catalog=None, **settings):
    usual = {"least_share": 0.5, "window_days": 1, "patience_days": 2, "grace_days": 0}
    return ProviderExits(ProviderSettings(**usual | settings), catalog or tiny_catalog(), slate_size)


def live(made, day, shown, on_sale=EVERYTHING):
    made.take_in(shown)
    made.end_step(day, on_sale & made.offered())
    return made.end_day(day, on_sale & made.offered())


def values(events, kind=EXPOSURE):
    return {event.subject: event.value for event in events if event.event == kind}


def test_exposure_over_merit_is_what_was_shown_over_what_was_deserved():
    made = exits()
    made.take_in(np.array([[0, 1], [0, 2]]))
    made.end_step(0, EVERYTHING)
    events = made.end_day(0, EVERYTHING)
    assert values(events) == {"studio 0": pytest.approx(1.5), "studio 1": pytest.approx(0.5)}
    assert [event.other_id for event in events] == [0, 1]


def test_what_is_not_on_sale_deserves_nothing():
    events = live(exits(), 0, np.array([[0, 1]]), EVERYTHING & ~np.isin(np.arange(6), [3, 5]))
    assert values(events) == {"studio 0": pytest.approx(0.5 / 0.75), "studio 1": pytest.approx(0.5 / 0.25)}


@pytest.mark.parametrize(("merit", "deserved"), [("items", 3 / 6), ("ratings", (6 + 4 + 2) / 21)])
def test_merit_is_what_the_settings_say(merit, deserved):
    assert values(live(exits(merit=merit), 0, FIRST))["studio 0"] == pytest.approx(1 / deserved)


def test_exposure_counts_over_the_window_and_no_longer():
    made = exits(window_days=2, least_share=0.0)
    found = [values(live(made, day, shown))["studio 1"] for day, shown in enumerate([FIRST + 1, FIRST, FIRST])]
    assert found == [pytest.approx(value) for value in (5 / 3, 10 / 11, 0.0)]


def test_a_provider_leaves_with_all_items_when_its_patience_ends_and_not_before():
    made = exits(patience_days=3)
    said = [values(live(made, day, FIRST), LEAVES) for day in range(4)]
    assert said == [{}, {}, {"studio 1": 0.0}, {}]
    assert made.offered().tolist() == [True, False] * 3


def test_a_good_day_restores_patience_and_days_of_grace_do_not_count():
    made = exits(grace_days=1)
    gone = [bool(values(live(made, day, shown), LEAVES)) for day, shown in enumerate([FIRST, FIRST, FIRST + 1, FIRST, FIRST])]
    assert gone == [False, False, False, False, True]


def test_nobody_leaves_where_the_least_share_is_nothing():
    made = exits(least_share=0.0)
    for day in range(5):
        live(made, day, FIRST)
    assert made.offered().all()


def test_days_without_a_page_are_held_against_nobody():
    made = exits()
    assert [live(made, day, np.zeros((0, 2), np.int64)) for day in range(4)] == [[]] * 4


def test_the_last_who_can_fill_a_page_stays():
    made = exits(slate_size=4)
    for day in range(4):
        live(made, day, FIRST)
    assert made.offered().all()


def test_items_of_nobody_stay():
    catalog = Catalog.from_columns(
        item_id=np.arange(6), title=list("abcdef"), genres=[("A",)] * 6, provider=["x", "x", "x", "y", None, None]
    )
    made = exits(catalog=catalog, patience_days=1)
    assert values(live(made, 0, np.array([[0, 1, 4]])), LEAVES) == {"y": 0.0}
    assert made.offered().tolist() == [True, True, True, False, True, True]


@pytest.mark.parametrize("provider", [None, [None, None]])
def test_data_that_do_not_tell_are_refused(provider):
    catalog = Catalog.from_columns(item_id=np.arange(2), title=["a", "b"], genres=[("A",)] * 2, provider=provider)
    with pytest.raises(ConfigError, match="data without providers"):
        exits(catalog=catalog)
