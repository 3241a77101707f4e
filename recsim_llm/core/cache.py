"""Where downloads, fits and probes are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """Return the folder for what is kept between runs: ``$XDG_CACHE_HOME/recsim_llm``, else ``~/.cache/recsim_llm``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that a relative path there is to be ignored.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "recsim_llm"
