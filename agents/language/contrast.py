"""Contrasts: what sets a user's answer apart from what anybody would answer, so that what a title gets from everyone cancels.

A small model says yes to some titles and no to others whoever it plays. ``neutral`` asks the same of a person of whom nothing
is told and takes that away, in log-odds and log-probabilities (contextual calibration: Zhao et al. 2021, "Calibrate before
use", for one neutral input; domain-conditional scoring: Holtzman et al. 2021, "Surface form competition"). ``titles`` asks no
question for clicks: how much likelier do a user's own liked titles make the next one than as many popular titles do?

Neutral answers hang on the item alone, so that all users, pages and runs that keep their calls share them. What is left has no
level of its own: a page of items that fit no better than anything gets even odds. A calibration fits the level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from recsim_llm.agents.language.language_parameters import ContrastKind
from recsim_llm.agents.language.prompt_templates import Templates
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.agents.language.rating_history import RatingHistory
from recsim_llm.core import keyed
from recsim_llm.core.arrays import IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.errors import ConfigError
from recsim_llm.language.base.questions import Answer, Ask, Part, Prompt, likelihood
from recsim_llm.log.schema import LIKE_THRESHOLD

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel, Reply

__all__ = ["NEUTRAL", "TITLE_FILES", "Contrast", "PageAsk", "open_contrast"]

TITLE_FILES = {"titles": ("heading", "line")}
"""Templates that the contrast ``titles`` needs beside those of decisions."""

NEUTRAL = "neutral"
"""Nonce of asks about nobody, by which a calls file tells what they cost."""

_DRAWS = 2
_SEED = 1  # Neutral histories are the same in every run, so that answers can be shared.


class PageAsk(NamedTuple):
    """A page as it is put to the model."""

    ask: Ask
    """All questions about it."""
    user_index: int
    """Whose."""
    items: tuple[int, ...]
    """Catalog positions in the order of presentation."""


class Contrast(Protocol):
    """Puts pages to a model and sets the answers against neutral ones."""

    def submit(self, pages: Sequence[PageAsk]) -> list[Future[Reply]]:
        """Begin with pages and return at once; the replies hold contrasted answers in the order of the questions."""
        ...


def open_contrast(
    kind: ContrastKind,
    model: LanguageModel,
    writer: PromptWriter,
    *,
    catalog: Catalog,
    history: RatingHistory | None,
    most_told: int,
    templates: str,
) -> Contrast | None:
    """Return a contrast; None for ``none``.

    Args:
        kind: which.
        model: is asked.
        writer: of the users' prompts.
        catalog: the items.
        history: what users rated before the first page.
        most_told: titles of a user's history that ``titles`` tells.
        templates: family of the prompts.

    Raises:
        ConfigError: the model cannot be asked so, there is no history or no template for titles.
    """
    if kind == "none":
        return None
    if not model.states_chances:
        raise ConfigError(
            f"contrast {kind}: got realisation {model.elicitation} of {model.name}, expected one with log-probabilities: "
            "forced, logprobs or decision; set models.user.realisation, or users.parameters.contrast=none"
        )
    if kind == "neutral":
        return _NeutralContrast(model, writer)
    if not model.likelihoods:
        raise ConfigError(
            f"contrast titles: got {model.name}, which does not tell how probable given words are, expected a model in this "
            "process, transformers/FOLDER; take one, or set users.parameters.contrast=neutral"
        )
    if history is None or not most_told:
        raise ConfigError(
            "contrast titles: got users without a rating history, expected some ratings to tell; take users from ratings, with "
            "users.parameters.rating_history above 0, or set users.parameters.contrast=neutral"
        )
    return _TitleContrast(model, writer, catalog, history, most_told=most_told, words=Templates(templates, TITLE_FILES))


class _Shared:
    """Asks about nobody, each put to the model once."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._replies: dict[tuple[int, int], Future[Reply]] = {}

    def submit(self, wanted: Sequence[tuple[int, int]], write: Callable[[tuple[int, int]], Ask]) -> list[Future[Reply]]:
        """Return replies by name, asking for those that are not there or failed."""
        new = [name for name in dict.fromkeys(wanted) if name not in self._replies or _failed(self._replies[name])]
        self._replies |= zip(new, self._model.submit([write(name) for name in new]), strict=True)
        return [self._replies[name] for name in wanted]


