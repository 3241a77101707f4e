"""Public data sets into the user's cache folder: fetched once, checked, unpacked whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import re
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recsim_llm.core.cache import cache_folder
from recsim_llm.errors import ConfigError, DataError, one_of

__all__ = ["SOURCES", "Progress", "Source", "fetch"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the total, None where the server does not tell."""

_BASE = "https://files.grouplens.org/datasets/movielens"
_CHUNK_BYTES = 1 << 16
_CHECKSUM_BYTES = 4096
_UNPACKED_LIMIT = 4 << 30


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a data set lies."""

    url: str
    """Address of the zip file."""
    md5: str | None
    """Published MD5 of the zip, 32 hex digits; None means that ``url + ".md5"`` tells, because the file changes."""


SOURCES: Mapping[str, Source] = {
    "ml-latest-small": Source(url=f"{_BASE}/ml-latest-small.zip", md5=None),
    "ml-1m": Source(url=f"{_BASE}/ml-1m.zip", md5="c4d9eecfca2ab87c1945afe126590906"),
    "ml-100k": Source(url=f"{_BASE}/ml-100k.zip", md5="0e33842e24a9c977be4e0107933c0723"),
}
"""Name to source of every set that ``fetch`` knows."""


def fetch(
    name: str,
    *,
    cache: str | Path | None = None,
    url: str | None = None,
    timeout: float = 20.0,
    progress: Progress | None = None,
) -> Path:
    """Return the folder of a public data set, downloading it the first time.

    Args:
        name: one of ``SOURCES``.
        cache: folder for downloads; ``cache_folder()`` where None.
        url: address of the zip on a mirror; the checksum is the same as for the original.
        timeout: seconds without an answer or a byte before giving up.
        progress: called as bytes arrive.

    Raises:
        ConfigError: the name or the address is unknown.
        DataError: the server cannot be reached, or what came is damaged; nothing is left behind.
    """
    if name not in SOURCES:
        raise ConfigError(f"data set: got {name!r}, expected the path of a folder or {one_of(name, SOURCES)}")
    folder = (cache_folder() if cache is None else Path(cache)) / name
    if folder.is_dir():
        return folder
    address = url or SOURCES[name].url
    if not address.startswith(("https://", "http://")):
        raise ConfigError(f"url: got {address!r}, expected an address that starts with https:// or http://")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place, so that the last step is one rename on one file system.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
            archive = Path(scratch) / "archive.zip"
            expected = SOURCES[name].md5 or _published_md5(f"{address}.md5", timeout)
            _download(address, archive, expected, timeout, progress=progress)
            _put_in_place(_unpack(archive, Path(scratch) / "unpacked"), folder)
    except OSError as error:
        raise DataError(
            f"{folder.parent}: could not be written ({_reason(error)}); free space or pass another cache"
        ) from error
    return folder


def _published_md5(address: str, timeout: float) -> str:
    try:
        with urllib.request.urlopen(address, timeout=timeout) as reply:
            text = reply.read(_CHECKSUM_BYTES).decode("ascii", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(address, error) from error
    found = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if found is None:
        raise DataError(f"{address}: got no MD5 checksum, expected 32 hex digits; try again later or give another url")
    return found[0].lower()


def _download(address: str, target: Path, expected: str, timeout: float, *, progress: Progress | None) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    received = 0
    with target.open("wb") as file:
        for chunk, total in _chunks(address, timeout):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if progress is not None:
                progress(received, total)
    if digest.hexdigest() != expected:
        raise DataError(f"{address}: got MD5 {digest.hexdigest()}, expected {expected}; damaged, fetch it again")


def _chunks(address: str, timeout: float) -> Iterator[tuple[bytes, int | None]]:
    try:
        with urllib.request.urlopen(address, timeout=timeout) as reply:
            length = reply.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            while chunk := reply.read(_CHUNK_BYTES):
                yield chunk, total
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: BaseException) -> DataError:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return DataError(f"could not fetch {address}: got answer {error.code}, expected the file; try again later")
    remedy = "connect, or give the path of a folder that is already here"
    return DataError(f"could not reach {address}: no network? ({_reason(error)}); {remedy}")


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "reason", "") or error or type(error).__name__).split())[:200]


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack and return the folder that holds the files: the archive's only top folder where it has just one."""
    folder.mkdir()
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            for member in members:
                _require_inside(member)
            if sum(member.file_size for member in members) > _UNPACKED_LIMIT:
                raise DataError(
                    f"archive: got more than {_UNPACKED_LIMIT >> 30} GiB unpacked, expected less; check the address"
                )
            opened.extractall(folder, members)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"archive: could not be unpacked ({_reason(error)}); fetch it again") from error
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _require_inside(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    link = stat.S_ISLNK(member.external_attr >> 16)
    if link or path.is_absolute() or ".." in path.parts or ":" in member.filename.split("/")[0]:
        raise DataError(f"archive: got entry {member.filename!r}, expected plain files in one folder; do not use it")


def _put_in_place(unpacked: Path, folder: Path) -> None:
    try:
        unpacked.rename(folder)
    except OSError:
        # Another process may have put the same checked files there meanwhile; then its copy serves as well.
        if not folder.is_dir():
            raise
