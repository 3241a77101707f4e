"""``RecSimLLM/Browse-v0``: browsing users as a Gymnasium environment, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.protocols import UserModel
from recsim_llm.core.repetition import RatedItems
from recsim_llm.core.visits import Reward
from recsim_llm.envs.actions import as_array
from recsim_llm.envs.arguments import refuse_unknown, row_seeds
from recsim_llm.envs.environment_worlds import WorldArguments
from recsim_llm.envs.log_places import carry_refusal
from recsim_llm.envs.observations import Observation
from recsim_llm.envs.one_user import OneUserEnv
from recsim_llm.envs.rendering import page_image, page_text
from recsim_llm.envs.session_opening import open_session
from recsim_llm.errors import ConfigError, ContractError
from recsim_llm.population.personas import Population
from recsim_llm.population.world import World

__all__ = ["BrowseEnv"]

Info = dict[str, Any]


class BrowseEnv(OneUserEnv[Observation, npt.NDArray[Any]]):
    """One user at a time browses pages of recommendations.

    **Action.** What to show on the next page:

    * ``action="slate"``: ``MultiDiscrete([n] * slate_size)``, the page as catalog positions (``catalog.item_id[position]``
      is the outside id), first slot first;
    * ``action="candidates"``: ``MultiDiscrete([candidates] * slate_size)``, positions in the candidate set that the last
      observation offered;
    * ``action="embedding"``: ``Box(-1, 1, [f])``, a point; the page is the exact top ``slate_size`` of the items that may be
      shown by the product with ``catalog.features``.

    An item that stands on the page before, is retired, or breaks the rule on repetition leaves its slot blank and is counted
    (``invalid="count"``) or raises (``invalid="error"``). The rule, the same as in a run: with ``repeats="forbid"`` a user is
    shown nothing that was on one of the user's earlier pages in this episode, nor what the user rated in the training part of
    the data; where fewer than ``slate_size`` items are new to the user, known ones may fill the page. Candidates and the top of
    an embedding are taken from what the rule allows; for slates ``allowed()`` tells it.

    **Observation.** A ``Dict`` of the parts named in ``observation`` (default ``page``, ``summary``, ``history``):

    | key | shape, type | meaning |
    | --- | --- | --- |
    | ``page`` | [1] float32 | share of the page budget used |
    | ``summary`` | [f] float32 | mean features of the items clicked in this episode, 0 before the first click |
    | ``history_item`` | [h * k] int64 | catalog positions shown on the last ``history_pages`` pages, oldest first; -1 none |
    | ``history_clicked`` | [h * k] int8 | 1 where clicked |
    | ``history_rating`` | [h * k] float32 | stars, 0 where not rated |
    | ``profile`` | [p] float32 | one-hot demographics |
    | ``visit`` | [1] float32 | v / (v + 1) for visit v of the user: 0 on the first one, 1/2 on the second, 2/3 … |
    | ``candidate_item`` | [c] int64 | the offered candidates (``action="candidates"``) |
    | ``candidate_features`` | [c, f] float32 | their features |
    | ``candidate_vectors`` | [c, d] float32 | their vectors, of which ``taste`` is made (where that is observed) |
    | ``taste`` | [t] float32 | what the user rated before and what came of the pages since: ``recsim_llm.envs.user_tastes`` |
    | ``fresh`` | [n] int8 | 1 for the items on sale that the rule on repetition lets the user be shown |

    **Reward.** ``reward`` names one of ``recsim_llm.envs.rewards`` or is a callable ``(feedback, catalog) -> float64 [u]``.

    **End.** A visit is over when the user leaves, or ``max_pages`` pages were shown. With ``visits=1`` the episode is over too:
    ``terminated`` when the user left, else ``truncated``. With more, the user comes back with the probability that the user
    model says, and the next visit begins at once: the step that ended a visit returns the observation of the next one's first
    page. ``terminated`` then means that the user does not come back, ``truncated`` that the user would, but ``visits``
    visits were made. ``visits="life"`` goes on until the user does not come back, for 1,000 visits at most.

    **Info.** ``user_id`` (outside id), ``visit`` (number of the user's visit that is observed, from 0), ``clicks`` and
    ``invalid_slots`` of the page, ``visit_ended`` (that page ended a visit), ``returned`` (and the next one has begun).

    **Hidden state.** What the environment knows and the policy does not: who the user is (persona, tastes, traits such as
    patience and pickiness), how the user feels after the pages so far (satisfaction, boredom by genre, the urge to leave), how
    far tastes have drifted, what was consumed and is remembered, the probabilities of clicks, ratings and leaving, and the dice
    of the whole visit, laid out before its first page. The environment is partially observed; ``feedback`` shows some of the
    hidden state to evaluators.

    **Start.** Episode ``e`` after a seed brings a user drawn uniformly from the population by (seed, e), or the one asked for,
    who remembers nothing of earlier episodes. Within an episode the user remembers, and so does the observation: only ``page``
    begins anew with a visit, as it does for the recommenders of a run.

    **Scenario.** With ``scenario`` the environment is that scenario's world: data, users, their number, parameters and noise,
    language models and limits, ``slate_size``, ``max_pages``, ``visits``, ``repeats``, ``reward``, and ``invalid`` where it is
    stated; its recommenders are left out. An argument that is given goes before what the scenario says, what neither says has
    the default below. After ``reset(seed=s, options={"user_id": u})`` with the scenario's seed ``s``, the same pages get the
    same feedback as in its run, visit for visit; later episodes have other dice.

    **Copies.** A copy (``copy``, ``deepcopy``, pickle, a forked process) goes on as the original would, without its log; it
    shares language models, and does not close them.

    **Versions.** ``v0``: not released yet, so that equal seeds and actions may still give other results from one commit to
    another; the changelog marks where they do. From the first release on the number rises whenever they could.

    Examples:
        >>> import gymnasium
        >>> env = gymnasium.make("RecSimLLM/Browse-v0", slate_size=5)
        >>> observation, info = env.reset(seed=7)
        >>> observation, reward, terminated, truncated, info = env.step(np.array([3, 1, 4, 15, 9]))

    Args:
        catalog: name or folder of a data set (default ``"fictional"``), or a ``Catalog`` (then pass ``population`` and
            ``users``).
        population: None for the users of the data, or the scenario's; a number of users (the same in every process), a file,
            or a ``Population``.
        users: name of a user model (default ``"choice"``), or a ``UserModel``, of which the environment takes its own copy.
        scenario: name of a shipped scenario, path of a YAML file, or a ``Scenario``, as ``load_scenario`` returns it.
        model: language model that plays the users, ``provider/name``; ``close`` closes it. More settings, such as an address,
            stand in a scenario.
        slate_size: slots a page (default 10).
        max_pages: page budget of a visit (default 20).
        visits: most visits of a user in an episode (default 1), or ``"life"``.
        reward: name or callable (default ``"clicks"``).
        action: ``"slate"``, ``"candidates"`` or ``"embedding"``.
        observation: parts to observe.
        history_pages: pages that ``history`` holds.
        candidates: size of the candidate set, drawn uniformly for each page from the items that may be shown; where there are
            too few, known ones fill it.
        invalid: ``"count"`` (the default) or ``"error"``.
        repeats: ``"forbid"`` (the default) or ``"allow"``.
        rated: what the users rated before, where they are given as objects; ``World._asdict()`` holds all four.
        log: run folder to write every page to, made with the first page; ``close`` finishes it. None writes nothing.
        render_mode: ``"ansi"``, ``"rgb_array"`` or None.
    """

    metadata = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(
        self,
        catalog: str | PathLike[str] | Catalog | None = None,
        population: int | str | PathLike[str] | Population | None = None,
        users: str | UserModel | None = None,
        *,
        scenario: object = None,
        model: str | None = None,
        slate_size: int | None = None,
        max_pages: int | None = None,
        visits: int | str | None = None,
        reward: str | Reward | None = None,
        action: str = "slate",
        observation: Sequence[str] | None = None,
        history_pages: int = 1,
        candidates: int = 50,
        invalid: str | None = None,
        repeats: str | None = None,
        rated: RatedItems | None = None,
        log: str | PathLike[str] | None = None,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, signature(BrowseEnv).parameters)
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigError(f"render_mode: got {render_mode!r}, expected 'ansi', 'rgb_array' or None")
        self.render_mode = render_mode
        pages = {
            "slate_size": slate_size,
            "max_pages": max_pages,
            "visits": visits,
            "reward": reward,
            "action": action,
            "observation": observation,
            "history_pages": history_pages,
            "candidates": candidates,
            "invalid": invalid,
            "repeats": repeats,
        }
        world = WorldArguments(catalog=catalog, population=population, users=users, rated=rated, model=model, scenario=scenario)
        self.session = open_session(world, pages, rows=1, log=log)
        self.action_space = self.session.action.space
        self.observation_space = self.session.observer.space  # type: ignore[assignment] # Dict knows no value type
        if self.session.refusal is not None:
            carry_refusal((self.action_space, self.observation_space), self.session.refusal)
        self.feedback: Feedback | None = None
        """What was drawn on the last page, with the probabilities; for evaluation, not for policies."""
        self._over = True
        self._who = (-1, -1)

    @property
    def item_vectors(self) -> npt.NDArray[np.float32]:
        """float32 [n, d]: vectors of the items that the part ``taste`` is made of, for policies that score items.

        Raises:
            ConfigError: ``taste`` is not observed.
        """
        return self.session.observer.item_vectors

    def _played_world(self) -> World:
        return self.session.world

    def _begin(self, seed: int | None, wanted: IntArray | None) -> tuple[Observation, Info]:
        if seed is not None:
            self.session.seed(ALL_ROWS, np.array(row_seeds(seed, 1), np.uint64))
        self.session.begin(ALL_ROWS, wanted)
        self.feedback = None
        self._over = False
        kernel = self.session.kernel
        self._who = int(self.session.world.population.user_id[kernel.user_index[0]]), 0
        return self.session.observe(0), self._info(0, 0)

    def step(self, action: npt.ArrayLike) -> tuple[Observation, float, bool, bool, Info]:
        """Show one page."""
        if self._over:
            raise ContractError("step: got an action after the episode ended, expected reset() first")
        # ``item`` is the fast way from a column of one row to a plain value.
        page, *ends = self.session.step(as_array(action)[None])
        self.feedback = page.feedback
        terminated, truncated, returned = (end.item() for end in ends)
        self._over = terminated or truncated
        if returned:
            self._who = self._who[0], self._who[1] + 1
        info = self._info(page.feedback.slot.size, page.invalid.item(), ended=self._over or returned, returned=returned)
        return self.session.observe(0), page.reward.item(), terminated, truncated, info

    def allowed(self) -> BoolArray:
        """Return bool [n]: which items may stand on the next page, by catalog position.

        Those on sale and new to the user, as far as ``repeats`` asks for that; where fewer are new than a page has slots, all
        that are on sale: known ones may fill what the new ones leave.
        """
        allowed: BoolArray = self.session.allowed()[0]
        return allowed

    def render(self) -> Any:
        """Return the last page: text (``ansi``) or an image uint8 [height, width, 3] (``rgb_array``)."""
        if self.render_mode is None:
            raise ConfigError("render: got render_mode None, expected 'ansi' or 'rgb_array' in gymnasium.make")
        draw = page_text if self.render_mode == "ansi" else page_image
        return draw(self.session.world, self.session.kernel, self.feedback)

    def close(self) -> None:
        """Finish the log, if there is one."""
        self.session.close()

    def _info(self, clicks: int, invalid: int, *, ended: bool = False, returned: bool = False) -> Info:
        return {
            "user_id": self._who[0],
            "visit": self._who[1],
            "clicks": clicks,
            "invalid_slots": invalid,
            "visit_ended": ended,
            "returned": returned,
        }
