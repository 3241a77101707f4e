"""Item agents: do memories of items, written from who took and refused them, help to foretell choices?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsim_llm.agents.audits.design import Finding
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.template_family import with_family
from recsim_llm.agents.language.written_item_agents import WrittenAgentSettings, WrittenItemAgents
from recsim_llm.agents.memory.choosing_agents import learn_choices, measure_choices
from recsim_llm.agents.memory.item_agents import ItemAgents, ItemAgentSettings, learn_item_agents
from recsim_llm.agents.memory.offered_choices import dense_part
from recsim_llm.core.checked_columns import check_whole_number
from recsim_llm.core.ratings import Dataset
from recsim_llm.statistics.intervals import Estimate

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["ItemAgentsFinding", "counted_item_agents", "written_item_agents"]


@dataclass(frozen=True, kw_only=True)
class ItemAgentsFinding(Finding):
    """Held-out choices between two items, foretold from memories; see ``ItemAgentsMeasure``."""

    with_items: Estimate
    """Share that is right, with memories on both sides."""
    without_items: Estimate
    """The same with the item agents off."""
    gain: Estimate
    """The first less the second."""
    strangers_gain: Estimate
    """The same gain from the memories of strangers."""
    personal_gain: Estimate
    """The gain less the strangers'."""
    reflections: int
    """Wrong choices in learning, with the item agents on."""
    unwritten: int
    """Memories that the model did not write, in both ways; they stayed as they were."""


def written_item_agents(
    model: LanguageModel,
    dataset: Dataset,
    *,
    seed: int,
    users: int = 20,
    items: int = 60,
    choices: int = 6,
    held_out: int = 4,
    rounds: int = 1,
    writer: LanguageModel | None = None,
    parameters: LanguageParameters | None = None,
) -> ItemAgentsFinding:
    """Have a model choose, and write memories, with the item agents on and off, and foretell held-out choices.

    Args:
        model: chooses, two asks a choice: at most ``4 * (rounds * choices + 2 * held_out)`` a user.
        dataset: catalog and ratings; the last fifth of each user's ratings is held out.
        seed: of users and of the items that are refused.
        users: how many users.
        items: those rated most, among which choices are made: fewer meet more often.
        choices: choices a user to learn from, the latest.
        held_out: choices a user that are foretold, the first ones.
        rounds: times that choices are learned from.
        writer: writes the memories, at most ``4 * rounds * choices`` a user; None: ``model``.
        parameters: for the templates.

    Raises:
        ConfigError: a number is out of range.
        DataError: nobody took such items both before and later.
        RecSimError: the model failed.
    """
    for name, number in {"choices": choices, "held_out": held_out, "rounds": rounds}.items():
        check_whole_number(f"item agents, {name}", number, least=1)
    training, later = dense_part(dataset, seed=seed, users=users, items=items)
    templates = with_family(parameters or LanguageParameters(), model).templates
    made: list[WrittenItemAgents] = []

    def learned(memories: bool) -> WrittenItemAgents:
        settings = WrittenAgentSettings(items=memories, templates=templates)
        made.append(WrittenItemAgents(model, training, settings, writer=writer))
        learn_choices(made[-1], training, seed=seed, rounds=rounds, latest=choices)
        return made[-1]

    found = measure_choices(learned, training, later, seed=seed, latest=held_out)
    return ItemAgentsFinding(
        model=model.name,
        realisation=model.elicitation,
        users=len(training.ratings.users),
        asks=sum(agents.asks for agents in made),
        reflections=made[0].reflections,
        unwritten=sum(agents.unwritten for agents in made),
        **found._asdict(),
    )


def counted_item_agents(dataset: Dataset, seed: int, users: int) -> ItemAgentsFinding:
    """Measure the same by memories that count, on all items; no model is asked.

    Args:
        dataset: catalog and ratings.
        seed: of users and of the items that are refused.
        users: how many users.
    """
    training, later = dense_part(dataset, seed=seed, users=users, items=None)
    made: list[ItemAgents] = []

    def learned(memories: bool) -> ItemAgents:
        made.append(learn_item_agents(training, seed, ItemAgentSettings(items=memories)))
        return made[-1]

    found = measure_choices(learned, training, later, seed=seed)
    return ItemAgentsFinding(
        model="counting memories",
        realisation="none",
        users=len(training.ratings.users),
        asks=0,
        reflections=made[0].reflections,
        unwritten=0,
        **found._asdict(),
    )
