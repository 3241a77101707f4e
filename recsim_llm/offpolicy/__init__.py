"""Off-policy evaluation: what a recommender would have earned, from the log of another one.

Where to begin: ``read_log`` for the log of a run, ``target_view`` for what the target policy would have done, and the
estimators, ``standard_ips`` first. What an estimator cannot support it refuses: an unknown propensity is never replaced by a
guess.
"""

from recsim_llm.offpolicy.checking import ESTIMATORS, Evidence, OneCheck, check_estimators
from recsim_llm.offpolicy.doubly_robust import (
    ModelValues,
    cascade_doubly_robust,
    direct_method,
    slate_doubly_robust,
    slot_doubly_robust,
)
from recsim_llm.offpolicy.evaluations import Contributions, OffPolicyEstimate
from recsim_llm.offpolicy.importance import independent_ips, reward_interaction_ips, standard_ips
from recsim_llm.offpolicy.log_reading import read_log
from recsim_llm.offpolicy.logged import HiddenTruth, LoggedSlates, rebuild_requests
from recsim_llm.offpolicy.overlap import Overlap, diagnose_overlap
from recsim_llm.offpolicy.pseudo_inverse import moment_weights, pseudo_inverse
from recsim_llm.offpolicy.reward_model import LogisticReward, RewardModel, fit_reward_model, model_values
from recsim_llm.offpolicy.self_checks import EstimatorCheck, SelfCheck, summarise_checks
from recsim_llm.offpolicy.targets import Certain, Functions, TargetView, target_view

__all__ = [
    "ESTIMATORS",
    "Certain",
    "Contributions",
    "EstimatorCheck",
    "Evidence",
    "Functions",
    "HiddenTruth",
    "LoggedSlates",
    "LogisticReward",
    "ModelValues",
    "OffPolicyEstimate",
    "OneCheck",
    "Overlap",
    "RewardModel",
    "SelfCheck",
    "TargetView",
    "cascade_doubly_robust",
    "check_estimators",
    "diagnose_overlap",
    "direct_method",
    "fit_reward_model",
    "independent_ips",
    "model_values",
    "moment_weights",
    "pseudo_inverse",
    "read_log",
    "rebuild_requests",
    "reward_interaction_ips",
    "slate_doubly_robust",
    "slot_doubly_robust",
    "standard_ips",
    "summarise_checks",
    "target_view",
]