class _NeutralContrast:
    """The click and stars questions, asked of nobody about each item by itself: title, year and genres."""

    def __init__(self, model: LanguageModel, writer: PromptWriter) -> None:
        self._model, self._writer, self._shared = model, writer, _Shared(model)

    def submit(self, pages: Sequence[PageAsk]) -> list[Future[Reply]]:
        replies = self._model.submit([page.ask for page in pages])
        neutral = self._shared.submit([(item, 0) for page in pages for item in page.items], self._write)
        return _joined(pages, replies, neutral, _less_neutral)

    def _write(self, name: tuple[int, int]) -> Ask:
        items = [name[0]]
        prompt = Prompt((*self._writer.opening, self._writer.page(items, 0, 0)))
        click, stars = self._writer.questions(items)[:2]
        return Ask(prompt, (click, stars), NEUTRAL)


class _TitleContrast:
    """Clicks from how much likelier a user's liked titles make a title than as many popular ones do."""

    def __init__(
        self,
        model: LanguageModel,
        writer: PromptWriter,
        catalog: Catalog,
        history: RatingHistory,
        *,
        most_told: int,
        words: Templates,
    ) -> None:
        self._model, self._writer, self._shared, self._words = model, writer, _Shared(model), words
        self._history, self._most = history, most_told
        self._popular = _neutral_histories(catalog, most_told)
        self._parts: dict[int, tuple[int, Part]] = {}

    def submit(self, pages: Sequence[PageAsk]) -> list[Future[Reply]]:
        told = [self._told(page.user_index) for page in pages]
        replies = self._model.submit([page.ask for page in pages])
        own = self._model.submit(
            [self._ask(part, page.items, page.ask.subject) for page, (_, part) in zip(pages, told, strict=True)]
        )
        names = [(item, length) for page, (length, _) in zip(pages, told, strict=True) for item in page.items]
        neutral = self._shared.submit(names, self._write)
        both = [_when_all([reply, titles], _appended) for reply, titles in zip(replies, own, strict=True)]
        return _joined(pages, both, neutral, _less_neutral_titles)

    def _told(self, user_index: int) -> tuple[int, Part]:
        if user_index not in self._parts:
            items, stars = self._history.of(user_index)
            liked = items[~(stars < LIKE_THRESHOLD)][-self._most :].tolist()
            self._parts[user_index] = len(liked), self._part(liked)
        return self._parts[user_index]

    def _part(self, items: Sequence[int]) -> Part:
        return Part("titles", "\n".join([self._words.say("titles.heading"), *map(self._line, items)]))

    def _line(self, item: int) -> str:
        return self._words.say("titles.line", item=self._writer.item(item))

    def _ask(self, part: Part, items: Sequence[int], subject: str, nonce: str = "") -> Ask:
        questions = tuple(likelihood(f"title_{number}", self._line(item)) for number, item in enumerate(items, 1))
        return Ask(Prompt((part,)), questions, nonce, subject)

    def _write(self, name: tuple[int, int]) -> Ask:
        item, length = name
        # A title that stands in the list already is likelier or less likely for that alone.
        popular = next((drawn for drawn in self._popular if item not in drawn), self._popular[-1])
        return self._ask(self._part(popular[:length]), [item], "", NEUTRAL)


