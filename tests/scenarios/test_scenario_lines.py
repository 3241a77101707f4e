"""Faults of a scenario file are told with the line in which they stand."""

import pytest

from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.schema import load_scenario

HEAD = "name: lines\nrecommenders:\n  - mf\n  - name: small\n    recommender: mf\n"


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("user: {}\n", "line 6: got unknown key 'user', .*did you mean 'users'"),
        ("users:\n  count: 3\n  modle: choice\n", "line 8: got unknown key 'users.modle', .*did you mean 'model'"),
        ("users:\n  count: three\n", "line 7: users.count: got 'three', expected a whole number"),
        ("    setings: {factors: 3}\n", "line 6: got unknown key 'recommenders.1.setings', .*did you mean 'settings'"),
        ("models:\n  user: {name: scripted/genres,\n    timeot: 3}\n", "line 8: .*did you mean 'timeout'"),
        ("train:\n  steps: many\n", "line 7: train.steps: got 'many'"),
        ("users:\n  parameters:\n    boredom: .nan\n", "line 8: users.parameters.boredom: got nan, expected a finite number"),
        ("users:\n  parameters:\n    on: 3\n", "line 7: users.parameters: got key True, expected a name"),
        ("intents: usual\n", "lines.yaml: expected a clock beside intents"),
        ("<<: {seed: 1.5}\n", "lines.yaml: seed: got 1.5"),
    ],
)
def test_a_fault_is_told_with_file_line_key_and_nearest_key(tmp_path, tail, words):
    path = tmp_path / "lines.yaml"
    path.write_text(HEAD + tail)
    with pytest.raises(ConfigError, match=words) as caught:
        load_scenario(str(path))
    assert str(path) in str(caught.value)


def test_a_fault_of_an_override_is_told_without_a_line_of_the_file(tmp_path):
    path = tmp_path / "lines.yaml"
    path.write_text(HEAD + "users:\n  count: 3\n")
    with pytest.raises(ConfigError, match=r"lines.yaml: users.count: got 'x'"):
        load_scenario(str(path), {"users.count": "x"})


def test_a_fault_of_the_file_has_its_line_under_an_override_elsewhere(tmp_path):
    path = tmp_path / "lines.yaml"
    path.write_text(HEAD + "slate_size: none\n")
    with pytest.raises(ConfigError, match=r"line 6: slate_size: got 'none'"):
        load_scenario(str(path), {"users.count": 4})
