"""A recommender at work in a run: what it takes is measured, and whoever fails is named by its arm."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from recsim_llm.conversation.acts import Dialogues, PolicyActs
from recsim_llm.conversation.conversational import ActsBegun, Conversational, RespondsLater
from recsim_llm.core.arrays import BoolArray, FloatArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.errors import ConfigError, RecSimError, ServiceError
from recsim_llm.language.calls.meter import Meter
from recsim_llm.log.segments import read_segments
from recsim_llm.log.tables import COUNTS, add_serving, keep_counts
from recsim_llm.log.talk_writer import TalkLog
from recsim_llm.log.writer import RunLog
from recsim_llm.recommenders import Recommender, RunsElsewhere, TellsCounts, hooks
from recsim_llm.recommenders.hooks import AnswersQueries, ReadsText, TellsTools, begin_day, restock
from recsim_llm.scenarios.arm_session import ArmSession
from recsim_llm.scenarios.building import Stage
from recsim_llm.scenarios.conversation_session import ConversationSession
from recsim_llm.scenarios.shipped_log import ShippedLog
from recsim_llm.scenarios.shipped_talk import ShippedTalk
from recsim_llm.scenarios.social_settings import known_friends

__all__ = [
    "ServedRecommender",
    "follow_tools",
    "give_hooks",
    "keep_counted",
    "keep_what_was_counted",
    "keeping_cost",
    "reach_services",
]


def give_hooks(recommender: Any, built: Stage, session: ArmSession | ConversationSession) -> None:
    """Give an arm's recommender what it takes before ``fit``, besides what every recommender gets."""
    hooks.give_hooks(
        recommender,
        repeats=built.scenario.repeats,
        truth=session.truth,
        model=lambda: built.roles.role("policy"),
        user_keys=built.dataset.user_keys,
        friends=lambda: known_friends(built.world),
    )


class _Clock:
    """Seconds in which at least one thing was under way; things may end in any thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._under_way, self._since, self._lock = 0, 0.0, threading.Lock()

    def begin(self) -> None:
        with self._lock:
            if not self._under_way:
                self._since = time.perf_counter()
            self._under_way += 1

    def end(self) -> None:
        with self._lock:
            self._under_way -= 1
            if not self._under_way:
                self.seconds += time.perf_counter() - self._since


class ServedRecommender(Recommender):
    """A recommender, with a clock for each of its methods.

    Args:
        recommender: the one that does the work.
        arm: its name in the run.
        meter: tells what the language model of policies has done so far, which no other arm asks meanwhile; None where there
            is none.
    """

    def __init__(self, recommender: Recommender, arm: str, meter: Callable[[], Meter] | None = None) -> None:
        self._recommender, self._arm, self._meter = recommender, arm, meter
        self._before = None if meter is None else meter()
        self._clocks = {name: _Clock() for name in ("fit", "recommend", "observe")}
        self._pages = 0
        # A run asks by the presence of this method whether it can be searched.
        if isinstance(recommender, AnswersQueries):
            self.search = self._search
        # Whether it reads words, and whether it can talk, by the presence of these.
        if isinstance(recommender, ReadsText):
            self.reads_text = recommender.reads_text
        if isinstance(recommender, Conversational):
            self.start, self.respond = recommender.start, self._respond
        if isinstance(recommender, RespondsLater):
            self.begin_turns = self._begin_turns

    def fit(self, catalog: Catalog, ratings: Ratings, seed: int) -> None:
        """Let it learn."""
        with self._working("fit"):
            self._recommender.fit(catalog, ratings, seed)

    def restock(self, catalog: Catalog) -> None:
        """Tell it what is on sale from now on."""
        restock(self._recommender, catalog)

    def begin_day(self) -> None:
        """Tell it that another day begins."""
        begin_day(self._recommender)

    def recommend(self, requests: Requests, k: int) -> Slates:
        """Ask it for pages."""
        with self._working("recommend"):
            slates = self._recommender.recommend(requests, k)
        self._pages += len(requests.user_id)
        return slates

    def _search(self, requests: Requests, queries: Sequence[str], k: int) -> Slates:
        assert isinstance(self._recommender, AnswersQueries)
        with self._working("recommend"):
            slates = self._recommender.search(requests, queries, k)
        self._pages += len(requests.user_id)
        return slates

    def _respond(self, dialogues: Dialogues, k: int) -> PolicyActs:
        assert isinstance(self._recommender, Conversational)
        with self._working("recommend"):
            acts = self._recommender.respond(dialogues, k)
        self._pages += len(dialogues.turn)
        return acts

    def _begin_turns(self, dialogues: Dialogues, k: int) -> ActsBegun:
        assert isinstance(self._recommender, RespondsLater)
        with self._working("recommend"):
            begun = self._recommender.begin_turns(dialogues, k)
            for reply in begun.replies:
                self._clocks["recommend"].begin()
                reply.add_done_callback(self._replied)
        self._pages += len(dialogues.turn)
        return begun

    def _replied(self, _: Future[Any]) -> None:
        self._clocks["recommend"].end()

    def observe(self, requests: Requests, slates: Slates, clicked: BoolArray, rating: FloatArray) -> None:
        """Tell it what came of pages."""
        with self._working("observe"):
            self._recommender.observe(requests, slates, clicked, rating)

    def cost(self, stopped: str) -> dict[str, Any]:
        """Return a row of ``SERVING``.

        Args:
            stopped: why it was not served to the end; empty where it was.
        """
        row: dict[str, Any] = {"arm": self._arm, "pages": self._pages, "stopped": stopped or None}
        row |= {f"{name}_seconds": clock.seconds for name, clock in self._clocks.items()}
        if isinstance(self._recommender, RunsElsewhere):
            cost = self._recommender.cost
            row |= {name: getattr(cost, name) for name in ("requests", "retries", "bytes_sent", "bytes_received")}
            row["failures"] = sorted(cost.failures.items())
        return row | self._asked()

    def _asked(self) -> dict[str, int | float | None]:
        """Return what was asked of the language model since this recommender began."""
        if self._meter is None or self._before is None:
            return {}
        now, before = self._meter(), self._before
        return {
            "model_calls": now.calls - before.calls,
            "model_hits": now.hits - before.hits,
            "prompt_tokens": now.prompt_tokens - before.prompt_tokens,
            "completion_tokens": now.completion_tokens - before.completion_tokens,
            "dollars": None if now.cost is None else now.cost - (before.cost or 0.0),
        }

    @contextmanager
    def _working(self, name: str) -> Iterator[None]:
        self._clocks[name].begin()
        try:
            yield
        except ServiceError as error:
            raise error.told_of(f"recommender {self._arm!r}") from error
        finally:
            self._clocks[name].end()


def follow_tools(log: object, recommender: object) -> None:
    """Have an arm's log, where there is one, take in what its recommender does with tools, where it has any."""
    if isinstance(log, RunLog | TalkLog | ShippedLog | ShippedTalk) and isinstance(recommender, TellsTools):
        log.follow(recommender.keep_tool_calls())


