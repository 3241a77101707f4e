"""Runs in which users do more than click: off means off, what they do is in the log and reaches recommenders."""

import json
import re

import numpy as np
import pyarrow.dataset as ds
import pytest
from stopped_runs import check_stopped_run, log_bytes

from recsim_llm.core.pages import ACTIONS
from recsim_llm.data import open_dataset
from recsim_llm.errors import ConfigError, SlateError
from recsim_llm.log import open_run
from recsim_llm.metrics.item_tables import read_tables
from recsim_llm.metrics.run_actions import measure_actions
from recsim_llm.numerics.word_index import words_of
from recsim_llm.report import write_report
from recsim_llm.scenarios import load_scenario, run
from tests.support import acting_recommenders

CLOCK = {
    "users.count": 40,
    "max_pages": 4,
    "slate_size": 5,
    "seed": 3,
    "recommenders": ["popularity", "item-knn"],
    "clock": {"days": 4, "arrive_days": 2},
    "intents": "usual",
}
REFUSE = {"log_odds": -3.0}
LIKE = {"log_odds": 0.0}
EVERYTHING = {
    "search": {"share": 0.2},
    "dislike": REFUSE,
    "less_like_this": REFUSE,
    "save": LIKE,
    "share": LIKE,
    "purchase": LIKE,
    "filter": {"share": 0.2},
    "back": {"share": 0.2},
}
ON = CLOCK | {"actions": EVERYTHING}
ARM = "item-knn"
NEVER = {
    "search": {"share": 0.0, "intents": {}},
    "dislike": {"log_odds": -20.0, "slope": 0.0},
    "back": {"share": 0.0},
    "filter": {"share": 0.0},
}
LANGUAGE = {"users.model": "language", "models.user.name": "scripted/genres", "users.count": 6, "recommenders": ["popularity"]}


def rows(folder, table, arm=ARM):
    there = ds.dataset(sorted((folder / table).glob("*.parquet"))).to_table().to_pylist()
    return [row for row in there if row["arm"] == arm]


def events(folder, event, arm=ARM):
    return [row for row in rows(folder, "events", arm) if row["event"] == event]


def pages(folder, arm=ARM):
    """Return item, clicked and examined of each page, by position."""
    found = {}
    for slot in rows(folder, "impressions", arm):
        found.setdefault((slot["user_id"], slot["visit"], slot["page"]), []).append(slot)
    return found


def key(event):
    return event["user_id"], event["visit"], event["page"]


@pytest.fixture(scope="module")
def acting(tmp_path_factory):
    return run(load_scenario("demo", ON), tmp_path_factory.mktemp("acting") / "run")


@pytest.fixture(scope="module")
def off(tmp_path_factory):
    return run(load_scenario("demo", CLOCK), tmp_path_factory.mktemp("off") / "run")


# Off, stopped, cut into batches


def test_actions_that_nobody_takes_change_no_byte_of_the_log(off, tmp_path):
    never = run(load_scenario("demo", CLOCK | {"actions": NEVER}), tmp_path / "never")
    assert log_bytes(never, "manifest.json") == log_bytes(off, "manifest.json")
    assert "actions" not in json.loads((off / "manifest.json").read_text())["settings"]


@pytest.mark.parametrize("more", [{"recommenders": [ARM]}, LANGUAGE | {"barrier": "visit"}], ids=["page", "language"])
def test_a_stopped_run_ends_like_one_that_was_never_stopped(more, tmp_path):
    check_stopped_run(load_scenario("demo", ON | more), tmp_path)


def test_the_size_of_segments_changes_no_row(acting, tmp_path, monkeypatch):
    monkeypatch.setattr("recsim_llm.scenarios.arm_logs.SEGMENT_ROWS", 100)
    small = run(load_scenario("demo", ON | {"recommenders": ["popularity", ARM]}), tmp_path / "small")
    assert len(list((small / "events").glob("*.parquet"))) > len(list((acting / "events").glob("*.parquet")))
    for table in ("impressions", "events"):
        assert repr(rows(small, table)) == repr(rows(acting, table))


