"""Runs that are stopped on the way and resumed, beside ones that were never stopped."""

import pytest

from recsim_llm.scenarios import resume, run


def log_bytes(folder, *but):
    """Return the files of a run's log by name, as bytes; without those named."""
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names if name not in but}


def stop_run(scenario, folder, page, sharding=None):
    """Break a run off at one of its pages as a person would."""
    seen = []

    def stop(state):
        seen.append(state)
        if len(seen) == page:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(scenario, folder, stop, sharding=sharding)


def check_stopped_run(scenario, folder, page=7):
    """Assert that a run which was stopped at its seventh page, or another, and resumed has the bytes of one that never was."""
    whole = run(scenario, folder / "whole")
    stop_run(scenario, folder / "stopped", page)
    resume(folder / "stopped")
    assert log_bytes(folder / "stopped") == log_bytes(whole)
