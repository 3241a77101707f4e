from recsim_llm.report.parameter_table import parameter_lines


def test_a_parameter_that_is_a_word_is_shown_as_it_is():
    log = {"name": "clicks", "rows": 1200, "fingerprint": "0" * 64}
    told = {"source": "fitted", "fitted_on": log, "value": "list", "low": None, "high": None, "note": "read from the top"}
    lines = list(parameter_lines({"layout": told}))
    assert lines[1].split() == ["layout", "list"]


def test_a_table_of_numbers_is_shown_to_two_decimals():
    log = {"name": "clicks", "rows": 1200, "fingerprint": "0" * 64}
    told = {"source": "fitted", "fitted_on": log, "value": [0.5, None], "low": [0.4, None], "high": [0.6, None], "note": "n"}
    assert list(parameter_lines({"stay": told}))[1].split() == ["stay", "0.50", "–", "[0.40", "–,", "0.60", "–]"]
