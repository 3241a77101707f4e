"""A batch of visits in progress: what the single and the vector environment share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from weakref import ref

import numpy as np
import numpy.typing as npt

from recsim_llm.core import keyed
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Rows
from recsim_llm.core.rollouts import Rollouts
from recsim_llm.core.visits import PageOutcome, Visits, draw_return
from recsim_llm.envs.actions import Action, CandidateAction
from recsim_llm.envs.arguments import BrowseSettings
from recsim_llm.envs.arrivals import Arrivals
from recsim_llm.envs.observations import Observation, Observer
from recsim_llm.errors import ContractError, RecSimError, SlateError
from recsim_llm.population.world import World

if TYPE_CHECKING:
    from recsim_llm.envs.recording import Recorder
    from recsim_llm.language.calls.model import LanguageModel

__all__ = ["Session", "StepOutcome", "Watcher"]


class StepOutcome(NamedTuple):
    """What a step did to a batch of rows."""

    page: PageOutcome
    """What came of the page that was shown; its columns are not to be changed, since the log keeps them."""
    terminated: BoolArray
    """bool [r]: the episode is over, since the user left its only visit, or does not come back for another one."""
    truncated: BoolArray
    """bool [r]: the episode is over, since its pages or visits are used up; the user would have gone on."""
    returned: BoolArray
    """bool [r]: a visit is over, and the user's next one has begun within the episode."""


class Watcher(Protocol):
    """Wants to know what happens in a session."""

    def begin(self, rows: Rows) -> None:
        """Take in that these rows begin another episode."""

    def page(self, outcome: StepOutcome, idle: IntArray | None) -> None:
        """Take in one page of every row but the idle ones."""


