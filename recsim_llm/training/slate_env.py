"""What slate learners take from their environment."""

from __future__ import annotations

from typing import NamedTuple

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.envs.vector import BrowseVectorEnv
from recsim_llm.training.learners import TrainingEnv, policy_world

__all__ = ["SlateEnv"]


class SlateEnv(NamedTuple):
    """An environment whose actions are slates, and its measures."""

    browse: BrowseVectorEnv
    """The environment under all wrappers."""
    items: FloatArray
    """float32 [n, d]: vectors of the items."""
    slots: int
    """Slots a page."""
    taste: int
    """Numbers of a user's taste."""
    inputs: int
    """Numbers of what networks see of an observation."""

    @classmethod
    def of(cls, env: TrainingEnv) -> SlateEnv:
        """Measure an environment.

        Raises:
            ConfigError: tastes are not observed.
        """
        browse, world = env.unwrapped, policy_world(env)
        assert isinstance(browse, BrowseVectorEnv)
        items = browse.item_vectors
        taste, page = (world.observation_space[part].shape or (0,) for part in ("taste", "page"))
        return cls(browse, items, world.slate_size, taste[0], taste[0] + page[0])

    def last_page(self) -> tuple[IntArray, BoolArray]:
        """Return what was shown on the page before, int64 [r, k], -1 in blank slots, and what was clicked."""
        feedback = self.browse.feedback
        assert feedback is not None
        return feedback.pages.item_index, feedback.clicked
