"""Folders and manifests: nothing is overwritten, and what is no run is told."""

import json

import pytest
from written_runs import HAND, write_run

from recsim_llm.errors import LogError, RunExistsError
from recsim_llm.log import read_manifest, read_scenario_manifest, refuse_used_folder, write_manifest


def test_a_folder_that_is_new_or_empty_will_do(tmp_path):
    refuse_used_folder(tmp_path, "log")
    refuse_used_folder(tmp_path / "new", "log", empty=False)


def test_a_folder_with_files_and_a_file_are_refused(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "note.txt"):
        with pytest.raises(
            RunExistsError, match=f"^log: got {path}, which holds files, expected a new folder; choose another$"
        ):
            refuse_used_folder(path, "log")


def test_an_empty_folder_is_refused_where_nothing_may_stand(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(RunExistsError, match="which exists"):
            refuse_used_folder(path, "export", empty=False)


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    content = read_manifest(write_run(tmp_path, HAND, arms=["a", "b"]))
    write_manifest(tmp_path, content)
    assert read_manifest(tmp_path) == content


def test_a_manifest_without_an_entry_is_refused(tmp_path):
    content = read_manifest(write_run(tmp_path, HAND, arms=["a", "b"]))
    del content["arms"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(LogError, match=r"manifest\.json: got no 'arms', expected scenario, arms"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "null", "{"])
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(LogError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_a_run_without_a_scenario_is_the_log_of_an_environment(tmp_path):
    with pytest.raises(LogError, match="the log of an environment"):
        read_scenario_manifest(write_run(tmp_path, HAND, arms=["a", "b"]))
