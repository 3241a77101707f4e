"""Paths in a scenario's file: into the current folder, and out of it only where whoever runs it says so."""

import pytest
from fuzzing import Refusal, outcome

from recsim_llm.scenarios.schema import load_scenario

PLAIN = "name: x\nrecommenders: [{recommender}]\n{line}\n"
KEYS = {
    "data": "data: {path}",
    "fit": "users: {{fitted: {path}}}",
    "calibration": "users: {{parameters: {{calibration: {path}}}}}",
    "facts": "users: {{parameters: {{facts: {path}}}}}",
    "a cascade's personas": "users: {{parameters: {{language: {{personas: {path}}}}}}}",
    "a model": "models: {{user: transformers/{path}}}",
    "friends": "clock: {{days: 3}}\nsocial: {{friends: {{file: {path}}}}}",
}
ARMS = {
    "scores": "{{recommender: scores, settings: {{file: {path}}}}}",
    "warmed": "{{recommender: warmed, settings: {{interactions: {path}}}}}",
    "trained": "trained:{path}",
    "trained by a wrapper": "{{recommender: mmr, settings: {{base: 'trained:{path}'}}}}",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a link out of it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("secret")
    folder = tmp_path / "here"
    (folder / "inside").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "round").symlink_to(folder / "round")
    (folder / "short").symlink_to(folder / "inside")
    monkeypatch.chdir(folder)
    return folder


OUTSIDE = (
    "../elsewhere/secret",
    "/etc/passwd",
    "~/.ssh/id_rsa",
    "inside/../../elsewhere",
    "link/secret",
    "link",
    "./link/secret",
    "~root",
)
INSIDE = ("inside", "./inside", "inside/absent.json", "short", "fictional", "a..b", "inside/...")


def loaded(folder, text, **overrides):
    (folder / "s.yaml").write_text(text)
    return outcome(lambda: load_scenario("s.yaml", overrides))


def texts(path):
    yield from ((name, PLAIN.format(recommender="random", line=line.format(path=path))) for name, line in KEYS.items())
    yield from ((name, PLAIN.format(recommender=arm.format(path=path), line="seed: 1")) for name, arm in ARMS.items())


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_the_current_folder(path, here):
    for name, text in texts(path):
        found = loaded(here, text)
        assert isinstance(found, Refusal), name
        assert "leads out of the current folder" in found.line, found.line


@pytest.mark.parametrize("path", INSIDE)
def test_other_paths_are_no_fault_of_the_file(path, here):
    for _, text in texts(path):
        found = loaded(here, text)
        assert not isinstance(found, Refusal) or "leads out" not in found.line, found.line


def test_whoever_runs_it_may_point_anywhere(here):
    text = PLAIN.format(recommender="random", line="data: ../elsewhere")
    assert loaded(here, text, data="/somewhere/else").data == "/somewhere/else"
    assert loaded(here, PLAIN.format(recommender="random", line="genre_separator: /")).genre_separator == "/"
