"""What a user model is to the kernel, and what some of them can do besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

from recsim_llm.core.arrays import BoolArray, DoubleArray, FloatArray, IntArray, TextArray
from recsim_llm.core.bounds import UNDECLARED, Bounds
from recsim_llm.core.pages import Decisions, Mood, Pages, Rows
from recsim_llm.core.repetition import RatedItems

__all__ = [
    "AnswersLater",
    "BoundsPrompts",
    "ChoosesOne",
    "CopiesRows",
    "DeclaresBounds",
    "HasProvenance",
    "HearsFriends",
    "RanksItems",
    "ReadsMessages",
    "ReadsWords",
    "SeesPrices",
    "TakesRated",
    "TellsDwell",
    "TellsEngagement",
    "UserModel",
    "WithdrawsPages",
    "WithholdsRatings",
    "WritesQueries",
    "declared_bounds",
]


class UserModel(Protocol):
    """Decides for a batch of users; keeps one row of state for each browsing user.

    The kernel calls ``begin`` when visits start, then for each page ``decide``, ``rating_log_odds`` for the slots that were
    clicked, and ``update`` with what was drawn. It never draws anything itself: probabilities out, outcomes in.
    """

    levels: FloatArray
    """float32 [l]: the star levels, ascending."""

    def allocate(self, rows: int, slate_size: int) -> None:
        """Make room for a batch of ``rows`` users; forget everything about earlier ones."""

    def examination(self, user_index: IntArray) -> FloatArray:
        """Return the probability that each user examines each position.

        Returns:
            float32 [m, k]; or [m, k, k + 1] where it hangs on the last click above, whose position counted from 1 stands along
            the last axis, 0 for none: such users read in order (``recsim_llm.core.reading_order``). Of one shape for all users
            and pages, whatever they are.
        """
        ...

    def begin(self, rows: Rows, user_index: IntArray, returning: bool) -> None:
        """Start a visit in each of the given rows.

        Args:
            rows: row numbers [m], or ``slice(None)``.
            user_index: int64 [m]: who sits in each row from now on.
            returning: the same users as before come back; what they learned about themselves is kept.
        """

    def decide(self, pages: Pages) -> Decisions:
        """Return the click log-odds for a batch of pages, drawing nothing."""
        ...

    def rating_log_odds(self, pages: Pages, slot: IntArray, row: IntArray) -> FloatArray:
        """Return the log-odds that the rating of each clicked slot is at most each level but the last.

        Args:
            pages: the pages last decided.
            slot: int64 [c]: flat positions of the clicked slots.
            row: int64 [c]: their rows in the batch.

        Returns:
            float32 [l - 1, c], ascending along the first axis.
        """
        ...

    def update(self, pages: Pages, slot: IntArray, row: IntArray, rating: FloatArray) -> Mood:
        """Take in what was drawn for the pages last decided (as in ``Feedback``), and say how the users feel."""
        ...

    def watch_log_odds(self, rating: FloatArray, user_index: IntArray) -> FloatArray:
        """Return float32 [c]: log-odds of the share watched of items that were rated so by these users."""
        ...

    def return_log_odds(self, rows: Rows) -> FloatArray:
        """Return float32 [m]: log-odds that the user comes back for another visit."""
        ...


@runtime_checkable
class AnswersLater(Protocol):
    """A user model whose decisions take their time: pages are started, and decided in whatever order they become ready.

    Deciding a page that was started gives what deciding it at once would have given.
    """

    def start(self, pages: Pages) -> None:
        """Begin to work on decisions for these pages and return without waiting."""

    def collect(self) -> IntArray:
        """Wait until at least one started page is ready, and return int64 [m]: rows now ready, ascending, each told once.

        ``decide`` returns at once for pages of these rows. Where work on a page failed, the error is raised after all other
        work has ended; pages that failed may be started again.

        Raises:
            ContractError: no page is being worked on.
        """
        ...


@runtime_checkable
class TakesRated(Protocol):
    """A user model to whose users what they rated before the first page is not new."""

    def take_rated(self, rated: RatedItems | None) -> None:
        """Take in what everybody rated before the first page, None where nobody knows; called before ``allocate``."""


@runtime_checkable
class WithholdsRatings(Protocol):
    """A user model whose users do not rate everything that they click."""

    def rated(self, pages: Pages, slot: IntArray, row: IntArray) -> BoolArray:
        """Return bool [c]: which of the clicked slots users give a rating to; arguments as of ``UserModel.update``."""
        ...


@runtime_checkable
class ChoosesOne(Protocol):
    """A user model whose users compare the items of a page and click at most one of them.

    Its decisions hold the log-odds of each slot's probability of being the one that is chosen; over a page these probabilities
    sum to at most 1, and what is left is that nothing is chosen. Its users examine every slot: ``examination`` is 1 throughout.
    """

    chooses_one: bool
    """True."""


@runtime_checkable
class TellsEngagement(Protocol):
    """A user model that says how much its users engage with what they click, on a scale of its own, such as minutes."""

    most_engagement: float
    """What counts as having seen the whole item, above 0."""

    def engagement(self, pages: Pages, slot: IntArray, row: IntArray, noise: FloatArray) -> DoubleArray:
        """Return how much each clicked item is engaged with; called once a page, between ``decide`` and ``update``.

        Args:
            pages: the pages last decided.
            slot: int64 [c]: flat positions of the clicked slots.
            row: int64 [c]: their rows in the batch.
            noise: float32 [c]: standard logistic, one draw a page; no other draw of the page hangs on it.

        Returns:
            float64 [c], each at least 0.
        """
        ...


@runtime_checkable
class TellsDwell(Protocol):
    """A user model that can say for how many seconds its users stay with what they click."""

    @property
    def tells_dwell(self) -> bool:
        """Whether it does; of one answer for as long as the model lives."""
        ...

    def dwell(self, dice: DoubleArray) -> DoubleArray:
        """Return float64 [c]: seconds, 0 or more, that uniform dice within 0 and 1, float64 [c], give; only if it tells."""
        ...


@runtime_checkable
class RanksItems(Protocol):
    """A user model that can tell what its users feel for every item; what an oracle needs."""

    def appeal(self, rows: Rows) -> FloatArray:
        """Return float32 [m, n]: each row's click log-odds for every item of the catalog at this moment."""
        ...


