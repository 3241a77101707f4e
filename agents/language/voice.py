"""Voices: simulated users put into words what they did, after it is done, and answer a questionnaire about a visit.

Nothing here decides anything. A decision is told as settled and text is written from it, when somebody asks for it; a run is
the same whether or not its users ever speak. The model is not told which recommender a page came from. A judge that sees
nothing but a review says how many stars its writer gives: that is how a writer who contradicts the decisions is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import Item, PromptWriter
from recsim_llm.agents.language.questionnaire import STATEMENTS, Statement
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.errors import ConfigError, ModelReplyError
from recsim_llm.language.base.questions import Answer, Ask, Part, Prompt, Question, score
from recsim_llm.language.calls.writing import Writing
from recsim_llm.population.personas import Population

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["SPEECH_FILES", "Judge", "Moment", "ShownItem", "ShownPage", "Voice", "each_or_none"]

SPEECH_FILES: Mapping[str, tuple[str, ...]] = {
    "interview": ("rules", *(statement.key for statement in STATEMENTS)),
    "judge": ("review", "rules", "stars"),
    "reason": ("left", "rules", "taken"),
    "review": ("decision", "rules"),
    "visit": ("visit",),
}
"""Templates that speech needs beside the persona's. They are apart from those of decisions: speech changes no run."""

Asked = TypeVar("Asked")
Got = TypeVar("Got")

_MAX_TOKENS = 300
_PAGES = 10  # the last pages of a visit that are told one by one
_PASSED, _PASSED_LAST = 3, 12  # titles passed over that are named, of an earlier page and of the last one


class ShownItem(NamedTuple):
    """An item on a page, and what became of it."""

    item_index: int
    """Position in the catalog."""
    taken: bool
    """It was clicked."""
    stars: float | None = None
    """Stars given; None: not rated."""
    watched: float | None = None
    """Share watched, 0 to 1; None: not taken, or not known."""


class ShownPage(NamedTuple):
    """A page of a visit."""

    page: int
    """Page number within the visit, from 0."""
    items: tuple[ShownItem, ...]
    """Its items by position, blank slots left out."""
    left: bool
    """The user ended the visit after it."""


class Moment(NamedTuple):
    """What somebody speaks about: a visit up to a page."""

    user_index: int
    """Position in the population."""
    visit: int
    """Visit number, from 0."""
    pages: tuple[ShownPage, ...]
    """The visit's pages so far, at least one; the last one is spoken about."""
    chosen: ShownItem | None = None
    """The item of a review, one of the last page; None for a reason or an interview."""
    goes_on: bool = False
    """The visit is not over after the last page: nothing is said of its end."""


