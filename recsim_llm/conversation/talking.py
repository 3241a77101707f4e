"""A language model as conversational recommender: one ask a turn says what it does, and what it would show."""

from __future__ import annotations

from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import Field

from recsim_llm.conversation.acts import ASK, RECOMMEND, SILENT, Dialogues, PolicyActs, silent_acts
from recsim_llm.conversation.asking import fit_counts
from recsim_llm.conversation.dialogue_prompts import POLICY_RULES, items_part, said_part, transcript
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.language.base.questions import Ask, Prompt, Question, choice
from recsim_llm.recommenders.language.model_wrapper import ModelWrapper
from recsim_llm.recommenders.language.policy_prompts import questions_about

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import Reply

__all__ = ["Talking"]

_MOST_OPTIONS = 26


class TurnsAsked(NamedTuple):
    """Turns that the model was asked about."""

    replies: list[Future[Reply]]
    """[d]: what it says of each dialogue."""
    item_id: IntArray
    """int64 [d, c]: candidates that it was told of, the best first."""
    slots: int
    """Most items of an act."""

    def acts(self, at: IntArray) -> PolicyActs:
        """Return what the model does in dialogues at the places int64 [t], whose replies are there.

        Raises:
            RecSimError: it failed.
        """
        acts = silent_acts(len(at), self.slots)
        for row, place in enumerate(at.tolist()):
            first, *rest = self.replies[place].result().answers
            move = int(np.argmax(first.probabilities))
            if move == 0:
                chance = np.array([answer.probabilities[0] for answer in rest])
                best = np.argsort(-chance, kind="stable")[: self.slots]
                acts.act[row], acts.item_id[row, : len(best)] = RECOMMEND, self.item_id[place, best]
            elif move == 1:
                acts.act[row] = SILENT
            else:
                acts.act[row], acts.attribute[row] = ASK, move - 2
        return acts


class Talking(ModelWrapper):
    """Lets a language model lead the conversation.

    Each turn is one ask: what to do next (recommend, ask about one of the attributes, stay silent), and of each candidate
    whether the visitor would take it. The most probable act is taken, the first of equals; recommended are the candidates with
    the highest probabilities, equal ones in their order. Candidates are new items that fit most of what was said, equal ones in
    the order of the base. The model is told what was said and nothing else of the visitor.

    A run gives it the model of the role ``policy``.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    reads_text = True

    class Settings(FrozenSettings):
        """Settings of ``Talking``."""

        base: str = "popularity"
        """Name of the recommender that retrieves candidates, or ``module:class``."""
        candidates: int = Field(default=12, ge=1)
        """How many the model is told of; at least as many as an act can show."""
        base_settings: dict[str, Any] = Field(default_factory=dict)
        """The base's settings, by name."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = self.Settings.given(settings)
        super().__init__("talking", self.settings.base, self.settings.base_settings)

    def start(self, requests: Requests) -> None:
        """Do nothing: all that is needed comes with each turn."""

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return what its base recommends, where nobody can talk."""
        return self._base.recommend(requests, k)

    def respond(self, dialogues: Dialogues, k: int) -> PolicyActs:
        """Ask the model in each dialogue, all at once.

        Raises:
            RecSimError: the model failed; raised after all of these asks have ended.
        """
        begun = self.begin_turns(dialogues, k)
        wait(begun.replies)
        return begun.acts(np.arange(len(begun.replies)))

    def begin_turns(self, dialogues: Dialogues, k: int) -> TurnsAsked:
        """Ask the model in each dialogue, all at once, and return without waiting."""
        item = self._candidates(dialogues, k)
        moves = _moves(dialogues)
        lines = transcript(dialogues.said, self._known.catalog, dialogues.attributes)
        asks = [self._ask(dialogues, row, item[row], (moves, lines[row])) for row in range(len(item))]
        return TurnsAsked(self._asked().submit(asks), self._known.catalog.item_id[item], k)

    def _candidates(self, dialogues: Dialogues, k: int) -> IntArray:
        """Return int64 [d, c]: catalog positions of candidates, the best first."""
        offered = self._retrieve(self._base, dialogues.requests, int(np.count_nonzero(self._known.on_sale)))
        fits = np.take_along_axis(fit_counts(dialogues.said, dialogues.attributes), offered.item_index, axis=1)
        order = np.lexsort((-fits, offered.seen), axis=1)[:, : max(k, self.settings.candidates)]
        return np.take_along_axis(offered.item_index, order, axis=1)

    def _ask(self, dialogues: Dialogues, row: int, item: IntArray, told: tuple[Question, list[str]]) -> Ask:
        requests, (moves, lines) = dialogues.requests, told
        user_id, visit, turn = int(requests.user_id[row]), int(requests.visit[row]), int(dialogues.turn[row])
        said = lines if requests.text is None or not requests.text[row] else [*lines[:-1], f"visitor: {requests.text[row]}"]
        shown = items_part(self._known.catalog, item.tolist(), "candidates")
        prompt = Prompt((POLICY_RULES, said_part(said), shown))
        return Ask(
            prompt, (moves, *questions_about("yes_no", len(item))), f"{self._seed} {user_id} {visit} {turn}", str(user_id)
        )


def _moves(dialogues: Dialogues) -> Question:
    asks = tuple(f"ask which {name} it should be" for name in dialogues.attributes.names)
    options = ("recommend", "stay silent", *asks)[:_MOST_OPTIONS]
    return choice("move", "What do you do next?", options)
