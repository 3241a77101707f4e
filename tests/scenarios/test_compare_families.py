"""A comparison on users of several families says whether its verdict holds with each."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from recsim_llm.comparison import read_finished_tally
from recsim_llm.population import draw_families
from recsim_llm.report import write_report
from recsim_llm.report.comparison_page import comparison_table
from recsim_llm.scenarios import load_scenario
from recsim_llm.scenarios.compare import compare

FAMILIES = ["popularity", "factors", "sequence"]
SMALL = {"users.count": 240, "max_pages": 5, "slate_size": 5, "seed": 4, "recommenders": ["random", "popularity"]}


def made(folder, **changes):
    return compare(load_scenario("demo", SMALL | changes), folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("families") / "run"


@pytest.fixture(scope="module")
def comparison(folder):
    return made(folder, **{"users.parameters.families": FAMILIES, "users.parameters.click_bias": 1.0})


def test_the_primary_metric_is_told_by_family_of_users(comparison, folder):
    (row,) = comparison.families
    assert (row.arm, row.against) == ("popularity", "random")
    assert row.groups.names == tuple(sorted(FAMILIES))
    assert sum(row.sizes) == comparison.users
    content = json.loads((folder / "comparison.json").read_text())
    assert content["families"][0]["groups"]["names"] == sorted(FAMILIES)
    (whole,) = [one for one in comparison.comparisons if one.metric == "clicks_per_user"]
    weighed = np.average([effect.value for effect in row.groups.effects], weights=row.sizes)
    assert weighed == pytest.approx(whole.effect.value)


def test_sizes_are_those_of_the_keyed_draw(comparison, folder):
    user_id = read_finished_tally(folder).user_id
    expected = np.bincount(draw_families(user_id, sorted(FAMILIES)), minlength=3)
    assert comparison.families[0].sizes == tuple(expected)


def test_the_verdict_says_it_in_a_line_and_the_page_shows_a_table(comparison, folder):
    lines = [line for line in comparison.verdict if "by family of users" in line]
    assert lines == ["popularity against random, by family of users: holds with every family."]
    page = write_report(folder).read_text()
    assert lines[0] in page
    assert "Clicks per user by family of users" in page


def test_the_terminal_shows_the_difference_of_each_family_with_its_interval(comparison):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(comparison_table(comparison.to_json()))
    shown = console.export_text()
    after = shown[shown.index("By family, popularity") :]
    for name, effect in zip(sorted(FAMILIES), comparison.families[0].groups.effects, strict=True):
        assert name in after
        assert f"[{effect.low:.1f}, {effect.high:.1f}]" in after


def test_users_of_one_taste_say_nothing_of_families(tmp_path):
    comparison = made(tmp_path / "run", **{"users.count": 40})
    assert comparison.families == ()
    assert not any("family" in line for line in comparison.verdict)
