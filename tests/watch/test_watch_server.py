"""The server of a watched run, over real HTTP: what the page is told, and who is told nothing."""

import json
import socket
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from patience import PATIENCE
from watched_runs import CLOCK, served

from recsim_llm.errors import ConfigError
from recsim_llm.report.page_layout import files


class Client:
    """Asks one server."""

    def __init__(self, address):
        parts = urlsplit(address)
        self.host, self.path = parts.netloc, parts.path

    def ask(self, place, wanted=None, *, method=None, path=None, body=None, **headers):
        """Return status, headers and content of an answer."""
        connection = HTTPConnection(self.host, timeout=PATIENCE)
        given = {"Host": self.host} | {name.replace("_", "-"): value for name, value in headers.items()}
        if wanted is not None:
            body = json.dumps(wanted)
            given.setdefault("Content-Type", "application/json")
        connection.request(method or ("GET" if body is None else "POST"), path or self.path + place, body=body, headers=given)
        answer = connection.getresponse()
        content = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.headers), content

    def get(self, place):
        status, _, content = self.ask(place)
        assert status == 200, content
        return json.loads(content)

    def post(self, place, **wanted):
        status, _, content = self.ask(place, wanted)
        return status, json.loads(content)


@pytest.fixture(scope="module")
def open_run():
    with served(**CLOCK, **{"models.writer": "scripted/genres"}) as (run, pacer, address):
        yield run, pacer, Client(address)


@pytest.fixture(scope="module")
def client(open_run):
    return open_run[2]


@pytest.mark.parametrize(("place", "kind"), [("", "text/html"), ("watch.css", "text/css"), ("watch.js", "text/javascript")])
def test_the_page_comes_whole_and_may_load_nothing_else(client, place, kind):
    status, headers, content = client.ask(place)
    assert status == 200
    assert headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"
    assert "http://" not in content.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in content


def test_the_page_looks_like_the_report(client):
    assert client.ask("watch.css")[2].startswith(files("recsim_llm.report").joinpath("style.css").read_text("utf-8"))


def test_only_the_loopback_is_listened_to(client):
    port = int(client.host.rpartition(":")[2])
    with socket.socket() as other:
        # Another address of the same machine is another listener's: with 0.0.0.0 taken it could not be bound.
        other.bind(("127.0.0.2", port))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example@127.0.0.1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("place", ["", "state", "user?arm=random&id=1"])
def test_other_pages_are_told_nothing(client, headers, place):
    status, got, content = client.ask(place, **headers)
    assert status == 403
    assert json.loads(content)["error"].partition(":")[0] in ("host", "origin", "request")
    assert "Access-Control-Allow-Origin" not in got


def test_the_page_itself_and_a_forwarded_port_are_let_through(client):
    own = f"http://{client.host}"
    assert client.ask("state", Origin=own, Sec_Fetch_Site="same-origin")[0] == 200
    assert client.ask("state", Host="localhost:9000", Origin="http://localhost:9000")[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/state", "/wrong/state", "/WORDx/state", "//state", "/WORD/../wrong/state", "/WORD/nothing"]
)
def test_without_the_random_word_there_is_nothing(client, path):
    status, _, content = client.ask("", path=path.replace("WORD", client.path.strip("/")))
    assert status in (403, 404)
    assert "\n" not in content


def test_words_are_drawn_anew():
    with served(recommenders=["random"]) as (_, _, one), served(recommenders=["random"]) as (_, _, other):
        assert one.rpartition("/")[0].rpartition("/")[2] != other.rpartition("/")[0].rpartition("/")[2]
        assert len(urlsplit(one).path) > 30


@pytest.mark.parametrize("place", ["act", "change", "talk"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"do": "play"}', "text/plain"),
        ("do=play", "application/x-www-form-urlencoded"),
        ("{", "application/json"),
        ("[]", "application/json"),
        ("[" * 4000, "application/json"),
        ('{"do": "' + "x" * 5000 + '"}', "application/json"),
    ],
)
def test_what_is_no_small_json_object_is_refused_in_one_line(open_run, place, body, kind):
    run, pacer, client = open_run
    status, _, content = client.ask(place, body=body, Content_Type=kind)
    assert status in (400, 413)
    assert list(json.loads(content)) == ["error"]
    assert "\n" not in content
    assert (pacer.state, run.steps) == ("paused", 0)