def _neutral_histories(catalog: Catalog, length: int) -> list[list[int]]:
    """Return disjoint histories drawn in proportion to popularity, most of ``length``, the same in every run."""
    there = np.flatnonzero(catalog.popularity > 0)
    items: IntArray = there if len(there) >= _DRAWS * length else np.arange(len(catalog))
    chance = keyed.uniform(keyed.words(_SEED, "neutral history", catalog.item_id[items]))
    key = -np.log(chance) / np.maximum(catalog.popularity[items].astype(np.float64), 0.5)
    drawn = items[np.argsort(key, kind="stable")][: _DRAWS * length].tolist()
    return [drawn[start::_DRAWS] for start in range(_DRAWS)]


def _less_neutral(page: Sequence[Answer], neutral: Sequence[Sequence[Answer]]) -> list[Answer]:
    """Return a page's answers less the neutral ones about the same items."""
    count = len(neutral)
    clicks = [_ratio(own, other[0]) for own, other in zip(page[:count], neutral, strict=True)]
    stars = [_ratio(own, other[1]) for own, other in zip(page[count : 2 * count], neutral, strict=True)]
    return [*clicks, *stars, *page[2 * count :]]


def _less_neutral_titles(page: Sequence[Answer], neutral: Sequence[Sequence[Answer]]) -> list[Answer]:
    """Return a page's answers with clicks from the titles' likelihoods, which stand at the end."""
    count = len(neutral)
    answers, titles = page[:-count], page[-count:]
    clicks = []
    for question, own, (other,) in zip(answers[:count], titles, neutral, strict=True):
        gain = math.log(own.probabilities[0]) - math.log(other.probabilities[0])
        yes = 0.5 + 0.5 * math.tanh(0.5 * gain)
        clicks.append(Answer(question.question, (yes, 1.0 - yes)))
    return [*clicks, *answers[count:]]


def _ratio(own: Answer, other: Answer) -> Answer:
    """Divide the probabilities of one answer by those of another and let them sum to 1 again."""
    gain = np.log(own.probabilities) - np.log(other.probabilities)
    chances = np.exp(gain - gain.max())
    return Answer(own.question, tuple((chances / chances.sum()).tolist()))


def _appended(replies: Sequence[Reply]) -> Reply:
    return _reply(replies, [answer for reply in replies for answer in reply.answers])


def _reply(replies: Sequence[Reply], answers: Sequence[Answer]) -> Reply:
    attempts = sum(reply.attempts for reply in replies)
    return replies[0]._replace(answers=tuple(answers), cached=all(reply.cached for reply in replies), attempts=attempts)


def _joined(
    pages: Sequence[PageAsk],
    replies: Sequence[Future[Reply]],
    neutral: Sequence[Future[Reply]],
    contrast: Callable[[Sequence[Answer], Sequence[Sequence[Answer]]], list[Answer]],
) -> list[Future[Reply]]:
    """Return for each page a future of its answers set against those about its items."""

    def combine(all_of_it: Sequence[Reply]) -> Reply:
        page, *others = all_of_it
        answers = contrast(page.answers, [reply.answers for reply in others]) if others else page.answers
        return _reply([page], answers)

    joined, start = [], 0
    for page, reply in zip(pages, replies, strict=True):
        end = start + len(page.items)
        joined.append(_when_all([reply, *neutral[start:end]], combine))
        start = end
    return joined


def _when_all(futures: Sequence[Future[Reply]], combine: Callable[[Sequence[Reply]], Reply]) -> Future[Reply]:
    """Return a future of what is made of several replies; of several errors it raises that of the first."""
    whole: Future[Reply] = Future()
    left, lock = [len(futures)], Lock()

    def tell(_: Future[Reply]) -> None:
        with lock:
            left[0] -= 1
            ended = not left[0]
        if ended:
            try:
                whole.set_result(combine([future.result() for future in futures]))
            # Belongs to whoever waits, whatever it is: a callback's own error would be lost, and the wait would never end.
            except Exception as error:
                whole.set_exception(error)

    for future in futures:
        future.add_done_callback(tell)
    return whole


def _failed(reply: Future[Reply]) -> bool:
    return reply.done() and reply.exception() is not None
