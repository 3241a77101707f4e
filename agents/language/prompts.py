"""Prompts of language users: parts in the order of how seldom they change, written once and reused.

Rules are the same for everybody, a persona for the user's life; what was consolidated in memory changes now and then, what is
recalled and the page each time. Servers can so reuse what they computed for everything before the first difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core.catalog import Catalog
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.base.questions import Ask, Elicitation, Part, Prompt, Question, score, yes_no
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.language.base.tokens import estimate_tokens
from recsim_llm.population.persona_text import render_persona, taste_words
from recsim_llm.population.personas import Population

__all__ = ["LEVELS", "Item", "PromptWriter"]

LEVELS = 5
"""Levels of stars and of satisfaction."""

_QUERY = 4000  # characters
_DESCRIPTION_LENGTHS = (200, 160, 120, 80, 40)  # characters
_BETWEEN = " | "


class Item(NamedTuple):
    """What templates may use of an item, as the catalog has it: pass texts through the ``data`` filter."""

    title: str
    """Display title."""
    year: int
    """Release year; 0 means unknown."""
    genres: tuple[str, ...]
    """Genre names."""
    description: str
    """Prose; empty means that there is none."""


class PromptWriter:
    """Writes the parts of prompts and the questions of a page.

    Args:
        catalog: the items; their text is data and stays on its line.
        population: the users.
        templates: the words.
        elicitation: how decisions are asked for; answer formats differ in length.
        history: what users rated before; None tells none of it.
        most_told: most ratings of a user that a prompt tells, the latest ones.
        written: personas that a model wrote, by user index; they stand in place of the measured persona's sentences.
    """

    def __init__(
        self,
        catalog: Catalog,
        population: Population,
        templates: Templates,
        elicitation: Elicitation,
        *,
        history: RatingHistory | None = None,
        most_told: int = 20,
        written: Mapping[int, str] | None = None,
    ) -> None:
        self._history, self._most_told, self._written = history, most_told, written or {}
        self._catalog = catalog
        self._population = population
        self._templates = templates
        self._elicitation = elicitation
        self._personas: dict[int, Part] = {}
        self._items: dict[int, Item] = {}
        self._questions: dict[tuple[int, ...], tuple[Question, ...]] = {}
        self._tokens: dict[int, int] = {}
        self.rules = Part("rules", templates.render("rules"))
        """Part: what holds for every user and page."""

    def persona(self, user_index: int) -> Part:
        """Return the part that says who a user is, the same object each time."""
        part = self._personas.get(user_index)
        if part is None:
            persona = self._population.persona(user_index)
            loves, likes, avoids = taste_words(persona)
            written = self._written.get(user_index, "")
            words = {"text": written or render_persona(persona), "loves": loves, "likes": likes, "avoids": avoids}
            history = self._told(user_index)
            text = self._templates.render("persona", persona=persona, history=history, **words)
            if written and not self._templates.tells_sentences:
                text = f"{written}\n{text}"
            part = Part("persona", text)
            self._personas[user_index] = part
        return part

    def told(self, user_index: int) -> int:
        """Return how many of a user's ratings the persona tells, the latest ones."""
        return len(self._told(user_index)) if self._templates.tells_history else 0

    def memory(self, consolidated: str, recent: str) -> tuple[Part, ...]:
        """Return the parts for what a user remembers; none where there is nothing.

        Args:
            consolidated: lines on what was learned and holds for long; may be empty.
            recent: lines on what was recalled for this page; may be empty.
        """
        given = {"memory": consolidated, "recent": recent}
        return tuple(Part(name, self._templates.render(name, text=text)) for name, text in given.items() if text)

    def page(self, item_index: Sequence[int], page: int, tokens: int) -> Part:
        """Return the part that shows a page.

        Args:
            item_index: catalog positions in the order of presentation.
            page: page number within the visit, from 0; told from 1.
            tokens: most that the part may take. Descriptions are cut, all to the same length, until it fits; titles, years and
                genres always stay.
        """
        items = [self.item(item) for item in item_index]
        text = self._templates.render("page", items=items, page=page + 1, description=0)
        length = _description_length([item.description for item in items], tokens - estimate_tokens(text))
        if length:
            text = self._templates.render("page", items=items, page=page + 1, description=length)
        return Part("page", text)

    def query(self, item_index: Sequence[int]) -> str:
        """Return what to look for in memory when these items are shown: their titles and genres."""
        items = [self.item(item) for item in sorted(item_index)]
        return safe_text(" ".join(f"{item.title} {' '.join(item.genres)}" for item in items), _QUERY)

    def item(self, item_index: int) -> Item:
        """Return what templates may use of an item."""
        item = self._items.get(item_index)
        if item is None:
            catalog = self._catalog
            item = self._items[item_index] = Item(
                title=str(catalog.title[item_index]),
                year=max(int(catalog.year[item_index]), 0),
                genres=tuple(catalog.genres_of(item_index)),
                description="" if catalog.description is None else str(catalog.description[item_index] or ""),
            )
        return item

    def questions(self, item_index: Sequence[int]) -> tuple[Question, ...]:
        """Return all that is asked about a page; pages that are asked about alike share the tuple.

        First ``click_1`` to ``click_COUNT``, then ``stars_1`` to ``stars_COUNT``, then ``satisfaction`` and ``leave``.

        Args:
            item_index: catalog positions in the order of presentation.
        """
        # Questions by number are the same for all pages of a size; leads name the items.
        leads = self._templates.has_leads and self._elicitation == "forced"
        page = tuple(item_index) if leads else (-1,) * len(item_index)
        if page not in self._questions:
            say, told = self._templates.say, [self.item(item) for item in page] if leads else [None] * len(page)
            numbered = list(enumerate(told, 1))
            self._questions[page] = (
                *(yes_no(f"click_{n}", say("questions.click", number=n), self._lead("click", n, item)) for n, item in numbered),
                *(
                    score(f"stars_{n}", say("questions.stars", number=n), LEVELS, self._lead("stars", n, item))
                    for n, item in numbered
                ),
                score("satisfaction", say("questions.satisfaction"), LEVELS, say("leads.satisfaction") if leads else ""),
                yes_no("leave", say("questions.leave"), say("leads.leave") if leads else ""),
            )
        return self._questions[page]

    def _lead(self, macro: str, number: int, item: Item | None) -> str:
        return "" if item is None else self._templates.say(f"leads.{macro}", number=number, item=item)

    def _told(self, user_index: int) -> list[tuple[Item, float | None]]:
        """Return the latest ratings of a user, with stars or None where there are none."""
        if self._history is None or not self._most_told:
            return []
        items, stars = self._history.of(user_index)
        latest = zip(items[-self._most_told :].tolist(), stars[-self._most_told :].tolist(), strict=True)
        return [(self.item(item), None if isnan(given) else given) for item, given in latest]

    def room(self, user_index: int, count: int, tokens: int) -> int:
        """Return how many of a prompt's tokens are left for ``count`` items and for memories; may be negative."""
        if count not in self._tokens:
            bare = Ask(Prompt((self.rules,)), self.questions([-1] * count))
            system = prepare(bare, self._elicitation).messages[0].content
            headings = sum(estimate_tokens(part.text) for part in self.memory(" ", " "))
            self._tokens[count] = estimate_tokens(system) + headings
        return tokens - self._tokens[count] - estimate_tokens(self.persona(user_index).text)


def _description_length(descriptions: Sequence[str], tokens: int) -> int:
    """Return the longest length, in characters, to which all descriptions can be cut to fit; 0 leaves them out."""
    told = [description for description in descriptions if description]
    for length in _DESCRIPTION_LENGTHS if told else ():
        if sum(estimate_tokens(_BETWEEN + safe_text(description, length)) for description in told) <= tokens:
            return length
    return 0
