"""Comparing arms: paired outcomes, intervals, verdicts, and what a run amounts to.

``summarise`` sums up a run folder with the differences between its arms; ``judge_run`` judges a finished run as ``recsim-llm
compare`` does. Both judge pairs by ``judge_pairs``, each with its own correction for being many.
"""

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.comparison.ceilings import Beaten, find_beaten
    from recsim_llm.comparison.judge import judge_pairs, judge_run, read_finished_tally
    from recsim_llm.comparison.outcomes import CEILINGS, ORACLE, PLANNER
    from recsim_llm.comparison.pre_period import PrePeriod
    from recsim_llm.comparison.results import Comparison, Judging, Plan
    from recsim_llm.comparison.run_summary import ArmDifference, Difference, Summary, summarise

__all__ = [
    "CEILINGS",
    "ORACLE",
    "PLANNER",
    "ArmDifference",
    "Beaten",
    "Comparison",
    "Difference",
    "Judging",
    "Plan",
    "PrePeriod",
    "Summary",
    "find_beaten",
    "judge_pairs",
    "judge_run",
    "read_finished_tally",
    "summarise",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ArmDifference": "run_summary",
        "Beaten": "ceilings",
        "CEILINGS": "outcomes",
        "Comparison": "results",
        "Difference": "run_summary",
        "Judging": "results",
        "ORACLE": "outcomes",
        "PLANNER": "outcomes",
        "Plan": "results",
        "PrePeriod": "pre_period",
        "Summary": "run_summary",
        "find_beaten": "ceilings",
        "judge_pairs": "judge",
        "judge_run": "judge",
        "read_finished_tally": "judge",
        "summarise": "run_summary",
    },
)
