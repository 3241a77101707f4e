"""Series of providers, against what their events say."""

import json

import numpy as np
import pyarrow.dataset as arrow
import pytest
from living import SMALL, living

from recsim_llm.comparison.findings import measure_findings
from recsim_llm.errors import ConfigError
from recsim_llm.log import open_run
from recsim_llm.metrics.item_tables import read_tables
from recsim_llm.metrics.reading_series import read_series
from recsim_llm.metrics.series_settings import SeriesSettings
from recsim_llm.report import write_report
from recsim_llm.scenarios import load_scenario, run

RARE = "Tin Whistle House"
MEASURE = {
    "series": {
        "left": {"metric": "providers_left"},
        "least": {"metric": "exposure_over_merit"},
        "rare": {"metric": "exposure_over_merit", "items": {"provider": RARE}},
    },
    "contrasts": {"more-left": {"series": "left", "arm": "popularity", "against": "random"}},
}
EXPECT = [{"name": "leaves", "claim": "More leave.", "contrast": "more-left", "direction": "above"}]
PROVIDERS = {"window_days": 2, "patience_days": 1, "grace_days": 2, "least_share": 0.6}


def leaving(**changes):
    settings = {"recommenders": ["popularity", "random"], "providers": PROVIDERS, "measure": MEASURE, "expect": EXPECT}
    return living(**settings | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(leaving(), tmp_path_factory.mktemp("providers") / "run")


@pytest.fixture(scope="module")
def events(finished):
    found = arrow.dataset(finished / "events").to_table().to_pandas()
    return found[found.arm == "popularity"]


def series(folder, **settings):
    return read_series(open_run(folder), read_tables(folder), {"it": SeriesSettings(**settings)})["it"]


def test_who_left_is_counted_over_the_window(finished, events):
    left = events[events.event == "provider_leaves"]["day"].to_numpy()
    it = series(finished, metric="providers_left")
    assert it.level(0, 0, 5).value == len(left) >= 1
    assert it.level(0, left[0], left[0]).value == (left == left[0]).sum()
    assert it.level(0, 0, left.min() - 1).value == 0


def test_exposure_over_merit_is_the_mean_of_its_days_and_nothing_after_leaving(finished, events):
    shown = events[(events.event == "provider_exposure") & (events.subject == RARE)].set_index("day")["value"]
    last = shown.index.max()
    it = series(finished, metric="exposure_over_merit", items={"provider": RARE})
    assert it.level(0, 0, last).value == pytest.approx(shown.mean())
    assert last < 5
    assert it.level(0, 5, 5).value == 0.0


def test_of_no_provider_in_particular_it_is_that_of_the_least_shown(finished, events):
    shown = events[(events.event == "provider_exposure") & (events.day == 1)]["value"]
    assert series(finished, metric="exposure_over_merit").level(0, 1, 1).value == pytest.approx(shown.min())


def test_a_finding_of_what_is_counted_needs_no_interval(finished):
    (finding,) = measure_findings(finished).findings
    assert (finding.answer, finding.contrast.estimate.low) == ("holds", None)
    assert "counted" in finding.contrast.note


def test_where_nobody_asked_nobody_left_and_there_is_no_exposure(tmp_path):
    folder = run(leaving(providers=None), tmp_path / "off")
    assert series(folder, metric="providers_left").level(0, 0, 5).value == 0
    assert series(folder, metric="exposure_over_merit").level(0, 0, 5).value is None
    assert measure_findings(folder).findings[0].answer == "does not hold"


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"metric": "providers_left", "by": "visit"}, "by day"),
        ({"metric": "providers_left", "items": {"provider": RARE}}, "leave items out"),
        ({"metric": "exposure_over_merit", "items": {"genre": "Drama"}}, "expected a provider"),
    ],
)
def test_series_that_mean_nothing_are_refused(one, said):
    with pytest.raises(ConfigError, match=said):
        leaving(measure={"series": {"it": one}}, expect=[])


def test_without_a_clock_they_are_refused():
    plain = {key: value for key, value in SMALL.items() if key != "clock"}
    with pytest.raises(ConfigError, match="without a clock"):
        load_scenario("small", plain | {"measure": {"series": {"it": {"metric": "providers_left"}}}})


def test_the_report_says_who_left_and_draws_what_they_were_shown(finished, events):
    page = write_report(finished).read_text(encoding="utf-8")
    assert 'id="section-providers"' in page
    day = events[(events.event == "provider_leaves") & (events.subject == RARE)]["day"].item()
    assert f"left on day {day}, at 0." in page
    told = json.loads((finished / "metrics.json").read_text())["providers"]
    rare = next(one for one in told[0]["providers"] if one["name"] == RARE)
    assert rare["left_on_day"] == day
    assert np.count_nonzero(rare["exposure_over_merit"]) <= day + 1
    assert (finished / "figures" / "providers_0.png").exists()
    assert (finished / "figures" / "providers_0.csv").read_text().startswith("arm,provider,day,exposure_over_merit")
