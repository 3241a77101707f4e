"""What a scenario names, built: data, users, recommenders, language models. ``stage`` builds it all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from recsim_llm.agents.influenced_users import with_influence
from recsim_llm.agents.noise import with_noise
from recsim_llm.agents.presented_users import with_presentation
from recsim_llm.core.protocols import WritesQueries
from recsim_llm.core.ratings import Dataset, Ratings
from recsim_llm.core.repetition import RatedItems
from recsim_llm.data import open_dataset
from recsim_llm.dynamics.influence import Influence
from recsim_llm.dynamics.user_attributes import with_attributes
from recsim_llm.envs.rewards import resolve_reward
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language.base.settings import LimitSettings, ModelSettings
from recsim_llm.language.providers import Roles
from recsim_llm.population.factories import wants_models
from recsim_llm.population.personas import Population
from recsim_llm.population.world import Share, World, with_rated_items
from recsim_llm.realism.cold.cold_items import draw_cold_items
from recsim_llm.registry import blaming_plug_in, resolve
from recsim_llm.scenarios.blocks import take_block
from recsim_llm.scenarios.conversation_checks import check_conversation
from recsim_llm.scenarios.enriching import Allow, Enrichment, enrich_catalog, read_enrichment
from recsim_llm.scenarios.parameter_files import for_stand_in
from recsim_llm.scenarios.planned import make_provider_exits, make_timeline
from recsim_llm.scenarios.schema import Scenario
from recsim_llm.scenarios.social_settings import befriend
from recsim_llm.scenarios.stage_checks import (
    check_names,
    check_oracle,
    check_policies,
    check_search,
    check_slate_size,
    make_recommender,
)
from recsim_llm.scenarios.train_settings import HOLDOUT, held_out

__all__ = [
    "Stage",
    "build_scenario_world",
    "built_world",
    "enrich",
    "load_dataset",
    "rebuild_world",
    "recommender_seed",
    "split_cold",
    "stage",
]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A scenario, built: all that is needed to serve its users."""

    scenario: Scenario
    """What was built."""
    dataset: Dataset
    """Its data."""
    world: World
    """Its items and users."""
    enrichment: Enrichment | None
    """What was written about its items; None where nothing was."""
    roles: Roles
    """Its language models, open until the stage is left."""
    recommenders: Mapping[str, Callable[[], Any]]
    """By the name of the arm: makes its recommender, not yet fitted."""

    def training_part(self) -> tuple[Dataset, Ratings]:
        """Return what recommenders may learn from before the first page, and the ratings that came later.

        The items are the world's; not even their popularity counts later ratings.
        """
        known, of_cold = split_cold(self.scenario, self.dataset)
        training, later = replace(known, catalog=self.world.catalog).training_part(self.scenario.train_share)
        return training, later if of_cold is None else later.followed_by(of_cold)


@contextmanager
def stage(
    scenario: Scenario,
    *,
    calls: Path | None,
    cache: Path | None = None,
    limits: LimitSettings | None = None,
    allow: Allow = lambda _, __: None,
    before: Path | None = None,
    share: Share | None = None,
) -> Iterator[Stage]:
    """Build a scenario; its language models are closed at the end.

    Args:
        scenario: with its seed drawn.
        calls: file that keeps the calls of language models; it is made with the first call. None keeps them until the end.
        cache: another run's folder, or its calls file, whose answers are used before a language model is asked.
        limits: limits in place of the scenario's.
        allow: told of the calls by which items are written about, before any is made.
        before: as of ``Roles``.
        share: as of ``build_scenario_world``.

    Raises:
        ConfigError: a name is unknown, or settings do not fit.
        DataError: the data cannot be used.
    """
    check_names(scenario)
    dataset = load_dataset(scenario)
    resolve_reward(scenario.reward, rates=dataset.feedback == "explicit", buys=scenario.buys)
    with Roles(scenario.models, calls=calls, cache=cache, before=before, limits=limits or scenario.limits) as roles:
        check_policies(scenario, roles)
        enrichment = enrich(scenario, dataset, roles, allow)
        world = build_scenario_world(scenario, dataset, roles, enrichment=enrichment, share=share)
        resolve_reward(scenario.reward, users=world.users, buys=scenario.buys)
        check_slate_size(scenario, world)
        check_conversation(scenario, world)
        check_oracle(scenario, world)
        check_search(scenario)
        recommenders = {arm.name: partial(make_recommender, arm) for arm in scenario.recommenders}
        yield Stage(
            scenario=scenario,
            dataset=dataset,
            world=world,
            enrichment=enrichment,
            roles=roles,
            recommenders=recommenders,
        )


