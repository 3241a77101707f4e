"""Language users on a stand-in model: a model that answers by a script at once or when it is told to, and keeps its asks."""

import threading
from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np

from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Pages
from recsim_llm.language.backends.scripted import distribution, resolve_script
from recsim_llm.language.base.questions import Answer
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.recommenders import LanguageRanker

GENRES = ("Comedy", "Crime", "Drama", "Horror", "War")
TYPICAL = {"activity": 50, "conformity": 1, "diversity": 5, "rating_mean": 3.5, "rating_spread": 1, "mainstreamness": 0.9}


class FakeModel:
    """Answers by a script; with ``hold`` only when ``release`` names the ask."""

    name = "scripted/fake"
    elicitation = "decision"
    context = None
    one_by_one = False

    def __init__(self, script="genres", hold=False, failing=()):
        self.asks = []
        self.futures = []
        self._script = resolve_script(script) if isinstance(script, str) else script
        self._hold = hold
        self._failing = dict(failing)
        self._lock = threading.Lock()

    def noted(self, name):
        return None

    def submit(self, asks):
        with self._lock:
            first = len(self.asks)
            self.asks += asks
            futures = [Future() for _ in asks]
            self.futures += futures
        if not self._hold:
            self.release(range(first, first + len(asks)))
        return futures

    def ask(self, asks):
        return [future.result() for future in self.submit(asks)]

    def ask_each(self, asks):
        errors = [future.exception() for future in self.submit(asks)]
        futures = self.futures[len(self.futures) - len(errors) :]
        return [error or future.result() for error, future in zip(errors, futures, strict=True)]

    def fail_next(self, error):
        self._failing[len(self.asks)] = error

    def release(self, numbers):
        for number in numbers:
            if number in self._failing:
                self.futures[number].set_exception(self._failing.pop(number))
            else:
                self.futures[number].set_result(self._reply(self.asks[number]))

    def _reply(self, ask):
        text = text_of(ask)
        answers = tuple(Answer(question, distribution(self._script, text, question)) for question in ask.questions)
        return SimpleNamespace(answers=answers, cached=False, attempts=1)

    @property
    def texts(self):
        return [text_of(ask) for ask in self.asks]


def text_of(ask):
    return "\n\n".join(part.text for part in ask.prompt.parts)


def page_of(ask):
    """Return the lines between the page marks."""
    text = ask.prompt.parts[-1].text
    return text[text.index("<page>\n") + 7 : text.rindex("\n</page>")].split("\n")


def films(items=40, description=None):
    return Catalog.from_columns(
        item_id=np.arange(items) * 7 + 5,
        title=[f"Film {number}" for number in range(items)],
        genres=[sorted({GENRES[item % 5], GENRES[item // 5 % 5]}) for item in range(items)],
        year=1980 + np.arange(items),
        popularity=1 + np.arange(items) % 9,
        description=description,
    )


def people(users=12):
    traits = TYPICAL | {"patience": 30, "pickiness": 0.4, "position_bias": 1}
    table = np.tile(np.array([traits[trait.name] for trait in TRAITS], np.float32), (users, 1))
    table[:, [trait.name for trait in TRAITS].index("rating_mean")] = 2.5 + np.arange(users) % 5 / 2
    return Population(
        user_id=np.arange(users) * 3 + 100,
        traits=table,
        genre_names=GENRES,
        taste=np.random.default_rng(4).normal(size=(users, len(GENRES))).astype(np.float32),
    )


def build_users(model=None, catalog=None, population=None, rows=4, slots=5, seed=7, **parameters):
    """Return language users of which the first ``rows`` have begun a first visit in the row of their number."""
    users = LanguageUsers(
        catalog or films(),
        population or people(),
        model or FakeModel(),
        parameters=LanguageParameters.from_settings(parameters),
        seed=seed,
    )
    users.allocate(rows, slots)
    users.begin(slice(None), np.arange(rows), False)
    return users


def pages(items, rows=slice(None), visit=0, page=0, who=None):
    items = np.asarray(items, np.int64)
    who = np.arange(len(items)) if who is None else np.asarray(who)
    return Pages(rows, who, np.full(len(items), visit), np.full(len(items), page), items)


def taking(users, shown, taken, stars):
    """Decide a batch of pages and update with one clicked position a page (-1: none); return the mood."""
    users.decide(shown)
    taken, slots = np.asarray(taken), shown.item_index.shape[1]
    row = np.flatnonzero(taken >= 0)
    return users.update(shown, row * slots + taken[row], row, np.asarray(stars, np.float32)[row])


def language_ranker(model, **settings):
    """Return a language ranker of these settings that asks this model."""
    ranker = LanguageRanker(LanguageRanker.Settings(**settings))
    ranker.consult(model)
    return ranker
