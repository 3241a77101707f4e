"""A recommender behind HTTP: what is sent, what is read, and what is said of servers that fail or misbehave."""

import gc
import json
import socket
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from page_server import drip, http, serve_pages

from recsim_llm.core.batches import take_columns
from recsim_llm.core.pages import NO_PROFILE, Requests, Slates
from recsim_llm.core.profiles import make_profile
from recsim_llm.errors import ConfigError, ServiceError
from recsim_llm.recommenders import HttpRecommender, check_slates, http_client
from recsim_llm.recommenders.http_schema import FitBody, ObserveBody, RecommendBody
from recsim_llm.testing.recommender import small_world

CATALOG, RATINGS = small_world(users=8, items=20)
WANTS_ALL = {"schema_version": 1, "name": "shop", "version": "7", "fit": True, "observe": True}
K = 3


def requests(users=5, *, width=0):
    """Return requests whose first user saw one item, with columns for longer histories of nobody."""
    user_id = RATINGS.users[:users]
    item = np.full((users, 2 + width), -1)
    item[0, 0] = CATALOG.item_id[4]
    clicked, rating = item >= 0, np.where(item >= 0, 4.5, np.nan).astype(np.float32)
    ages = np.array(["25-34", ""] * users, object)[:users]
    zeros = np.zeros(users, np.int64)
    return Requests(user_id, zeros, zeros + 2, item, clicked, rating, make_profile({"age": ages}, users))


def take(asked, rows):
    return take_columns(asked, rows)


def slates(body, first=0, **more):
    """Answer with the same items for everyone."""
    items = CATALOG.item_id[first : first + body["k"]].tolist()
    return {"slates": [{"user_id": request["user_id"], "item_id": items, **more} for request in body["requests"]]}


def good(description=None):
    """Return a server's function that answers everything."""

    def answer(asked):
        if asked.path == "/":
            return http({}, status=404) if description is None else description
        return slates(asked.body) if asked.path == "/recommend" else {}

    return answer


def page(answer):
    """Return a server's function that answers requests for pages with something."""
    return lambda asked: http("", status=501) if asked.path == "/" else answer(asked)


def fitted(server, catalog=CATALOG, ratings=RATINGS, **settings):
    made = HttpRecommender(HttpRecommender.Settings(address=server.address, **settings))
    made.fit(catalog, ratings, 2**55 + 3)
    return made


def failing(answer, timeout=30.0, **settings):
    """Return the error that a server's answer to a request for pages leads to, and the server."""
    with serve_pages(page(answer)) as server:
        made = fitted(server, **settings)
        # Only now, so that a slow machine has all the time for the description.
        made.settings = made.settings.model_copy(update={"timeout": timeout})
        with pytest.raises(ServiceError) as caught:
            made.recommend(requests(), K)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{server.address}/recommend: got ")
    return caught.value, server, made


@pytest.fixture
def waits(monkeypatch):
    """Have no time pass between attempts; return the seconds that would have."""
    passed = []
    monkeypatch.setattr(http_client, "time", SimpleNamespace(perf_counter=lambda: 0.0, sleep=passed.append))
    return passed


def test_one_endpoint_is_enough():
    with serve_pages(good()) as server:
        found = fitted(server).recommend(requests(), K)
    assert server.paths() == ["/", "/recommend"]
    assert found.item_id.tolist() == [CATALOG.item_id[:K].tolist()] * 5
    assert all(np.isnan(column).all() for column in found[1:4])
    assert found.explanation.tolist() == found.title.tolist() == [[""] * K] * 5


def test_a_server_that_wants_it_is_told_ratings_and_outcomes():
    with serve_pages(good(WANTS_ALL)) as server:
        made, asked = fitted(server), requests()
        found = made.recommend(asked, K)
        clicked = np.arange(5 * K).reshape(5, K) % 2 == 0
        made.observe(asked, found, clicked, np.where(clicked, 3.5, np.nan).astype(np.float32))
    assert server.paths() == ["/", "/fit", "/recommend", "/observe"]
    assert server.asked[1].body["ratings"]["rating"] == RATINGS.rating.tolist()
    told = server.asked[3].body["results"][0]
    assert told["clicked"] == [True, False, True]
    assert told["rating"] == [3.5, None, 3.5]


