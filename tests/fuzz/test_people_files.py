"""Files of people, what they are told and what they remember, and fits: read, or refused in one line."""

import json
import zipfile

import numpy as np
import pytest
from fuzzing import ODD_VALUES, Refusal, damaged, encoded, fuzz, outcome, rewritten, spoiled
from hypothesis import given
from hypothesis import strategies as st
from memory_streams import WEIGHTS

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.language.calibration import Calibration
from recsim_llm.agents.language.persona_writing import read_personas
from recsim_llm.agents.language.told_facts import read_facts
from recsim_llm.agents.memory import Memories
from recsim_llm.population.personas import Population
from recsim_llm.population.population_files import read_population, write_population
from recsim_llm.population.synthetic import JointDistribution, fit_joint_distribution
from recsim_llm.recommenders import open_recommender

PERSONAS = {
    "personas": {"1": {"text": "You like war films.", "passed": True}, "2": {"text": "x", "passed": False}},
    "model": "m",
}
FACTS = {"12": {"spiders": "You cannot stand films with spiders.", "town": {"0": "You live in York.", "3": "You moved."}}}
CALIBRATION = {
    "click_slope": 1.0,
    "click_bias": 0.1,
    "leave_slope": 1.0,
    "leave_bias": 0.0,
    "stars_slope": 1.0,
    "stars_offsets": [0.0, 0.1, 0.0, -0.1, 0.0],
    "record": None,
}
ARRAYS = st.sampled_from(
    [
        np.zeros(0),
        np.zeros((2, 3)),
        np.zeros((2, 3), np.float32),
        np.array(5),
        np.array("text"),
        np.array([np.nan, np.inf]),
        np.array([2**62, -1]),
        np.array(["a", "\x00"]),
        np.zeros((0, 4), np.float32),
        np.zeros(3, np.complex64),
        np.array(["2024-01-01"], "M8[D]"),
        np.zeros(2, [("a", "f4"), ("b", "i4")]),
        np.zeros((1, 1, 1, 1), np.uint8),
    ]
)


@pytest.fixture(scope="module")
def files(make_world, tmp_path_factory):
    """Files as the package writes them."""
    folder, world = tmp_path_factory.mktemp("people"), make_world(items=6, users=4)
    for suffix in ("parquet", "jsonl"):
        write_population(world.population, folder / f"people.{suffix}")
    world.users.model.save(folder / "model.npz")
    fit_joint_distribution(world.population).save(folder / "joint.npz")
    memories = Memories(3, words=WEIGHTS)
    memories.remember([0, 1], 0.0, ["saw Heat", "saw Alien"], importance=0.5, valence=0)
    memories.save(folder / "memories.npz")
    np.savez(folder / "scores.npz", user_id=np.arange(3), item_id=np.arange(4), score=np.zeros((3, 4)))
    return folder


READERS = {
    "people.parquet": read_population,
    "people.jsonl": read_population,
    "model.npz": ChoiceModel.load,
    "joint.npz": JointDistribution.load,
    "memories.npz": Memories.load,
    "scores.npz": lambda path: open_recommender("scores", {"file": str(path)}),
}
SETTINGS = {"personas": (PERSONAS, read_personas), "facts": (FACTS, read_facts), "calibration": (CALIBRATION, Calibration.load)}


@pytest.mark.parametrize("name", READERS)
def test_files_as_they_were_written_are_read(name, files):
    assert not isinstance(outcome(lambda: READERS[name](files / name)), Refusal)


@pytest.mark.parametrize("name", READERS)
@fuzz(100)
@given(data=st.data())
def test_damaged_files(name, files, tmp_path, data):
    path = tmp_path / name
    path.write_bytes(data.draw(damaged((files / name).read_bytes())))
    outcome(lambda: READERS[name](path))


def members(path):
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith(".npz")])
@fuzz(80)
@given(data=st.data())
def test_arrays_of_other_shapes(name, files, tmp_path, data):
    arrays, path = members(files / name), tmp_path / name
    chosen = data.draw(st.sampled_from([*arrays]))
    value = data.draw(ARRAYS | st.none() | st.sampled_from(["first", "twice", "turned"]))
    if value is None:
        del arrays[chosen]
    elif isinstance(value, str):
        one = arrays[chosen]
        changes = {
            "first": one[:1] if one.ndim else one,
            "twice": np.repeat(one, 2, axis=0) if one.ndim else one,
            "turned": one.T,
        }
        arrays[chosen] = changes[value]
    else:
        arrays[chosen] = value
    np.savez(path, **arrays)
    outcome(lambda: READERS[name](path))


@pytest.mark.parametrize(("name", "member"), [("model.npz", "header"), ("joint.npz", "layout"), ("memories.npz", "notes")])
@fuzz(100)
@given(data=st.data())
def test_headers_of_other_shapes(name, member, files, tmp_path, data):
    arrays, path = members(files / name), tmp_path / name
    as_bytes = arrays[member].dtype == np.uint8
    content = json.loads(arrays[member].tobytes() if as_bytes else str(arrays[member]))
    text = json.dumps(data.draw(spoiled(content)))
    arrays[member] = np.frombuffer(text.encode(), np.uint8) if as_bytes else np.array(text)
    np.savez(path, **arrays)
    outcome(lambda: READERS[name](path))


@fuzz(150)
@given(data=st.data())
def test_people_line_by_line(files, tmp_path, data):
    first, *rest = (files / "people.jsonl").read_text().splitlines()
    line = json.dumps(data.draw(spoiled(json.loads(first))))
    path = tmp_path / "people.jsonl"
    path.write_bytes(encoded("\n".join(data.draw(st.permutations([line, *rest[:2]])))))
    found = outcome(lambda: read_population(path))
    assert isinstance(found, Population | Refusal)


@pytest.mark.parametrize("name", SETTINGS)
@fuzz(120)
@given(data=st.data())
def test_what_scenarios_name(name, tmp_path, data):
    content, read = SETTINGS[name]
    path, text = tmp_path / "x.json", json.dumps(content)
    trees = spoiled(content).map(lambda value: encoded(json.dumps(value)))
    path.write_bytes(data.draw(trees | damaged(text.encode()) | rewritten(text).map(encoded)))
    outcome(lambda: read(str(path)))
    if name != "calibration":
        outcome(lambda: read(data.draw(spoiled(content) | st.sampled_from(ODD_VALUES))))


def bomb(shape, kind="<f8"):
    """Return an array's file that promises more than it holds."""
    head = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    head += b" " * (63 - (len(head) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"\x00" * 64


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith(".npz")])
@pytest.mark.parametrize(
    "content", [bomb((10**12,)), bomb((10**6, 10**6)), bomb((-1,)), bomb((2**63,)), bomb((3,), "O"), bomb("x")]
)
def test_arrays_that_promise_more_than_they_hold(name, content, files, tmp_path):
    path = tmp_path / name
    with zipfile.ZipFile(files / name) as whole, zipfile.ZipFile(path, "w") as spoilt:
        for member in whole.namelist():
            spoilt.writestr(member, content)
    assert isinstance(outcome(lambda: READERS[name](path)), Refusal)