def test_users_who_run_free_within_a_visit_do_the_same(acting, tmp_path):
    free = run(load_scenario("demo", ON | {"barrier": "visit", "recommenders": [ARM]}), tmp_path / "free")
    done = [{repr(row) for row in rows(folder, "events")} for folder in (free, acting)]
    assert done[0] == done[1]


def test_an_action_changes_the_log_by_its_own_rows_alone_where_nothing_else_is_shown(off, tmp_path):
    refusing = run(load_scenario("demo", CLOCK | {"actions": {"dislike": REFUSE, "save": LIKE}}), tmp_path / "refusing")
    for table in ("impressions", "pages", "visits"):
        assert repr(rows(refusing, table)) == repr(rows(off, table))
    assert {row["event"] for row in rows(refusing, "events")} == {"dislike", "save"}


# What is in the log


def test_search_pages_hold_what_matches_the_query(acting):
    catalog, shown = open_dataset("fictional").catalog, pages(acting)
    searches = events(acting, "search")
    assert len(searches) > 20
    better = 0
    for search in searches:
        texts = [
            {word for text in (catalog.title[i], catalog.description[i], *catalog.genres_of(i)) for word in words_of(str(text))}
            for i in catalog.index_of([slot["item_id"] for slot in shown[key(search)]]).tolist()
        ]
        query = set(words_of(search["subject"]))
        assert search["value"] >= sum(bool(query & text) for text in texts)
        better += all(query & text for text in texts)
    assert better >= 0.9 * len(searches)


def test_propensities_are_known_of_pages_that_were_recommended_without_a_genre(acting):
    shown, events_of = pages(acting), {name: {key(one) for one in events(acting, name)} for name in ("search", "back")}
    begun = {(one["user_id"], one["visit"]): one["page"] for one in events(acting, "filter")}
    known = 0
    for (user, visit, page), slots in shown.items():
        plain = not any((user, visit, page) in some for some in events_of.values()) and page < begun.get((user, visit), 99)
        assert all((slot["propensity"] is not None) == plain for slot in slots)
        known += plain
    assert 0 < known < len(shown)


def test_a_page_that_is_looked_at_again_holds_what_was_not_clicked(acting):
    shown = pages(acting)
    for user, visit, page in map(key, events(acting, "back")):
        before = [-1 if slot["clicked"] else slot["item_id"] for slot in shown[user, visit, page - 1]]
        assert [slot["item_id"] for slot in shown[user, visit, page]] == before
    assert all(page["invalid_slots"] == 0 for page in rows(acting, "pages"))


def test_pages_after_a_filter_hold_its_genre_alone(acting):
    catalog, shown = open_dataset("fictional").catalog, pages(acting)
    others = {key(one) for event in ("search", "back") for one in events(acting, event)}
    begun = {(one["user_id"], one["visit"]): one for one in events(acting, "filter")}
    assert len(begun) > 10
    seen = 0
    for (user, visit, page), slots in shown.items():
        one = begun.get((user, visit))
        if one is None or page < one["page"] or (user, visit, page) in others:
            continue
        seen += 1
        index = catalog.index_of([slot["item_id"] for slot in slots if slot["item_id"] >= 0])
        assert all(one["subject"] in catalog.genres_of(item) for item in index.tolist())
    assert seen >= len(begun)


def test_who_ignores_a_filter_is_refused_or_counted(tmp_path):
    arm = {"name": "rude", "recommender": "tests.support.acting_recommenders:Rude"}
    settings = CLOCK | {"recommenders": [arm], "actions": {"filter": {"share": 0.5}}}
    with pytest.raises(SlateError, match=r"rude, row .*expected new items of the genre") as caught:
        run(load_scenario("demo", settings), tmp_path / "refused")
    assert "\n" not in str(caught.value)
    folder = run(load_scenario("demo", settings | {"invalid": "count"}), tmp_path / "counted")
    restricted = {(one["user_id"], one["visit"], one["page"]) for one in events(folder, "filter", "rude")}
    blank = {page: sum(slot["item_id"] < 0 for slot in slots) for page, slots in pages(folder, "rude").items()}
    counted = {key(page): page["invalid_slots"] for page in rows(folder, "pages", "rude")}
    assert sum(counted[page] for page in restricted) > 2 * len(restricted)
    assert counted == blank


