"""Scenario files with keys, values and shapes that nobody meant: a scenario, or one line."""

import math
import resource

import pytest
import yaml
from fuzzing import ODD_WORDS, Refusal, damaged, encoded, fuzz, outcome, rewritten, spoiled
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.scenarios import schema
from recsim_llm.scenarios.scenario_yaml import read_yaml
from recsim_llm.scenarios.schema import Scenario, load_scenario, parse_overrides, shipped_scenarios

SHIPPED = {
    name: (schema.files("recsim_llm.scenarios") / "shipped" / f"{name}.yaml").read_text() for name in shipped_scenarios()
}
EVERYTHING = {
    "name": "all",
    "columns": {"user_id": "who"},
    "rating_scale": [1, 10],
    "not_rated": [0, 99],
    "enrich": {},
    "cold_items": 0.1,
    "users": {"model": "choice", "count": 10, "block": {"size": 5, "number": 0}, "parameters": {"boredom": 0.5}, "noise": {}},
    "models": {"user": "scripted/genres", "policy": {"name": "scripted/agent", "request": {"stream": False}}},
    "limits": {"calls": 10},
    "recommenders": ["random", {"name": "mf", "settings": {"factors": 4}, "retrain": "visit"}],
    "clock": {"days": 5},
    "intents": "usual",
    "interventions": [{"name": "one", "at": 1, "change": {"promote": {"item": 3, "slot": 0}}}],
    "social": {"friends": {"degree": 4}},
    "providers": {},
    "actions": "usual",
    "presentation": {},
    "remarks": {},
    "train": {"algorithm": "ppo", "steps": 100},
    "measure": {"series": {"s": {"metric": "clicks"}}, "contrasts": {}},
    "expect": [],
    "seed": 3,
}
CONTENTS = [EVERYTHING, *map(yaml.safe_load, SHIPPED.values())]


def written(tmp_path, text):
    path = tmp_path / "s.yaml"
    path.write_bytes(encoded(text))
    return path


def checked(found):
    """Return a scenario if a manifest can hold it."""
    if not isinstance(found, Refusal):
        assert isinstance(found, Scenario)
        found.model_dump_json(exclude_unset=True)
        assert all(map(math.isfinite, found.users.noise.values()))
    return found


@fuzz(120)
@given(data=st.data())
def test_settings_of_other_types(tmp_path, data):
    content = data.draw(st.sampled_from(CONTENTS))
    text = yaml.safe_dump(data.draw(spoiled(content)), allow_unicode=True)
    checked(outcome(lambda: load_scenario(str(written(tmp_path, text)))))


@fuzz(60)
@given(data=st.data())
def test_files_of_other_lines(tmp_path, data):
    text = data.draw(st.sampled_from([*SHIPPED.values()]))
    spoilt = data.draw(st.one_of(rewritten(text, ":").map(encoded), damaged(text.encode())))
    path = tmp_path / "s.yaml"
    path.write_bytes(spoilt)
    checked(outcome(lambda: load_scenario(str(path))))


@fuzz(150)
@given(
    key=st.lists(
        st.sampled_from(["users", "parameters", "slate_size", "recommenders", "0", "", "a", "models", "seed"]), max_size=4
    ),
    value=st.sampled_from(ODD_WORDS) | st.text(max_size=8),
)
def test_overrides(key, value):
    checked(outcome(lambda: load_scenario("demo", parse_overrides([f"{'.'.join(key)}={value}"]))))


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MOST_KILOBYTES = 300 << 10
BOMBS = {
    "aliases of aliases": LAUGHS,
    "merged aliases": "a0: &a0 {k: v}\n"
    + "".join(f"a{n}: &a{n} {{x{n}: *a{n - 1}, y{n}: *a{n - 1}, z{n}: *a{n - 1}}}\n" for n in range(1, 40)),
    "merges": "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)),
    "alias of itself": "name: &a [*a]\n",
    "alias of itself by a key": "name: &a {? *a : 1}\n",
    "deep lists": "name: " + "[" * 5_000 + "]" * 5_000,
    "deep mappings": "name: " + "{a: " * 900 + "}" * 900,
    "deep blocks": "\n".join(" " * n + f"k{n}:" for n in range(600)),
    "not so deep": "users: {parameters: " + "{a: " * 60 + "1" + "}" * 61,
    "many keys": "users:\n  parameters:\n" + "".join(f"    k{n}: 1\n" for n in range(70_000)),
    "one key many times": "".join("name: x\n" for _ in range(20_000)),
    "long": "name: " + "x" * 3_000_000,
    "a number of many digits": "seed: " + "9" * 5_000,
    "a number of many digits to the base 16": "seed: 0x" + "f" * 100_000,
    "a number to the base 60": "seed: " + ":".join(["59"] * 3_000),
    "a tag of Python": "name: !!python/object/apply:os.system ['true']\n",
    "a module of Python": "name: !!python/module:os\n",
    "bytes": "name: !!binary aGVsbG8=\n",
    "a set": "name: !!set {a, b}\n",
    "pairs": "users: !!omap [a: 1, a: 2]\n",
    "two documents": "name: a\n---\nname: b\n",
    "a day": "name: 2024-02-30\n",
    "a day that is": "users: {parameters: {a: 2024-02-03}}\nname: x\nrecommenders: [random]\n",
    "not a number": "name: x\nrecommenders: [random]\ndiscount: .nan\n",
    "endless": "name: x\nrecommenders: [random]\ntrain_share: .inf\n",
    "nothing": "",
    "null": "~",
    "a byte of zero": "name: a\x00b\n",
    "half a character": "name: \ud83d\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_little_room(name, tmp_path):
    path = written(tmp_path, BOMBS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = outcome(lambda: load_scenario(str(path)))
    assert isinstance(found, Refusal), found
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KILOBYTES
    assert str(path) in found.line


def test_aliases_of_modest_size_are_read():
    assert read_yaml("a: &x {k: [1, 2]}\nb: {<<: *x, m: *x}\n") == {"a": {"k": [1, 2]}, "b": {"k": [1, 2], "m": {"k": [1, 2]}}}
