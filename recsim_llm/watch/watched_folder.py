"""The run folder of a watched run: the same log as of any run, and in the manifest what was changed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from recsim_llm.log.manifest import write_manifest
from recsim_llm.log.segments import open_segments
from recsim_llm.log.tables import add_serving, add_timings
from recsim_llm.scenarios.arm_logs import open_arm_log
from recsim_llm.scenarios.building import Stage
from recsim_llm.scenarios.measures import write_run_tables
from recsim_llm.scenarios.run_manifest import make_manifest
from recsim_llm.watch.watched_arm import WatchedArm

__all__ = ["WatchedFolder"]


class WatchedFolder:
    """Writes the log of a watched run into a folder that this process has locked and that holds no run.

    Args:
        out: the folder.
        built: the scenario.
        arms: its arms, before their first step; their pages are written from now on.
        services: entry of the manifest for recommenders that run elsewhere.
    """

    def __init__(self, out: Path, built: Stage, arms: Sequence[WatchedArm], services: dict[str, Any]) -> None:
        self.out, self._arms = out, arms
        self._manifest = make_manifest(built) | services
        write_manifest(out, self._manifest)
        write_run_tables(built, out)
        self._segments = open_segments(out)
        for place, arm in enumerate(arms):
            arm.log = open_arm_log(built, self._segments, place)

    def mark(self, by_hand: Sequence[Mapping[str, Any]]) -> None:
        """Say in the manifest what was changed by hand; before it takes effect, so that no such run passes for another."""
        write_manifest(self.out, self._manifest | {"by_hand": list(by_hand)})

    def finish(self) -> None:
        """Write what is left of the log and mark the arms as finished."""
        for arm in self._arms:
            if arm.log is not None:
                arm.log.close()
        self._close("")

    def break_off(self, why: str) -> None:
        """Write what there is of a run that is not finished, to be reported until it goes on."""
        for arm in self._arms:
            # Broken off in the middle of anything, it may not be fit to be written: nothing is lost, the run goes on alike.
            with suppress(Exception):
                arm.session.keep_unfinished()
        self._close(why)

    def _close(self, stopped: str) -> None:
        self._segments.settle()
        for arm in self._arms:
            arm.log = None
            for cost in arm.costs(stopped):
                add_serving(self.out, {**cost, "arm": arm.name})
        add_timings(self.out, [row for arm in self._arms for row in arm.timings])