def test_purchases_can_be_what_counts(tmp_path):
    settings = CLOCK | {"actions": {"purchase": LIKE}, "reward": "purchases", "intents": None}
    folder = run(load_scenario("demo", settings), tmp_path / "run")
    bought = {}
    for one in events(folder, "purchase"):
        bought[key(one)] = bought.get(key(one), 0) + 1
    assert {key(page): page["reward"] for page in rows(folder, "pages") if page["reward"]} == bought
    with pytest.raises(ConfigError, match="reward: got 'purchases' where nobody buys"):
        run(load_scenario("demo", CLOCK | {"reward": "purchases"}), tmp_path / "refused")


def test_what_is_sent_to_a_friend_is_heard(tmp_path):
    social = {"social": {"friends": {"degree": 6}, "strength": 1.0}, "recommenders": ["popularity"], "clock.days": 8}
    # Items are sent that are not liked, so that friends hear of them by no other way.
    sends = {"actions": {"share": {"log_odds": 3.0, "per_star": 0.0}}}
    quiet, loud = (
        run(load_scenario("demo", CLOCK | social | more), tmp_path / name) for name, more in (("quiet", {}), ("loud", sends))
    )
    sent = events(loud, "share", "popularity")
    assert all(one["other_id"] >= 0 for one in sent)
    assert len({one["other_id"] for one in sent}) > 10
    told = [
        {(slot["friend_id"], slot["user_id"], slot["item_id"]) for slot in rows(folder, "impressions", "popularity")}
        for folder in (quiet, loud)
    ]
    heard = {(one["user_id"], one["other_id"], one["item_id"]) for one in sent}
    liked = {
        (slot["user_id"], slot["item_id"]) for slot in rows(loud, "impressions", "popularity") if (slot["rating"] or 0) >= 4
    }
    by_sending_alone = {one for one in told[1] & heard if (one[0], one[2]) not in liked}
    assert by_sending_alone
    assert not by_sending_alone & told[0]


def test_without_friends_nobody_is_named(acting):
    assert all(one["other_id"] == -1 for one in events(acting, "share"))


def test_events_are_of_items_that_stand_on_the_page(acting):
    shown, clicks = pages(acting), {"save", "share", "purchase"}
    for action in ACTIONS:
        found = events(acting, action)
        assert len(found) > 5, action
        for event in found:
            (slot,) = [slot for slot in shown[key(event)] if slot["item_id"] == event["item_id"]]
            assert slot["examined"]
            assert slot["clicked"] == (action in clicks)
            assert 0 < event["value"] < 1


# What recommenders are told


def test_recommenders_are_told_what_users_did(tmp_path):
    acting_recommenders.HEARD.clear()
    arm = {"name": ARM, "recommender": "tests.support.acting_recommenders:Deaf"}
    folder = run(load_scenario("demo", ON | {"recommenders": [arm], "clock": {"days": 1, "arrive_days": 1}}), tmp_path / "run")
    longest = max(acting_recommenders.HEARD, key=lambda heard: heard.shape[1])
    assert longest.dtype == np.uint8
    told = {
        action
        for number, action in enumerate(ACTIONS)
        if any((heard & 1 << number).any() for heard in acting_recommenders.HEARD)
    }
    assert told == {row["event"] for row in rows(folder, "events")} & set(ACTIONS)


def test_a_recommender_can_answer_queries_itself(tmp_path):
    arm = {"name": ARM, "recommender": "tests.support.acting_recommenders:Searched"}
    settings = {
        "actions": {"search": {"share": 0.3, "answered_by": "recommender"}},
        "recommenders": [arm | {"retrain": "visit"}],
    }
    folder = run(load_scenario("demo", CLOCK | settings), tmp_path / "run")
    title, shown = (
        dict(zip(*(getattr(open_dataset("fictional").catalog, n) for n in ("item_id", "title")), strict=True)),
        pages(folder),
    )
    searches = events(folder, "search")
    assert len(searches) > 20
    for search in searches:
        first = {title[slot["item_id"]][0].casefold() for slot in shown[key(search)]}
        assert first == {search["subject"][0]}
        assert all(slot["propensity"] == 1 for slot in shown[key(search)])


