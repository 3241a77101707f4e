"""What conversations of a run amount to, read from its log alone: success by turn, interruptions, obedience, blame, leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsim_llm.conversation.acts import CRITIQUES, STOPS
from recsim_llm.conversation.chance_obedience import ALL, ChanceObedience, ChanceReader
from recsim_llm.conversation.dialogue_outcomes import BLAMES
from recsim_llm.conversation.leak import LeakTest, judge_leak
from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.log.columns import Columns
from recsim_llm.log.reader import RunReader
from recsim_llm.statistics import Estimate, Survival, estimate_survival, mean_estimate, ratio_estimate, share_estimate

__all__ = ["MOST_BLAMED", "ArmConversation", "Blame", "measure_conversation", "read_dialogues"]

MOST_BLAMED = 0.02
"""Share of the failed dialogues that may be the users' own fault before a run says more of its users than of its policies."""
_COUNT = 0.0, np.inf
_COLUMNS = (
    "user_id",
    "turns",
    "stop_reason",
    "item_id",
    "on_goal",
    "goal_item",
    "questions",
    "recommended",
    "interruptions",
    "welcome",
    "invalid",
    "bits",
    "regret",
    "blame",
    "blame_again",
    "leak_hits",
    "leak_expected",
    "leak_variance",
)


@dataclass(frozen=True, kw_only=True)
class Blame:
    """Which of the dialogues that found nothing are the user's own fault."""

    failed: int
    """Dialogues that found nothing."""
    share: Estimate
    """Share of them in which the user did something against its own goal or patience."""
    kinds: Mapping[str, int]
    """How many by what the user did first."""
    again: Estimate
    """Asked again, with which probability these users would do the same."""