class Voice:
    """Puts what users did into words.

    Texts are the model's likeliest, so that the same decision is put into the same words. What a model refuses to say, or says
    in a way that cannot be read although it was told so, is None; the calls file tells the cause. Nothing is put in its place.
    Whoever asks for it again pays again; everything else is found in the calls file of the model.

    Args:
        writer: writes texts and answers questionnaires.
        catalog: the items; their text is data.
        population: the users.
        templates: language of the prompts: a shipped one, or a folder with ``SPEECH_FILES`` and the templates of decisions.
        written: personas that a model wrote, by user index, where the users decided with these.

    Raises:
        ConfigError: templates are missing or faulty.
    """

    def __init__(
        self,
        writer: LanguageModel,
        catalog: Catalog,
        population: Population,
        templates: str = "en",
        *,
        written: Mapping[int, str] | None = None,
    ) -> None:
        self._writer = writer
        self._user_id = population.user_id
        self._prompts = PromptWriter(catalog, population, Templates(templates), writer.elicitation, written=written)
        self._templates = Templates(templates, SPEECH_FILES)
        self.fingerprint = self._templates.fingerprint
        """32 hexadecimal digits over all templates of speech and their versions."""
        self._rules = {file: Part("rules", self._templates.say(f"{file}.rules")) for file in ("review", "reason", "interview")}
        words = [(statement, self._templates.say(f"interview.{statement.key}")) for statement in STATEMENTS]
        self.statements: tuple[tuple[Statement, str], ...] = tuple(words)
        """The questionnaire: each statement with its words."""
        self._questions: tuple[Question, ...] = tuple(score(statement.key, text) for statement, text in words)

    def reviews(self, moments: Sequence[Moment]) -> list[str | None]:
        """Return a review of one to three sentences for each chosen item, in agreement with the stars given.

        Raises:
            ConfigError: a moment has no chosen item.
            RecSimError: the model could not be asked, see ``LanguageModel.write``.
        """
        return each_or_none(self._writer.write, [self._review(moment) for moment in moments])

    def reasons(self, moments: Sequence[Moment]) -> list[str | None]:
        """Return why each visit was ended after its last page or, if it was not, why that page's items were taken.

        Raises:
            ConfigError: a moment's last page neither ended the visit nor had an item taken.
            RecSimError: the model could not be asked, see ``LanguageModel.write``.
        """
        return each_or_none(self._writer.write, [self._reason(moment) for moment in moments])

    def interviews(self, moments: Sequence[Moment]) -> list[tuple[Answer, ...] | None]:
        """Return for each visit the answers to ``statements``, in order: probabilities of the levels 1 to 5, nothing drawn.

        Raises:
            RecSimError: the model could not be asked, see ``LanguageModel.ask``.
        """
        return _answers(self._writer, [self._interview(moment) for moment in moments])

    def speak(self, feedback: Feedback) -> list[str | None]:
        """Return a review of every clicked slot of a batch of pages, in the order of ``feedback.slot``.

        Earlier pages of the visits are not known here and are not told.

        Raises:
            RecSimError: the model could not be asked, see ``LanguageModel.write``.
        """
        pages, slots = feedback.pages, feedback.clicked.shape[1]
        columns = zip(feedback.slot.tolist(), feedback.given.tolist(), feedback.watched.tolist(), strict=True)
        shown: dict[int, dict[int, ShownItem]] = {}
        for slot, stars, watched in columns:
            row, position = divmod(slot, slots)
            known = None if np.isnan(stars) else stars
            shown.setdefault(row, {})[position] = ShownItem(int(pages.item_index[row, position]), True, known, watched)
        moments = []
        for row, taken in shown.items():
            line = enumerate(pages.item_index[row].tolist())
            items = tuple(taken.get(position, ShownItem(item, False)) for position, item in line if item >= 0)
            page = ShownPage(int(pages.page[row]), items, bool(feedback.left[row]))
            moment = Moment(int(pages.user_index[row]), int(pages.visit[row]), (page,))
            moments += [moment._replace(chosen=item) for item in taken.values()]
        return self.reviews(moments)

    def _review(self, moment: Moment) -> Writing:
        chosen = moment.chosen
        if chosen is None:
            raise ConfigError("a review: got a moment without a chosen item, expected one of the last page's items")
        watched = None if chosen.watched is None else round(100 * chosen.watched)
        item = self._prompts.item(chosen.item_index)
        told = self._templates.say("review.decision", item=item, stars=_stars(chosen.stars), watched=watched)
        earlier = [self._visit(moment.pages[:-1], "")] if len(moment.pages) > 1 else []
        return self._writing("review", moment, [*earlier, Part("decision", told)])

    def _reason(self, moment: Moment) -> Writing:
        page = moment.pages[-1]
        if not page.left and not any(item.taken for item in page.items):
            raise ConfigError("a reason: got a page that was passed over and did not end the visit, expected one or the other")
        question = Part("question", self._templates.say("reason.left" if page.left else "reason.taken"))
        return self._writing("reason", moment, [self._visit(moment.pages, "left" if page.left else ""), question])

    def _interview(self, moment: Moment) -> Ask:
        visit = self._visit(moment.pages, "left" if moment.pages[-1].left else "" if moment.goes_on else "cut")
        prompt = Prompt((self._rules["interview"], self._prompts.persona(moment.user_index), visit))
        return Ask(prompt, self._questions, self._nonce(moment), self._subject(moment))

    def _writing(self, file: str, moment: Moment, parts: list[Part]) -> Writing:
        prompt = Prompt((self._rules[file], self._prompts.persona(moment.user_index), *parts))
        return Writing(prompt, _MAX_TOKENS, nonce=self._nonce(moment), subject=self._subject(moment))

    def _subject(self, moment: Moment) -> str:
        return str(self._user_id[moment.user_index])

    def _nonce(self, moment: Moment) -> str:
        return f"{self._subject(moment)} {moment.visit} {moment.pages[-1].page}"

    def _visit(self, pages: Sequence[ShownPage], ended: str) -> Part:
        """Return the part that tells a visit: its last pages one by one, of the earlier ones how many there were."""
        told, last = pages[-_PAGES:], len(pages[-_PAGES:]) - 1
        lines = [self._line(page, _PASSED_LAST if number == last else _PASSED) for number, page in enumerate(told)]
        earlier = len(pages) - len(told)
        return Part("visit", self._templates.say("visit.visit", pages=lines, earlier=earlier, ended=ended))

    def _line(self, page: ShownPage, most: int) -> dict[str, Any]:
        item = self._prompts.item
        taken = [(item(shown.item_index), _stars(shown.stars)) for shown in page.items if shown.taken]
        passed: list[Item] = [item(shown.item_index) for shown in page.items if not shown.taken]
        return {"number": page.page + 1, "taken": taken, "passed": passed[:most], "more": max(len(passed) - most, 0)}


