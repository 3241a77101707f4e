"""Examples as tensors: a prompt once, every question as a branch behind it, many answers to learn in one pass.

The mask and the positions are those of ``recsim_llm.language.backends.branches``: a branch sees the prompt and itself, and
counts on from the prompt's end. What is learned is so exactly what is computed in a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
import torch

from recsim_llm.agents.tuning.tuning_examples import Example
from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.branches import attention_windows
from recsim_llm.language.backends.local_model import LocalModel

__all__ = ["Batch", "Packed", "Packer", "answer_loss", "answer_scores", "batches"]

PROMPT, NOBODY = -1, -2
_KEPT_LEADS = 100_000


class Packed(NamedTuple):
    """One example as numbers."""

    tokens: list[int]
    """Prompt and branches."""
    owners: list[int]
    """Branch of each token; -1 for the prompt."""
    positions: list[int]
    """Place of each token in the text that it belongs to."""
    answered: list[int]
    """Places of the tokens after which an answer follows."""
    labels: list[list[int]]
    """First token of each option, by answer."""
    chances: list[tuple[float, ...]]
    """Probability of each option, by answer."""


class Packer:
    """Turns examples into numbers with a model's own tokenizer.

    Args:
        model: the model that is trained.
    """

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._encoder = model.tokenizer.backend_tokenizer
        self._put = lru_cache(_KEPT_LEADS)(self._written)

    def pack(self, example: Example) -> Packed:
        """Return an example as numbers.

        Raises:
            ConfigError: labels cannot be told apart by their first token.
        """
        prompt = self._model.prompt(example.messages).tokens
        packed = Packed(list(prompt), [PROMPT] * len(prompt), list(range(len(prompt))), [], [], list(example.targets))
        for branch, question in enumerate(example.questions):
            lead, labels = self._put(question.lead, question.labels)
            packed.tokens.extend(lead)
            packed.owners.extend([branch] * len(lead))
            packed.positions.extend(range(len(prompt), len(prompt) + len(lead)))
            packed.answered.append(len(packed.tokens) - 1)
            packed.labels.append(labels)
        return packed

    def _written(self, lead: str, labels: tuple[str, ...]) -> tuple[list[int], list[int]]:
        """Return the tokens before an answer and the first one of each label, as ``option_tokens`` finds them."""
        written = [self._encoder.encode(f"{lead} {label}", add_special_tokens=False).ids for label in labels]
        alike = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*written, strict=False))]
        first = [tokens[len(alike)] if len(tokens) > len(alike) else -1 for tokens in written]
        if len(set(first)) < len(first) or min(first) < 0:
            raise ConfigError(
                f"tune: got a tokenizer that begins labels of {lead!r} alike ({', '.join(labels)}), expected a first token of "
                "its own for each; choose another model"
            )
        return alike, first


class Batch(NamedTuple):
    """Examples of about the same length, side by side."""

    tokens: torch.Tensor
    """int64 [b, t]."""
    owners: torch.Tensor
    """int64 [b, t]; -2 where there is no token."""
    positions: torch.Tensor
    """int64 [b, t]."""
    answered: torch.Tensor
    """int64 [a]: places of answers in the flattened tokens."""
    labels: torch.Tensor
    """int64 [a, o]: first tokens of options, repeated where an answer has fewer options."""
    chances: torch.Tensor
    """float32 [a, o]."""


def batches(examples: Sequence[Packed], most_tokens: int, padding: int, device: Any = "cpu") -> list[Batch]:
    """Return batches of at most so many tokens, padding included, on a device; examples of like length come together."""
    order = sorted(range(len(examples)), key=lambda place: (len(examples[place].tokens), place))
    groups: list[list[Packed]] = [[]]
    for place in order:
        if groups[-1] and (len(groups[-1]) + 1) * len(examples[place].tokens) > most_tokens:
            groups.append([])
        groups[-1].append(examples[place])
    return [Batch(*(part.to(device) for part in _batch(group, padding))) for group in groups]


def _batch(group: Sequence[Packed], padding: int) -> Batch:
    length = max(len(example.tokens) for example in group)
    tokens = np.full((len(group), length), padding, np.int64)
    owners, positions = np.full_like(tokens, NOBODY), np.zeros_like(tokens)
    answered, labels, chances = list[int](), list[list[int]](), list[tuple[float, ...]]()
    for row, example in enumerate(group):
        end = len(example.tokens)
        tokens[row, :end], owners[row, :end], positions[row, :end] = example.tokens, example.owners, example.positions
        answered += [row * length + place for place in example.answered]
        labels += example.labels
        chances += example.chances
    most = max(map(len, labels))
    wide = [own + own[:1] * (most - len(own)) for own in labels]
    shares = [(*own, *(0.0,) * (most - len(own))) for own in chances]
    return Batch(
        torch.from_numpy(tokens), torch.from_numpy(owners), torch.from_numpy(positions),
        torch.tensor(answered), torch.tensor(wide), torch.tensor(shares),
    )  # fmt: skip


def answer_loss(network: Any, batch: Batch) -> torch.Tensor:
    """Return the cross-entropy of each answer, float32 [a], over all tokens that could follow."""
    likelihood = torch.log_softmax(answer_scores(network, batch), -1).gather(1, batch.labels)
    return -(likelihood * batch.chances).sum(1)


def answer_scores(network: Any, batch: Batch) -> torch.Tensor:
    """Return the scores of what may follow where an answer follows, float32 [a, vocabulary]."""
    owner, position = batch.owners, batch.positions
    distance = position[:, :, None] - position[:, None, :]
    seen = ((owner[:, None, :] == PROMPT) | (owner[:, None, :] == owner[:, :, None])) & (distance >= 0)
    windows = attention_windows(network.config.get_text_config())
    masks = {kind: _mask(seen & (distance < window), network.dtype) for kind, window in windows.items()}
    states = network.base_model(
        input_ids=batch.tokens,
        attention_mask=masks if len(masks) > 1 else next(iter(masks.values())),
        position_ids=position,
        use_cache=False,
    ).last_hidden_state
    scores: torch.Tensor = network.get_output_embeddings()(states.flatten(0, 1)[batch.answered]).float()
    cap = getattr(network.config.get_text_config(), "final_logit_softcapping", None)
    return scores if cap is None else torch.tanh(scores / cap) * cap


def _mask(seen: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    return torch.zeros(seen.shape, dtype=kind, device=seen.device).masked_fill_(~seen, torch.finfo(kind).min)[:, None]