def test_what_is_sent_keeps_to_the_schema():
    catalog = replace(CATALOG, item_key=np.array([f"SKU-{item}" for item in CATALOG.item_id], object))
    for items in (CATALOG, catalog):
        answers = {"/": WANTS_ALL, "/fit": {}, "/observe": {}}

        def answer(asked, items=items, answers=answers):
            if asked.path != "/recommend":
                return answers[asked.path]
            names = items.item_id[:K].tolist() if items.item_key is None else items.item_key[:K].tolist()
            return {"slates": [{"user_id": one["user_id"], "item_id": names} for one in asked.body["requests"]]}

        with serve_pages(answer) as server:
            made, asked = fitted(server, catalog=items), requests()
            made.observe(asked, made.recommend(asked, K), np.zeros((5, K), bool), np.full((5, K), np.nan, np.float32))
        for kind, sent in zip((FitBody, RecommendBody, ObserveBody), server.asked[1:], strict=True):
            kind.model_validate_json(json.dumps(sent.body))


def test_a_request_holds_what_may_be_known_of_its_user():
    with serve_pages(good()) as server:
        made = HttpRecommender(HttpRecommender.Settings(address=server.address))
        made.play_by("allow")
        made.name_users({int(user): f"C{user:03d}" for user in RATINGS.users})
        made.fit(CATALOG, RATINGS, 2**55 + 3)
        made.recommend(requests(), K)
    body = server.asked[1].body
    assert {key: body[key] for key in body if key != "requests"} == {
        "schema_version": 1,
        "seed": 3,
        "k": K,
        "repeats": "allow",
    }
    first, second, *_ = body["requests"]
    user = RATINGS.users[0]
    assert first.pop("rated") == {
        "item_id": RATINGS.item_id[RATINGS.user_id == user].tolist(),
        "rating": RATINGS.rating[RATINGS.user_id == user].tolist(),
    }
    assert first == {
        "user_id": user,
        "user_key": f"C{user:03d}",
        "visit": 0,
        "page": 2,
        "history": {"item_id": [int(CATALOG.item_id[4])], "clicked": [True], "rating": [4.5]},
        "profile": {"age": "25-34"},
    }
    assert second["history"] == {"item_id": [], "clicked": [], "rating": []}
    assert second["profile"] == {}


def test_a_request_does_not_depend_on_who_else_is_asked_for():
    with serve_pages(good()) as server:
        made = fitted(server, batch=2)
        made.recommend(requests(), K)
        split = [one for asked in server.asked[1:] for one in asked.body["requests"]]
        made.recommend(take(requests(width=4), np.array([3])), K)
        assert [len(asked.body["requests"]) for asked in server.asked[1:]] == [2, 2, 1, 1]
        assert server.asked[-1].body["requests"] == [split[3]]


def test_a_page_of_a_log_is_asked_about_without_a_profile():
    with serve_pages(good()) as server:
        fitted(server).recommend(requests()._replace(profile=NO_PROFILE), K)
    assert [one["profile"] for one in server.asked[1].body["requests"]] == [None] * 5


def test_texts_travel_where_the_data_has_texts():
    keys = np.array([f"SKU-{item}" for item in CATALOG.item_id], object)
    catalog = replace(CATALOG, item_key=keys)

    def answer(asked):
        return {
            "slates": [{"user_id": one["user_id"], "item_id": [keys[2], "SKU-?", keys[0]]} for one in asked.body["requests"]]
        }

    with serve_pages(page(answer)) as server:
        found = fitted(server, catalog=catalog).recommend(requests(), K)
    assert server.asked[1].body["requests"][0]["history"]["item_id"] == [keys[4]]
    assert found.item_id[0].tolist() == [CATALOG.item_id[2], -1, CATALOG.item_id[0]]


def test_propensities_are_read_and_null_is_unknown():
    def answer(asked):
        body = slates(asked.body, propensity=[0.5, 0.25, None], prefix_propensity=[0.5, 0.5, 1], slate_propensity=0.25)
        del body["slates"][1]["propensity"]
        return body

    with serve_pages(page(answer)) as server:
        found = fitted(server).recommend(requests(), K)
    np.testing.assert_array_equal(found.propensity[0], np.array([0.5, 0.25, np.nan], np.float32))
    assert np.isnan(found.propensity[1]).all()
    assert found.prefix_propensity[1].tolist() == [0.5, 0.5, 1.0]
    assert found.slate_propensity.tolist() == [0.25] * 5
    check_slates(found, CATALOG, 5, K, name="web", blank_invalid=False)