def enrich(scenario: Scenario, dataset: Dataset, roles: Roles, allow: Allow = lambda _, __: None) -> Enrichment | None:
    """Return what a scenario has written about its items; None where it has nothing written.

    Args:
        scenario: with or without a section ``enrich``.
        dataset: its data.
        roles: its language models.
        allow: told of the calls before any is made.

    Raises:
        ConfigError: there is no such enricher, or no model for it.
        PlugInError: the enricher crashed, or returned something else than words.
    """
    if scenario.enrich is None:
        return None
    # Whoever writes knows of items what recommenders may: neither how good they are nor who will take them later.
    catalog = replace(split_cold(scenario, dataset)[0].training_part(scenario.train_share)[0].catalog, quality=None)
    model = roles.role("writer") if scenario.enriched_by_writer or "writer" in scenario.models else None
    return enrich_catalog(scenario.enrich, catalog, model, allow)


def rebuild_world(
    scenario: Scenario, fingerprints: Mapping[str, str], what: str, *, enriched: tuple[Path, Mapping[str, Any]] | None = None
) -> World:
    """Build the items and users of a run again; language models are never asked.

    Args:
        scenario: from the run's manifest.
        fingerprints: of ``data`` and ``population``, from there too.
        what: the run, for the error text.
        enriched: the run folder, and the manifest's entry ``enrichment``, where items are to have the words that were written
            about them; None leaves them as the data have them.

    Raises:
        LogError: the data or the users have changed, or what was written about items cannot be read.
    """
    dataset = load_dataset(scenario)
    words = None if enriched is None else read_enrichment(enriched[0], dataset.catalog, enriched[1])
    # Nobody decides anything that a language model would be asked for, so a stand-in takes its place.
    with Roles({"user": ModelSettings(name="scripted/uniform")}) as nobody:
        world = build_scenario_world(for_stand_in(scenario), dataset, nobody, enrichment=words)
    now = {"data": dataset.fingerprint, "population": world.population.fingerprint}
    changed = [name for name, fingerprint in now.items() if fingerprints[name] != fingerprint]
    if changed:
        raise LogError(f"{what}: the {changed[0]} changed since the run, expected what its manifest.json says; restore it")
    return world


def _seed(scenario: Scenario) -> int:
    assert scenario.seed is not None
    return scenario.seed


def recommender_seed(scenario: Scenario) -> int:
    """Return a seed from which the run's own cannot be computed: who knows that one knows the users' dice."""
    return int.from_bytes(hashlib.sha256(f"recommender {_seed(scenario)}".encode()).digest()[:7], "little")


def load_dataset(scenario: Scenario) -> Dataset:
    """Return the data that a scenario names.

    Raises:
        DataError: they cannot be used.
    """
    return open_dataset(scenario.data, **scenario.table_options)


