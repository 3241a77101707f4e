"""The loop: chunks of examples, one step a batch, the best weights kept by what users kept apart would say.

A chunk depends on the seed and its number alone, examples, order and dropout, so that a loop that goes on from a checkpoint
comes to the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from recsim_llm.agents.tuning.packed_training import Batch, Packer, answer_loss, batches
from recsim_llm.agents.tuning.tuning_examples import Examples
from recsim_llm.agents.tuning.tuning_settings import CHECKPOINT, SCRATCH, TuningSettings
from recsim_llm.core import keyed
from recsim_llm.core.files import write_atomically
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.numerics.torch_files import read_tensors

__all__ = ["CHUNK", "TrainingLoop", "TuningState"]

CHUNK = 128
"""Examples between two chances to be watched."""
_WATCHED_EVERY = 8  # chunks between two looks at the validation users, each followed by a checkpoint
_WATCHED = 200  # examples of validation users
_WARM_UP = 600  # examples over which the learning rate rises, or a fifth of all of them where these are fewer
_DROPOUT = 0.2
_BATCH_TOKENS = 2048
_WEIGHT_DECAY = 0.05


class TuningState(NamedTuple):
    """How far a tuning is."""

    done: int
    """Examples learned from."""
    of: int
    """Examples in all."""
    speed: float
    """Examples a second; 0 at the beginning."""
    loss: float
    """Mean cross-entropy of the last chunk's answers, nats."""
    watched: float | None
    """Lowest cross-entropy of the validation users' answers so far, nats."""


