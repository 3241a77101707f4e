"""What the report says of single items: their titles and own ids, and nothing where nothing was shown."""

import pyarrow as pa
import pytest
import written_runs as logs

from recsim_llm.log.tables import write_table
from recsim_llm.report import write_report
from recsim_llm.report.names import Names, read_names

HOSTILE = "<b>1</b> & 2"


def report(folder, pages, arms=("a", "b"), **columns):
    run = logs.write_run(folder, pages, arms=arms)
    if columns:
        write_table(run, "items", pa.table({"item_id": [1, 2, 3]} | columns))
    return write_report(run).read_text(encoding="utf-8")


def test_items_have_titles_and_own_ids_which_are_escaped(tmp_path):
    html = report(tmp_path, logs.HAND, title=["Mug", HOSTILE, None], item_key=["SKU-MUG", "0007", "SKU-3"])
    assert "Mug (SKU-MUG)" in html
    assert "&lt;b&gt;1&lt;/b&gt; &amp; 2 (0007)" in html
    assert ">SKU-3<" in html
    assert "<b>1" not in html


def test_items_of_a_log_without_a_table_of_items_have_numbers(tmp_path):
    assert ">item 3<" in report(tmp_path, logs.HAND)


def test_a_title_that_is_the_own_id_is_said_once():
    assert Names(titles={1: "0007"}, item_keys={1: "0007"}).item(1) == "0007"


def test_names_of_a_run_without_items_are_empty(tmp_path):
    assert read_names(tmp_path) == Names()


@pytest.mark.parametrize(("slots", "said"), [([(-1, None)] * 2, False), ([(1, None)] * 2, True)])
def test_the_section_is_left_out_where_nothing_was_shown(tmp_path, slots, said):
    html = report(tmp_path, [("a", user, 0, 0, slots) for user in range(3)], arms=["a"])
    assert ("Most shown, most clicked" in html) is said
    assert ("Nothing that it showed was clicked." in html) is said
