"""The process of a llama.cpp server; ``llama_server`` starts this file and talks to it, nobody else does.

It reads its settings as one line of JSON, writes one such line with the server's ``address``, or with what is ``missing`` or
has ``failed``, and ends when its input does: whoever started it has closed it, or is gone, however that came about. It imports
nothing of this package, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

__all__ = ["main"]

_LOOK_AGAIN = 1.0
_ERRORS = 1
"""The verbosity at which llama.cpp tells what went wrong, and nothing else."""


def main() -> None:
    """Serve a model until whoever started this is gone."""
    # Whatever llama.cpp says to its output goes where its errors go: the answer shall be alone in its line.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    answer, server = _serve(settings)
    print(json.dumps(answer), file=answers, flush=True)
    if server is None:
        # Not at once: llama.cpp has a thread that writes down what it says.
        sys.exit(1)
    # A copy of the starter that outlives it may hold the other end of the input open.
    while os.getppid() == settings["parent"] or os.name == "nt":
        time.sleep(_LOOK_AGAIN)
    os._exit(0)


def _serve(settings: dict[str, Any]) -> tuple[dict[str, str], Any]:
    """Return the answer to whoever started this, and the server, None where there is none."""
    try:
        import xllamacpp
    # Whatever a package that does not fit this machine raises.
    except Exception as error:
        return {"missing": f"{type(error).__name__}: {error}"}, None
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, settings))
        return {"address": server.listening_address}, server
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}, None


def _parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    given = xllamacpp.CommonParams()
    given.model.path = settings["path"]
    given.chat_template = settings["template"]
    given.api_keys = [settings["key"]]
    given.hostnames, given.port = ["127.0.0.1"], 0
    given.verbosity = _ERRORS
    given.ui = given.warmup = False
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = settings["threads"]
    # One call after another: what is computed together has other last bits.
    given.n_parallel = 1
    # Where a prompt is cut into pieces must make no difference either: no attention that computes short pieces another way, no
    # weights laid out anew for some sizes, and pieces as long as pages are.
    given.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    given.no_extra_bufts = True
    # Of the formats of keys and values the one with which SmolLM2's answers lie nearest to those in transformers; see docs.
    given.cache_type_k = given.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_BF16
    given.n_ctx = settings["context"]
    given.n_batch = given.n_ubatch = settings["piece"]
    # Of every user's last prompt the keys and values are kept, from which the next one goes on where it differs; layers that
    # look back over a window only keep all of it, or nothing could go on.
    given.cache_ram_mib = settings["kept_mib"]
    given.swa_full = True
    given.n_ctx_checkpoints = 0
    return given


def _end_with_input() -> None:
    # Of the file itself: a buffer that a thread waits for cannot be closed, and an interpreter that ends would crash over it.
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
