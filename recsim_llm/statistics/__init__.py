"""Inference over users: what a comparison of recommenders can claim, and with how much certainty.

Pure functions from columns with one entry a user to frozen records. Where to begin: ``paired_effect`` for two arms on the
same users, ``judge_family`` for several comparisons, ``mean_estimate`` and ``ratio_estimate`` for one arm alone, ``decide``
and ``sentence`` for the words.
"""

from recsim_llm.statistics.always_valid import BURN_IN, Peeks, Stop, confidence_sequence, first_decision
from recsim_llm.statistics.bootstrap import RESAMPLES, bootstrap_means, bootstrap_ratio_difference, bootstrap_ratio_differences
from recsim_llm.statistics.clustered import clustered_mean, clustered_ratio, clustered_ratio_difference
from recsim_llm.statistics.crossed import crossed_mean, crossed_ratio
from recsim_llm.statistics.cuped import Adjusted, cuped_independent, cuped_paired
from recsim_llm.statistics.decision import Verdict, decide, sentence
from recsim_llm.statistics.effects import Effect, mean_effect
from recsim_llm.statistics.intervals import CONFIDENCE, Estimate, mean_estimate, ratio_estimate, share_estimate
from recsim_llm.statistics.lift import Lift, relative_lift
from recsim_llm.statistics.multiple import ALPHA, Adjustment, Correction, Family, adjust, judge_family
from recsim_llm.statistics.paired import Paired, paired_effect
from recsim_llm.statistics.power import POWER, detectable_effect, deviation_estimate, power_for, users_needed
from recsim_llm.statistics.subgroups import Groups, group_effects
from recsim_llm.statistics.survival import Survival, estimate_survival
from recsim_llm.statistics.weighted_contrasts import jackknife_contrast, weighted_contrast

__all__ = [
    "ALPHA",
    "BURN_IN",
    "CONFIDENCE",
    "POWER",
    "RESAMPLES",
    "Adjusted",
    "Adjustment",
    "Correction",
    "Effect",
    "Estimate",
    "Family",
    "Groups",
    "Lift",
    "Paired",
    "Peeks",
    "Stop",
    "Survival",
    "Verdict",
    "adjust",
    "bootstrap_means",
    "bootstrap_ratio_difference",
    "bootstrap_ratio_differences",
    "clustered_mean",
    "clustered_ratio",
    "clustered_ratio_difference",
    "confidence_sequence",
    "crossed_mean",
    "crossed_ratio",
    "cuped_independent",
    "cuped_paired",
    "decide",
    "detectable_effect",
    "deviation_estimate",
    "estimate_survival",
    "first_decision",
    "group_effects",
    "jackknife_contrast",
    "judge_family",
    "mean_effect",
    "mean_estimate",
    "paired_effect",
    "power_for",
    "ratio_estimate",
    "relative_lift",
    "sentence",
    "share_estimate",
    "users_needed",
    "weighted_contrast",
]
