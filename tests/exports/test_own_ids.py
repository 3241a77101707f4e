"""The data's own ids come back from every format exactly as the data spells them."""

import csv
import json
import re

import numpy as np
import pytest
from own_ids import ITEM_KEYS, PLAIN_ITEM_KEYS, USER_KEYS, loaded, make_shop, run_shop
from talking_runs import TALK_FORMATS, make_talks

from recsim_llm.data import load_tables
from recsim_llm.errors import ConfigError, DataError
from recsim_llm.exports import Identities, load_bandit_feedback
from recsim_llm.log import open_run
from recsim_llm.scenarios.export import FORMATS, export

# RecBole takes NA and null for missing values; every other id is kept.
SHOP = make_shop(
    item_keys=["gone" if key == "NA" else key for key in ITEM_KEYS],
    user_keys=["0009" if key == "null" else key for key in USER_KEYS],
)
ITEMS, USERS = set(SHOP.catalog.item_key), set(SHOP.user_keys.values())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_shop(SHOP, tmp_path_factory.mktemp("own") / "run")


def written(run, form, out, **options):
    with loaded(SHOP):
        export(run, form, out, **options)
    return next(path for path in out.iterdir() if path.is_dir())


def log_of(run, *names):
    columns = open_run(run).columns("impressions", ["user_id", "visit", "page", "position", "user_key", *names])
    order = np.lexsort([columns[name] for name in ("position", "page", "visit", "user_id")])
    return {name: column[order] for name, column in columns.items()}


def read_csv(path, delimiter=","):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def lookups(folder):
    items, users = read_csv(folder / "items.csv"), read_csv(folder / "users.csv")
    assert {row["title"] for row in items} == set(SHOP.catalog.title)
    return ({int(row["item_id"]): row["item_key"] for row in items}, {int(row["user_id"]): row["user_key"] for row in users})


def test_recbole_has_own_ids_as_tokens(run, tmp_path):
    folder = written(run, "recbole", tmp_path / "out")
    rows, log = read_csv(folder / "random-clicks" / "random-clicks.inter", "\t"), log_of(run, "item_key", "clicked")
    assert [row["user_id:token"] for row in rows] == log["user_key"].tolist()
    assert [row["item_id:token"] for row in rows] == log["item_key"].tolist()
    assert [row["label:float"] for row in rows] == [str(int(clicked)) for clicked in log["clicked"]]
    assert {row["item_id:token"] for row in read_csv(folder / "random-ratings" / "random-ratings.item", "\t")} == ITEMS
    assert {row["user_id:token"] for row in read_csv(folder / "random-ratings" / "random-ratings.user", "\t")} == USERS


def test_recbole_gets_no_ratings_of_users_who_give_none(tmp_path):
    shop = make_shop(feedback="implicit", item_keys=PLAIN_ITEM_KEYS)
    run = run_shop(shop, tmp_path / "run", **{"users.count": 3})
    with loaded(shop):
        content = export(run, "recbole", tmp_path / "out")
    assert set(content["arms"]["random"]) == {"folder", "clicks"}
    assert [path.name for path in (tmp_path / "out" / "random").iterdir()] == ["random-clicks"]


