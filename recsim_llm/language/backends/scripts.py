"""Shipped scripts: stand-ins whose answers are a known function of the prompt; shoppers, and some that recommend.

A script maps the text of a prompt and one question to the true distribution over the question's options. It sees nothing
but the text, as a model does: the persona's sentences of ``recsim_llm.population.persona_text`` and the page:

    <page>
    1. "Heat" (1995) | Action, Crime, Thriller | a description, if there is one
    2. "Sabrina" (1995) | Comedy, Romance
    </page>

Questions about an item end in the number of its line: ``click_1``, ``stars_1``. Those that recommend are in
``recsim_llm.language.backends.scripted_recommender``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

from recsim_llm.language.backends.agent_script import AgentScript
from recsim_llm.language.backends.prompt_lines import ITEM_LINE, levels, slot_of, yes
from recsim_llm.language.backends.scripted_policy import INVENTED, PolicyScript
from recsim_llm.language.backends.scripted_recommender import history, recommender, stereotype
from recsim_llm.language.base.questions import Question

__all__ = ["SHIPPED_SCRIPTS", "Acts", "Script", "Writes", "genres", "slot_bias", "uniform"]

Script = Callable[[str, Question], Sequence[float]]
"""Takes the prompt's text and a question; returns a weight for each option, finite, not negative, not all 0."""


@runtime_checkable
class Acts(Protocol):
    """A script that also asks for tools, by calls of their own or in words; where it has no action it answers in text."""

    def __call__(self, text: str, question: Question) -> Sequence[float]:
        """Answer a typed question, as every script."""
        ...

    def act(self, text: str) -> list[tuple[str, dict[str, object]]]:
        """Return the next actions, name and arguments of each, for a whole chat."""
        ...


@runtime_checkable
class Writes(Protocol):
    """A script that also writes free text."""

    def write(self, text: str) -> str:
        """Return what it writes, given the prompt's text."""
        ...


CLICK, CLICK_LOVED, CLICK_LIKED, CLICK_AVOIDED = 0.15, 0.45, 0.28, 0.04
"""Click probability of an item with no named genre, and with a loved, a liked or an avoided one."""
WANTED = 6.0
"""Factor on the odds of a click where an item has the genre that a visitor came for."""
LEAVE, LEAVE_MISFIT = 0.10, 0.25
"""Probability of leaving after a page, and after one without any loved or liked genre; for ordinary patience."""
IMPATIENT, PATIENT = 1.8, 0.5
"""Factors on the odds of leaving for users who lose patience quickly and for patient ones."""
STARS_LOVED, STARS_LIKED, STARS_AVOIDED = 0.6, 0.3, -1.0
"""Stars that a loved, a liked or an avoided genre adds to the user's mean rating."""
STARS_MEAN = 3.5
"""Mean rating of a user whose persona names none."""

_PAGE = re.compile(r"<page>\n(.*?)\n</page>", re.DOTALL)
_LISTED = {
    "loved": re.compile(r"\bYou love (.+?)\.(?:\s|$)"),
    "liked": re.compile(r"\bYou (?:also )?like (.+?)\.(?:\s|$)"),
    "wanted": re.compile(r"^This time you look for something with genre (.+?)\.$", re.MULTILINE),
    "avoided": re.compile(r"\bYou seldom choose (.+?)\.(?:\s|$)"),
}
_MEAN = re.compile(r"you give (\d(?:\.\d)?) stars")


class _Item(NamedTuple):
    loved: bool
    liked: bool
    avoided: bool
    wanted: bool


class _Scene(NamedTuple):
    """What a shopper reads out of a prompt."""

    items: Mapping[int, _Item]
    has_taste: bool
    rating_mean: float
    patience: float


_UNKNOWN_ITEM = _Item(False, False, False, False)


def uniform(text: str, question: Question) -> Sequence[float]:  # noqa: ARG001 (a script's signature)
    """Answer every question with equal probabilities; words are as sure as can be, so that none stands out."""
    return (1.0,) * len(question.options)


