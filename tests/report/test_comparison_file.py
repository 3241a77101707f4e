"""A damaged ``comparison.json`` is refused in one line, whatever is wrong with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tallies import draw_tally, make_tally
from odd_json import spoil

from recsim_llm.comparison import Judging, judge_run
from recsim_llm.errors import LogError
from recsim_llm.report.claims import claim_of_row, compared_claims, table_rows
from recsim_llm.report.comparison_figure import forest_title
from recsim_llm.report.comparison_page import comparison_section, comparison_table
from recsim_llm.report.comparison_rows import read_comparison
from recsim_llm.report.comparison_words import verdict_lines
from recsim_llm.report.page_layout import table
from recsim_llm.report.worst_visits import WorstVisits


@pytest.fixture(scope="module")
def whole():
    manifest = {"scenario": "made", "seed": 1, "settings": {}}
    comparison = judge_run(draw_tally(), manifest, Judging(metrics=("clicks_per_user", "mean_rating")), None)
    content = json.loads(json.dumps(comparison.to_json()))
    return content | {"verdict": verdict_lines(content)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


def show(content):
    """Make all that the page and the terminal say of a comparison."""
    claims = [*compared_claims(content), *(claim_of_row(content, row) for _, _, rows in table_rows(content) for row in rows)]
    comparison_section(content, "", table, WorstVisits(claims, content["arms"]).link)
    comparison_table(content)


def test_what_was_written_is_read(whole, folder):
    (folder / "comparison.json").write_text(json.dumps(whole))
    assert read_comparison(folder) == whole
    show(whole)


def test_what_is_the_same_for_four_users_is_not_called_decided():
    drawn = make_tally({"clicks": [[2.0, 3.0, 4.0, 5.0]] * 2})
    comparison = judge_run(drawn, {"scenario": "made", "seed": 1, "settings": {}}, Judging(metrics=("clicks_per_user",)), None)
    content = json.loads(json.dumps(comparison.to_json()))
    assert verdict_lines(content)[0].endswith("from each of 4 users: identical for them, undecided of others.")
    (claim,) = compared_claims(content)
    assert (claim.state, claim.said) == ("= identical", "= identical for these 4 users")
    assert forest_title(content) == "Clicks per user: nothing is decided against a"
    assert ["0.00", "–"] in [cells_of(column) for column in comparison_table(content).columns]


def cells_of(column):
    return str(list(column.cells)[-1]).split("\n")


@given(data=st.data())
def test_whatever_is_odd_about_it_it_is_shown_or_refused(whole, folder, data):
    (folder / "comparison.json").write_text(json.dumps(spoil(whole, data)))
    refusal = ""
    try:
        show(read_comparison(folder))
    except LogError as error:
        refusal = str(error)
    assert not refusal or (refusal.endswith("make it anew") and "\n" not in refusal)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"arms": NaN}'])
def test_what_is_no_comparison_is_refused(tmp_path, content):
    (tmp_path / "comparison.json").write_bytes(content)
    with pytest.raises(LogError, match="make it anew"):
        read_comparison(tmp_path)