def test_a_recommender_that_cannot_be_searched_is_refused(tmp_path):
    settings = {"actions": {"search": {"answered_by": "recommender"}}, "recommenders": ["popularity", "random"]}
    scenario = load_scenario("demo", CLOCK | settings)
    with pytest.raises(ConfigError, match="recommender 'random': got one without search"):
        run(scenario, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_oracle_stays_a_ceiling(tmp_path):
    arms = ["random", "popularity", ARM, "oracle"]
    folder = run(load_scenario("demo", ON | {"recommenders": arms, "users.count": 80}), tmp_path / "run")
    log = open_run(folder)
    clicks = {arm: log.columns("pages", ["clicks"], arm=arm)["clicks"].mean() for arm in arms}
    assert clicks["oracle"] > 1.1 * max(clicks[arm] for arm in arms[:-1])


# What is measured


@pytest.fixture(scope="module")
def heeded(tmp_path_factory):
    arms = [{"name": name, "recommender": f"tests.support.acting_recommenders:{name}"} for name in ("Deaf", "Obedient")]
    settings = {
        "recommenders": arms,
        "actions": EVERYTHING | {"less_like_this": {"log_odds": -3.5}},
        "users.count": 250,
        "clock.days": 5,
    }
    return run(load_scenario("demo", CLOCK | settings), tmp_path_factory.mktemp("heeded") / "run")


def test_who_obeys_is_told_from_who_is_deaf(heeded):
    deaf, obedient = measure_actions(open_run(heeded), read_tables(heeded))
    assert obedient.obedience.refusals > 100
    assert obedient.obedience.obedience.value > 0.97
    assert not deaf.obedience.obedience.excludes(0.0)
    assert deaf.obedience.obedience.high < 0.6


def test_counts_and_shares_are_those_of_the_log(acting):
    (_, measured) = measure_actions(open_run(acting), read_tables(acting))
    assert measured.counts == {name: len(events(acting, name)) for name in EVERYTHING}
    shown = rows(acting, "pages")
    assert measured.page_share["search"].value == pytest.approx(measured.counts["search"] / len(shown))
    back = {key(one) for one in events(acting, "back")}
    clicks = [page["clicks"] for page in shown if key(page) in back]
    assert measured.clicks_per_page["back"].value == pytest.approx(np.mean(clicks))
    bought = {(*key(one), one["item_id"]) for one in events(acting, "purchase")}
    saved = {(*key(one), one["item_id"]) for one in events(acting, "save")}
    funnel = measured.funnel
    assert (funnel.clicks, funnel.saves, funnel.purchases) == (sum(page["clicks"] for page in shown), len(saved), len(bought))
    assert funnel.saved_purchase_rate.value == pytest.approx(len(saved & bought) / len(saved))


def test_the_report_tells_what_users_did(acting, off):
    page = write_report(acting).read_text()
    assert "Beyond clicks" in page
    section = page.partition("Beyond clicks</a></h2>")[2].partition("<h2")[0]
    labels = re.findall(r'<th scope="row">(.*?)</th>', section)
    assert len(labels) == len(set(labels)) == 24
    assert json.loads((acting / "metrics.json").read_text())["actions"][1]["counts"]["save"] == len(events(acting, "save"))
    assert measure_actions(open_run(off), read_tables(off)) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"actions": {"serch": {}}}, "unknown key 'actions.serch', expected .*search"),
        ({"actions": {"search": {"share": 2.0}}}, "actions.search.share: got 2.0, expected a number from 0"),
        ({"actions": {"save": {}}, "clock": None, "intents": None}, "expected a clock beside actions"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings, said):
    with pytest.raises(ConfigError, match=said) as caught:
        load_scenario("demo", CLOCK | settings)
    assert "\n" not in str(caught.value)