@pytest.mark.parametrize("missing", ["NA", "null", "nan", "[PAD]"])
def test_recbole_refuses_an_id_that_it_would_lose(tmp_path, missing):
    shop = make_shop(item_keys=[missing, *ITEM_KEYS[:8], *ITEM_KEYS[9:]])
    run = run_shop(shop, tmp_path / "run", **{"users.count": 2})
    with loaded(shop), pytest.raises(ConfigError, match=r"got the item id '.*', which RecBole takes for a missing value"):
        export(run, "recbole", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_movielens_tables_have_own_ids_and_this_package_reads_them_back(run, tmp_path):
    folder = written(run, "movielens", tmp_path / "out")
    ratings, log = read_csv(folder / "ratings.csv"), log_of(run, "item_key", "rating")
    log_rows = zip(log["user_key"], log["item_key"], log["rating"], strict=True)
    assert {(row["userId"], row["movieId"]) for row in ratings} == {(user, item) for user, item, stars in log_rows if stars > 0}
    assert [row["movieId"] for row in read_csv(folder / "movies.csv")] == SHOP.catalog.item_key.tolist()
    names = {"user_id": "userId", "item_id": "movieId"}
    again = load_tables(folder / "ratings.csv", folder / "movies.csv", columns=names, string_ids=True)
    assert len(again.ratings) == len(ratings)


@pytest.mark.parametrize("form", ["obp", "obp-slates"])
def test_the_numbers_of_obp_are_translated_beside_it(run, tmp_path, form):
    folder = written(run, form, tmp_path / "out")
    feedback = load_bandit_feedback(next(folder.glob("*.npz")))
    items, users = lookups(folder)
    log = log_of(run, "item_key")
    assert [items[feedback["item_id"][action]] for action in feedback["action"]] == log["item_key"].tolist()
    slots = len(log["user_key"]) // len(feedback["user_id"])
    assert [users[user] for user in feedback["user_id"]] == log["user_key"][::slots].tolist()


def test_the_numbers_of_minari_are_translated_beside_it(run, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari", reason="Minari is not installed")
    folder = written(run, "minari", tmp_path / "out")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "out"))
    items, users = lookups(folder)
    assert (list(items.values()), set(users.values())) == (SHOP.catalog.item_key.tolist(), USERS)
    episodes = list(minari.load_dataset("random-v0"))
    assert [users[int(episode.infos["user_id"][0])] for episode in episodes] == list(SHOP.user_keys.values())


def test_dialogues_name_own_ids(run, tmp_path):
    folder = written(run, "dialogues", tmp_path / "out")
    lines = [json.loads(line) for line in (folder / "dialogues.jsonl").read_text(encoding="utf-8").splitlines()]
    log = log_of(run, "item_key")
    assert [line["user_id"] for line in lines] == list(SHOP.user_keys.values())
    assert [item for line in lines for page in line["pages"] for item in page["item_id"]] == log["item_key"].tolist()
    tasks = [json.loads(line) for line in (folder / "instructions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {task["user_id"] for task in tasks} <= USERS
    assert {item for task in tasks for item in task["item_id"]} <= ITEMS
    assert tasks


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    with loaded(SHOP):
        return make_talks(tmp_path_factory.mktemp("talks") / "run", data="shop", users__count=None, recommenders=["popularity"])


def test_conversations_have_own_ids_and_redial_numbers_with_a_table(talks, tmp_path):
    told = written(talks, "conversations", tmp_path / "told") / "conversations.jsonl"
    lines = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    assert {line["user_id"] for line in lines} == USERS
    items = {item for line in lines for act in line["acts"] for item in act["item_id"]}
    assert items
    assert items <= ITEMS
    folder = written(talks, "redial", tmp_path / "redial")
    names, people = lookups(folder)
    lines = [json.loads(line) for line in (folder / "redial.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {names[int(item)] for line in lines for item in line["movieMentions"]} == items
    assert {people[line["initiatorWorkerId"]] for line in lines} == USERS
    rows = read_csv(written(talks, "inspired", tmp_path / "inspired") / "inspired.tsv", "\t")
    assert {row["dialog_id"].rpartition("-")[0] for row in rows} == USERS


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("minari", *TALK_FORMATS)])
def test_an_anonymous_export_has_no_users_own_id(run, tmp_path, form):
    folder = written(run, form, tmp_path / "out", anonymous=True)
    text = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    # Whole words: the digits of a checksum or a number may hold one by chance.
    own = [key.encode() for key in ("C-2", "o'neil", "0001", "0009", "a;b")]
    assert not [key for key in own if re.search(rb"(?<![\w.])" + re.escape(key) + rb"(?!\w)", text)]
    assert not list(folder.glob("users.csv"))


def test_a_user_without_an_own_id_keeps_the_number_and_two_of_one_name_are_refused():
    ids = np.array([5, 3, 9])
    mixed = Identities(ids, anonymous=False, user_key=np.array(["x", "", "0003"], object))
    assert mixed.labels(np.array([3, 5, 9])) == ["3", "x", "0003"]
    with pytest.raises(DataError, match="got the id '3' of two users"):
        Identities(ids, anonymous=False, user_key=np.array(["3", "", "y"], object))
