"""Code that somebody planted: in pickles inside files, and in names that a scenario or a file can say. None of it runs."""

import ast
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fuzzing import Planted, Refusal, outcome

from recsim_llm.agents.choice.choice_model import ChoiceModel
from recsim_llm.agents.memory import Memories
from recsim_llm.agents.memory.memory_kinds import MemoryParts, open_memory
from recsim_llm.exports.bandit import load_bandit_feedback
from recsim_llm.language.backends.scripted import resolve_script
from recsim_llm.population.synthetic import JointDistribution
from recsim_llm.recommenders import open_recommender
from recsim_llm.training.learners import open_learner
from recsim_llm.training.network_files import read_weights

ROOT = Path(__file__).resolve().parents[2]
TOPS = ("recsim_llm", "agents", "envs", "scenarios")


@pytest.fixture
def planted(tmp_path):
    """An object that runs code when it is unpickled; afterwards nothing may have run."""
    place = tmp_path / "it ran"
    pickle.loads(pickle.dumps(Planted(place)))
    place.rmdir()  # The plant works.
    yield Planted(place)
    assert not place.exists()


ARRAYS = {
    "model.npz": (("header", "item_id", "click_items", "rating_items", "levels"), ChoiceModel.load),
    "joint.npz": (("layout", "values", "factor", "texts"), JointDistribution.load),
    "memories.npz": (("notes", "texts", "count", "pending"), Memories.load),
    "scores.npz": (("user_id", "item_id", "score"), lambda path: open_recommender("scores", {"file": str(path)})),
    "feedback.npz": (("n_rounds", "action"), load_bandit_feedback),
    "weights.npz": (("a",), lambda path: read_weights(path.parent)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_no_array_of_objects_is_unpickled(name, planted, tmp_path):
    members, read = ARRAYS[name]
    np.savez(tmp_path / name, **{member: np.array([planted], object) for member in members})
    found = outcome(lambda: read(tmp_path / name))
    assert isinstance(found, Refusal)
    assert "objects" in found.line


NAMES = (
    *("subprocess:Popen", "os:system", "os:mkdir", "builtins:exec", "pathlib:Path", "shutil:rmtree", "runpy:run_path"),
    *(
        "pickle:loads",
        "importlib:import_module",
        "ctypes:CDLL",
        "code:interact",
        "numpy:load",
        "joblib:load",
        "pandas:read_pickle",
    ),
    *("torch:load", "cloudpickle:load", "numpy.lib.npyio:DataSource", "os.path:exists"),
)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_that_a_scenario_says_leads_to_code_that_is_no_recommender(name, planted, monkeypatch):
    pytest.importorskip(name.partition(":")[0])
    keywords = {
        "path": str(planted.place),
        "args": ["mkdir", str(planted.place)],
        "file": "x",
        "command": f"mkdir '{planted.place}'",
    }
    for settings in ({}, *({key: value} for key, value in keywords.items())):
        assert isinstance(outcome(lambda settings=settings: open_recommender(name, settings)), Refusal)
    assert isinstance(outcome(lambda: open_learner(name)), Refusal)
    assert isinstance(outcome(lambda: open_memory(name, {}, MemoryParts.__new__(MemoryParts))), Refusal)


def test_scripts_are_no_functions_of_python_itself():
    for name in ("os:system", "subprocess:getoutput", "builtins:print"):
        assert isinstance(outcome(lambda name=name: resolve_script(name)), Refusal)


RUNS = ("pickle", "dill", "joblib", "shelve", "marshal", "load", "yaml", "eval", "exec", "system", "mktemp", "array(", "shell")


@cache
def calls():
    """Return every call in code that could run a file: file, the call and what is called."""
    found = []
    for top in TOPS:
        for path in sorted((ROOT / top).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            linked = any(parent.is_symlink() for parent in path.parents if ROOT in parent.parents)
            if not linked and any(word in text for word in RUNS):
                walked = ast.walk(ast.parse(text))
                called = [node for node in walked if isinstance(node, ast.Call)]
                found += [(path.relative_to(ROOT), node, ast.unparse(node.func)) for node in called]
    return found


def keyword(call, name):
    return next((ast.unparse(one.value) for one in call.keywords if one.arg == name), None)


def test_pickles_are_read_between_processes_of_one_run_alone():
    found = {
        str(path)
        for path, _, name in calls()
        if name.split(".")[0] in ("pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal")
    }
    assert found == {"recsim_llm/shards/process_crew.py", "recsim_llm/shards/process_worker.py"}


def test_whatever_could_run_a_file_is_told_not_to():
    for path, call, name in calls():
        if name == "torch.load":
            assert keyword(call, "weights_only") == "True", path
        if name in ("np.load", "numpy.load", "np.lib.format.read_array", "np.lib.format.write_array"):
            assert keyword(call, "allow_pickle") == "False", path
        if name in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec", "os.system", "tempfile.mktemp"):
            pytest.fail(f"{path} line {call.lineno}: {name}")
        assert keyword(call, "shell") != "True", path
