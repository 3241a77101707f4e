"""What a recommender may be given before ``fit``, besides what every recommender gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy.typing as npt

from recsim_llm.core.arrays import DoubleArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.keyed import Words
from recsim_llm.core.pages import Requests, Slates
from recsim_llm.core.ratings import Ratings
from recsim_llm.core.repetition import Repeats
from recsim_llm.core.rollouts import Rollouts

if TYPE_CHECKING:
    from recsim_llm.language.calls.model import LanguageModel
    from recsim_llm.recommenders.http_client import ServiceCost

__all__ = [
    "AnswersQueries",
    "AsksModel",
    "BoundsCalls",
    "Count",
    "Forgets",
    "ReadsText",
    "RunsElsewhere",
    "TakesDays",
    "TakesFriends",
    "TakesRatings",
    "TakesRules",
    "TakesStock",
    "TakesTruth",
    "TakesUserKeys",
    "TellsCounts",
    "TellsTools",
    "TrainedBefore",
    "Truth",
    "WorksOnOthers",
    "begin_day",
    "give_hooks",
    "keeps_users_apart",
    "restock",
    "users_apart",
]

_Method = TypeVar("_Method", bound=Callable[..., None])


class Truth(NamedTuple):
    """The hidden side of a world, for the oracle alone: whoever ``TakesTruth`` is given it before ``fit``."""

    appeal: Callable[[IntArray], FloatArray]
    """Takes outside user ids, int64 [m]; returns float32 [m, n]: the log-odds that each user would click each item of the
    catalog at this moment, given that the user examines it."""
    rollouts: Callable[[IntArray, Words, bool], Rollouts] | None = None
    """Takes outside user ids, int64 [m], each as often as wanted, uint64 [m] of seeds, and whether to begin afresh; returns
    copies of these users as they are at this moment, or at the start of a first visit, who browse on with dice made of the
    seeds. None where nobody can be copied."""
    users: IntArray | None = None
    """int64 [u]: outside ids of all who browse."""


@runtime_checkable
class TakesTruth(Protocol):
    """A recommender that knows what users feel: a ceiling for the others, no policy that anybody could run."""

    def reveal(self, truth: Truth) -> None:
        """Take in the hidden side of the world; called once, before ``fit``."""
        ...


@runtime_checkable
class ReadsText(Protocol):
    """A recommender that says whether it reads ``Requests.text``; in conversations words are made for it only then."""

    reads_text: bool
    """Whether it does."""


@runtime_checkable
class TakesRules(Protocol):
    """A recommender that goes by the scenario's rule on repetition; others find out by what is refused or left blank."""

    def play_by(self, repeats: Repeats) -> None:
        """Take in the rule; called once, before ``fit``."""
        ...


@runtime_checkable
class AsksModel(Protocol):
    """A recommender that asks a language model; a run gives it the one of the role ``policy``."""

    def consult(self, model: LanguageModel) -> None:
        """Take in the model that is to be asked; called once, before ``fit``."""
        ...


@runtime_checkable
class TakesFriends(Protocol):
    """A recommender that looks at what friends liked; a run gives it who is whose friend where users have friends."""

    def befriend(self, friends: Mapping[int, tuple[int, ...]]) -> None:
        """Take in outside ids of each user's friends, by outside id; called at most once, before ``fit``."""
        ...


@runtime_checkable
class TellsTools(Protocol):
    """A recommender that calls tools; a run logs what it did for each page."""

    def keep_tool_calls(self) -> Callable[[IntArray, IntArray, IntArray], Mapping[str, npt.NDArray[Any]]]:
        """Keep every call of a tool from now on.

        Returns:
            What hands over those of pages and forgets them, as ``recsim_llm.log.writer.ToolCalls``.
        """
        ...


@runtime_checkable
class BoundsCalls(Protocol):
    """A recommender that says how much it asks of its language model for a page, for an estimate of what a run costs."""

    def most_asked(self) -> tuple[int, int, int]:
        """Return the most calls for a page, and the most tokens that these read and write."""
        ...


@runtime_checkable
class TrainedBefore(Protocol):
    """A recommender that learned from users before the run, and learns nothing more from ratings in ``fit``."""

    @property
    def holdout(self) -> float | None:
        """Share of the users that it never met, by the hash of ``users.part``; None where nobody noted it."""
        ...


@runtime_checkable
class RunsElsewhere(Protocol):
    """A recommender that runs in another program, which may be slow, fail, or not be there."""

    @property
    def cost(self) -> ServiceCost:
        """What its requests took so far."""
        ...

    def reach(self) -> Mapping[str, Any]:
        """See that it is there; called once for each arm, before any is served.

        Returns:
            What it says of itself, for the manifest: a run that was stopped does not go on with another one.

        Raises:
            ServiceError: it is not.
        """
        ...


class Count(NamedTuple):
    """Something that a recommender counted, by user."""

    what: str
    """What was counted, such as ``titles that the catalog does not have``."""
    of: str
    """Of what, or for each of what it is told, such as ``titles written``."""
    share: bool
    """Whether each of them counts for 0 or 1, so that it is a share of them."""
    user_id: IntArray
    """int64 [m]: outside ids of the users with any of ``of``, in order."""
    amount: DoubleArray
    """float64 [m]: how much was counted for each user."""
    cases: DoubleArray
    """float64 [m]: how many of ``of`` each user has."""