@dataclass(frozen=True, kw_only=True)
class ArmConversation:
    """What one policy's dialogues amount to; intervals by user."""

    arm: str
    """Name of the recommender."""
    dialogues: int
    """Dialogues that are over."""
    stops: Mapping[str, int]
    """How many ended how."""
    waiting: Survival
    """Share of the users who have not yet found what they look for, by turn (Kaplan-Meier). Who leaves, or accepts something
    else, never finds it and counts as waiting to the last turn; only a dialogue that was broken off is cut off."""
    success: Estimate
    """Share of the dialogues in which the user accepted what it looked for; without a goal, in which it accepted something."""
    turns: Estimate
    """Turns of a dialogue."""
    questions: Estimate
    """Questions in a dialogue."""
    bits_per_question: Estimate
    """Entropy that a question took from the items that still fit all answers, each as probable as the others."""
    regret: Estimate
    """How far accepted items fall short of the best of the user's pool, in standard deviations of the user's appeal."""
    interrupted: Estimate
    """Share of the acts other than silence that came when the user would rather look around by itself."""
    invalid: int
    """Items that were blanked as unknown, retired, repeated, or known to the user."""
    obeyed: Mapping[str, Estimate]
    """By kind of critique, share of those that the next recommendation heeded; and of all."""
    beyond_chance: ChanceObedience | None
    """The same, corrected for what the policy would have shown anyway; None where users have no goal, so that what they could
    have said is not in the log."""
    blame: Blame
    """Failures that are the users' own fault."""
    leak: LeakTest | None
    """Whether the policy knew more of the goals than it was told; None where users have no goal."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure_conversation(log: RunReader) -> tuple[ArmConversation, ...] | None:
    """Measure the dialogues of each policy that was served.

    Args:
        log: of the run.

    Returns:
        One an arm; None where nobody talks.

    Raises:
        LogError: the log cannot be read.
    """
    settings = (log.manifest.get("settings") or {}).get("conversation")
    if not settings:
        return None
    chance = ChanceReader(log, settings) if settings["goal"] != "none" else None
    return tuple(_measure(log, arm, settings, chance) for arm in log.begun_arms)


def read_dialogues(log: RunReader, arm: str) -> Columns:
    """Return columns of an arm's table ``dialogues``, in the order of the users' ids."""
    columns = log.columns("dialogues", list(_COLUMNS), arm=arm)
    order = np.argsort(columns["user_id"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _measure(log: RunReader, arm: str, settings: Mapping[str, Any], chance: ChanceReader | None) -> ArmConversation:
    rows = read_dialogues(log, arm)
    found = rows["on_goal"].astype(np.bool_)
    horizon, taken = int(settings["max_turns"]), ~np.isnan(rows["regret"])
    speaks = rows["interruptions"] + rows["welcome"]
    return ArmConversation(
        arm=arm,
        dialogues=len(found),
        stops={name: int(np.count_nonzero(rows["stop_reason"] == name)) for name in STOPS},
        waiting=estimate_survival(np.where(found, rows["turns"], horizon).astype(np.int64), found, horizon),
        success=share_estimate(found.astype(np.float64)),
        turns=mean_estimate(_float(rows["turns"]), bounds=_COUNT),
        questions=mean_estimate(_float(rows["questions"]), bounds=_COUNT),
        bits_per_question=ratio_estimate(
            np.where(rows["questions"] > 0, rows["bits"], 0.0), _float(rows["questions"]), bounds=_COUNT
        ),
        regret=mean_estimate(rows["regret"][taken]),
        interrupted=share_estimate(_float(rows["interruptions"]), _float(speaks)),
        invalid=int(rows["invalid"].sum()),
        obeyed=_obeyed(log, arm),
        beyond_chance=None if chance is None else chance.measure(arm),
        blame=_blame(rows, found),
        leak=judge_leak(*(rows[f"leak_{name}"] for name in ("hits", "expected", "variance")))
        if settings["goal"] != "none"
        else None,
    )


def _float(column: Any) -> DoubleArray:
    values: DoubleArray = np.asarray(column, np.float64)
    return values


def _blame(rows: Columns, found: BoolArray) -> Blame:
    blamed = np.array([reason is not None for reason in rows["blame"]], np.bool_) & ~found
    return Blame(
        failed=int(np.count_nonzero(~found)),
        share=share_estimate(blamed[~found].astype(np.float64)),
        kinds={kind: int(np.count_nonzero(rows["blame"][blamed] == kind)) for kind in BLAMES},
        again=mean_estimate(rows["blame_again"][blamed], bounds=(0.0, 1.0)),
    )


def _obeyed(log: RunReader, arm: str) -> dict[str, Estimate]:
    """Return how many critiques were heeded by the recommendation after them, by kind; a policy's last one may have none."""
    turns = log.columns("turns", ["user_id", "turn", "who", "critique", "obeyed"], arm=arm)
    mine = (turns["critique"] != None) | ~np.isnan(_float(turns["obeyed"]))  # noqa: E711 (of each entry)
    order = np.lexsort((turns["turn"][mine], turns["user_id"][mine]))
    user, critique = turns["user_id"][mine][order], turns["critique"][mine][order]
    obeyed = _float(turns["obeyed"])[mine][order]
    last: dict[int, str] = {}
    told: dict[str, list[tuple[int, float]]] = {kind: [] for kind in CRITIQUES}
    for who, kind, heeded in zip(user.tolist(), critique.tolist(), obeyed.tolist(), strict=True):
        if kind is not None:
            last[who] = kind
        elif who in last:
            told[last[who]].append((who, heeded))
    whole = {**told, ALL: [row for rows in told.values() for row in rows]}
    return {kind: _by_user(rows) for kind, rows in whole.items()}


def _by_user(rows: list[tuple[int, float]]) -> Estimate:
    users, at = np.unique(np.array([who for who, _ in rows], np.int64), return_inverse=True)
    heeded = np.bincount(at, weights=[value for _, value in rows], minlength=len(users))
    return share_estimate(heeded.astype(np.float64), np.bincount(at, minlength=len(users)).astype(np.float64))