class TrainingLoop:
    """Trains a network in place.

    Args:
        network: what is trained.
        packer: turns examples into numbers.
        training: examples of training users.
        validation: examples of validation users.
        settings: what was asked for.
        folder: where checkpoints are kept.
        padding: token that fills batches.
    """

    def __init__(
        self,
        network: Any,
        packer: Packer,
        training: Examples,
        validation: Examples,
        *,
        settings: TuningSettings,
        folder: Path,
        padding: int,
    ) -> None:
        self._network, self._packer, self._examples = network, packer, training
        self._settings, self._path, self._padding = settings, folder / CHECKPOINT, padding
        self._optimizer = torch.optim.AdamW(_groups(network, settings), lr=settings.highest_rate, betas=(0.9, 0.98))
        self._watched = self._batches(validation, 0, min(_WATCHED, settings.examples))
        self._chunks = -(-settings.examples // CHUNK)
        self._done, self.lowest, self._best = 0, math.inf, dict[str, torch.Tensor]()
        self.losses: list[tuple[int, float]] = []
        """Examples learned from, and the validation users' cross-entropy then."""
        self.seconds_before = 0.0
        """Processor time that was spent before the last checkpoint of an earlier process, seconds."""
        self._began = time.process_time()
        self._dropout = _add_dropout(network) if settings.model == SCRATCH else None

    def run(self, update: Callable[[TuningState], None]) -> None:
        """Train to the end, from the last checkpoint on if there is one, and leave the best weights in the network.

        Raises:
            ConfigError: the training diverged.
        """
        if self._path.is_file():
            self._restore()
        began, first = time.monotonic(), self._done
        while self._done < self._chunks:
            loss = self._learn(self._done)
            self._done += 1
            if self._done % _WATCHED_EVERY == 0 or self._done == self._chunks:
                self._watch()
                self._save()
            passed = max(time.monotonic() - began, 1e-9)
            examples = min(self._done * CHUNK, self._settings.examples)
            watched = None if math.isinf(self.lowest) else self.lowest
            speed = (self._done - first) * CHUNK / passed
            update(TuningState(examples, self._settings.examples, speed, loss, watched))
        self._network.load_state_dict(self._best, strict=False)
        self._train(False)

    def _learn(self, number: int) -> float:
        count = min(CHUNK, self._settings.examples - number * CHUNK)
        found = self._batches(self._examples, number, count)
        seed = self._settings.seed
        torch.manual_seed(int(keyed.words(seed, "tuning dropout", number)[0] >> np.uint64(2)))
        order = keyed.words(seed, "tuning batches", number, np.arange(len(found))).argsort(kind="stable")
        self._train(True)
        losses = []
        for place, which in enumerate(order.tolist()):
            self._set_rate((number + place / len(found)) / self._chunks)
            loss = answer_loss(self._network, found[which]).mean()
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
            self._optimizer.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _batches(self, examples: Examples, number: int, count: int) -> list[Batch]:
        packed = [self._packer.pack(example) for example in examples.draw(number, count)]
        return batches(packed, _BATCH_TOKENS, self._padding, self._network.device)

    def _set_rate(self, passed: float) -> None:
        rising = min(_WARM_UP / self._settings.examples, 0.2)
        rate = min(passed / rising, 0.5 + 0.5 * math.cos(math.pi * passed)) + 1e-3
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.highest_rate * rate

    def _train(self, on: bool) -> None:
        self._network.train(on)
        if self._dropout is not None:
            self._dropout.train(on)

    def _watch(self) -> None:
        self._train(False)
        with torch.inference_mode():
            loss = float(torch.cat([answer_loss(self._network, batch) for batch in self._watched]).mean())
        if not math.isfinite(loss):
            remedy = "give a lower --learning-rate, and another --out"
            raise ConfigError(f"tune: got a loss of {loss} after {self._done} steps, expected a number; {remedy}")
        self.losses.append((min(self._done * CHUNK, self._settings.examples), loss))
        if loss < self.lowest:
            self.lowest = loss
            self._best = {name: weight.detach().cpu().clone() for name, weight in self._trained().items()}

    def _trained(self) -> dict[str, torch.Tensor]:
        return {name: weight for name, weight in self._network.named_parameters() if weight.requires_grad}

    def _save(self) -> None:
        state = {
            "done": self._done,
            "lowest": self.lowest,
            "losses": self.losses,
            "seconds": self.seconds_before + time.process_time() - self._began,
            "best": self._best,
            "weights": {name: weight.detach() for name, weight in self._trained().items()},
            "optimizer": self._optimizer.state_dict(),
        }
        content = BytesIO()
        torch.save(state, content)
        write_atomically(self._path, content.getvalue())

    def _restore(self) -> None:
        try:
            state = read_tensors(self._path, device=self._network.device)
            self._done, self.lowest, self.losses, self._best = state["done"], state["lowest"], state["losses"], state["best"]
            self.seconds_before = state["seconds"]
            self._network.load_state_dict(state["weights"], strict=False)
            self._optimizer.load_state_dict(state["optimizer"])
        except Exception as error:  # Whatever tensors of other shapes and names make torch raise.
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise LogError(f"{self._path}: got {said}, expected what tuning kept; remove it, which begins anew") from error


def _groups(network: Any, settings: TuningSettings) -> list[dict[str, Any]]:
    """Return the weights that are trained, in groups of whether they are pulled to 0."""
    table = network.get_input_embeddings().weight
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    titles = [table] if settings.model == SCRATCH else []
    matrices = [weight for weight in trained if weight.dim() > 1 and not (titles and weight is table)]
    others = [weight for weight in trained if weight.dim() < 2]
    groups = [(matrices, _WEIGHT_DECAY), (others, 0.0), (titles, 0.0)]
    return [{"params": own, "weight_decay": decay} for own, decay in groups if own]


def _add_dropout(network: Any) -> torch.nn.Dropout:
    """Have a Llama forget some of its embeddings and of what its layers find (Srivastava et al. 2014), while it is trained."""
    dropout = torch.nn.Dropout(_DROPOUT)

    def forget(module: Any, given: Any, found: torch.Tensor) -> torch.Tensor:  # noqa: ARG001 (a hook's signature)
        return dropout(found)  # type: ignore[no-any-return]

    for module in [network.get_input_embeddings(), *(layer.mlp for layer in network.base_model.layers)]:
        module.register_forward_hook(forget)
    return dropout
