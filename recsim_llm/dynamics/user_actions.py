"""What users do beyond clicks, rating and leaving: drawn with dice of their own, page by page.

Every draw hangs on (seed, user, visit, page, slot) and a purpose of its own, so that an action that is switched on changes
another one's draws by what is then shown alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, TextArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.pages import ACTIONS, Pages, probability
from recsim_llm.dynamics.action_settings import ActionSettings, LikingSettings, RefusalSettings, SearchSettings
from recsim_llm.dynamics.intents import draw_genre, genre_chances
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.population.personas import Population

__all__ = ["BACK", "RECOMMENDED", "SEARCHED", "Actions", "Acts", "Asked", "typed_title"]

RECOMMENDED, SEARCHED, BACK = range(3)
"""How a page comes about."""
_SEARCHERS = ("look_for", "gift")
_SEARCHING = 0.5
_NEUTRAL = np.float32(3.0)
_YEAR = re.compile(r"\s*\(\d{4}\)\s*$")


class Asked(NamedTuple):
    """How pages come about."""

    how: npt.NDArray[np.int8]
    """int8 [u]: ``RECOMMENDED``, ``SEARCHED`` or ``BACK``."""
    query: TextArray
    """str [u]: what is searched for, None where nothing is."""
    only_genre: IntArray
    """int64 [u]: genre to which the page is restricted, -1 for none."""
    begins: BoolArray
    """bool [u]: whether it is from this page on."""
    excused: IntArray
    """int64 [u]: blank slots that are nobody's fault."""


class Acts(NamedTuple):
    """What users did with the items of pages."""

    did: npt.NDArray[np.uint8]
    """uint8 [u, k]: a bit for each of ``ACTIONS``."""
    chance: FloatArray
    """float32 [u, k, a]: how likely each of ``ACTIONS`` was, 0 where it was out of the question."""

    def done(self, action: str) -> BoolArray:
        """Return bool [u, k]: with which items users did this."""
        done: BoolArray = (self.did & np.uint8(1 << ACTIONS.index(action))) != 0
        return done


