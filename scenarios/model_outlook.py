"""How a verb will ask a language model, found out without asking it: from settings, kept probes, and what models here say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from recsim_llm.agents.language.language_parameters import AUTO
from recsim_llm.agents.language.template_family import FAMILY_NOTE, choose_family, usual_family
from recsim_llm.language.answers.question_lists import lead_of
from recsim_llm.language.backends.scripted_forms import CHARACTERS_A_TOKEN
from recsim_llm.language.base.questions import Elicitation, Question
from recsim_llm.language.base.settings import ModelSettings
from recsim_llm.language.base.wire import Abilities
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.probing.probe import ProbeReport, load_probe
from recsim_llm.language.providers import SERVERS, Roles, known_probe

__all__ = ["Outlook", "keep_outlook", "lead_tokens", "look_ahead", "stand_in_for"]

_STAND_IN, _POLICY_STAND_IN = "scripted/genres", "scripted/agent"
_USUAL: Mapping[str, tuple[Elicitation, Abilities]] = {
    "llamacpp": ("forced", Abilities(elicitations=("forced",), forced="grammar", prefix_cache=True))
}
"""By provider: what is guessed of a server that nobody has probed."""
_ANYWHERE: tuple[Elicitation, Abilities] = ("logprobs", Abilities(elicitations=("logprobs",), forced="chat"))


class Outlook(NamedTuple):
    """How a model will be asked."""

    settings: ModelSettings
    """The model."""
    form: Elicitation
    """Its elicitation."""
    guessed: bool
    """Nobody has found out yet what it can do."""
    family: str
    """Family of prompts that ``auto`` stands for, a blank, and the reason."""
    context: int | None
    """Tokens that it reads and writes in one call; None: not known."""
    abilities: Abilities
    """What is known of it, or guessed."""
    report: ProbeReport | None
    """What a probe found; None: it was never probed."""

    @property
    def alone(self) -> bool:
        """Whether each question is a call of its own."""
        return self.form == "forced" and self.abilities.forced != ""


def look_ahead(settings: ModelSettings) -> Outlook:
    """Return how a model will be asked; nothing is.

    Raises:
        ConfigError: a model in this process cannot be opened, or cannot do what its settings demand.
        DataError: what was kept of an earlier probe, or a tuned model's card, is damaged.
    """
    provider = settings.name.partition("/")[0]
    report = known_probe(settings)
    if provider in SERVERS and report is None:
        form, abilities = _USUAL.get(provider, _ANYWHERE)
        form = form if settings.realisation == "auto" else settings.realisation
        return Outlook(settings, form, settings.realisation == "auto", " ".join(usual_family(form)), None, abilities, None)
    with Roles({"user": settings}) as roles:
        model = roles.role("user")
        family = " ".join(choose_family(model, AUTO))
        abilities = Abilities(elicitations=(model.elicitation,)) if report is None else report.abilities
        # What a model in this process can do it says itself; what its calls take, only a probe.
        timed = report or load_probe(model.name, model.base_url)
        return Outlook(settings, model.elicitation, False, family, model.context, abilities, timed)


def stand_in_for(outlook: Outlook, role: str = "user") -> ModelSettings:
    """Return settings of a stand-in that is asked in the same form; one that recommends also asks for tools."""
    settings = outlook.settings
    stand_in = _POLICY_STAND_IN if role == "policy" else _STAND_IN
    name = settings.name if settings.name.startswith("scripted/") else stand_in
    return ModelSettings(name=name, realisation=outlook.form, samples=settings.samples)


def keep_outlook(outlook: Outlook, place: Path) -> Path | None:
    """Write a calls file by which the stand-in is asked in the model's words and within its context; return where.

    None: the model is a stand-in itself, and is asked as ever.
    """
    if outlook.settings.name.startswith("scripted/"):
        return None
    notes = {FAMILY_NOTE: outlook.family} | ({} if outlook.context is None else {"context": str(outlook.context)})
    store = CallStore(place)
    for name, value in notes.items():
        store.note(_STAND_IN, name, value)
    store.close()
    return place


@lru_cache(maxsize=4096)
def lead_tokens(form: str, questions: str, shared: int) -> int:
    """Return the tokens of the words before the answers, which a stand-in is not told.

    Args:
        form: of the call; only ``forced`` has such words.
        questions: as a calls file keeps them, JSON.
        shared: whether what several begin with is read once, as a model in this process does.
    """
    if form != "forced":
        return 0
    leads = sorted(lead_of(Question(*question)) for question in json.loads(questions))
    again = sum(_alike(*pair) for pair in zip(leads, leads[1:], strict=False)) if shared else 0
    return (sum(map(len, leads)) - again) // CHARACTERS_A_TOKEN


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
