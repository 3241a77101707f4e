"""Arrays in ``.npz`` files, which anybody may have written: nothing in one is run, and none takes more room than it fills."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["read_arrays"]

_MOST_BYTES = 8 << 30
_ENDING = ".npy"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file that ``numpy.savez`` or ``savez_compressed`` wrote, by name.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no such file, is cut off or damaged, holds Python objects (a pickle could run whatever it likes), or
            says that there is more in it than there is.
    """
    with path.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
                if sum(member.file_size for member in members) > _MOST_BYTES:
                    raise ValueError(f"arrays of more than {_MOST_BYTES >> 30} GiB")
                return {member.filename.removesuffix(_ENDING): _read(archive, member) for member in members}
        except ValueError:
            raise
        except Exception as error:  # Whatever zipfile, zlib and NumPy's parser of headers raise of what is flipped or cut off.
            raise ValueError(" ".join(f"{type(error).__name__}: {error}".split())[:200]) from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{member.filename[:40]!r} in version {version} of NumPy's format")
        shape, _, kind = _HEADERS[version](stream)
        size = kind.itemsize
        for length in shape:
            if length < 0:
                raise ValueError(f"{member.filename[:40]!r} of shape {shape}")
            size *= length
        if kind.hasobject or size > member.file_size:
            got = "Python objects" if kind.hasobject else f"{size:,} bytes in {member.file_size:,}"
            raise ValueError(f"{member.filename[:40]!r} of {got}")
    with archive.open(member) as stream:
        array: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array