def slot_bias(text: str, question: Question) -> Sequence[float]:
    """Click by the presented slot alone: 0.8, 0.5, 0.35, then 0.7 times as often a slot; leave 1 page in 10.

    The fault of language-model users that rotating the presentation order must take out of the log. Other questions are
    answered with equal probabilities.
    """
    slot = slot_of(question)
    if question.kind == "yes_no" and slot is not None:
        return yes((0.8, 0.5)[slot - 1] if slot in (1, 2) else 0.35 * 0.7 ** max(slot - 3, 0))
    return yes(LEAVE) if question.key == "leave" else uniform(text, question)


def genres(text: str, question: Question) -> Sequence[float]:
    """Answer as a shopper who goes by genres alone.

    Yes-or-no questions with a slot number are answered with the item's click probability (0.15; loved genre 0.45, liked
    0.28, avoided 0.04, a loved and an avoided one in between; six times the odds for a genre that this visit is for);
    levels with a slot number with a rounded normal distribution around the persona's mean rating, shifted by genre;
    ``leave`` with 0.10, or 0.25 if no item has a loved or liked genre, more for impatient users and less for patient ones;
    other levels, such as ``satisfaction``, by the page's mean click probability; anything else with equal probabilities.
    """
    scene = _read_scene(text)
    slot = slot_of(question)
    item = scene.items.get(slot, _UNKNOWN_ITEM) if slot is not None else None
    if question.kind in ("score", "number"):
        return levels(_satisfaction(scene) if item is None else _stars(scene, item), len(question.options))
    if question.kind == "yes_no" and item is not None:
        return yes(_click(item))
    if question.key == "leave" and question.kind == "yes_no":
        return yes(_leave(scene))
    return uniform(text, question)


SHIPPED_SCRIPTS: Mapping[str, Script] = MappingProxyType(
    {
        "agent": AgentScript(),
        "genres": genres,
        "history": history,
        "inventive": PolicyScript(INVENTED),
        "policy": PolicyScript(0.0),
        "recommender": recommender,
        "slot_bias": slot_bias,
        "stereotype": stereotype,
        "uniform": uniform,
    }
)
"""Shipped scripts by name."""


@lru_cache(maxsize=32)
def _read_scene(text: str) -> _Scene:
    # All questions of a prompt read the same scene; the last page counts, earlier ones may be part of a memory.
    lists = {name: found[1] if (found := pattern.search(text)) else "" for name, pattern in _LISTED.items()}
    pages = _PAGE.findall(text)
    items = {}
    for number, names in ITEM_LINE.findall(pages[-1] if pages else ""):
        named = [name.strip() for name in names.split(",") if name.strip()]
        items[int(number)] = _Item(*(any(_is_listed(name, lists[kind]) for name in named) for kind in _Item._fields))
    mean = _MEAN.search(text)
    patience = IMPATIENT if "You lose patience quickly" in text else PATIENT if "You are patient" in text else 1.0
    return _Scene(items, bool(lists["loved"] or lists["liked"]), float(mean[1]) if mean else STARS_MEAN, patience)


def _is_listed(name: str, listing: str) -> bool:
    # Names may themselves hold a comma or "and", so the list is searched for the name, not taken apart.
    return re.search(rf"(?:^|, | and | or ){re.escape(name)}(?:$|, | and | or )", listing) is not None


def _odds(chance: float) -> float:
    return chance / (1 - chance)


def _click(item: _Item) -> float:
    odds = _odds(CLICK_LOVED if item.loved else CLICK_LIKED if item.liked else CLICK)
    if item.avoided:
        odds *= _odds(CLICK_AVOIDED) / _odds(CLICK)
    if item.wanted:
        odds *= WANTED
    return odds / (1 + odds)


def _leave(scene: _Scene) -> float:
    fits = not scene.has_taste or any(item.loved or item.liked for item in scene.items.values())
    odds = _odds(LEAVE if fits else LEAVE_MISFIT) * scene.patience
    return odds / (1 + odds)


def _stars(scene: _Scene, item: _Item) -> float:
    shift = STARS_LOVED if item.loved else STARS_LIKED if item.liked else 0.0
    return scene.rating_mean + shift + (STARS_AVOIDED if item.avoided else 0.0)


def _satisfaction(scene: _Scene) -> float:
    chances = [_click(item) for item in scene.items.values()]
    return 2 + 3 * (sum(chances) / len(chances) if chances else CLICK) / CLICK_LOVED