@runtime_checkable
class TellsCounts(Protocol):
    """A recommender that counts what its user should know of: answers that could not be read, titles that do not exist."""

    def counts(self) -> Sequence[Count]:
        """Return what was counted since it was made; told at the end of an arm."""
        ...


@runtime_checkable
class TakesUserKeys(Protocol):
    """A recommender that looks users up by the data's own ids, in a feature store of the shop's, say.

    Items' own ids are in ``Catalog.item_key`` for every recommender.
    """

    def name_users(self, user_keys: Mapping[int, str]) -> None:
        """Take in the data's own ids by ``Requests.user_id``; called once, before ``fit``.

        Args:
            user_keys: of all users of the data; empty where ``user_id`` is the data's own. Synthetic users have none.
        """
        ...


@runtime_checkable
class TakesStock(Protocol):
    """A recommender that is told when items come on sale or go off it; others find out by what is refused or left blank."""

    def restock(self, catalog: Catalog) -> None:
        """Take in what is on sale from now on: the items of ``fit``, in the same order; called between pages."""
        ...


@runtime_checkable
class AnswersQueries(Protocol):
    """A recommender that can be searched, where a scenario lets users search and the recommender answer."""

    def search(self, requests: Requests, queries: Sequence[str], k: int) -> Slates:
        """Return a page of ``k`` different items for each query.

        Args:
            requests: of ``u`` users.
            queries: [u]: what they typed.
            k: slots a page.

        Returns:
            Slates under the same rules as those of ``recommend``.
        """
        ...


@runtime_checkable
class Forgets(Protocol):
    """A recommender that can forget users it was fitted to; others are fitted anew without them."""

    def forget(self, user_id: IntArray) -> None:
        """Forget users: from now on recommend as one that was fitted without them, and never met them.

        Args:
            user_id: int64 [m]: outside ids; those whom it never met are ignored.
        """
        ...


@runtime_checkable
class TakesDays(Protocol):
    """A recommender that is told when a day begins, in runs with a clock."""

    def begin_day(self) -> None:
        """Note that another day begins; called before its first page is asked for, whether or not anybody comes."""
        ...


@runtime_checkable
class TakesRatings(Protocol):
    """A recommender that is told what others did than those whom it serves, as one is that is fitted anew."""

    def join(self, ratings: Ratings) -> None:
        """Keep ratings for the next fit; called between pages, before the first page of a step of the clock."""
        ...


@runtime_checkable
class WorksOnOthers(Protocol):
    """A recommender that passes on to others what it is told."""

    def others(self) -> Sequence[object]:
        """Return those that it tells itself."""
        ...


def users_apart(observe: _Method) -> _Method:
    """Say of a method ``observe`` that what it takes in of a user matters for this user's own pages alone, or for none.

    Users of different shards then need not hear of each other. It is said of the method and not of the class: whoever overrides
    it says nothing of the kind.
    """
    observe.users_apart = True  # type: ignore[attr-defined]
    return observe


def keeps_users_apart(recommender: object) -> bool:
    """Tell whether what a recommender learns of a user matters for nobody else; see ``users_apart``."""
    own = getattr(getattr(type(recommender), "observe", None), "users_apart", False)
    others = recommender.others() if isinstance(recommender, WorksOnOthers) else ()
    return bool(own) and all(map(keeps_users_apart, others))


def begin_day(recommender: object) -> None:
    """Tell a recommender that another day begins, where it wants to know."""
    if isinstance(recommender, TakesDays):
        recommender.begin_day()


def restock(recommender: object, catalog: Catalog) -> None:
    """Tell a recommender what is on sale from now on, where it wants to know."""
    if isinstance(recommender, TakesStock):
        recommender.restock(catalog)


def give_hooks(
    recommender: object,
    *,
    repeats: Repeats,
    truth: Callable[[], Truth],
    model: Callable[[], LanguageModel],
    user_keys: Mapping[int, str],
    friends: Callable[[], Mapping[int, tuple[int, ...]] | None] = lambda: None,
) -> None:
    """Give a recommender what it takes before ``fit``, besides what every recommender gets.

    Args:
        recommender: not yet fitted.
        repeats: the rule on repetition.
        truth: called where the recommender takes the hidden side of the world.
        model: called where it asks a language model.
        user_keys: the data's own ids by ``Requests.user_id``.
        friends: called where it takes friends; None where users have none.
    """
    if isinstance(recommender, TakesRules):
        recommender.play_by(repeats)
    if isinstance(recommender, TakesTruth):
        recommender.reveal(truth())
    if isinstance(recommender, AsksModel):
        recommender.consult(model())
    if isinstance(recommender, TakesUserKeys):
        recommender.name_users(user_keys)
    known = friends() if isinstance(recommender, TakesFriends) else None
    if isinstance(recommender, TakesFriends) and known is not None:
        recommender.befriend(known)