class Actions:
    """Draws what users do beyond clicks, rating and leaving.

    Args:
        settings: what they may do.
        catalog: the items.
        population: the users; what they search for is drawn by their tastes.
        seed: of the run.
        intents: names of what visits are for, by number; empty where nobody says.
        write: puts what is searched for into words, as ``WritesQueries.write_queries``; None: names and titles as they are.

    Raises:
        ConfigError: searches are more frequent with an intent that there is not.
    """

    def __init__(
        self,
        settings: ActionSettings,
        catalog: Catalog,
        population: Population,
        seed: int,
        *,
        intents: Sequence[str] = (),
        write: Callable[[IntArray, IntArray], list[str]] | None = None,
    ) -> None:
        self.settings, self._seed, self._user_id = settings, seed, population.user_id
        self._genre_upto = genre_chances(population)
        self._genres = [name.casefold() for name in catalog.genre_names]
        self._title = [typed_title(title).casefold() for title in catalog.title]
        weight = catalog.popularity.astype(np.float64) + 1
        places = [np.flatnonzero(catalog.genres[:, genre]) for genre in range(len(self._genres))] or [np.arange(len(catalog))]
        self._places = [(place.tolist(), np.cumsum(weight[place])) for place in places]
        self._write = self._typed if write is None else write
        self._search_share = None if settings.search is None else _search_shares(settings.search, intents)

    def ask(
        self,
        users: IntArray,
        visit: IntArray,
        page: IntArray,
        *,
        intent: IntArray,
        genre: IntArray | None,
        only_genre: IntArray,
        lookable: BoolArray,
    ) -> Asked:
        """Return how the next pages of these users come about.

        Args:
            users: int64 [m]: user indices.
            visit: int64 [m].
            page: int64 [m].
            intent: int64 [m]: numbers of what the visits are for; of no meaning where nobody says.
            genre: int64 [m]: what they are about; None where nobody says, so that it is drawn by taste.
            only_genre: int64 [m]: genre to which the visits are restricted by now, -1 for none.
            lookable: bool [m]: whether there is anything left on the page before.
        """
        how = np.full(len(users), RECOMMENDED, np.int8)
        query = np.full(len(users), None, object)
        if self._search_share is not None:
            searching = self._dice("search", users, visit, page) < self._search_share[intent]
            how[searching] = SEARCHED
        if self.settings.back is not None:
            back = (self._dice("back", users, visit, page) < self.settings.back.share) & (page > 0) & lookable
            how[back] = BACK
        rows = np.flatnonzero(how == SEARCHED)
        if rows.size:
            query[rows] = self._queries(users[rows], visit[rows], page[rows], None if genre is None else genre[rows])
        begins = np.zeros(len(users), np.bool_)
        if self.settings.filter is not None and self._genres:
            drawn = self._dice("filter", users, visit, page) < self.settings.filter.share
            begins = drawn & (page > 0) & (only_genre < 0) & (how == RECOMMENDED)
            wanted = self._wanted("filter genre", users, visit, page) if genre is None else genre
            only_genre = np.where(begins, wanted, only_genre)
        return Asked(how, query, only_genre, begins, np.zeros(len(users), np.int64))

    def _wanted(self, purpose: str, users: IntArray, visit: IntArray, page: IntArray) -> IntArray:
        """Return int64 [m]: a genre by the user's own taste."""
        return draw_genre(self._genre_upto[users], self._dice(purpose, users, visit, page))

    def _queries(self, users: IntArray, visit: IntArray, page: IntArray, genre: IntArray | None) -> list[str]:
        """Return what is typed to find a genre, or an item of it by its title, popular ones more often."""
        if genre is None:
            genre = self._wanted("search genre", users, visit, page)
        assert self.settings.search is not None
        by_title = self._dice("search by title", users, visit, page) < self.settings.search.titles
        dice = self._dice("search title", users, visit, page)
        whole = zip(genre.tolist(), by_title.tolist(), dice.tolist(), strict=True)
        return self._write(genre, np.array([self._item(*row) for row in whole], np.int64))

    def _item(self, genre: int, by_title: bool, dice: float) -> int:
        """Return which item is wanted by its title, -1 for anything of the genre."""
        place, upto = self._places[genre]
        if not len(place) or not (by_title or not self._genres):
            return -1
        return place[min(int(np.searchsorted(upto, dice * upto[-1], side="right")), len(place) - 1)]

    def _typed(self, genre: IntArray, item: IntArray) -> list[str]:
        """Return the names and titles of what is wanted."""
        names = self._genres or [""]
        return [self._title[one] if one >= 0 else names[of] for of, one in zip(genre.tolist(), item.tolist(), strict=True)]

    def act(self, feedback: Feedback) -> Acts:
        """Return what users do with the items of a page, given what they clicked and think of it."""
        shown, clicked = feedback.pages.item_index >= 0, feedback.clicked
        chance = np.zeros((*clicked.shape, len(ACTIONS)), np.float32)
        did = np.zeros(clicked.shape, np.uint8)
        passed = shown & feedback.examined & ~clicked
        log_odds = feedback.decisions.click_log_odds
        stars = np.nan_to_num(feedback.by_slot(feedback.rating), nan=float(_NEUTRAL))
        for number, action in enumerate(ACTIONS):
            settings = getattr(self.settings, action)
            if settings is None:
                continue
            if isinstance(settings, RefusalSettings):
                likely = np.where(passed, _refusal(settings, log_odds), 0)
            else:
                saved = _bit(did, "save") if action == "purchase" else None
                likely = np.where(clicked, _liking(settings, stars, saved), 0)
            chance[:, :, number] = likely
            did |= (self._slot_dice(action, feedback) < likely).astype(np.uint8) << np.uint8(number)
        return Acts(did, chance)

    def whom(self, pages: Pages, row: IntArray, slot: IntArray) -> DoubleArray:
        """Return float64 [s]: uniform dice that say to which friend items at these rows and slots of pages are sent."""
        columns = (self._user_id[pages.user_index[row]], pages.visit[row], pages.page[row], slot)
        return keyed.uniform(keyed.words(self._seed, "share with", *columns))

    def _slot_dice(self, purpose: str, feedback: Feedback) -> DoubleArray:
        pages, slots = feedback.pages, np.arange(feedback.clicked.shape[1])
        columns = (self._user_id[pages.user_index][:, None], pages.visit[:, None], pages.page[:, None], slots)
        return keyed.uniform(keyed.words(self._seed, purpose, *columns))

    def _dice(self, purpose: str, users: IntArray, visit: IntArray, page: IntArray) -> DoubleArray:
        return keyed.uniform(keyed.words(self._seed, purpose, self._user_id[users], visit, page))


def typed_title(title: object) -> str:
    """Return a title as users type it, without the year in brackets that some catalogs add."""
    return _YEAR.sub("", str(title))


def _bit(did: npt.NDArray[np.uint8], action: str) -> BoolArray:
    return Acts(did, np.empty(0, np.float32)).done(action)


def _refusal(settings: RefusalSettings, click_log_odds: FloatArray) -> FloatArray:
    return probability(np.float32(settings.log_odds) - np.float32(settings.slope) * click_log_odds)


def _liking(settings: LikingSettings, stars: FloatArray, saved: BoolArray | None) -> FloatArray:
    log_odds = np.float32(settings.log_odds) + np.float32(settings.per_star) * (stars - _NEUTRAL)
    if saved is not None:
        log_odds = log_odds + np.where(saved, np.float32(getattr(settings, "saved", 0.0)), np.float32(0))
    return probability(log_odds)


def _search_shares(settings: SearchSettings, intents: Sequence[str]) -> DoubleArray:
    """Return float64 [i]: how often a page is a search, by the number of the intent."""
    if settings.intents is not None:
        for name in settings.intents:
            if name not in intents:
                expected = one_of(name, list(intents)) if intents else "none, since visits have no intent"
                raise ConfigError(f"actions.search.intents: got {name!r}, expected {expected}")
    own = dict.fromkeys(_SEARCHERS, _SEARCHING) if settings.intents is None else settings.intents
    return np.array([own.get(name, settings.share) for name in intents or ("",)])
