"""The log of an arm, with the columns that its scenario has."""

from __future__ import annotations

from recsim_llm.log.segments import SegmentWriter
from recsim_llm.log.talk_writer import TalkLog
from recsim_llm.log.writer import RunLog
from recsim_llm.scenarios.building import Stage

__all__ = ["SEGMENT_ROWS", "open_arm_log", "open_talk_log"]

SEGMENT_ROWS = 500_000
"""Impressions after which a segment is written; the rows of the log do not depend on it."""


def open_arm_log(built: Stage, segments: SegmentWriter, place: int) -> RunLog:
    """Return the log of an arm that is about to be served, with the columns that its scenario has.

    Args:
        built: the scenario.
        segments: of the run folder.
        place: position of the arm in the scenario.
    """
    scenario, world = built.scenario, built.world
    return RunLog(
        segments,
        scenario.recommenders[place].name,
        place,
        catalog=world.catalog,
        user_id=world.population.user_id,
        segment_rows=SEGMENT_ROWS,
        timed=scenario.clock is not None,
        social=scenario.social is not None,
        worded=scenario.presentation is not None,
        spoken=scenario.remarks is not None,
    )


def open_talk_log(built: Stage, segments: SegmentWriter, place: int) -> TalkLog:
    """Return the log of an arm whose users are about to talk; arguments as of ``open_arm_log``."""
    scenario = built.scenario
    return TalkLog(segments, scenario.recommenders[place].name, place, slots=scenario.slate_size)
