"""Audits: how a language model behaves as users, and as a recommender, and what recommenders do, on small paired designs.

Each audit asks about the same users and pages under conditions that should make no difference (or a known one), and reports
the difference with an interval by user. What a sound model must show is said in each docstring. Pages are those of
``recsim_llm.agents.language.calibration_pages``: each user has one, with items that the user really rated later among others as
popular; personas come from the earlier ratings. Asks go through the prompts of ``LanguageUsers``; nothing is calibrated.

An audit of a model whose answers are a fixed function of the prompt may find every user alike; then there is a value and no
interval (see ``recsim_llm.statistics.intervals``).
"""

from recsim_llm.agents.audits.counterfactuals import AttributeFinding, Counterfactuals, counterfactual_fairness
from recsim_llm.agents.audits.design import Finding
from recsim_llm.agents.audits.forgetting import ASKINGS, Asking, Forgetting, forgetting
from recsim_llm.agents.audits.injection import ATTACKS, Attack, AttackFinding, Injection, injection
from recsim_llm.agents.audits.memorisation import Memorisation, memorisation
from recsim_llm.agents.audits.ranked_lists import RankingBias, ranking_bias
from recsim_llm.agents.audits.remembering import MEMORY_KINDS, RememberedBy, Remembering, remembering
from recsim_llm.agents.audits.slots import SlotBias, slot_bias
from recsim_llm.agents.audits.stability import Agreement, Stability, stability
from recsim_llm.agents.audits.strength import Strength, strength
from recsim_llm.agents.audits.sweep import Sweep, SweepCell, sweep
from recsim_llm.agents.audits.sycophancy import FLATTERY, NEUTRAL, Sycophancy, sycophancy

__all__ = [
    "ASKINGS",
    "ATTACKS",
    "FLATTERY",
    "MEMORY_KINDS",
    "NEUTRAL",
    "Agreement",
    "Asking",
    "Attack",
    "AttackFinding",
    "AttributeFinding",
    "Counterfactuals",
    "Finding",
    "Forgetting",
    "Injection",
    "Memorisation",
    "RankingBias",
    "RememberedBy",
    "Remembering",
    "SlotBias",
    "Stability",
    "Strength",
    "Sweep",
    "SweepCell",
    "Sycophancy",
    "counterfactual_fairness",
    "forgetting",
    "injection",
    "memorisation",
    "ranking_bias",
    "remembering",
    "slot_bias",
    "stability",
    "strength",
    "sweep",
    "sycophancy",
]
