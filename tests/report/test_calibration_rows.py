"""Rows of a calibration's table: as many digits as chance leaves, and none that only rounding makes."""

from recsim_llm.report.calibration_rows import calibration_rows


def side(value, low, high):
    return {"value": value, "low": low, "high": high, "users": 31}


def test_a_level_that_all_users_have_gets_no_more_digits_than_its_neighbours():
    wanted = {"value": 0.02, "low": None, "high": None, "users": 0}
    rates = {"target": wanted, "before": side(0.418, 0.337, 0.504), "after": side(0.02, 0.02 - 1e-17, 0.02 + 4e-17)}
    ((label, cells),) = calibration_rows({"measured": {"click_rate": rates}})
    assert label == "Clicks on items drawn at random, if examined"
    assert [cell.value for cell in cells] == ["2.00%", "41.80%", "2.00%"]
    assert [cell.interval for cell in cells] == ["", "[33.70, 50.40]", "[2.00, 2.00]"]