class Session:
    """Visits of a batch of rows; each row serves one episode after another, and an episode is one user for some visits.

    Whether a user comes back within an episode is drawn as in a run.

    Args:
        world: items and users.
        visits: of these users.
        action: how the next page is said.
        observer: keeps what a policy may see.
        settings: what else is asked for.
    """

    def __init__(self, world: World, visits: Visits, action: Action, *, observer: Observer, settings: BrowseSettings) -> None:
        self.world, self.kernel, self.action, self.observer = world, visits.kernel, action, observer
        self.rows = len(self.kernel.user_index)
        self.settings = settings
        self._visits, self._refuse, self._most_visits = visits, settings.invalid == "error", settings.most_visits
        self.recorder: Recorder | None = None
        """Writes a log; None writes nothing."""
        self.refusal: RecSimError | None = None
        """Why no page can be shown; None if nothing is wrong."""
        self.close_world: Callable[[], None] | None = None
        """Closes the language models; None where there are none, or where another session has them."""
        self.model: Callable[[], LanguageModel] | None = None
        """Opens the language model that recommenders ask; None where nobody named one."""
        self.recommender_seed = 0
        """For all that is random in recommenders that become policies."""
        self._watchers: list[ref[Watcher]] = []
        self._candidates = action if isinstance(action, CandidateAction) else None
        self.offered = None if self._candidates is None else self._candidates.offered
        """int64 [r, c]: the candidates that the next action chooses from; None with other actions."""
        self._arrivals = Arrivals(self.kernel, len(world.population))
        self._nobody = np.zeros(self.rows, np.bool_)
        self._nobody.flags.writeable = False
        self._torn = False  # the last page failed after it was shown

    def __getstate__(self) -> dict[str, Any]:
        # A log has one writer: a copy, in this process or another, plays on without it. It does not own the models either.
        return vars(self) | {"recorder": None, "close_world": None, "model": None, "_watchers": []}

    def seed(self, rows: Rows, seeds: npt.ArrayLike) -> None:
        """Give rows new seeds; their next episode is number 0."""
        self._arrivals.give_seeds(rows, seeds)
        if self.recorder is not None:
            self.recorder.seed(seeds)

    def watch(self, watcher: Watcher) -> None:
        """Tell someone of every episode that begins and every page from here on, as long as it is there; not in copies."""
        self._watchers = [one for one in self._watchers if one() is not None] + [ref(watcher)]

    def begin(self, rows: Rows, user_index: IntArray | None = None) -> None:
        """Start the next episode of the given rows, with the user that its turn brings or the given one."""
        self._check(torn=self._torn and not isinstance(rows, slice))
        self._torn = False
        who, dice = self._arrivals.next_episode(rows, user_index)
        self._visits.begin(rows, who, np.zeros_like(who), dice)
        self.observer.begin(rows)
        self.observer.seat(rows, who)
        for watcher in self._watching():
            watcher.begin(rows)
        if self.recorder is not None:
            self.recorder.begin(rows)
        if self._candidates is not None:
            self._candidates.offer(rows, self._arrivals.word[rows], self.kernel)

    def step(self, action: npt.NDArray[Any], idle: IntArray | None = None) -> StepOutcome:
        """Show the page that the action names to every row.

        Args:
            action: one action a row.
            idle: rows whose episode is over and whose action must not be used; their page is blank, and what the outcome says
                about them means nothing, but that no slot was invalid.

        Raises:
            SlateError: the action is outside its space, or names items that cannot be shown and are to be refused; nothing has
                happened then.
            ContractError: the page failed halfway, or an earlier one did; all rows must begin anew.
        """
        self._check(torn=self._torn)
        item_index, blank = self.action.page(action, idle)
        if blank is not None and self._refuse:
            _check_shown(item_index, blank)
        blank = self._admit(item_index, blank, idle)
        if self.recorder is not None and self.close_world is not None:
            self.recorder.open()  # The calls of language models go there too.
        before = self.kernel.page
        try:
            page = self._visits.show(item_index, blank=blank, idle=idle)
            self.observer.record(page.feedback)
            outcome = self._go_on(page, idle)
            if self._candidates is not None:
                self._candidates.offer(ALL_ROWS, self._arrivals.word, self.kernel)
            for watcher in self._watching():
                watcher.page(outcome, idle)
        except BaseException:
            # The kernel may have gone on, as where the reward crashed; nobody was told of that page.
            self._torn = self.kernel.page is not before
            raise
        return outcome

    def _go_on(self, page: PageOutcome, idle: IntArray | None) -> StepOutcome:
        """End the visits and episodes that a page ended, and let the users who come back begin their next visits."""
        left, one_visit = page.feedback.left, self._most_visits == 1
        if one_visit and self.recorder is None:
            return StepOutcome(page, left, page.out_of_pages > left, self._nobody)
        ended = page.ended
        if idle is not None:
            ended[idle] = False
        chance, back = self._draw_returns(np.flatnonzero(ended))
        last = self.kernel.visit + 1 >= self._most_visits
        if self.recorder is not None:
            self.recorder.page(page, ended, idle, returns=(chance, back, last))
        if one_visit:
            return StepOutcome(page, left, page.out_of_pages > left, self._nobody)
        returned = back & ~last
        rows = np.flatnonzero(returned)
        if rows.size:
            user_index, visit = self.kernel.user_index[rows], self.kernel.visit[rows] + 1
            self._visits.begin(rows, user_index, visit, self._arrivals.dice(rows, visit), returning=True)
            if self.recorder is not None:
                self.recorder.begin(rows)
        return StepOutcome(page, ended & ~back, back & last, returned)

    def _draw_returns(self, rows: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return how likely the users of these rows come back, and who does: float32 [r], bool [r]; nobody of other rows."""
        chance, back = np.full(self.rows, np.nan, np.float32), np.zeros(self.rows, np.bool_)
        if rows.size:
            user_id, visit = self.world.population.user_id[self.kernel.user_index[rows]], self.kernel.visit[rows]
            drawn = draw_return(self.world.users, rows, seed=self._arrivals.seed[rows], user_id=user_id, visit=visit)
            chance[rows], back[rows] = drawn
        return chance, back

    def _watching(self) -> Iterator[Watcher]:
        for one in self._watchers:
            watcher = one()
            if watcher is not None:
                yield watcher

    def _admit(self, item_index: IntArray, blank: BoolArray | None, idle: IntArray | None) -> BoolArray | None:
        """Apply the rule on repetition to all rows but the idle ones, whose users are shown nothing."""
        refuse = "slate" if self._refuse else None
        if idle is None:
            return self._visits.admit(item_index, blank=blank, refuse=refuse)
        on = np.ones(self.rows, np.bool_)
        on[idle] = False
        admitted = self._visits.admit(item_index[on], np.flatnonzero(on), None if blank is None else blank[on], refuse=refuse)
        if admitted is None:
            return None
        everyone = np.zeros(item_index.shape, np.bool_)
        everyone[on] = admitted
        return everyone

    def allowed(self, rows: Rows = ALL_ROWS) -> BoolArray:
        """Return bool [m, n]: which items may stand on the next page of these rows.

        Those on sale and new to the user, as far as the rule on repetition asks for that; where fewer are new than a page has
        slots, all that are on sale: the known ones may fill what is left.
        """
        catalog, known = self.world.catalog, self._visits.known
        if known is None:
            return np.tile(catalog.on_sale, (len(self.kernel.page[rows]), 1))
        fresh = known.fresh(rows)
        fresh[np.count_nonzero(fresh, axis=1) < self.kernel.slate_size] = catalog.on_sale
        return fresh

    def rollouts(self, rows: IntArray, user_id: IntArray, seed: keyed.Words, *, afresh: IntArray | None) -> Rollouts:
        """Return copies of the users in these rows, for who plans ahead; arguments as of ``Rollouts``."""
        return Rollouts(self._visits, rows, user_id=user_id, seed=seed, most_visits=self._most_visits, afresh=afresh)

    def close(self) -> None:
        """Finish the log and close the language models, where there are any."""
        if self.recorder is not None:
            self.recorder.close()
        if self.close_world is not None:
            self.close_world()
            self.refusal = ContractError("environment: got a call after close(), expected it before; make a new one")

    def _check(self, *, torn: bool) -> None:
        if self.refusal is not None:
            raise self.refusal
        if torn:
            raise ContractError("step: got an action after a page that failed halfway, expected reset() first")
        if self.recorder is not None:
            self.recorder.check()

    def observe(self, rows: Rows | int = ALL_ROWS) -> Observation:
        """Return what the policy may see of the given rows."""
        kernel = self.kernel
        return self.observer.observe(kernel.page, kernel.user_index, self.offered, rows, visit=kernel.visit)


def _check_shown(item_index: IntArray, blank: BoolArray) -> None:
    """Raise an error that names the first slot that would stay blank."""
    if blank.any():
        row, position = np.argwhere(blank)[0]
        raise SlateError(
            f"slate of row {row}, position {position}: got item {item_index[row, position]} again or retired, "
            "expected different items on sale; use invalid='count' to blank such slots"
        )