@runtime_checkable
class DeclaresBounds(Protocol):
    """A user model that says how far its numbers can go whatever is shown; what an audit of exploits measures against."""

    def bounds(self) -> Bounds:
        """Return the bounds over all users and items; may take as long as one look at every pair of them."""
        ...


def declared_bounds(users: UserModel) -> Bounds:
    """Return what a user model declares, ``UNDECLARED`` where it declares nothing."""
    return users.bounds() if isinstance(users, DeclaresBounds) else UNDECLARED


@runtime_checkable
class CopiesRows(Protocol):
    """A user model whose users can be copied as they are at this moment; what planning ahead needs."""

    def copy_rows(self, rows: IntArray) -> Self:
        """Return a model with the users of int64 [m] rows in its own rows 0 to m - 1; the two share no state from then on.

        The same row may be given several times. ``decide`` of the copy takes pages of any width.
        """
        ...


@runtime_checkable
class WithdrawsPages(Protocol):
    """A user model that may be asked about a page without its answer being acted upon, as when a cascade audits it."""

    def withdraw(self, rows: IntArray) -> None:
        """Let the last decisions of int64 [m] rows leave no trace in what the users remember."""
        ...


@runtime_checkable
class HasProvenance(Protocol):
    """A user model that says what its decisions hang on, for the manifest of a run."""

    provenance: Mapping[str, Any]
    """Plain values for JSON, by name."""


