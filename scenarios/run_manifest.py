"""What the manifest of a scenario's run says."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from recsim_llm.agents.choice.choice_users import ChoiceUsers
from recsim_llm.agents.choice.little_known import little_known
from recsim_llm.agents.language.calibration_record import calibration_warnings
from recsim_llm.agents.language.language_parameters import AUTO, LanguageParameters
from recsim_llm.agents.language.template_family import NAMED
from recsim_llm.agents.tuning.tuned_card import read_card
from recsim_llm.agents.wrapped_users import innermost
from recsim_llm.core.protocols import BoundsPrompts, HasProvenance
from recsim_llm.core.ratings import Dataset
from recsim_llm.data.reading_notes import reading_record
from recsim_llm.language.providers import Roles
from recsim_llm.numerics.arithmetic import describe_arithmetic
from recsim_llm.population.world import World
from recsim_llm.scenarios.building import Stage
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.social_settings import friends_left_out, social_record

__all__ = ["difference", "make_manifest", "users_warnings"]

_PACKAGES = {
    "openai": ("openai", "aiohttp"),
    "openai-compatible": ("openai", "aiohttp"),
    "llamacpp": ("xllamacpp", "aiohttp"),
    "transformers": ("transformers", "torch"),
}


def make_manifest(built: Stage) -> dict[str, Any]:
    """Return the content of a run's ``manifest.json``: what it is made from, and what made it.

    Args:
        built: the scenario, with its seed drawn; all language models that it names are opened.
    """
    scenario, dataset, world, roles = built.scenario, built.dataset, built.world, built.roles
    packages = ["recsim_llm", "numpy", "scipy", "pyarrow", "gymnasium"]
    providers = {model.name.partition("/")[0] for model in scenario.models.values()}
    packages += [name for provider in sorted(providers) for name in _PACKAGES.get(provider, ())]
    users = innermost(world.users)
    fitted = users.model if isinstance(users, ChoiceUsers) else None
    notes = little_known(dataset, fitted)
    rated = dataset.feedback == "explicit" and len(dataset.ratings.levels) > 0
    for role in scenario.models:
        roles.role(role)  # Models are described once they are open; which ones are must not hang on who asked first.
    return {
        "scenario": scenario.name,
        "arms": [arm.name for arm in scenario.recommenders],
        "seed": scenario.seed,
        "slate_size": scenario.slate_size,
        "max_pages": scenario.max_pages,
        "visits": scenario.visits,
        "users": len(world.population),
        "population": {"fingerprint": world.population.fingerprint} | ({"little_known": list(notes)} if notes else {}),
        "user_model": scenario.users.model,
        "users_warnings": [*users_warnings(scenario, dataset, world, roles), *friends_left_out(world)],
        "user_model_provenance": dict(world.users.provenance) if isinstance(world.users, HasProvenance) else {},
        "models": roles.describe(),
        "catalog": {"items": len(world.catalog)},
        "data": {
            "name": dataset.name,
            "ratings": len(dataset.ratings),
            "fingerprint": dataset.fingerprint,
            "licence": dataset.licence,
            "feedback": dataset.feedback,
            **({"stars": [float(dataset.ratings.levels[0]), float(dataset.ratings.levels[-1])]} if rated else {}),
            **reading_record(dataset),
        },
        "versions": {name: version(name) for name in dict.fromkeys(packages)} | {"python": platform.python_version()},
        "arithmetic": describe_arithmetic(),
        **social_record(world),
        **({} if built.enrichment is None else {"enrichment": built.enrichment.record()}),
        "settings": scenario.model_dump(mode="json"),
    }


def users_warnings(scenario: Scenario, dataset: Dataset, world: World, roles: Roles) -> list[str]:
    """Say what a reader must know first of users that a language model plays: how they were calibrated, if they were.

    After it stands in which words and how they are asked, where either was chosen for them.

    Args:
        scenario: of the run.
        dataset: its data.
        world: its users.
        roles: its language models.

    Returns:
        A line each; none of other users.
    """
    own, key = scenario.users.parameters, "users.parameters.calibration"
    if scenario.users.model == "cascade":
        own, key = own.get("language") or {}, "users.parameters.language.calibration"
    elif scenario.users.model != "language":
        return []
    known = world.users.provenance if isinstance(world.users, HasProvenance) else {}
    family = known.get("language", known)["family"]
    model, why = roles.role("user"), family["why"]
    chosen = AUTO in (LanguageParameters.from_settings(own).templates, roles.settings_for("user").realisation)
    calibrated = calibration_warnings(
        LanguageParameters.from_settings(own).calibration,
        model=model.name,
        data={"name": dataset.name, "fingerprint": dataset.fingerprint},
        user_id=world.population.user_id.tolist(),
        key=key,
    )
    if chosen and not model.name.startswith("scripted/"):
        reason = "" if why == NAMED else f", since {why}"
        calibrated.append(f"asked by {model.elicitation}, prompts {family['name']}{reason}")
    card = None if model.place is None else read_card(model.place)
    if card is not None and card.templates != family["name"]:
        told = key.replace("calibration", "templates")
        calibrated.append(
            f"This model was tuned to the words of {card.templates} and is asked in those of {family['name']}, which it never "
            f"read; `--set {told}={card.templates}` asks it in its own."
        )
    short = _short_prompts(scenario, world, own, key.replace("calibration", "prompt_tokens"))
    return [*calibrated, *short, *_prices_told_twice(scenario, world)]


def _short_prompts(scenario: Scenario, world: World, own: Mapping[str, Any], key: str) -> list[str]:
    """Say where prompts are longer than was set, since what is left of them does not give way."""
    tokens = own.get("prompt_tokens")
    if tokens is None or not isinstance(world.users, BoundsPrompts):
        return []
    least = world.users.least_prompt_tokens(scenario.slate_size)
    if tokens >= least:
        return []
    return [
        f"prompts: got {key} {tokens:,}, expected about {least:,} or more for a page of {scenario.slate_size}, which takes "
        "that much without any history, description or memory; set it higher, or show fewer items"
    ]


def _prices_told_twice(scenario: Scenario, world: World) -> list[str]:
    """Say where users read a price that moves their clicks besides."""
    if world.catalog.price is None:
        return []
    moved = [(one.name, one.change.price.elasticity) for one in scenario.interventions if one.change.price is not None]
    return [
        f"prices: language users read what the intervention {name} makes of them, and its elasticity {elasticity:g} moves the "
        "odds of their clicks besides; set it to 0 to have them answer by themselves"
        for name, elasticity in moved
        if elasticity
    ]


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say which entries of a manifest changed, and from what to what."""
    names = dict.fromkeys([*after, *before])
    changed = [
        f"{name} (from {before.get(name)} to {after.get(name)})" for name in names if before.get(name) != after.get(name)
    ]
    return ", ".join(changed) or "manifest.json"
