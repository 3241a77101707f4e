"""How long a test waits for another thread, process or server before it says that nothing comes."""

from __future__ import annotations

__all__ = ["PATIENCE"]

PATIENCE = 600
"""Seconds. A machine that other work keeps busy needs less; only what hangs needs more."""