@pytest.mark.parametrize("blank", [True, False])
def test_unknown_and_repeated_items_are_for_the_run_to_judge(blank):
    items = [int(CATALOG.item_id[0]), int(CATALOG.item_id[0]), 999]
    with serve_pages(
        page(
            lambda asked: (
                slates(asked.body)
                | {"slates": [{"user_id": one["user_id"], "item_id": items} for one in asked.body["requests"]]}
            )
        )
    ) as server:
        found = fitted(server).recommend(requests(), K)
    assert isinstance(found, Slates)
    if blank:
        assert check_slates(found, CATALOG, 5, K, name="web", blank_invalid=True)[0].tolist() == [0, -1, -1]
    else:
        with pytest.raises(ValueError, match=r"a repeated or retired item"):
            check_slates(found, CATALOG, 5, K, name="web", blank_invalid=False)


def changed(**fields):
    """Return an answer whose fourth slate has other fields."""

    def answer(asked):
        body = slates(asked.body)
        body["slates"][3] |= fields
        return json.dumps(body).encode()

    return lambda asked: http(answer(asked))


def reordered(asked):
    body = slates(asked.body)
    body["slates"].reverse()
    return body


def one_less(asked):
    body = slates(asked.body)
    del body["slates"][-1]
    return body


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda asked: http("<!doctype html><title>Welcome</title>"),
            "got '<!doctype html><title>Welcome</title>', expected a JSON",
        ),
        (lambda asked: http(""), "expected a JSON object with slates"),
        (lambda asked: http('{"slates": [{"user_id": 10, "item_id": [1'), "EOF while parsing"),
        (lambda asked: [], "got '[]', expected a JSON object with slates"),
        (lambda asked: {"pages": []}, "unknown key 'pages', expected one of slates"),
        (lambda asked: {"slates": {}}, "slates: got {}, expected a list"),
        (lambda asked: http(b"\xff\xfe{}"), "expected a JSON object"),
        (one_less, "slates: got 4, expected 5"),
        (reordered, "slates.0.user_id: got"),
        (changed(user_id=77), "slates.3.user_id: got 77"),
        (changed(item_id=[1, 2]), "slates.3.item_id: got 2, expected 3"),
        (changed(item_id=[1, 2, True]), "slates.3.item_id.2: got True, expected a whole number of at least 0"),
        (changed(item_id=[1, 2, "SKU"]), "slates.3.item_id.2: got 'SKU', expected a whole number"),
        (changed(item_id=[1, 2, None]), "slates.3.item_id.2: got None"),
        (changed(item_id=[1, 2, 10**30]), "slates.3.item_id.2: got 1000"),
        (changed(propensity=[0.5, float("nan"), 0.5]), "slates.3.propensity.1: got nan, expected a finite number"),
        (changed(propensity=[0.5, 0.0, 0.5]), "slates.3.propensity.1: got 0, expected above 0 and at most 1"),
        (changed(prefix_propensity=[0.5]), "slates.3.prefix_propensity: got 1, expected 3"),
        (changed(slate_propensity=1.5), "slates.3.slate_propensity: got 1.5, expected above 0"),
        (changed(propensities=[1, 1, 1]), "'slates.3.propensities'"),
        (lambda asked: http({}, headers={"Content-Encoding": "gzip"}), "Content-Encoding 'gzip' after 1 attempt"),
    ],
)
def test_a_reply_that_cannot_be_used_is_refused_by_the_name_of_the_field(answer, words, waits):
    error, server, _ = failing(answer)
    assert words in str(error)
    assert "after 1 attempt in 0.0 s for 5 users in visit 0, page 2" in str(error)
    assert error.cause == "bad_reply"
    assert server.paths() == ["/", "/recommend"]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status, waits):
    def answer(asked):
        return http("busy", status=status) if len(server.asked) < 4 else slates(asked.body)

    with serve_pages(page(answer)) as server:
        made = fitted(server)
        made.recommend(requests(), K)
    assert server.asked[1].body == server.asked[3].body
    assert len(waits) == 2
    assert 0.25 <= waits[0] < waits[1] <= 1
    assert (made.cost.requests, made.cost.retries, dict(made.cost.failures)) == (4, 2, {f"status {status}": 2})


