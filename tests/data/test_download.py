"""Downloads from a server on this machine, and data sets opened by name or folder."""

import hashlib
import io
import socket
import stat
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recsim_llm.core.cache import cache_folder
from recsim_llm.data import fetch, load_tables, open_dataset
from recsim_llm.errors import ConfigError, DataError

MOVIES = "movieId,title,genres\n1,Toy Story (1995),Comedy\n"
RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n"
NAME = "ml-latest-small"


class Files:
    """What the server gives, by path, and which paths were asked for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.given: dict[str, bytes] = {}
        self.asked: list[str] = []

    def put(self, archive: bytes, checksum: str | None = None) -> str:
        digest = checksum or hashlib.md5(archive, usedforsecurity=False).hexdigest()
        self.given = {"/set.zip": archive, "/set.zip.md5": f"MD5 (set.zip) = {digest}\n".encode()}
        return f"{self.address}/set.zip"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.asked.append(self.path)
            body = files.given.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the tests' output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        files = Files(f"http://127.0.0.1:{running.server_address[1]}")
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield files
        running.shutdown()
        thread.join()


def zipped(entries: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return target.getvalue()


GOOD = zipped({f"{NAME}/movies.csv": MOVIES, f"{NAME}/ratings.csv": RATINGS})


def refused(cache: Path, url: str, name: str = NAME) -> str:
    with pytest.raises(DataError) as error:
        fetch(name, cache=cache, url=url)
    assert "\n" not in str(error.value)
    assert not cache.exists() or list(cache.iterdir()) == []
    return str(error.value)


def test_download_is_unpacked_and_then_cached(server: Files, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    folder = fetch(NAME, cache=tmp_path, url=server.put(GOOD), progress=lambda done, total: seen.append((done, total)))
    assert folder == tmp_path / NAME
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert sorted(path.name for path in folder.iterdir()) == ["movies.csv", "ratings.csv"]
    assert seen[-1] == (len(GOOD), len(GOOD))
    asked = len(server.asked)
    assert fetch(NAME, cache=tmp_path, url=f"{server.address}/set.zip") == folder
    assert len(server.asked) == asked
    assert open_dataset(NAME, cache=tmp_path).catalog.title.tolist() == ["Toy Story"]


def test_archive_without_a_top_folder_is_unpacked_too(server: Files, tmp_path: Path) -> None:
    folder = fetch(NAME, cache=tmp_path, url=server.put(zipped({"movies.csv": MOVIES, "ratings.csv": RATINGS})))
    assert sorted(path.name for path in folder.iterdir()) == ["movies.csv", "ratings.csv"]


def test_wrong_checksum_leaves_nothing_behind(server: Files, tmp_path: Path) -> None:
    assert "got MD5" in refused(tmp_path / "cache", server.put(GOOD, "0" * 32))


def test_known_checksum_holds_for_mirrors(server: Files, tmp_path: Path) -> None:
    assert "expected c4d9eecfca2ab87c1945afe126590906" in refused(tmp_path / "cache", server.put(GOOD), "ml-1m")


def test_truncated_download_is_refused(server: Files, tmp_path: Path) -> None:
    digest = hashlib.md5(GOOD, usedforsecurity=False).hexdigest()
    assert "got MD5" in refused(tmp_path / "cache", server.put(GOOD[:-9], digest))


def test_file_without_a_checksum_is_refused(server: Files, tmp_path: Path) -> None:
    url = server.put(GOOD)
    server.given["/set.zip.md5"] = b"<html>moved</html>"
    assert "got no MD5 checksum" in refused(tmp_path / "cache", url)
    del server.given["/set.zip.md5"]
    assert "could not fetch" in refused(tmp_path / "cache", url)
    assert "got answer 404" in refused(tmp_path / "cache", url)


def test_damaged_archive_is_refused(server: Files, tmp_path: Path) -> None:
    assert "could not be unpacked" in refused(tmp_path / "cache", server.put(b"no zip file"))


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_archive_that_reaches_outside_is_refused(server: Files, tmp_path: Path, name: str) -> None:
    assert "expected plain files" in refused(tmp_path / "cache", server.put(zipped({"ok.txt": "", name: "x"})))
    assert not (tmp_path / "evil.txt").exists()


def test_archive_with_a_link_is_refused(server: Files, tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        link = zipfile.ZipInfo("set/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    assert "expected plain files" in refused(tmp_path / "cache", server.put(target.getvalue()))


def test_refused_connection_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        # Bound but not listening: connections are refused, and nobody else can take the port meanwhile.
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/set.zip"
        for name in (NAME, "ml-1m"):
            said = refused(tmp_path / "cache", url, name)
            assert said.startswith(f"could not reach {url}")
            assert "no network?" in said


def test_unknown_name_and_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="got 'ml-9z', expected the path of a folder or one of ml-latest-small, ml-1m, ml-100k"
    ):
        fetch("ml-9z", cache=tmp_path)
    with pytest.raises(ConfigError, match="expected an address that starts with https"):
        fetch(NAME, cache=tmp_path, url="file:///etc/passwd")


def test_cache_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    with pytest.raises(DataError, match="could not be written"):
        fetch(NAME, cache=tmp_path / "taken", url="http://127.0.0.1:9/set.zip")


def test_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "recsim_llm"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "recsim_llm"


def test_folders_are_opened_by_their_files(tmp_path: Path) -> None:
    films, tables = tmp_path / "films", tmp_path / "tables"
    films.mkdir()
    tables.mkdir()
    (films / "movies.csv").write_text(MOVIES)
    (films / "ratings.csv").write_text(RATINGS + "1,1,9,1\n")
    (tables / "interactions.csv").write_text("user_id,item_id,rating\n1,5,3\n")
    (tables / "items.csv").write_text("item_id,title\n5,Lamp\n")
    assert open_dataset(films, skip_bad_rows=True).skipped == {"ratings.csv: bad rating": 1}
    assert open_dataset(str(tables)).catalog.title.tolist() == ["Lamp"]
    assert open_dataset(tables).name == "tables"
    (tables / "items.csv").unlink()
    assert open_dataset(tables).catalog.title.tolist() == ["item 5"]
    (tables / "interactions.parquet").write_text("")
    with pytest.raises(DataError, match=r"got interactions.csv and interactions.parquet, expected one"):
        open_dataset(tables)


def test_names_are_opened_from_the_cache_or_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"got 'ml-1m', expected a set that is in the cache .*recsim-llm data get ml-1m"):
        open_dataset("ml-1m")
    with pytest.raises(ConfigError) as error:
        open_dataset("nowhere")
    for possible in ("'fictional'", "ml-latest-small, ml-1m, ml-100k", "MovieLens folder", "interactions.csv"):
        assert possible in str(error.value)
    (tmp_path / "bare").mkdir()
    with pytest.raises(ConfigError, match="without files of a known kind"):
        open_dataset("bare")


def test_fictional_is_loaded_by_its_own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,rating\n1,5,3\n")
    made = load_tables(tmp_path / "r.csv")
    stand_in = types.ModuleType("recsim_llm.data.fictional")
    stand_in.load = lambda: made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "recsim_llm.data.fictional", stand_in)
    assert open_dataset("fictional") is made
