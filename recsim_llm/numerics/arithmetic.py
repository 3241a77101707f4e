"""Which arithmetic a process computes with: the last digits of a product depend on it, and with them the bytes of a log."""

from __future__ import annotations

import platform

import numpy as np
from threadpoolctl import threadpool_info

__all__ = ["describe_arithmetic"]

_LEVEL = "X86_V"


def describe_arithmetic() -> dict[str, str]:
    """Return what the order of summation and the elementary functions of NumPy depend on, beside its release.

    Returns:
        ``machine`` (the kind of processor), ``blas`` (library and release), ``kernel`` (the code that this library picked for
        the processor; ``OPENBLAS_CORETYPE`` picks another) and ``simd`` (the widest instructions that NumPy uses).
    """
    built = np.show_config(mode="dicts")
    linked = built["Build Dependencies"]["blas"]
    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    # SciPy may bring a library of its own, loaded or not yet.
    own = next((library for library in loaded if "numpy" in library["filepath"]), loaded[0] if loaded else None)
    simd = built["SIMD Extensions"]
    features = [*simd.get("baseline", []), *simd.get("found", [])]
    levels = [feature for feature in features if feature.startswith(_LEVEL)]
    return {
        "machine": platform.machine(),
        "blas": f"{linked.get('name', 'unknown')} {linked.get('version', '')}".strip(),
        "kernel": str((own or {}).get("architecture") or "unknown"),
        "simd": max(levels) if levels else " ".join(sorted(features)),
    }
