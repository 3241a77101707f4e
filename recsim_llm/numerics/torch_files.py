"""Tensors in files, which anybody may have written: what torch wrote is read as numbers, and no code in it is run."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

__all__ = ["read_tensors"]


def read_tensors(source: Path | IO[bytes], *, device: Any = "cpu") -> Any:
    """Return what ``torch.save`` wrote of tensors, numbers and texts in dictionaries and lists.

    Args:
        source: a file.
        device: where the tensors shall be.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is damaged, or holds anything else: objects of any other class.
    """
    import torch

    try:
        return torch.load(source, map_location=device, weights_only=True)
    except OSError:
        raise
    except Exception as error:  # Whatever a file of anybody's makes torch raise.
        raise ValueError(" ".join(f"{type(error).__name__}: {error}".split())[:200]) from error
