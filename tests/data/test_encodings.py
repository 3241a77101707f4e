"""Text files in the encodings that people bring: read as they were written, or refused, and never garbled."""

import gzip
from pathlib import Path

import pytest

from recsim_llm.data import load_movielens, load_tables
from recsim_llm.errors import DataError

FILMS = "1::Café Noir, Le (1995)::Drama\n2::Plain (1996)::War\n"
WORDS = {
    "utf-8": "Žižek — Ærø, 愛",
    "utf-8-sig": "Žižek — Ærø, 愛",
    "utf-16": "Žižek — Ærø, 愛",
    "utf-32": "Žižek — Ærø, 愛",
    "latin-1": "Ærø, naïve",
    "cp1252": "Ærø — “Œuvre”",
}


def folder(path: Path, films: bytes) -> Path:
    (path / "movies.dat").write_bytes(films)
    (path / "users.dat").write_text("1::F::1::10::00000\n2::M::56::16::00000\n")
    (path / "ratings.dat").write_text("1::1::5::978300760\n1::2::3::978302109\n2::1::4::978298413\n")
    return path


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_movielens_file_is_read_in_its_own_encoding(tmp_path: Path, encoding: str) -> None:
    assert load_movielens(folder(tmp_path, FILMS.encode(encoding))).catalog.title.tolist() == ["Café Noir, Le", "Plain"]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("encoding", WORDS)
def test_own_tables_keep_their_letters(tmp_path: Path, encoding: str, packed: bool) -> None:
    rows = f'user_id,item_id,rating\n"{WORDS[encoding]}",1,4\nbob,1,3\n'.encode(encoding)
    items = f'item_id,title\n1,"{WORDS[encoding]}"\n'.encode(encoding)
    ending = ".csv.gz" if packed else ".csv"
    for name, content in (("r", rows), ("i", items)):
        (tmp_path / f"{name}{ending}").write_bytes(gzip.compress(content) if packed else content)
    data = load_tables(tmp_path / f"r{ending}", tmp_path / f"i{ending}")
    assert WORDS[encoding] in data.user_keys.values()
    assert data.catalog.title.tolist() == [WORDS[encoding]]


@pytest.mark.parametrize(
    ("word", "encoding"),
    [("Größe", "latin-1"), ("pääsy", "latin-1"), ("Gefäß für Füße", "cp1252"), ("»Ärö«", "latin-1"), ("10 €–20 €", "cp1252")],
)
def test_a_western_word_with_two_such_letters_in_each_row_is_western(tmp_path: Path, word: str, encoding: str) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,rating\n1,1,4\n")
    (tmp_path / "i.csv").write_bytes(("item_id,title\n" + "".join(f"{n},{word} {n}\n" for n in range(9))).encode(encoding))
    assert load_tables(tmp_path / "r.csv", tmp_path / "i.csv").catalog.title[0] == f"{word} 0"


def test_a_letter_at_the_end_of_a_long_file_decides(tmp_path: Path) -> None:
    plain = "".join(f"{number}::Film {number}::War\n" for number in range(10, 5_000))
    films = (FILMS.replace("é", "e") + plain + "9::Fin, Là (1999)::War\n").encode("latin-1")
    assert load_movielens(folder(tmp_path, films)).catalog.title[-1] == "Fin, Là"


def test_utf8_with_one_broken_place_is_not_garbled(tmp_path: Path) -> None:
    films = (FILMS + "3::Été (1997)::War\n").encode().replace(b"Plain", b"Pl\xe9in")
    data = load_movielens(folder(tmp_path, films))
    assert data.catalog.title.tolist() == ["Café Noir, Le", "", "Été"]
    assert data.unread == {"movies.dat: bad title": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("item_id,title\n1,Ночной дозор и другие\n".encode("cp1251"), "got an encoding that is not known here"),
        ("item_id,title\n1,Москва и мы\n".encode("cp866"), "got an encoding that is not known here"),
        ("item_id,title\n1,千と千尋の神隠し\n".encode("shift-jis"), "got an encoding that is not known here"),
        ("item_id,title\n1,Café\n".encode() + "2,Été à Nîmes\n".encode("latin-1"), "got text in two encodings"),
        ("item_id,title\n1,Plain\n".encode("utf-16-le"), "got bytes of value zero"),
        ("item_id,title\n1,Plain\n".encode("utf-16") + b"\x00", "got bytes that are no UTF-16"),
    ],
)
def test_other_encodings_are_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "r.csv").write_text("user_id,item_id,rating\n1,1,4\n")
    (tmp_path / "i.csv").write_bytes(content)
    with pytest.raises(DataError) as error:
        load_tables(tmp_path / "r.csv", tmp_path / "i.csv")
    assert str(error.value).startswith(f"i.csv: {said}")
    assert "save the file as UTF-8" in str(error.value)
    assert "\n" not in str(error.value)