def test_acts_are_posted_only(client):
    assert client.ask("act")[0] == 405


@pytest.mark.parametrize(
    ("place", "wanted", "said"),
    [
        ("act", {}, "act: got None, expected play, pause, step, pace"),
        ("act", {"do": ["play"]}, "act: got ['play'], expected"),
        ("act", {"do": "pace", "speed": "fast"}, "speed: got 'fast'"),
        ("change", {}, "recommender: got 'None', expected"),
        ("change", {"arm": "random", "recommender": "randon"}, "recommender: got 'randon', expected"),
        ("change", {"slider": "clicking", "value": 99}, "slider 'clicking': got 99, expected a number from -3 to 3"),
        ("change", {"slider": {"a": 1}, "value": 1}, "slider: got \"{'a': 1}\", expected"),
        ("talk", {"arm": "random", "id": "nobody"}, "user: got 'nobody'"),
    ],
)
def test_wrong_wishes_are_told_in_one_line(client, place, wanted, said):
    status, content = client.post(place, **wanted)
    assert status == 400
    assert content["error"].startswith(said)


@pytest.mark.parametrize("place", ["user?arm=random&id=none", "user", "users?arm=none", "state?since=x", "state?version=1e9"])
def test_wrong_questions_are_told_in_one_line(client, place):
    status, _, content = client.ask(place)
    assert status == 400
    assert "expected" in json.loads(content)["error"]


def test_a_run_is_played_changed_and_looked_into():
    with served(**CLOCK, **{"models.writer": "scripted/genres"}) as (run, pacer, address):
        client = Client(address)
        before = client.get("state")
        assert (before["state"], before["steps"], before["of"]) == ("paused", 0, 5)
        assert client.post("change", arm="popularity", recommender="random") == (200, {})
        assert client.post("change", slider="leaving", value=-2) == (200, {})
        assert client.post("act", do="step") == (200, {})
        assert pacer.wait(PATIENCE)
        after = client.get(f"state?version={before['version']}")
        assert (after["steps"], after["arms"][0]["recommender"]) == (1, "random")
        assert [one["said"] for one in after["by_hand"]] == [
            "users of popularity are served by random",
            "Inclination to leave after a page: -2 log-odds of leaving",
        ]
        assert after["arms"][0]["values"]["return_share"] == run.snapshot()["arms"][0]["values"]["return_share"]
        user = next(user["id"] for user in client.get("users?arm=random&query=")["users"] if user["pages"])
        shown = client.get(f"user?arm=random&id={user}")
        assert [slot["position"] for slot in shown["pages_seen"][0]["slots"]] == [0, 1, 2, 3, 4]
        status, said = client.post("talk", arm="random", id=user)
        assert (status, len(said["answers"])) == (200, 10)
        client.post("act", do="play")
        assert pacer.wait(PATIENCE)
        assert client.get(f"state?version={after['version']}&since=1")["state"] == "finished"
        assert client.post("change", arm="popularity", recommender="popularity")[0] == 400


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        import asyncio

        from watched_runs import watched

        from recsim_llm.watch.pacing import Pacer
        from recsim_llm.watch.watch_server import WatchServer

        with watched(recommenders=["random"]) as run:
            pacer = Pacer(run)
            try:
                with pytest.raises(ConfigError, match="expected one that is free, 0 for any"):
                    asyncio.run(WatchServer(run, pacer).serve(taken.getsockname()[1], pytest.fail))
                with pytest.raises(ConfigError, match="got 70000, expected one that is free"):
                    asyncio.run(WatchServer(run, pacer).serve(70000, pytest.fail))
            finally:
                pacer.close()
