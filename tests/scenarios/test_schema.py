"""Scenarios: what is accepted, what is refused, and in which words."""

import pytest

from recsim_llm.errors import ConfigError
from recsim_llm.scenarios.schema import Scenario, load_scenario, parse_overrides, shipped_scenarios


def test_every_shipped_scenario_loads():
    names = shipped_scenarios()
    assert {"demo", "movielens", "learning"} <= set(names)
    for name, description in names.items():
        assert load_scenario(name).name == name
        assert description.endswith((".", "?"))


def test_a_recommender_may_be_a_name_or_an_arm():
    scenario = load_scenario(
        "demo", {"recommenders": ["random", {"name": "few", "recommender": "mf", "settings": {"factors": 4}}]}
    )
    assert [(arm.name, arm.recommender) for arm in scenario.recommenders] == [("random", "random"), ("few", "mf")]


def test_overrides_reach_nested_settings():
    overrides = parse_overrides(["slate_size=5", "users.parameters.boredom=0.25", "users.count=7"])
    scenario = load_scenario("demo", overrides)
    assert (scenario.slate_size, scenario.users.count, scenario.users.parameters["boredom"]) == (5, 7, 0.25)


def test_overrides_leave_the_callers_values_as_they_are():
    clock = {"days": 3}
    assert load_scenario("demo", {"clock": clock, "clock.days": 5}).clock.days == 5
    assert clock == {"days": 3}


def test_a_yaml_file_loads(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nrecommenders: [random]\n")
    assert load_scenario(str(path)).max_pages == Scenario.model_fields["max_pages"].default


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"slate_sizes": 5}, ["unknown key 'slate_sizes'", "slate_size"]),
        ({"users.modell": "choice"}, ["users.modell", "model"]),
        ({"slate_size": 0}, ["slate_size", "got 0", "expected a whole number of at least 1"]),
        ({"train_share": 1.5}, ["train_share", "1.5"]),
        ({"recommenders": []}, ["recommenders", "a list of length at least 1"]),
        ({"recommenders": ["mf", "mf"]}, ["'mf' is there twice"]),
        ({"invalid": "ignore"}, ["invalid", "'ignore'"]),
        ({"models.user.base_url": "http://127.0.0.1:1/v1"}, ["role user without its name", "--model provider/name"]),
        ({"models.judge.timeout": 3}, ["role judge without its name", "--set models.judge.name=provider/name"]),
        ({"slate_size.deep": 1}, ["slate_size", "section"]),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(overrides, words):
    with pytest.raises(ConfigError) as caught:
        load_scenario("demo", overrides)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "just text"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scenario(str(path))
    assert "\n" not in str(caught.value)


def test_an_unknown_scenario_lists_the_known_ones():
    with pytest.raises(ConfigError, match="demo"):
        load_scenario("nonesuch")


@pytest.mark.parametrize("pair", ["slate_size", "=5", "a=[1"])
def test_a_malformed_override_is_refused(pair):
    with pytest.raises(ConfigError, match="--set"):
        parse_overrides([pair])


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("name: twice\nseed: 1\nrecommenders: [random]\nusers:\n  count: 3\n  count: 4\n")
    with pytest.raises(ConfigError, match="key 'count' twice in line 6"):
        load_scenario(str(path))


def test_a_missing_scenario_file_names_the_one_beside_it(tmp_path):
    (tmp_path / "winter.yaml").write_text("name: winter\nrecommenders: [random]\n")
    with pytest.raises(ConfigError, match=r"did you mean .*winter\.yaml"):
        load_scenario(str(tmp_path / "wniter.yaml"))


@pytest.mark.parametrize("key", ["name", "recommender"])
def test_an_arm_needs_one_of_name_and_recommender(key, tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(f"name: one\nrecommenders: [{{{key}: mf, settings: {{factors: 8}}}}]\n")
    (arm,) = load_scenario(str(path)).recommenders
    assert (arm.name, arm.recommender, arm.settings) == ("mf", "mf", {"factors": 8})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("limits: {3: 1}", "limits: got key 3, expected a name; put it in quotes if it is one"),
        ("on: 1", "got key True, expected a name"),
        ("users: {parameters: {memory: {null: 1}}}", "users.parameters.memory: got key None"),
    ],
)
def test_a_key_that_is_no_text_is_refused_wherever_it_stands(tmp_path, line, words):
    path = tmp_path / "odd.yaml"
    path.write_text(f"name: odd\nrecommenders: [random]\n{line}\n")
    with pytest.raises(ConfigError, match=words) as caught:
        load_scenario(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1" + "0" * 30, "a whole number of 100 bits"),
        ("9" * 5000, "wants quotes if it is text"),
        (".nan", "got nan, expected a finite number"),
        ("[1, {deep: -.inf}]", "got -inf, expected a finite number"),
        ("2026-11-29", r"got 2026-11-29 \(date\), expected text"),
        ("!!binary aGVsbG8=", r"\(bytes\)"),
        ("!!set {a, b}", r"\(set\)"),
    ],
)
@pytest.mark.parametrize("place", ["users: {parameters: {odd: %s}}", "recommenders: [{name: mf, settings: {odd: %s}}]"])
def test_a_value_that_a_manifest_cannot_hold_is_refused_before_anything_runs(tmp_path, place, value, words):
    path = tmp_path / "odd.yaml"
    recommenders = "" if place.startswith("recommenders") else "recommenders: [random]\n"
    path.write_text(f"name: odd\n{recommenders}{place % value}\n")
    with pytest.raises(ConfigError, match=words) as caught:
        load_scenario(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["users.count", "slate_size", "max_pages", "visits", "seed"])
def test_true_is_no_number(key):
    with pytest.raises(ConfigError, match=f"{key}: got True, expected a whole number of at least"):
        load_scenario("demo", {key: True})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-02-30", "2026-02-30 .day is out of range.*in line 3"),
        ("&x {again: *x}", "nested too deeply, or within themselves"),
        ("[" * 3000 + "]" * 3000, "nested too deeply"),
    ],
)
def test_yaml_that_makes_no_value_is_one_line(tmp_path, value, words):
    path = tmp_path / "odd.yaml"
    path.write_text(f"name: odd\nrecommenders: [random]\nusers: {{parameters: {value}}}\n")
    with pytest.raises(ConfigError, match=words) as caught:
        load_scenario(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="--set odd"):
        parse_overrides([f"odd={value}"])


def test_overrides_leave_what_they_were_given_as_it_is():
    given = {"clock": {"days": 3}, "clock.step": "hour"}
    assert load_scenario("small", given).clock.step == "hour"
    assert given["clock"] == {"days": 3}
