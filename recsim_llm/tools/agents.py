"""What all agents have in common: a model that asks for tools page by page, all visitors of a batch in step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, ModelReplyError
from recsim_llm.language.base.questions import Prompt
from recsim_llm.recommenders.scoring import chunks
from recsim_llm.recommenders.wrapping import Candidates, Wrapper
from recsim_llm.tools.agent_prompts import Visitors, Way
from recsim_llm.tools.budgets import BudgetSettings
from recsim_llm.tools.catalog_tools import CatalogTools, Desk
from recsim_llm.tools.journal import Journal
from recsim_llm.tools.sessions import Session, Steps
from recsim_llm.tools.tool_arguments import ANSWER, Tool

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Agent", "AgentSettings"]

_REMEDY = "name one: --set models.policy=provider/name, for instance scripted/agent, a stand-in"
_NOTE = "actions of agents"


class AgentSettings(FrozenSettings):
    """Settings of every agent."""

    base: str = "mf"
    """Name of the recommender that the tool ``rank`` ranks by and that fills pages, or ``module:class``."""
    actions: Literal["auto", "native", "json"] = "auto"
    """How the model asks for tools: ``native``, by calls of their own; ``json``, in words; ``auto`` takes calls where a probe
    found that the model makes them."""
    history: int = Field(default=20, ge=1)
    """Most entries of a visitor's history that the model is told, the latest ones."""
    reply_tokens: int = Field(default=600, ge=50, le=8000)
    """Most tokens of one reply."""
    budget: BudgetSettings = BudgetSettings()
    """What a page may use up; where it is used up, the page is filled from the candidates, then from the base."""
    base_settings: dict[str, Any] = Field(default_factory=dict)
    """The base's settings, by name."""