def test_a_server_that_stays_broken_is_given_up_with_all_that_helps(waits):
    error, server, made = failing(lambda asked: http({"error": "no model is loaded"}, status=503), attempts=3)
    assert len(server.asked) == 4
    assert "got status 503 (no model is loaded) after 3 attempts in 0.0 s for 5 users in visit 0, page 2, expected 200" in str(
        error
    )
    assert (error.cause, error.status, error.attempts) == ("status", 503, 3)
    assert made.cost.bytes_sent > made.cost.bytes_received > 0


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (301, "redirects are not followed, give the address that it leads to (http://elsewhere/recommend)"),
        (400, "look at the server's log"),
        (401, "settings: {headers: {Authorization: VARIABLE}}"),
        (404, "all that stands before /recommend"),
        (413, "settings: {batch: 64}"),
        (204, "expected 200"),
        (501, "expected 200"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(status, words):
    error, server, _ = failing(lambda asked: http("", status=status, headers={"Location": "http://elsewhere/recommend"}))
    assert words in str(error)
    assert f"status {status}" in str(error)
    assert len(server.asked) == 2


def test_a_wait_that_is_asked_for_is_kept(waits):
    def answer(asked):
        return http("", status=429, headers={"Retry-After": "7"}) if len(server.asked) == 2 else slates(asked.body)

    with serve_pages(page(answer)) as server:
        fitted(server).recommend(requests(), K)
    assert waits == [7.0]


def test_a_wait_that_is_too_long_ends_it_at_once(waits):
    error, server, _ = failing(lambda asked: http("", status=429, headers={"Retry-After": "3600"}))
    assert "asks to wait 3600 s" in str(error)
    assert "settings: {longest_wait: SECONDS}" in str(error)
    assert (error.cause, waits, len(server.asked)) == ("wait", [], 2)


def hang(connection):
    connection.recv(1)  # Until the other side goes away.


def pour(connection):
    connection.sendall(http(b"", length=10**12))
    while True:
        connection.sendall(b" " * 65_536)


def reset(connection):
    connection.sendall(http(b'{"slates": [', length=1000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("answer", [hang, drip(http("x" * 9)), drip(b"HTTP/1.1 200 OK\r\n" + b"X-Long: 1\r\n" * 900)])
def test_a_server_that_never_ends_is_broken_off_in_time(answer, waits):
    error, _, made = failing(lambda asked: answer, timeout=0.15, attempts=2)
    assert "got no end after 2 attempts" in str(error)
    assert "within 0.15 s" in str(error)
    assert "settings: {timeout: SECONDS}" in str(error)
    assert (error.cause, error.attempts, made.cost.failures["timeout"]) == ("timeout", 2, 2)


@pytest.mark.parametrize("answer", [pour, http(b" " * (10 << 20))])
def test_no_more_is_read_of_a_body_than_the_limit(answer):
    error, server, made = failing(lambda asked: answer, body_limit=100_000)
    assert "got a body of more than 100,000 bytes" in str(error)
    assert "settings: {body_limit: BYTES}" in str(error)
    assert len(server.asked) == 2
    assert made.cost.bytes_received < 1 << 20


@pytest.mark.parametrize("answer", [reset, http(b'{"slates": [', length=1000), b"SMTP ready\r\n", b""])
def test_a_connection_that_breaks_is_tried_again(answer, waits):
    error, server, _ = failing(lambda asked: answer, attempts=2)
    assert error.cause == "connection"
    assert "see that the server runs there" in str(error)
    assert len(server.asked) == 3


def test_a_broken_connection_tells_an_outcome_twice_by_one_number(waits):
    def answer(asked):
        told = [one for one in server.asked if one.path == "/observe"]
        return b"" if asked.path == "/observe" and len(told) == 2 else good(WANTS_ALL)(asked)

    with serve_pages(answer) as server:
        made, asked = fitted(server, batch=3), requests()
        found = made.recommend(asked, K)
        for _ in range(2):
            made.observe(asked, found, np.zeros((5, K), bool), np.full((5, K), np.nan, np.float32))
    numbers = [one.body["number"] for one in server.asked if one.path == "/observe"]
    assert numbers == [0, 1, 1, 2, 3]


def test_nobody_there_is_said_at_once(waits):
    with serve_pages(good()) as server:
        pass
    made = HttpRecommender(HttpRecommender.Settings(address=server.address, attempts=3))
    with pytest.raises(ServiceError, match=r"/: got ClientConnectorError.* after 3 attempts .* see that the server runs there"):
        made.reach()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"schema_version": 2}, "schema_version: got 2, expected 1"),
        ({"schema_version": 1, "observe": True}, "got observe without fit, expected both"),
        ({"schema_version": 1, "fits": True}, "unknown key 'fits'"),
        ("<html>It works!</html>", "expected a JSON object with schema_version"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused(said, words):
    with serve_pages(lambda asked: http(said)) as server, pytest.raises(ServiceError) as caught:
        fitted(server)
    assert words in str(caught.value)


def test_a_header_comes_from_the_environment_and_is_never_shown(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "Bearer hush-hush/1")
    leak = "wrong key hush-hush/1, or hush-hush%2F1"
    with serve_pages(page(lambda asked: http(leak, status=403))) as server:
        made = fitted(server, headers={"Authorization": "SHOP_TOKEN"})
        with pytest.raises(ServiceError) as caught:
            made.recommend(requests(), K)
    assert server.asked[1].headers["authorization"] == "Bearer hush-hush/1"
    assert "hush" not in str(caught.value)
    assert "[hidden]" in str(caught.value)
    assert "hush" not in str(made.settings.model_dump())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"address": "ftp://shop"}, "whose scheme is ftp"),
        ({"address": "http://me:hush@shop"}, "which is not shown"),
        ({"address": "http://shop?key=hush"}, "settings: {headers: {Authorization: VARIABLE}}"),
        ({"address": "file:///etc/passwd"}, "whose scheme is file"),
        ({"address": "http://shop", "timeout": 0}, "timeout: got 0, expected a number above 0"),
        ({"address": "http://shop", "headers": {"Authorization": "Bearer hush"}}, "which is not shown"),
        ({"address": "http://shop", "headers": {"X-A\r\nX-B": "TOKEN"}}, "a header's name"),
        ({"address": "http://shop", "retries": 3}, "unknown key 'retries'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ConfigError) as caught:
        HttpRecommender(HttpRecommender.Settings(**settings))
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "", "two\nlines"])
def test_a_variable_that_holds_no_header_is_refused_without_its_name(value, monkeypatch):
    monkeypatch.delenv("sk12345hush", raising=False)
    if value is not None:
        monkeypatch.setenv("sk12345hush", value)
    settings = HttpRecommender.Settings(address="http://shop", headers={"X-Key": "sk12345hush"})
    with pytest.raises(ConfigError, match=r"headers\.X-Key: got") as caught:
        HttpRecommender(settings)
    assert "hush" not in str(caught.value)


