"""Runs that are stopped on the way and resumed, beside ones that were never stopped."""

import pytest

from recsim_llm.scenarios import resume, run


def log_bytes(folder, *but):
    """Return the files of a run's log by name, as bytes; without those named."""
    names = ["manifest.json", "segments.jsonl", *sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.parquet"))]
    return {name: (folder / name).read_bytes() for name in names if name not in but}


def check_stopped_run(scenario, folder, page=7):
    """Assert that a run which was stopped at its seventh page, or another, and resumed has the bytes of one that never was."""
    whole = run(scenario, folder / "whole")
    seen = []

    def stop(state):
        seen.append(state)
        if len(seen) == page:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(scenario, folder / "stopped", stop)
    resume(folder / "stopped")
    assert log_bytes(folder / "stopped") == log_bytes(whole)
