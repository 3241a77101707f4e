"""``manifest.json``: what a run is made from, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsim_llm.core.files import write_atomically
from recsim_llm.errors import LogError
from recsim_llm.log.folders import MANIFEST

__all__ = ["encode_manifest", "read_manifest", "read_scenario_manifest", "write_manifest"]

_KEYS = ("scenario", "arms", "seed", "slate_size", "max_pages", "users", "catalog")


def read_manifest(run: Path) -> dict[str, Any]:
    """Read and check a run folder's manifest.

    Raises:
        LogError: there is none, or it cannot be used.
    """
    path = run / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LogError(
            f"run folder: got {run} without a readable {MANIFEST}, expected a run; start it with `recsim-llm run`"
        ) from error
    missing = [key for key in _KEYS if not isinstance(manifest, dict) or key not in manifest]
    if missing:
        raise LogError(f"{path}: got no {missing[0]!r}, expected {', '.join(_KEYS)}; run the scenario again")
    checked: dict[str, Any] = manifest
    return checked


def read_scenario_manifest(run: Path) -> dict[str, Any]:
    """Read the manifest of a run that knows the scenario it came from, under ``settings``.

    Raises:
        LogError: the folder is no run, or is the log of an environment, which knows no scenario.
    """
    manifest = read_manifest(run)
    if not manifest.get("settings") or manifest["seed"] is None:
        raise LogError(
            f"run folder: got {run}, the log of an environment, expected that of `recsim-llm run`; "
            "what it came from cannot be made again"
        )
    return manifest


def encode_manifest(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of a manifest; equal contents give equal bytes."""
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


def write_manifest(run: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest into a folder that is there; a kill leaves the old one or the new one."""
    write_atomically(run / MANIFEST, encode_manifest(content))
