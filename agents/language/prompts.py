"""Prompts of language users: parts in the order of how seldom they change, written once and reused.

Rules and examples are the same for everybody, a persona for the user's life; what was consolidated in memory changes now and
then, what is recalled and the page each time. So servers can reuse what they computed for all before the first difference.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import NamedTuple

from recsim_llm.agents.language.prompt_budget import PromptBudget
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ConfigError
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.base.questions import Ask, Elicitation, Part, Prompt, Question, score, yes_no
from recsim_llm.language.base.safe_text import safe_text
from recsim_llm.language.base.tokens import estimate_tokens
from recsim_llm.population.persona_text import demographic_facts, render_persona, taste_words, trait_thirds
from recsim_llm.population.personas import Population

__all__ = ["LEVELS", "LONGEST_DESCRIPTION", "Item", "PromptWriter"]

LEVELS = 5
"""Levels of stars and of satisfaction."""

_QUERY = 4000  # characters
LONGEST_DESCRIPTION = 200
"""Characters of an item's description that a page tells where there is room for all of them."""
_DESCRIPTION_LENGTHS = (LONGEST_DESCRIPTION, 160, 120, 80, 40)  # characters
_BETWEEN = " | "
_ANY_LENGTH = 1 << 30
_TYPICAL_ITEMS, _TYPICAL_USERS = 50, 20  # by which the lengths of an ordinary page and of personas are estimated


class Item(NamedTuple):
    """What templates may use of an item, as the catalog has it: pass texts through the ``data`` filter."""

    title: str
    """Display title."""
    year: int
    """Release year; 0 means unknown."""
    genres: tuple[str, ...]
    """Genre names."""
    description: str
    """Prose, after what the item's picture or sound shows; empty means that there is neither."""


