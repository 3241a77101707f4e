"""Inference over users: what a comparison of recommenders can claim, and with how much certainty.

Pure functions from columns with one entry a user to frozen records. Where to begin: ``paired_effect`` for two arms on the
same users, ``judge_family`` for several comparisons, ``decide`` and ``sentence`` for the words.
"""

from recsim_llm.statistics.always_valid import BURN_IN, Peeks, Stop, confidence_sequence, first_decision
from recsim_llm.statistics.bootstrap import RESAMPLES, bootstrap_means, bootstrap_ratio_difference
from recsim_llm.statistics.clustered import clustered_mean, clustered_ratio, clustered_ratio_difference
from recsim_llm.statistics.cuped import Adjusted, cuped_independent, cuped_paired
from recsim_llm.statistics.decision import Verdict, decide, sentence
from recsim_llm.statistics.effects import Effect, mean_effect
from recsim_llm.statistics.groups import Groups, group_effects
from recsim_llm.statistics.lift import relative_lift
from recsim_llm.statistics.multiple import ALPHA, Adjustment, Family, adjust, judge_family
from recsim_llm.statistics.paired import Paired, paired_effect
from recsim_llm.statistics.power import POWER, detectable_effect, deviation_estimate, power_for, users_needed

__all__ = [
    "ALPHA",
    "BURN_IN",
    "POWER",
    "RESAMPLES",
    "Adjusted",
    "Adjustment",
    "Effect",
    "Family",
    "Groups",
    "Paired",
    "Peeks",
    "Stop",
    "Verdict",
    "adjust",
    "bootstrap_means",
    "bootstrap_ratio_difference",
    "clustered_mean",
    "clustered_ratio",
    "clustered_ratio_difference",
    "confidence_sequence",
    "cuped_independent",
    "cuped_paired",
    "decide",
    "detectable_effect",
    "deviation_estimate",
    "first_decision",
    "group_effects",
    "judge_family",
    "mean_effect",
    "paired_effect",
    "power_for",
    "relative_lift",
    "sentence",
    "users_needed",
]