def build_scenario_world(
    scenario: Scenario,
    dataset: Dataset,
    roles: Roles,
    *,
    people: str | PathLike[str] | None = None,
    enrichment: Enrichment | None = None,
    share: Share | None = None,
) -> World:
    """Return the items and users that a scenario names; its language models are opened where the users need them.

    Args:
        scenario: with its seed drawn.
        dataset: its data.
        roles: its language models.
        people: file of the users; None takes as many as the scenario says.
        enrichment: what was written about the items; None for nothing.
        share: users that the world shall have, of those that the scenario names; None for all of them. They do what they do
            among everyone.

    Raises:
        ConfigError: a name is unknown, or settings do not fit.
    """
    settings = scenario.users
    factory = resolve("users", settings.model)
    more = {"models": roles} if wants_models(factory) else {}
    if "user" in scenario.models and not more and scenario.conversation is None:
        raise ConfigError(
            f"users {settings.model!r}: got a language model for the role user, expected none; take --users language"
        )
    # Users are fitted to what people did, not to words: only those who read are built with what was written.
    if enrichment is not None and more:
        dataset = replace(dataset, catalog=enrichment.applied_to(dataset.catalog))
    build = partial(factory, parameters=settings.parameters, fitted=settings.fitted, seed=_seed(scenario), **more)
    if share is not None:
        world = built_world(settings.model, lambda: build(dataset, share.population))
    else:
        world = built_world(settings.model, lambda: build(dataset, settings.count if people is None else people))
        known = with_attributes(world.population, settings.attributes, _seed(scenario))
        chosen = _chosen_users(scenario, known)
        if chosen is not world.population:
            world = built_world(settings.model, lambda: build(dataset, chosen))
    if enrichment is not None and not more:
        world = world._replace(catalog=enrichment.applied_to(world.catalog))
    world = with_rated_items(world, split_cold(scenario, dataset)[0], scenario.train_share)
    if scenario.clock is not None:
        world = _living(scenario, world)
    if scenario.presentation is not None:
        world = with_presentation(world, scenario.presentation)
    return with_noise(world, settings.noise, _seed(scenario)) if settings.noise else world


def split_cold(scenario: Scenario, dataset: Dataset) -> tuple[Dataset, Ratings | None]:
    """Return the data without what was done with cold items, and these ratings; all of the data and None where none is cold."""
    if scenario.cold_items is None:
        return dataset, None
    cold = np.isin(dataset.ratings.item_id, draw_cold_items(dataset.ratings, seed=_seed(scenario), share=scenario.cold_items))
    if cold.all():
        raise ConfigError(
            f"cold_items: got {scenario.cold_items:g} of {dataset.name}, after which no rating is left, expected less; lower it"
        )
    return replace(dataset, ratings=dataset.ratings.take(~cold)), dataset.ratings.take(cold)


def _living(scenario: Scenario, world: World) -> World:
    """Return the world with users whom something can move, of whom none has rated what is not on sale before the first page."""
    make_provider_exits(scenario, world)  # Refused here, before there is a folder.
    timeline = make_timeline(scenario, world)
    later, rated = timeline.unreleased(), world.rated
    if rated is not None and later.any():
        item = world.catalog.index_of(rated.ratings.item_id)
        known = ~later[item] | (item < 0)
        if not known.any():
            raise ConfigError(
                "interventions: got releases of every item that anybody has rated, expected some on sale before; release fewer"
            )
        before = rated.ratings.take(known)
        world = world._replace(rated=RatedItems.of(before, world.population.user_id, world.catalog))
    if scenario.actions is not None and scenario.actions.search is not None and isinstance(world.users, WritesQueries):
        world.users.meet_search()
    influence = Influence(world.catalog, timeline.causes)
    if scenario.social is not None:
        sends = scenario.actions is not None and scenario.actions.share is not None
        befriend(influence, scenario.social, world, _seed(scenario), sends=sends)
    return with_influence(world, influence)


def _chosen_users(scenario: Scenario, population: Population) -> Population:
    """Return who of the users browses: a part of them, and of that a block.

    Raises:
        ConfigError: that is nobody.
    """
    settings, train = scenario.users, scenario.train
    if settings.part != "all":
        share = HOLDOUT if train is None else train.holdout
        kept = held_out(population.user_id, share)
        rows = np.flatnonzero(kept if settings.part == "held_out" else ~kept)
        if not rows.size:
            raise ConfigError(
                f"users.part: got {settings.part!r} of {len(population)} users with train.holdout {share}, which is nobody, "
                "expected at least one; raise --n-users, or set train.holdout otherwise"
            )
        population = population.apart(rows)
    return population if settings.block is None else take_block(population, settings.block, _seed(scenario))


def built_world(model: str, build: Callable[[], Any]) -> World:
    """Return what the factory of a user model builds.

    Args:
        model: name of the user model, for the error text.
        build: calls its factory.

    Raises:
        ConfigError: it returns something else than a world.
        PlugInError: it crashed, or does not take the arguments.
    """
    with blaming_plug_in("users", model, did="", expected="a factory like choice_world, which returns a World"):
        world = build()
    if not isinstance(world, World):
        raise ConfigError(f"users {model!r}: got {type(world).__name__}, expected a factory that returns a World")
    return world