class PromptWriter:
    """Writes the parts of prompts and the questions of a page.

    Args:
        catalog: the items; their text is data and stays on its line.
        population: the users.
        templates: the words.
        elicitation: how decisions are asked for; answer formats differ in length.
        history: what users rated before; None tells none of it.
        budget: what bounds the prompts.
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
        budget: PromptBudget = PromptBudget(),  # noqa: B008
        written: Mapping[int, str] | None = None,
    ) -> None:
        self._history, self.budget, self._written = history, budget, written or {}
        self._catalog = catalog
        self._population = population
        self._templates = templates
        self._elicitation = elicitation
        self._personas: dict[int, tuple[Part, int]] = {}
        self._items: dict[int, Item] = {}
        self._questions: dict[tuple[int, ...], tuple[Question, ...]] = {}
        self._fixed: dict[int, _Fixed] = {}
        self._page_size = 0
        self._persona_tokens: int | None = _ANY_LENGTH
        told = {name: templates.render(name) for name in ("rules", *(("examples",) if templates.has_examples else ()))}
        self.opening = tuple(Part(name, text) for name, text in told.items() if text or name == "rules")
        """What every prompt begins with, the same for every user and page: the rules, and examples where there are some."""

    def expect(self, page_size: int) -> None:
        """Tell how many items a page has: of a user's history as much is told from now on as leaves room for such pages."""
        if page_size != self._page_size:
            self._page_size, self._persona_tokens = page_size, None
            self._personas.clear()

    def persona(self, user_index: int) -> Part:
        """Return the part that says who a user is, the same object each time."""
        return self._introduce(user_index)[0]

    def told(self, user_index: int) -> int:
        """Return how many of a user's ratings the persona tells, the latest ones."""
        return self._introduce(user_index)[1] if self._templates.tells_history else 0

    def _introduce(self, user_index: int) -> tuple[Part, int]:
        """Return the persona, and how many ratings it tells: all that may be told, or the latest that fit."""
        if user_index in self._personas:
            return self._personas[user_index]
        tell, told = self._teller(user_index)
        room, text = self._persona_room(), tell(told)
        if told and estimate_tokens(text) > room:
            # By halving, since a longer history never takes fewer tokens.
            told = bisect_right(range(1, told + 1), room, key=lambda count: estimate_tokens(tell(count)))
            text = tell(told)
        self._personas[user_index] = Part("persona", text), told
        return self._personas[user_index]

    def _teller(self, user_index: int) -> tuple[Callable[[int], str], int]:
        """Return what makes a persona with so many of its latest ratings, and how many may be told."""
        persona = self._population.persona(user_index)
        loves, likes, avoids = taste_words(persona)
        written = self._written.get(user_index, "")
        words: dict[str, object] = {"text": written or render_persona(persona), "written": written}
        words |= {"loves": loves, "likes": likes, "avoids": avoids}
        words |= {"thirds": trait_thirds(persona), "about": demographic_facts(persona)}
        history = self._history_of(user_index)

        def tell(count: int) -> str:
            text = self._templates.render("persona", persona=persona, history=history[len(history) - count :], **words)
            return f"{written}\n{text}" if written and not self._templates.tells_sentences else text

        return tell, len(history)

    def _persona_room(self) -> int:
        """Return the tokens that a persona with its history may take beside an ordinary page and memories."""
        if self._persona_tokens is not None:
            return self._persona_tokens
        count = self._page_size
        beside = self._fixed_parts(count).tokens + self._ordinary_page(count) + self.budget.memory
        self._persona_tokens = self.most_tokens(count) - beside
        return self._persona_tokens

    def _ordinary_page(self, count: int) -> int:
        """Return the estimated tokens of a page of ``count`` items, without descriptions."""
        step = max(len(self._catalog) // _TYPICAL_ITEMS, 1)
        typical = [self.item(item) for item in range(0, len(self._catalog), step)]
        return estimate_tokens(self._templates.render("page", items=typical, page=1, description=0)) * count // len(typical)

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
                description=_prose(catalog, item_index),
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

            def ask(key: str, text: str, lead: str) -> Question:
                # Answers in the language of the words where they are asked for word by word; elsewhere they are labels.
                return yes_no(key, text, lead)._replace(options=self._templates.yes_no) if leads else yes_no(key, text)

            self._questions[page] = (
                *(ask(f"click_{n}", say("questions.click", number=n), self._lead("click", n, item)) for n, item in numbered),
                *(
                    score(f"stars_{n}", say("questions.stars", number=n), LEVELS, self._lead("stars", n, item))
                    for n, item in numbered
                ),
                score("satisfaction", say("questions.satisfaction"), LEVELS, say("leads.satisfaction") if leads else ""),
                ask("leave", say("questions.leave"), say("leads.leave") if leads else ""),
            )
        return self._questions[page]

    def _lead(self, macro: str, number: int, item: Item | None) -> str:
        return "" if item is None else self._templates.say(f"leads.{macro}", number=number, item=item)

    def _history_of(self, user_index: int) -> list[tuple[Item, float | None]]:
        """Return the latest ratings of a user, with stars or None where there are none."""
        most = self.budget.ratings
        if self._history is None or not most:
            return []
        items, stars = self._history.of(user_index)
        latest = zip(items[-most:].tolist(), stars[-most:].tolist(), strict=True)
        return [(self.item(item), None if isnan(given) else given) for item, given in latest]

    def most_tokens(self, count: int) -> int:
        """Return the most tokens of a prompt about ``count`` items, estimated."""
        return self.budget.most(count, self._fixed_parts(count).answer)

    def least_tokens(self, count: int) -> int:
        """Return the tokens of a prompt about ``count`` ordinary items with nothing that could give way, estimated.

        Of some users the persona that is longest counts.
        """
        some = range(0, len(self._population), max(len(self._population) // _TYPICAL_USERS, 1))
        persona = max((estimate_tokens(self._teller(user)[0](0)) for user in some), default=0)
        return self._fixed_parts(count).tokens + self._ordinary_page(count) + persona

    def room(self, user_index: int, count: int) -> int:
        """Return how many of a prompt's tokens are left for ``count`` items and for memories; may be negative."""
        return self.most_tokens(count) - self._fixed_parts(count).tokens - estimate_tokens(self.persona(user_index).text)

    def check(self, prompt: Prompt, count: int, model: str) -> None:
        """Refuse a prompt that the model's context cannot hold.

        Args:
            prompt: what is told.
            count: items on its page.
            model: its name.

        Raises:
            ConfigError: by the estimate it is too long.
        """
        if self.budget.context is None:
            return
        fixed = self._fixed_parts(count)
        needed = fixed.tokens + sum(estimate_tokens(part.text) for part in prompt.parts[len(self.opening) :])
        held = self.budget.holds(fixed.answer)
        if needed > held:
            fewer = max(count - 1 - (needed - held) * count // max(estimate_tokens(prompt.parts[-1].text), 1), 1)
            compact = "" if self._templates.has_leads else "the words, --set users.parameters.templates=en_compact, or "
            compact += "examples.jinja, or " if len(self.opening) > 1 else ""
            raise ConfigError(
                f"model {model}: got a prompt of about {needed:,} tokens for a page of {count}, expected at most {held:,}, "
                f"beside its answer in a context of {self.budget.context:,}; shorten {compact}the page, --slate-size {fewer}"
            )

    def _fixed_parts(self, count: int) -> _Fixed:
        """Return what rules, examples, questions and headings take in prompts about ``count`` items."""
        if count not in self._fixed:
            rules, *examples = self.opening
            bare = prepare(Ask(Prompt((rules,)), self.questions([-1] * count)), self._elicitation)
            beside = sum(estimate_tokens(part.text) for part in (*examples, *self.memory(" ", " ")))
            self._fixed[count] = _Fixed(estimate_tokens(bare.messages[0].content) + beside, bare.max_tokens)
        return self._fixed[count]


class _Fixed(NamedTuple):
    tokens: int
    """Estimated, of rules, examples, questions and the headings of memories."""
    answer: int
    """Tokens that the reply may take."""


def _prose(catalog: Catalog, item: int) -> str:
    """Return what is told of an item besides title, year and genres: first the caption, which a cut would take otherwise."""
    told = [str(column[item] or "") for column in (catalog.caption, catalog.description) if column is not None]
    return " ".join(words for words in told if words)


def _description_length(descriptions: Sequence[str], tokens: int) -> int:
    """Return the longest length, in characters, to which all descriptions can be cut to fit; 0 leaves them out."""
    told = [description for description in descriptions if description]
    for length in _DESCRIPTION_LENGTHS if told else ():
        if sum(estimate_tokens(_BETWEEN + safe_text(description, length)) for description in told) <= tokens:
            return length
    return 0