@runtime_checkable
class HearsFriends(Protocol):
    """A user model whose users take in what friends say, as text, so that nothing is to be added to their decisions."""

    def meet_friends(self) -> None:
        """Be ready to hear from friends; called once, before the first visit."""

    def show_friends(self, rows: IntArray, friend_id: IntArray) -> None:
        """Say which friend liked what stands on the pages that are decided next.

        Args:
            rows: int64 [m]: of the pages.
            friend_id: int64 [m, k]: outside id of the friend who told of the item in each slot first, -1 for none.
        """

    def hear(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Let friends tell users of items that they liked.

        Args:
            rows: int64 [t]: who is told.
            item_index: int64 [t]: of which item.
            friend_id: int64 [t]: outside id of the friend who tells.
        """


@runtime_checkable
class ReadsMessages(Protocol):
    """Users who hear friends (``HearsFriends``) and also take in, as text, what is sent to them and what is said in chats."""

    def expect_messages(self) -> None:
        """Be ready for messages; called once, before the first visit."""

    def receive(self, rows: IntArray, item_index: IntArray, friend_id: IntArray) -> None:
        """Let friends send items to users; arguments as of ``HearsFriends.hear``."""

    def chat(self, rows: IntArray, item_index: IntArray, friend_id: IntArray, *, stars: DoubleArray, spoke: BoolArray) -> None:
        """Let users talk with friends about items.

        Args:
            rows: int64 [c]: who talks; both friends of a chat stand here, if they are users of this model.
            item_index: int64 [c]: about which item.
            friend_id: int64 [c]: outside id of the friend.
            stars: float64 [c]: what whoever consumed the item thinks of it; NaN where nobody says.
            spoke: bool [c]: whether it is the user who consumed it and told the friend, and not the friend.
        """


@runtime_checkable
class WritesQueries(Protocol):
    """A user model whose users put what they look for into their own words, and are told which page answers them."""

    def meet_search(self) -> None:
        """Be ready to search; called once, before the first visit."""

    def write_queries(self, genre: IntArray, item_index: IntArray) -> list[str]:
        """Return what is typed to find these; it hangs on the arguments alone.

        Args:
            genre: int64 [m]: place of a genre in the catalog, of no meaning where an item is wanted.
            item_index: int64 [m]: catalog position of the item that is wanted by its title, -1 where anything of the genre is.
        """
        ...

    def show_queries(self, rows: IntArray, queries: Sequence[str | None]) -> None:
        """Say which queries the pages answer that are decided next.

        Args:
            rows: int64 [m]: of the pages.
            queries: [m]: None for a page that answers none.
        """


@runtime_checkable
class SeesPrices(Protocol):
    """A user model whose users see for themselves what items cost."""

    def show_prices(self, price: FloatArray) -> None:
        """Say what each item of the catalog costs from now on, float32 [n]; called only where items have prices."""


@runtime_checkable
class ReadsWords(Protocol):
    """A user model whose users read explanations and titles themselves, as text, so that nothing is added for them."""

    def meet_words(self) -> None:
        """Be ready to read words on pages; called once, before the first visit."""

    def show_words(self, rows: IntArray, explanation: TextArray | None, title: TextArray | None) -> None:
        """Say what is written on the pages that are decided next.

        Args:
            rows: int64 [m]: of the pages.
            explanation: str [m, k]: as of ``Slates``.
            title: str [m, k]: as of ``Slates``.
        """

    def hide_words(self, hidden: bool) -> None:
        """Let pages be decided as if nothing were written on them, until told otherwise."""


@runtime_checkable
class BoundsPrompts(Protocol):
    """A user model that says how long its prompts to a language model may get, for an estimate of what a run costs."""

    def prompt_tokens(self, slate_size: int) -> int:
        """Return the most tokens of a prompt about a page of that size, estimated; 0 where no language model is asked."""
        ...

    def least_prompt_tokens(self, slate_size: int) -> int:
        """Return the tokens of a prompt about an ordinary page of that size with nothing that could give way; 0 likewise."""
        ...
