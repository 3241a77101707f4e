"""User models: who browses, and how they decide.

``choice_world``, ``language_world``, ``cascade_world`` and ``replay_world`` build users and items from a data set;
``fit_choice`` fits choice users. Inside are the sub-rooms ``choice``, ``fitting``, ``language``, ``memory`` and ``audits``;
what is named here is imported when it is first asked for.
"""

if __name__ != "recsim_llm.agents":
    raise ImportError("import recsim_llm.agents, not agents")

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.agents.cascade import CascadeParameters, CascadeUsers
    from recsim_llm.agents.choice.choice_candidate import (
        CHOICE_FAMILIES,
        choice_candidate,
        choice_members,
        logged_choice_users,
        selection_candidates,
    )
    from recsim_llm.agents.choice.choice_fit import FittedUsers, fit_choice
    from recsim_llm.agents.choice.choice_model import ChoiceModel
    from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
    from recsim_llm.agents.choice.choice_users import ChoiceUsers
    from recsim_llm.agents.choice.held_out_scores import held_out_scores
    from recsim_llm.agents.choice.rating_selection import RatingSelection, match_propensities
    from recsim_llm.agents.choice.saved_fits import load_fitted, save_fitted
    from recsim_llm.agents.choice.taste_drift import DriftFit, fit_drift
    from recsim_llm.agents.fitting.position import learn_position_curve
    from recsim_llm.agents.language.calibrating import calibrate
    from recsim_llm.agents.language.calibration import Calibration
    from recsim_llm.agents.language.language_candidate import calibrated_factory, language_factory
    from recsim_llm.agents.language.language_parameters import LanguageParameters
    from recsim_llm.agents.language.language_taste import language_taste
    from recsim_llm.agents.language.language_users import LanguageUsers
    from recsim_llm.agents.language.persona_writing import write_personas
    from recsim_llm.agents.language.remembered_pages import read_remembered
    from recsim_llm.agents.language.voice import Voice
    from recsim_llm.agents.memory.memory_settings import MemorySettings
    from recsim_llm.agents.noise import NoiseParameters, NoisyUsers, with_noise
    from recsim_llm.agents.replay import ReplayUsers
    from recsim_llm.agents.worlds import ModelsByRole, cascade_world, choice_world, language_world, replay_world

__all__ = [
    "CHOICE_FAMILIES",
    "Calibration",
    "CascadeParameters",
    "CascadeUsers",
    "ChoiceModel",
    "ChoiceParameters",
    "ChoiceUsers",
    "DriftFit",
    "FittedUsers",
    "LanguageParameters",
    "LanguageUsers",
    "MemorySettings",
    "ModelsByRole",
    "NoiseParameters",
    "NoisyUsers",
    "RatingSelection",
    "ReplayUsers",
    "Voice",
    "calibrate",
    "calibrated_factory",
    "cascade_world",
    "choice_candidate",
    "choice_members",
    "choice_world",
    "fit_choice",
    "fit_drift",
    "held_out_scores",
    "language_factory",
    "language_taste",
    "language_world",
    "learn_position_curve",
    "load_fitted",
    "logged_choice_users",
    "match_propensities",
    "read_remembered",
    "replay_world",
    "save_fitted",
    "selection_candidates",
    "with_noise",
    "write_personas",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CHOICE_FAMILIES": "choice.choice_candidate",
        "Calibration": "language.calibration",
        "CascadeParameters": "cascade",
        "CascadeUsers": "cascade",
        "ChoiceModel": "choice.choice_model",
        "ChoiceParameters": "choice.choice_parameters",
        "ChoiceUsers": "choice.choice_users",
        "DriftFit": "choice.taste_drift",
        "FittedUsers": "choice.choice_fit",
        "LanguageParameters": "language.language_parameters",
        "LanguageUsers": "language.language_users",
        "MemorySettings": "memory.memory_settings",
        "ModelsByRole": "worlds",
        "NoiseParameters": "noise",
        "NoisyUsers": "noise",
        "RatingSelection": "choice.rating_selection",
        "ReplayUsers": "replay",
        "Voice": "language.voice",
        "calibrate": "language.calibrating",
        "calibrated_factory": "language.language_candidate",
        "cascade_world": "worlds",
        "choice_candidate": "choice.choice_candidate",
        "choice_members": "choice.choice_candidate",
        "choice_world": "worlds",
        "fit_choice": "choice.choice_fit",
        "fit_drift": "choice.taste_drift",
        "held_out_scores": "choice.held_out_scores",
        "language_factory": "language.language_candidate",
        "language_taste": "language.language_taste",
        "language_world": "worlds",
        "learn_position_curve": "fitting.position",
        "load_fitted": "choice.saved_fits",
        "logged_choice_users": "choice.choice_candidate",
        "match_propensities": "choice.rating_selection",
        "read_remembered": "language.remembered_pages",
        "replay_world": "worlds",
        "save_fitted": "choice.saved_fits",
        "selection_candidates": "choice.choice_candidate",
        "with_noise": "noise",
        "write_personas": "language.persona_writing",
    },
)
