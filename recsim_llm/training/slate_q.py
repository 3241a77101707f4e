"""SlateQ: slates by the long-term value of their items; needs the extra ``rl``, for it loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from recsim_llm.core.array_files import read_arrays
from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.configuration import FrozenSettings
from recsim_llm.errors import LogError, RecSimError
from recsim_llm.numerics.ranking import top_k
from recsim_llm.numerics.threads import one_torch_thread
from recsim_llm.numerics.torch_files import read_tensors
from recsim_llm.training.learners import PolicyWorld, TrainingEnv
from recsim_llm.training.slate_choice import LEAST_WORTH, Competition, Optimisation, best_slates, click_weights
from recsim_llm.training.slate_env import SlateEnv
from recsim_llm.training.slate_memory import SlateMemory, Transitions
from recsim_llm.training.slate_network import Appraisal, SlateNetwork
from recsim_llm.training.slate_policy import PARTS, SlatePolicy, as_input

__all__ = ["SlateQ"]

_NETWORKS, _MEMORY = "networks.pt", "memory.npz"
_SURE = 1e-6


class SlateQ:
    """Learns what a click on each item is worth from now on, and how likely it is (Ie et al. 2019, adapted).

    The value of a slate is split into those of its items (``recsim_llm.training.slate_choice``): Q(s, A) = V(s) + sum of
    P(click) q(s, i). Two networks learn the two sides from a memory of the last pages: the probability of a click by maximum
    likelihood, position and all; V and q by Q-learning on what was clicked, where a page's target is its reward, plus
    ``gamma`` times the value of the best slate that the next page may show, by networks that follow slowly. These slow networks
    are the policy. It explores by Gumbel noise on the logarithms of the items' values, that is by Plackett-Luce draws.

    Args:
        env: the environment, with slates as actions and ``PARTS`` observed.
        settings: see ``Settings``.
        gamma: discount of the next page's reward.
        steps: not used, since nothing follows a schedule.
        seed: of the first weights.
    """

    actions: ClassVar[tuple[str, ...]] = ("slate",)
    """Kinds of action that it can learn."""
    observation: ClassVar[tuple[str, ...]] = PARTS
    """Parts that it observes."""

    class Settings(FrozenSettings):
        """Settings of ``SlateQ``."""

        hidden: int = Field(default=256, ge=2)
        """Units of each of the two hidden layers of the click network; the other networks have half of them."""
        dimensions: int = Field(default=48, ge=2)
        """Numbers in the vectors of users and items whose product is a click's log-odds; half of them for its worth."""
        learning_rate: float = Field(default=1e-3, gt=0)
        """Step size of AdamW (Loshchilov & Hutter 2019)."""
        weight_decay: float = Field(default=0.1, ge=0)
        """Share of the step size by which each step shrinks every weight: what keeps users from being learned by heart."""
        batch: int = Field(default=512, ge=1)
        """Pages a gradient step."""
        memory: int = Field(default=100, ge=2)
        """Pages of each row that are remembered."""
        temperature: float = Field(default=0.5, gt=0)
        """Of the exploration: the noise on the logarithm of each item's value."""
        following: float = Field(default=0.005, gt=0, le=1)
        """Share of the way to the learned weights that the policy's weights go at each gradient step."""
        worth_weight: float = Field(default=0.1, ge=0)
        """Weight of the squared error of returns beside the clicks' log loss."""
        competition: Competition = "independent"
        """How the items of a page compete for clicks."""
        optimisation: Optimisation = "exact"
        """How the best slate is looked for."""

    def __init__(self, env: TrainingEnv, settings: Settings, *, gamma: float, steps: int, seed: int) -> None:
        del steps
        self._env, self._settings, self._gamma = env, settings, gamma
        self._seen = SlateEnv.of(env)
        self._slots, items, inputs = self._seen.slots, self._seen.items, self._seen.inputs
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self._learned, self._slow = (
                SlateNetwork(items, inputs=inputs, slots=self._slots, hidden=settings.hidden, dimensions=settings.dimensions)
                for _ in range(2)
            )
        self._slow.load_state_dict(self._learned.state_dict())
        self._optimizer = torch.optim.AdamW(
            self._learned.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._memory = SlateMemory(steps=settings.memory, rows=env.num_envs, inputs=inputs, items=len(items), slots=self._slots)

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> Settings:
        """Return settings that are written by name.

        Raises:
            ConfigError: a key is unknown, or a value is wrong.
        """
        return cls.Settings.read(values, source)

    def learn(self, steps: int, *, seed: int) -> None:
        """Reset the environment and go on learning.

        Args:
            steps: pages to show, over all rows together; the last ones make up a whole page of every row.
            seed: of the environment and of all draws.
        """
        with one_torch_thread():
            self._learn(-(-steps // self._env.num_envs), seed)

    def _learn(self, pages: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        observation, _ = self._env.reset(seed=seed)
        self._memory.part()
        for _ in range(pages):
            inputs, fresh = as_input(observation)
            slates = self._explore(inputs, fresh, random)
            observation, reward, terminated, truncated, _ = self._env.step(slates)
            shown, clicked = self._seen.last_page()
            self._memory.add(inputs, fresh, slates=shown, clicked=clicked, reward=reward, ended=terminated | truncated)
            batch = self._memory.draw(random, self._settings.batch)
            if len(batch.reward):
                self._improve(batch)

    def _explore(self, inputs: FloatArray, fresh: BoolArray, random: np.random.Generator) -> IntArray:
        with torch.no_grad():
            value = self._values(self._learned.appraise(torch.from_numpy(inputs)))
        noisy = np.log(value) + self._settings.temperature * random.gumbel(size=value.shape).astype(np.float32)
        return top_k(noisy + np.where(fresh, np.float32(0), np.float32(-1e6)), self._slots)

    def _improve(self, batch: Transitions) -> None:
        said = self._learned.appraise(torch.from_numpy(batch.inputs))
        slates, clicked, shown = (torch.from_numpy(column) for column in (batch.slates, batch.clicked, batch.shown))
        log_odds, worth = said.click.gather(1, slates), said.worth.gather(1, slates)
        loss = self._surprise(log_odds, clicked, shown)
        expected = said.rest + (clicked * worth).sum(dim=1)
        loss = loss + self._settings.worth_weight * functional.mse_loss(expected, self._target(batch))
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch gives it no types.
        self._optimizer.step()
        with torch.no_grad():
            for slow, learned in zip(self._slow.parameters(), self._learned.parameters(), strict=True):
                slow.lerp_(learned, self._settings.following)

    def _surprise(self, log_odds: Tensor, clicked: Tensor, shown: Tensor) -> Tensor:
        """Return the log loss of the clicks, a slot."""
        if self._settings.competition == "independent":
            chance = (torch.sigmoid(log_odds) * self._learned.examined()).clamp(_SURE, 1 - _SURE)
            surprise = clicked * torch.log(chance) + (1 - clicked) * torch.log1p(-chance)
            return -(surprise * shown).sum() / shown.sum().clamp(min=1)
        options = torch.cat([log_odds.masked_fill(shown == 0, -np.inf), torch.zeros(len(log_odds), 1)], dim=1)
        none = 1 - clicked.sum(dim=1, keepdim=True)
        chosen = torch.cat([clicked, none], dim=1)
        return -torch.where(chosen > 0, chosen * torch.log_softmax(options, dim=1), 0).sum(dim=1).mean()

    @torch.no_grad()
    def _target(self, batch: Transitions) -> Tensor:
        """Return float32 [b]: reward, and the discounted value of the best slate of the next page."""
        reward = torch.from_numpy(batch.reward)
        after = self._slow.appraise(torch.from_numpy(batch.next_inputs))
        slates = self._best(after, batch.next_fresh)
        weight = click_weights(after.click.numpy(), self._settings.competition)
        weight, worth = (np.take_along_axis(part, slates, axis=1) for part in (weight, after.worth.numpy()))
        if self._settings.competition == "independent":
            value = (weight * worth) @ self._slow.examined().numpy()
        else:
            value = (weight * worth).sum(axis=1) / (1 + weight.sum(axis=1))
        return reward + self._gamma * torch.from_numpy(batch.goes_on) * (after.rest + torch.from_numpy(value))

    def _best(self, said: Appraisal, fresh: BoolArray) -> IntArray:
        settings = self._settings
        return best_slates(
            said.click.numpy(),
            said.worth.numpy(),
            fresh,
            self._slots,
            competition=settings.competition,
            optimisation=settings.optimisation,
        )

    def _values(self, said: Appraisal) -> FloatArray:
        weight = click_weights(said.click.numpy(), self._settings.competition)
        values: FloatArray = np.maximum(weight * np.maximum(said.worth.numpy(), LEAST_WORTH), np.float32(_SURE))
        return values

    def save(self, folder: Path) -> None:
        """Write networks, optimiser and memory into a folder."""
        networks = {"learned": self._learned.state_dict(), "slow": self._slow.state_dict()}
        torch.save(networks | {"optimizer": self._optimizer.state_dict()}, folder / _NETWORKS)
        np.savez(folder / _MEMORY, **self._memory.state())  # type: ignore[arg-type] # A name of its own is none of these.

    def load(self, folder: Path) -> None:
        """Take the state that ``save`` wrote.

        Raises:
            LogError: the files are missing or damaged, or of networks of another size.
            ConfigError: they are of a learner with another number of rows or another capacity.
        """
        try:
            networks = read_tensors(folder / _NETWORKS)
            self._memory.restore(read_arrays(folder / _MEMORY))
            self._learned.load_state_dict(networks["learned"])
            self._slow.load_state_dict(networks["slow"])
            self._optimizer.load_state_dict(networks["optimizer"])
        except RecSimError:
            raise
        except Exception as error:  # Whatever tensors of other shapes and names make torch raise.
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise LogError(f"{folder}: got {said}, expected the state of a slate_q learner; train anew") from error

    def policy(self) -> SlatePolicy:
        """Return the policy of the slow networks; it changes no more."""
        return SlatePolicy(
            self._slow.clicks.towers(),
            self._slow.worths.towers(),
            slots=self._slots,
            competition=self._settings.competition,
            optimisation=self._settings.optimisation,
        )

    @classmethod
    def read_policy(cls, folder: Path, world: PolicyWorld) -> SlatePolicy:
        """Return the policy that ``SlatePolicy.save`` wrote; see ``SlatePolicy.load``."""
        return SlatePolicy.load(folder, world)