class Agent(Wrapper):
    """Lets a language model look things up with catalog tools before it fills a page; subclasses say how it goes about it.

    Tools write what they find on a list of candidates, of which the model sees the number and the first few; it ends with ids
    of candidates. Ids that are none, or that it gives twice, are counted and not shown. Positions that it leaves open, and all
    where its budget ends, are filled from the candidates and then by the base recommender, which is counted too. Everything
    that it does is in the table ``tool_calls`` of a run.

    Each visitor has a chat of its own, so that nothing in the words of one, nor in an item that one of them came upon, gets
    into that of another. Slates are certain where the base's are.

    A run gives it the model of the role ``policy``, and who is whose friend where users have friends.

    Raises:
        ConfigError: the base is unknown, does not take its settings, or knows the truth.
    """

    reads_text = True
    Settings: type[AgentSettings] = AgentSettings
    _kind = "agent"
    _paths = False

    def __init__(self, settings: AgentSettings | None = None) -> None:
        super().__init__()
        self.settings: Any = self.Settings.given(settings)
        self._model: LanguageModel | None = None
        self._base = self._open(f"{self._kind}, base", self.settings.base, self.settings.base_settings)
        self._friends: Mapping[int, tuple[int, ...]] | None = None
        self._journal = Journal()

    def consult(self, model: LanguageModel) -> None:
        """Take in the model that is to be asked; to be called before ``fit``."""
        self._model = model
        self._consult(model)

    def befriend(self, friends: Mapping[int, tuple[int, ...]]) -> None:
        """Take in outside ids of each user's friends; to be called before ``fit``."""
        self._friends = friends

    def keep_tool_calls(self) -> Callable[[IntArray, IntArray, IntArray], Mapping[str, npt.NDArray[Any]]]:
        """Keep every call of a tool from now on; return what hands over those of pages, by user, visit and page."""
        self._journal.begin()
        return self._journal.take

    def most_asked(self) -> tuple[int, int, int]:
        """Return the most calls for a page, and the most tokens that these read and write."""
        calls = min(self._most_calls(), self.settings.budget.calls)
        return calls, self.settings.budget.tokens, calls * self.settings.reply_tokens

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Fit the base recommender, and set up the tools.

        Raises:
            ConfigError: there is no model, or it does not ask for tools as the settings want.
        """
        self._way = self._chosen_way()
        super().fit(catalog, ratings, seed)
        self._tools = CatalogTools(catalog, ratings, self._friends)
        self._visitors = Visitors(catalog, ratings, self.settings.history)

    def restock(self, catalog: Catalog) -> None:
        """Take in what is on sale from now on."""
        super().restock(catalog)
        self._tools.restock(catalog)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Return the page that each visitor's agent ends with.

        Raises:
            ConfigError: not fitted, or fewer than ``k`` items are on sale.
            RecSimError: the model failed; raised after all of these requests have ended.
        """
        self._check_size(k)
        item = np.empty((len(requests.user_id), k), np.int64)
        certain = np.empty(len(item), np.bool_)
        for rows, part in chunks(requests, len(self._known.catalog)):
            ranked = self._retrieve(self._base, part, len(self._known.catalog))
            certain[rows] = ranked.certain
            item[rows] = self._pages(part, ranked, k)
        whole = np.where(certain, 1.0, np.nan)
        by_slot: FloatArray = np.repeat(whole[:, None], k, axis=1).astype(np.float32)
        return Slates(self._known.catalog.item_id[item], by_slot, by_slot, whole)

    def _pages(self, requests: Requests, ranked: Candidates, k: int) -> IntArray:
        """Return int64 [u, k]: pages by catalog position."""
        sessions = [self._session(requests, row, ranked, k) for row in range(len(requests.user_id))]
        self._play(sessions)
        pages = []
        for row, session in enumerate(sessions):
            page, rows = session.page(k)
            user, visit, number = (int(column[row]) for column in (requests.user_id, requests.visit, requests.page))
            self._journal.write(user, visit, number, rows)
            pages.append(page)
        return np.array(pages, np.int64).reshape(len(sessions), k)

    def _session(self, requests: Requests, row: int, ranked: Candidates, k: int) -> Session:
        desk = Desk(int(requests.user_id[row]), *_ordered(ranked, row, len(self._known.catalog)))
        task = f"{self._visitors.told(requests, row)}\n\nThe page has {k} position{'' if k == 1 else 's'}."
        tools: Sequence[Tool] = (*self._tools.tools, ANSWER)
        settings = self.settings
        return Session(
            self._tools,
            desk,
            tools,
            f"{self._task()}\n\n{task}",
            way=self._way,
            paths=self._paths,
            budget=settings.budget,
            reply_tokens=settings.reply_tokens,
            context=self._asked().context,
        )

    def _play(self, sessions: Sequence[Session]) -> None:
        """Play all agents in step: each asks its next question, all of them are put to the model at once."""
        playing = {row: self._steps(session) for row, session in enumerate(sessions)}
        replies: dict[int, str | ModelReplyError | None] = dict.fromkeys(playing)
        while playing:
            prompts: dict[int, Prompt] = {}
            for row, steps in list(playing.items()):
                try:
                    reply = replies[row]
                    prompts[row] = next(steps) if reply is None else steps.send(reply)
                except StopIteration:
                    del playing[row]
            if prompts:
                replies = dict(zip(prompts, self._ask(prompts, sessions), strict=True))

    def _ask(self, prompts: Mapping[int, Prompt], sessions: Sequence[Session]) -> list[str | ModelReplyError]:
        # The models' room is heavy, and most who import recommenders ask none.
        from recsim_llm.language.calls.acting import Acting
        from recsim_llm.language.calls.model import Writing

        most, subjects = self.settings.reply_tokens, [str(sessions[row].desk.user_id) for row in prompts]
        pairs = list(zip(prompts.values(), subjects, strict=True))
        if self._way == "native":
            return self._asked().act_each([Acting(prompt, most, subject) for prompt, subject in pairs])
        return self._asked().write_each([Writing(prompt, most, subject=subject) for prompt, subject in pairs])

    def _most_calls(self) -> int:
        """Return how many calls of the model a page takes where the budget allows them. For subclasses."""
        raise NotImplementedError

    def _task(self) -> str:
        """Return how the agent is told to go about it. For subclasses."""
        raise NotImplementedError

    def _steps(self, session: Session) -> Steps:
        """Play one agent: yield prompts, take replies. For subclasses."""
        raise NotImplementedError

    def _asked(self) -> LanguageModel:
        if self._model is None:
            raise ConfigError(f"{self._kind}: got no language model for the role policy, expected one; {_REMEDY}")
        return self._model

    def _chosen_way(self) -> Way:
        """Return how the model asks for tools; a run that goes on keeps to what it began with."""
        model, wanted = self._asked(), self.settings.actions
        if wanted == "native" and not model.tools:
            raise ConfigError(
                f"{self._kind}: got actions native for {model.name}, which was not found to call tools, expected auto or json; "
                "take one of these, or probe the model again"
            )
        if wanted != "auto":
            return "native" if wanted == "native" else "json"
        return "native" if model.note(_NOTE, "native" if model.tools else "json") == "native" else "json"


def _ordered(ranked: Candidates, row: int, items: int) -> tuple[IntArray, BoolArray]:
    """Return the base's order with what was seen at its end, int64 [s], and bool [n] what may be shown."""
    order, seen = ranked.item_index[row], ranked.seen[row]
    allowed = np.zeros(items, np.bool_)
    allowed[order[~seen]] = True
    return order[np.argsort(seen, kind="stable")], allowed