class Judge:
    """Reads reviews and says how many stars their writers give.

    Args:
        model: answers; better not the model that wrote them.
        templates: language of the prompts.

    Raises:
        ConfigError: templates are missing or faulty.
    """

    def __init__(self, model: LanguageModel, templates: str = "en") -> None:
        self._model, self._templates = model, Templates(templates, SPEECH_FILES)
        self._rules = Part("rules", self._templates.say("judge.rules"))
        self._questions = (score("stars", self._templates.say("judge.stars")),)

    def stars(self, reviews: Sequence[str], subjects: Sequence[str]) -> list[Answer | None]:
        """Return for each review the probabilities of 1 to 5 stars; None where no answer could be had.

        Args:
            reviews: texts; they are data.
            subjects: whom each is from, for the record.

        Raises:
            RecSimError: the model could not be asked, see ``LanguageModel.ask``.
        """
        parts = [Part("review", self._templates.say("judge.review", text=text)) for text in reviews]
        pairs = zip(parts, subjects, strict=True)
        asks = [Ask(Prompt((self._rules, part)), self._questions, subject=subject) for part, subject in pairs]
        return [None if answers is None else answers[0] for answers in _answers(self._model, asks)]


def _answers(model: LanguageModel, asks: Sequence[Ask]) -> list[tuple[Answer, ...] | None]:
    return [reply and reply.answers for reply in each_or_none(model.ask, asks)]


def each_or_none(act: Callable[[Sequence[Asked]], list[Got]], asked: Sequence[Asked]) -> list[Got | None]:
    """Return what comes of each; None where the model's replies could not be read."""
    try:
        return list(act(asked))
    except ModelReplyError:
        # It failed alone; the others are in the calls file by now.
        return [_one(act, thing) for thing in asked]


def _one(act: Callable[[Sequence[Asked]], list[Got]], asked: Asked) -> Got | None:
    try:
        return act([asked])[0]
    except ModelReplyError:
        return None


def _stars(stars: float | None) -> str:
    """Return stars as text, such as ``3.5``; nothing where none were given."""
    return "" if stars is None else f"{stars:g}"