def test_connections_are_given_back_with_the_recommender(recwarn):
    with serve_pages(good()) as server:
        made = fitted(server)
        session = made._client._session
        assert not session.closed
        del made
        gc.collect()
        assert session.closed


def test_words_on_pages_are_read_and_what_users_said_is_sent():
    reasons = ["Because it is good.", "", ""]

    def answer(asked):
        if asked.path == "/":
            return http({}, status=404)
        body = slates(asked.body, explanation=reasons)
        del body["slates"][1]["explanation"]
        return body

    said = np.array(["Less Drama, please.", "", "", "", ""], object)
    with serve_pages(answer) as server:
        found = fitted(server).recommend(requests()._replace(text=said), K)
        fitted(server).recommend(requests(), K)
    assert found.explanation.tolist() == [reasons, ["", "", ""], reasons, reasons, reasons]
    assert found.title.tolist() == [["", "", ""]] * 5
    with_text, without = (asked.body["requests"] for asked in server.asked if asked.path == "/recommend")
    assert [request["text"] for request in with_text] == said.tolist()
    assert not any("text" in request for request in without)


def test_a_column_of_words_has_one_a_position():
    error, *_ = failing(lambda asked: slates(asked.body, title=["One", "Two"]))
    assert "slates.0.title: got 2, expected 3, one a position" in str(error)
