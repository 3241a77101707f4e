"""Users of conversations whom a language model plays: one ask of typed questions a turn, and words only afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING

import numpy as np

from recsim_llm.conversation.acts import ASK, EXPLAIN, RECOMMEND, SILENT
from recsim_llm.conversation.attributes import Attributes
from recsim_llm.conversation.conversation_settings import ConversationSettings
from recsim_llm.conversation.deciding import Chances, Heard
from recsim_llm.conversation.dialogue_prompts import USER_RULES, WRITER_RULES, items_part, line_of, said_part
from recsim_llm.conversation.taste_users import told_chances
from recsim_llm.core.arrays import IntArray, TextArray
from recsim_llm.language.base.questions import Answer, Ask, Part, Prompt, Question, choice, yes_no
from recsim_llm.language.calls.model import Writing
from recsim_llm.population.persona_text import render_persona
from recsim_llm.population.world import World

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel, Reply

__all__ = ["LanguageDialogueUsers", "voiced"]

_MOST_VALUES = 25
_WRITTEN_TOKENS = 60
_NONE = "it does not matter to me"
_OTHERWISE = ("only say no", "ask for less of something", "ask for more of something", "refuse the first one for good")


class LanguageDialogueUsers:
    """Personas that decide by a language model what to take, what to answer, what to criticise and when to leave.

    A turn is one ask of a user: would you take each item shown, which value fits a question best, what if you take nothing,
    would you leave. The prompt holds the persona, what it looks for and what was said. Of an attribute with more than 25 values
    the 25 are offered that most items have, and the true ones. Which value a critique is about, what is said unasked, and a
    change of mind go by the rule of ``TasteUsers``, with the model's probability of speaking at all.

    Args:
        world: items and personas.
        attributes: what can be asked about.
        settings: of the scenario.
        model: answers the questions.
        seed: of the run; tells sampled answers of different runs apart.
    """

    def __init__(
        self,
        world: World,
        attributes: Attributes,
        settings: ConversationSettings,
        *,
        model: LanguageModel,
        seed: int,
    ) -> None:
        self._world, self._attributes, self._settings, self._model, self._seed = world, attributes, settings, model, seed
        self._lines: dict[int, list[str]] = {}
        self._personas: dict[int, Part] = {}
        self._started: dict[int, Future[Reply]] = {}

    def remember(self, user_index: IntArray, policy: TextArray, user: TextArray) -> None:
        """Keep what was said in a turn; both str [m], empty where nothing was."""
        for index, said, answered in zip(user_index.tolist(), policy.tolist(), user.tolist(), strict=True):
            told = (("recommender", said), ("you", answered))
            self._lines.setdefault(index, []).extend(f"{who}: {text}" for who, text in told if text)

    def decide(self, heard: Heard) -> Chances:
        """Ask the model for each user, all at once.

        Raises:
            RecSimError: the model failed; raised after all of these asks have ended.
        """
        replies = self.start(heard)
        wait(replies)
        for user in heard.user_index.tolist():
            del self._started[user]
        chances = self._blank(heard)
        unasked = told_chances(heard, self._attributes, self._settings)
        for row, reply in enumerate(replies):
            answers = {answer.question.key: answer for answer in reply.result().answers}
            self._read(chances, heard, row, answers)
            if "speak" in answers:
                total = max(unasked[row].sum(), 1e-300)
                chances.answer[row] = unasked[row] / total * answers["speak"].probabilities[0]
        return chances

    def start(self, heard: Heard) -> list[Future[Reply]]:
        """Put to the model those of the turns that are not with it already, one ask a user; return every reply, [m]."""
        users = heard.user_index.tolist()
        rows = [row for row, user in enumerate(users) if user not in self._started]
        replies = self._model.submit([self._ask(heard, row, self._questions(heard, row)) for row in rows])
        self._started.update(zip((users[row] for row in rows), replies, strict=True))
        return [self._started[user] for user in users]

    def _blank(self, heard: Heard) -> Chances:
        rows, slots = heard.item_index.shape
        values = len(self._attributes.attribute)
        change = np.where(heard.turn > 0, self._settings.change_of_mind, 0.0)
        grids = (np.zeros((rows, values)) for _ in range(3))
        answer, less, more = grids
        return Chances(np.zeros((rows, slots)), answer, less, more, np.zeros(rows), change, np.zeros(rows))

    def _questions(self, heard: Heard, row: int) -> tuple[Question, ...]:
        act, attribute, asked = int(heard.act[row]), int(heard.attribute[row]), []
        shown = np.count_nonzero(heard.item_index[row] >= 0)
        asked += [yes_no(f"take_{number}", f"Would you take {number}?") for number in range(1, shown + 1)]
        if act == RECOMMEND and shown and self._settings.mode == "chat":
            asked.append(choice("otherwise", "If you take none of them, what do you say?", _OTHERWISE))
        if act == ASK and attribute >= 0:
            names = tuple(self._attributes.value_names[value] for value in self._offered(heard, row))
            asked.append(choice("answer", f"Which {self._attributes.names[attribute]} do you look for?", (*names, _NONE)))
        elif act not in (RECOMMEND, EXPLAIN):
            asked.append(yes_no("speak", "Do you now say something of what you look for?"))
        if heard.turn[row] > 0:
            asked.append(yes_no("leave", "Would you rather leave than go on talking?"))
        return tuple(asked)

    def _offered(self, heard: Heard, row: int) -> list[int]:
        """Return values that are offered as answers: the true ones first kept, then those that most items have."""
        values = self._attributes.values_of(int(heard.attribute[row]))
        count = self._attributes.members[:, values].sum(axis=0) + (heard.truth[row, values] > 0) * (1 << 40)
        kept = values[np.sort(np.argsort(-count, kind="stable")[:_MOST_VALUES])]
        return [int(value) for value in kept]

    def _read(self, chances: Chances, heard: Heard, row: int, answers: dict[str, Answer]) -> None:
        slots = np.flatnonzero(heard.item_index[row] >= 0)
        for number, slot in enumerate(slots.tolist(), 1):
            chances.take[row, slot] = answers[f"take_{number}"].probabilities[0]
        if "leave" in answers:
            chances.leave[row] = answers["leave"].probabilities[0]
        if "answer" in answers:
            chances.answer[row, self._offered(heard, row)] = answers["answer"].probabilities[:-1]
        if "otherwise" in answers:
            _, less, more, not_this = answers["otherwise"].probabilities
            lacking = heard.lacking[row]
            chances.less[row] = less * lacking / max(int(lacking.sum()), 1)
            chances.more[row], chances.not_this[row] = more * heard.missing[row], not_this

    def _ask(self, heard: Heard, row: int, questions: tuple[Question, ...]) -> Ask:
        user, visit, turn = int(heard.user_index[row]), int(heard.visit[row]), int(heard.turn[row])
        items = [item for item in heard.item_index[row].tolist() if item >= 0]
        now = Part("now", "The recommender says nothing." if heard.act[row] == SILENT else "The recommender waits for you.")
        parts = (self._persona(user), self._goal(int(heard.goal[row])), said_part(self._lines.get(user, ())))
        prompt = Prompt((USER_RULES, *parts, items_part(self._world.catalog, items, "page"), now))
        user_id = int(self._world.population.user_id[user])
        return Ask(prompt, questions, f"{self._seed} {user_id} {visit} {turn}", str(user_id))

    def _persona(self, user: int) -> Part:
        if user not in self._personas:
            self._personas[user] = Part("persona", render_persona(self._world.population.persona(user)))
        return self._personas[user]

    def _goal(self, goal: int) -> Part:
        if goal < 0:
            return Part("goal", "You look for something to your taste.")
        line = line_of(self._world.catalog, goal)
        if self._settings.goal == "item":
            return Part("goal", f"You look for this one and take nothing else:\n{line}\nYou do not know its title.")
        main = np.flatnonzero(self._attributes.main[goal])
        named = "; ".join(
            f"{self._attributes.names[self._attributes.attribute[value]]}: {self._attributes.value_names[value]}"
            for value in main.tolist()
        )
        return Part("goal", f"You look for anything that has all of this: {named}.")


def voiced(model: LanguageModel, texts: Sequence[str], *, seed: int, who: Sequence[str]) -> list[str]:
    """Return what users say in a writer's words; what is empty stays so.

    Args:
        model: writes.
        texts: [m], as templates have it.
        seed: of the run.
        who: [m]: users, visits and turns, for the record.

    Raises:
        RecSimError: the model failed, or returned nothing.
    """
    spoken = [place for place, text in enumerate(texts) if text]
    asked = [
        Writing(
            Prompt((WRITER_RULES, Part("said", texts[place]))),
            _WRITTEN_TOKENS,
            nonce=f"{seed} {who[place]}",
            subject=who[place].split()[0],
        )
        for place in spoken
    ]
    written = list(texts)
    for place, text in zip(spoken, model.write(asked) if asked else (), strict=True):
        written[place] = text
    return written
