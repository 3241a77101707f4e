"""A policy of Stable-Baselines3 that chooses among offered candidates; needs the extra ``rl``, for it loads torch.

With ``MultiInputPolicy``, a page of k out of c candidates is k draws out of c positions that mean other items on every page:
what is learned of position 7 says nothing about the next page's position 7, and a slate may hold an item twice. Here one head,
shared by all candidates, scores each by what it is, and a slate is drawn without replacement.
"""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn

from recsim_llm.errors import ConfigError

__all__ = ["CandidatePolicy", "PlackettLuceSlates"]

_HIDDEN, _DIMENSIONS = 128, 32
_CANDIDATES = ("candidate_item", "candidate_features", "candidate_vectors")


class PlackettLuceSlates(Distribution):
    """Slates drawn without replacement: each slot from a softmax over the candidates that are left (Plackett 1975).

    Args:
        slots: slots a page.
    """

    def __init__(self, slots: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # The library gives it no types.
        self._slots = slots
        self.scores: Tensor
        """float32 [r, c]: what the softmax is of."""

    def proba_distribution_net(self, *args: Any, **kwargs: Any) -> nn.Module:  # noqa: ARG002 (the library's signature)
        """Return the identity: the policy's own head gives the scores."""
        return nn.Identity()

    def proba_distribution(self, scores: Tensor) -> PlackettLuceSlates:
        """Take in scores, float32 [r, c], and return itself."""
        self.scores = scores
        return self

    def log_prob(self, x: Tensor) -> Tensor:
        """Return float32 [r]: of whole slates, [r, k] candidates in order, exact; minus infinity where one is there twice."""
        return self.by_slot(x)[0].sum(dim=1)

    def by_slot(self, slates: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probability and entropy of each slot given the slots before it, float32 [r, k] each."""
        slates = slates.long()
        left, chosen, entropy = self.scores, [], []
        for slot in range(self._slots):
            law = torch.log_softmax(left, dim=1)
            chosen.append(law.gather(1, slates[:, slot : slot + 1]))
            entropy.append(-(law.exp() * law.clamp(min=-1e9)).sum(dim=1, keepdim=True))
            left = left.scatter(1, slates[:, slot : slot + 1], -torch.inf)
        return torch.cat(chosen, dim=1), torch.cat(entropy, dim=1)

    def entropy(self) -> Tensor:
        """Return float32 [r]: an unbiased estimate, from one slate drawn; the exact sum goes over all ordered slates."""
        return self.by_slot(self.sample())[1].sum(dim=1)

    def sample(self) -> Tensor:
        """Return int64 [r, k]: slates, drawn as the k largest of the scores plus Gumbel noise."""
        return self.draw(torch.rand_like(self.scores))

    def draw(self, uniform: Tensor) -> Tensor:
        """Return int64 [r, k]: slates drawn with given numbers from 0 to 1, [r, c]."""
        tiny = torch.finfo(uniform.dtype).tiny
        noise = -torch.log((-torch.log(uniform.clamp(min=tiny))).clamp(min=tiny))
        return (self.scores + noise).topk(self._slots, dim=1).indices

    def mode(self) -> Tensor:
        """Return int64 [r, k]: the best candidates, best first."""
        return self.scores.topk(self._slots, dim=1).indices

    def actions_from_params(self, scores: Tensor, deterministic: bool = False) -> Tensor:
        """Return slates for scores."""
        return self.proba_distribution(scores).get_actions(deterministic=deterministic)

    def log_prob_from_params(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return slates drawn for scores, and their log-probabilities."""
        slates = self.proba_distribution(scores).sample()
        return slates, self.log_prob(slates)


class CandidatePolicy(ActorCriticPolicy):
    """Scores every candidate by one head, and shows slates drawn without replacement; for PPO and A2C.

        rows = gymnasium.make_vec(
            "RecSimLLM/Browse-v0", num_envs=64, action="candidates", observation=["page", "taste"], autoreset_mode="same_step"
        )
        model = stable_baselines3.PPO(CandidatePolicy, StableBaselinesVecEnv(rows))

    A candidate's score is the sum of two products: of what the user's taste, block by block and entry by entry, and the
    candidate's vector have in common, where ``taste`` is observed; and of a perceptron of everything that is known of the user
    with one of the candidate's features. The value of a page is a perceptron of what is known of the user, plus a learned
    multiple of the mean of the best candidates' scores.
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], *args: Any, **kwargs: Any
    ) -> None:
        if not isinstance(observation_space, spaces.Dict) or "candidate_features" not in observation_space.spaces:
            raise ConfigError(
                f"CandidatePolicy: got observations {observation_space}, expected those of action='candidates', not flattened"
            )
        kwargs = {"features_extractor_class": _AsItIs} | kwargs
        super().__init__(observation_space, action_space, *args, **kwargs)

    def _build(self, lr_schedule: Schedule) -> None:
        space: Any = self.observation_space
        slots = len(self.action_space.nvec)  # type: ignore[attr-defined] # MultiDiscrete: candidates by slot.
        self._parts = sorted(set(space.spaces) - set(_CANDIDATES))
        known = sum(spaces.flatdim(space[part]) for part in self._parts)
        features = space["candidate_features"].shape[1]
        self._law = PlackettLuceSlates(slots)
        self.user, self.candidate = _perceptron(known, _DIMENSIONS), _perceptron(features, _DIMENSIONS)
        self.likeness = self.general = None
        if "candidate_vectors" in space.spaces:
            width = space["candidate_vectors"].shape[1]
            self.likeness = nn.Parameter(torch.zeros(space["taste"].shape[0] // width, width))
            self.general = nn.Parameter(torch.zeros(width))
        self.worth, self.best = _perceptron(known, 1), nn.Parameter(torch.zeros(()))
        nn.init.zeros_(_last_weights(self.user))
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

    def _appraise(self, observation: PyTorchObs) -> tuple[Tensor, Tensor]:
        """Return the candidates' scores, float32 [r, c], and the value, float32 [r, 1]."""
        seen: Any = self.extract_features(observation)
        user = torch.cat([seen[part].flatten(1) for part in self._parts], dim=1)
        scores = torch.einsum("rd,rcd->rc", self.user(user), self.candidate(seen["candidate_features"])) * _DIMENSIONS**-0.5
        if self.likeness is not None:
            blocks, width = self.likeness.shape
            taste = seen["taste"][:, : blocks * width].unflatten(1, (blocks, width))
            liked = (taste * self.likeness).sum(dim=1) + self.general
            scores = scores + torch.einsum("rd,rcd->rc", liked, seen["candidate_vectors"])
        best = scores.detach().topk(len(self.action_space.nvec), dim=1).values  # type: ignore[attr-defined]
        return scores, self.worth(user) + self.best * best.mean(dim=1, keepdim=True)

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Return slates [r, k], values [r, 1] and log-probabilities [r]."""
        scores, value = self._appraise(obs)
        law = self._law.proba_distribution(scores)
        slates = law.get_actions(deterministic=deterministic)
        return slates, value, law.log_prob(slates)

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return values [r, 1], log-probabilities [r] and entropies [r] (along the given slates, unbiased) of slates [r, k]."""
        scores, value = self._appraise(obs)
        chosen, entropy = self._law.proba_distribution(scores).by_slot(actions)
        return value, chosen.sum(dim=1), entropy.sum(dim=1)

    def get_distribution(self, obs: PyTorchObs) -> PlackettLuceSlates:
        """Return the distribution of slates."""
        return self._law.proba_distribution(self._appraise(obs)[0])

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Return values [r, 1]."""
        return self._appraise(obs)[1]


class _AsItIs(BaseFeaturesExtractor):
    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, features_dim=1)

    def forward(self, observations: PyTorchObs) -> PyTorchObs:
        return observations


def _last_weights(perceptron: nn.Sequential) -> Tensor:
    layer = perceptron[-1]
    assert isinstance(layer, nn.Linear)
    return layer.weight


def _perceptron(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, outputs))
