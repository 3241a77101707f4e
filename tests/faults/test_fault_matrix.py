"""Every fault, with everyone, in every verb, everywhere: the same bytes, or one line that says what happened and what to do."""

import os
from pathlib import Path

import pytest
from fault_matrix import cells, fate, stand_in, to_run
from fault_page import reasons, tables
from fault_results import run_cells

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "faults.md"
RUN = list(dict.fromkeys((cell.fault, cell.verb) for cell in to_run()))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What came of every cell that is run."""
    return run_cells(tmp_path_factory.mktemp("faults"))


def test_no_cell_is_left_open():
    for cell in cells():
        found = fate(cell)
        assert (found.kind == "run") != bool(found.words), cell
        if found.kind == "as":
            assert fate(stand_in(cell)).kind in ("run", "test"), cell


def test_the_tests_that_cells_name_are_there():
    for named in {fate(cell).words for cell in cells() if fate(cell).kind == "test"}:
        path, _, name = named.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), named


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")
@pytest.mark.parametrize(("fault", "verb"), RUN)
def test_a_fault_ends_in_the_same_bytes_or_in_one_line(fault, verb, results):
    mine = [cell for cell in to_run() if (cell.fault, cell.verb) == (fault, verb)]
    found = {str(cell): results[cell]["wrong"] for cell in mine}
    assert found == {str(cell): [] for cell in mine}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked")
def test_the_page_says_what_came_of_the_cells(results):
    if any(result["outcome"] == "not run" for result in results.values()):
        pytest.skip("not every cell can be run here")
    text = PAGE.read_text(encoding="utf-8")
    assert "\n".join(tables(results)) in text
    assert "\n".join(reasons()) in text
