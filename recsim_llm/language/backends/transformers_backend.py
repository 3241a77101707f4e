"""A model in this process, through transformers: decisions from the scores of the allowed answers, no server in between."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.model_files import fingerprint, fingerprint_file, import_package, read_context
from recsim_llm.language.backends.packaged_models import find_gguf
from recsim_llm.language.base.wire import Abilities, Call, RawReply

if TYPE_CHECKING:
    from recsim_llm.language.backends.guided import Guide
    from recsim_llm.language.backends.local_model import LocalModel

__all__ = ["TransformersBackend", "find_device"]

_PACKAGES = ("transformers", "torch", "llguidance")
_PREFIX_BYTES = 1 << 30
_SCHEME = "3"
"""Rises when the same weights would give other numbers: prompts, passes, scores, or the random numbers of samples."""

Precision = Literal["float32", "bfloat16"]
_Waiting = tuple[Call, Future[RawReply]]


def find_device(wanted: str) -> str:
    """Return where a model computes: ``auto`` is a GPU where there is one, else the CPU.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Raises:
        ConfigError: there is no such device here, or torch cannot be imported.
    """
    if wanted == "cpu":
        return wanted
    import_package("torch")
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
    are the model's own chances, after ``KEY:`` or, asked alone, the words before the answer, of the tokens that spell a label,
    or begin it where none spells it, made to sum to 1 over the options. Only text questions are generated, and every other
    answer is valid.
    ``labels`` with samples: the same, line by line, each answer drawn in sight of those before it. ``json``: only tokens that
    the schema allows. ``text``: free.
    ``likelihood``: the messages as plain text, and all words after it in one more pass.

    Calls that wait are taken over together and carried out by *lanes*, threads of this process that take one call at a time,
    each with one torch thread of its own; on a CPU there are as many as cores (OMP_NUM_THREADS may name fewer), else one. Two
    lanes do more than one pass on two threads, and what a call's passes look like does not depend on how many there are. So
    replies are equal bit for bit whatever is asked beside them, before them, in which order or on how many cores, on one kind
    of machine and one set of library versions. Torch is left at one thread. Weights are loaded by the first call.

    Args:
        path: folder of a transformers model: ``config.json``, safetensors, tokenizer, chat template; or a GGUF file, or the
            name of a packaged model, whose weights the first call turns into such a folder in the user's cache folder.
        batch: most calls taken over at once; those that begin alike follow each other.
        device: where to compute: ``cpu``, ``cuda``, ``mps``.
        precision: ``float32`` or ``bfloat16``; None: ``float32`` on a CPU, elsewhere the type of the weights.

    Attributes:
        name: ``transformers/FOLDER@FINGERPRINT``, of a file ``transformers/FILE@FINGERPRINT``; changes with the weights, the
            tokenizer, the settings, the kind of device and the precision.
        local: True.
        place: the folder or file.

    Raises:
        ConfigError: a package is missing, torch cannot be imported, or the folder holds no model.
        DataError: a packaged model is damaged.
    """

    local = True

    def __init__(self, path: str | Path, *, batch: int = 16, device: str = "cpu", precision: Precision | None = None) -> None:
        file = find_gguf(path)
        needed = _PACKAGES if file is None else (*_PACKAGES, "gguf")
        missing = [package for package in needed if find_spec(package) is None]
        if missing:
            raise ConfigError(
                f"model transformers/{path}: got no package {', '.join(missing)}, expected them for a local model; "
                f"pip install {' '.join(needed)}"
            )
        if batch < 1:
            raise ConfigError(f"model transformers/{path}: got batch {batch}, expected at least 1")
        # Here and not in a lane, which could tell nobody.
        import_package("torch")
        kind = device.partition(":")[0]
        # Elsewhere than on a CPU the weights keep their own, coarser type: other numbers.
        usual = "float32" if kind == "cpu" else "auto"
        self._precision = precision or usual
        scheme = [_SCHEME, *([] if kind == "cpu" else [kind]), *([] if self._precision == usual else [self._precision])]
        if file is None:
            folder = Path(path).expanduser()
            mark = fingerprint(folder, " ".join(scheme))
        else:
            folder = file.path
            mark = fingerprint_file(folder, " ".join([*scheme, file.template]))
        self.name = f"transformers/{folder.resolve().name}@{mark}"
        self.abilities: Abilities | None = Abilities(
            # In one pass ``forced`` costs no more than a list of questions that nothing writes out: what it asks is what small
            # models understand.
            elicitations=("forced", "logprobs", "json", "samples"),
            samples=1024,
            seed=True,
            prefix_cache=True,
            concurrency=batch,
            likelihood=True,
            context=read_context(folder),
        )
        self.place = folder
        self._folder, self._file, self._batch, self._device = folder, file, batch, device
        self._opened: tuple[LocalModel, Guide] | None = None
        self._waiting: deque[_Waiting] = deque()
        self._round: list[_Waiting] = []
        self._taking, self._loading = Lock(), Lock()
        lanes = min(_cores(), batch) if kind == "cpu" else 1
        self._lanes = ThreadPoolExecutor(lanes, "recsim-llm-model", initializer=_one_torch_thread)
        self._closed = False

    async def send(self, call: Call) -> RawReply:
        """Carry out one call.

        Raises:
            BackendError: cause ``refused``: the prompt does not fit the model's context, or its tokenizer cannot tell the
                labels of a question apart.
            ConfigError: a package cannot be imported, the weights cannot be loaded, or the backend is closed.
        """
        if self._closed:
            raise ConfigError(f"{self.name}: got a call after close, expected none; open the model again")
        reply: Future[RawReply] = Future()
        self._waiting.append((call, reply))
        self._lanes.submit(self._carry_out_one)
        return await asyncio.wrap_future(reply)

    async def close(self) -> None:
        """Drop calls that wait, end the threads, give back the memory; further calls are errors."""
        self._closed = True
        await asyncio.to_thread(self._lanes.shutdown, wait=True)
        self._opened = None

    def _carry_out_one(self) -> None:
        """Answer the next call; runs in a lane, once for each call sent."""
        call, reply = self._take()
        if self._closed:
            reply.cancel()
        elif reply.set_running_or_notify_cancel():
            try:
                model, guide = self._open()
                plain = call.form == "likelihood"
                prompt = model.plain(call.messages) if plain else model.prompt(call.messages, call.recurring)
                reply.set_result(guide.answer(call, prompt))
            # Belongs to whoever awaits this call, whatever it is; the next call must still be answered.
            except Exception as error:
                reply.set_exception(error)

    def _take(self) -> _Waiting:
        with self._taking:
            if not self._round:
                taken = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
                # Calls that begin alike come together while the beginning is surely still kept.
                self._round = sorted(taken, key=lambda waiting: waiting[0].messages, reverse=True)
            return self._round.pop()

    def _open(self) -> tuple[LocalModel, Guide]:
        with self._loading:
            if self._opened is None:
                for package in _PACKAGES:
                    import_package(package)
                from recsim_llm.language.backends.gguf_conversion import convert_gguf
                from recsim_llm.language.backends.guided import Guide
                from recsim_llm.language.backends.local_model import LocalModel

                folder = self._folder if self._file is None else convert_gguf(self._file)
                model = LocalModel(folder, self._device, self._precision, _PREFIX_BYTES)
                self._opened = model, Guide(model, lambda: self._closed)
            return self._opened


def _cores() -> int:
    """Return how many cores this process may keep busy."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    named = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(allowed, int(named))) if named.isdigit() else allowed


def _one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)