@contextmanager
def keeping_cost(run: Path, served: ServedRecommender) -> Iterator[None]:
    """Write into the run folder what an arm took, however it ends.

    Args:
        run: the run folder.
        served: the arm's recommender.
    """
    try:
        yield
    except BaseException as error:
        said = str(error) if isinstance(error, RecSimError) else type(error).__name__
        # What broke the arm off is told, not that its cost could not be written after it.
        with suppress(OSError):
            add_serving(run, served.cost(said))
        raise
    add_serving(run, served.cost(""))


def keep_what_was_counted(run: Path, arm: str, recommender: Recommender) -> None:
    """Write into the run folder what the recommender of a served arm counted, if it counts anything.

    Args:
        run: the run folder.
        arm: its name.
        recommender: the arm's own.
    """
    if isinstance(recommender, TellsCounts):
        keep_counted(run, arm, recommender.counts())


def keep_counted(run: Path, arm: str, counts: Sequence[hooks.Count]) -> None:
    """Write into the run folder what was counted while an arm was served.

    Args:
        run: the run folder.
        arm: its name.
        counts: what was counted.
    """
    tables = [
        pa.table(
            {
                "arm": [arm] * len(count.user_id),
                "what": [count.what] * len(count.user_id),
                "of": [count.of] * len(count.user_id),
                "share": [count.share] * len(count.user_id),
                "user_id": count.user_id,
                "amount": count.amount,
                "cases": count.cases,
            },
            schema=COUNTS,
        )
        for count in counts
    ]
    keep_counts(run, arm, pa.concat_tables(tables) if tables else COUNTS.empty_table())


def reach_services(built: Stage, before: Mapping[str, Any] = MappingProxyType({}), run: Path | None = None) -> dict[str, Any]:
    """See that every recommender that runs elsewhere is there, before any arm is served.

    Args:
        built: the scenario.
        before: manifest of a run that goes on; its finished arms need nobody any more.
        run: its folder.

    Returns:
        What they say of themselves, by arm, as an entry for the manifest; nothing where there are none.

    Raises:
        ServiceError: one is not there.
        ConfigError: one is to answer queries and does not say that it can.
    """
    search = None if built.scenario.actions is None else built.scenario.actions.search
    asks_arms = search is not None and search.answered_by == "recommender"
    finished = {segment.arm for segment in (read_segments(run) if run else None) or () if segment.last}
    said: dict[str, Any] = {}
    for name, make in built.recommenders.items():
        recommender = make()
        if not isinstance(recommender, RunsElsewhere):
            continue
        if name in finished and name in before.get("services", {}):
            said[name] = before["services"][name]
            continue
        try:
            said[name] = dict(recommender.reach())
        except ServiceError as error:
            raise error.told_of(f"recommender {name!r}") from error
        if asks_arms and not said[name].get("search"):
            raise ConfigError(
                f"recommender {name!r}: got a server that does not say `search`, expected one that answers queries; let it "
                "answer POST /search and say search: true on GET /, or set actions.search.answered_by: index"
            )
    return {"services": said} if said else {}
