"""A model in this process, through transformers: decisions from the scores of the allowed answers, no server in between."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.model_files import fingerprint, read_context
from recsim_llm.language.base.wire import Abilities, Call, RawReply

if TYPE_CHECKING:
    from recsim_llm.language.backends.guided import Guide
    from recsim_llm.language.backends.local_model import LocalModel

__all__ = ["TransformersBackend", "find_device"]

_PACKAGES = ("torch", "transformers", "llguidance")
_PREFIX_BYTES = 512 << 20
_SCHEME = "1"
"""Rises when the same weights would give other numbers: prompts, passes, scores, or the random numbers of samples."""


def find_device(wanted: str) -> str:
    """Return where a model computes: ``auto`` is a GPU where there is one, else the CPU.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        ConfigError: there is no such device here.
    """
    if wanted == "cpu":
        return wanted
    import torch

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next((device for device, found in here.items() if found), "cpu")
    if not here[wanted]:
        raise ConfigError(f"device: got {wanted}, which torch does not find here, expected cpu, or auto for what there is")
    return wanted


class TransformersBackend:
    """A chat model in a folder, answering on this machine.

    ``labels`` with log-probabilities, ``decision`` and ``forced``: one pass reads the prompt, skipping what an earlier call
    began with alike, and one more asks all questions side by side. The reply's ``probabilities`` (its ``tokens`` say the same)
    are the model's own chances of the labels' first tokens after ``KEY:`` or the question's lead, made to sum to 1 over the
    options. Only text questions are generated, and every other answer is valid. ``labels`` with samples: the same, line by
    line, each answer drawn in sight of those before it. ``json``: only tokens that the schema allows. ``text``: free.

    Calls that wait are taken over together and carried out one after another by one thread of this process. It sets torch to
    one thread of its own, in the whole process: two are slower by CPU time. Replies are equal bit for bit whatever is asked
    beside them, before them or in which order, on one machine and one set of library versions. Weights are loaded by the
    first call.

    Args:
        path: folder of a transformers model: ``config.json``, safetensors, tokenizer, chat template.
        batch: most calls taken over at once; those that begin alike follow each other.
        device: where to compute: ``cpu``, ``cuda``, ``mps``.

    Attributes:
        name: ``transformers/FOLDER@FINGERPRINT``; changes with the weights, the tokenizer, the settings and the kind of device.
        local: True.

    Raises:
        ConfigError: a package is missing, or the folder holds no model.
    """

    local = True

    def __init__(self, path: str | Path, *, batch: int = 16, device: str = "cpu") -> None:
        folder = Path(path).expanduser()
        missing = [package for package in _PACKAGES if find_spec(package) is None]
        if missing:
            raise ConfigError(
                f"model transformers/{path}: got no package {', '.join(missing)}, expected them for a local model; "
                "pip install transformers torch llguidance"
            )
        if batch < 1:
            raise ConfigError(f"model transformers/{path}: got batch {batch}, expected at least 1")
        # Elsewhere than on a CPU the weights keep their own, coarser type: other numbers.
        scheme = _SCHEME if device == "cpu" else f"{_SCHEME} {device.partition(':')[0]}"
        self.name = f"transformers/{folder.resolve().name}@{fingerprint(folder, scheme)}"
        self.abilities: Abilities | None = Abilities(
            elicitations=("logprobs", "json", "samples", "forced"),
            samples=1024,
            seed=True,
            prefix_cache=True,
            concurrency=batch,
            context=read_context(folder),
        )
        self._folder, self._batch, self._device = folder, batch, device
        self._guide: Guide | None = None
        self._model: LocalModel | None = None
        self._waiting: deque[tuple[Call, Future[RawReply]]] = deque()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recsim-llm-model")
        self._closed = False

    async def send(self, call: Call) -> RawReply:
        """Carry out one call.

        Raises:
            BackendError: cause ``refused``: the prompt does not fit the model's context, or its tokenizer cannot tell the
                labels of a question apart.
            ConfigError: the weights cannot be loaded, or the backend is closed.
        """
        if self._closed:
            raise ConfigError(f"{self.name}: got a call after close, expected none; open the model again")
        reply: Future[RawReply] = Future()
        self._waiting.append((call, reply))
        self._worker.submit(self._carry_out_waiting)
        return await asyncio.wrap_future(reply)

    async def close(self) -> None:
        """Drop calls that wait, end the thread, give back the memory; further calls are errors."""
        self._closed = True
        await asyncio.to_thread(self._worker.shutdown, wait=True)
        self._guide = self._model = None

    def _carry_out_waiting(self) -> None:
        """Answer up to a batch of calls; runs in the worker, once for each call sent, and often finds nothing left to do."""
        taken: list[tuple[Call, Future[RawReply]]] = []
        while self._waiting and len(taken) < self._batch:
            taken.append(self._waiting.popleft())
        # Calls that begin alike come together while the beginning is surely still kept.
        for call, reply in sorted(taken, key=lambda pair: pair[0].messages):
            if self._closed:
                reply.cancel()
            elif reply.set_running_or_notify_cancel():
                try:
                    reply.set_result(self._answer(call))
                # Belongs to whoever awaits this call, whatever it is; the next call must still be answered.
                except Exception as error:
                    reply.set_exception(error)

    def _answer(self, call: Call) -> RawReply:
        if self._guide is None or self._model is None:
            self._load()
            return self._answer(call)
        return self._guide.answer(call, self._model.prompt(call.messages))

    def _load(self) -> None:
        import torch

        from recsim_llm.language.backends.guided import Guide
        from recsim_llm.language.backends.local_model import LocalModel

        torch.set_num_threads(1)
        self._model = LocalModel(self._folder, self._device, _PREFIX_BYTES)
        self._guide = Guide(self._model)
