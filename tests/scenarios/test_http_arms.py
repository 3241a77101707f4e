"""Arms behind HTTP: the server of the guide, a server that dies and comes back, and what is told of what it took."""

import json
import re
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as parquet
import pytest
import yaml

from recsim_llm.cli.main import main
from recsim_llm.recommenders import http_client, http_openapi, open_recommender
from recsim_llm.scenarios.schema import load_scenario
from recsim_llm.testing import check_recommender

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "http-recommenders.md").read_text(encoding="utf-8")
SERVER = next(block for block in re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL) if "serve_forever" in block)
SMALL = {"seed": 3, "slate_size": 3, "max_pages": 5, "users": {"count": 12}}


class Dying(ThreadingHTTPServer):
    """A server whose connections break once it has answered so many posts."""

    daemon_threads = True
    left = 10**9

    def handle_error(self, request, client_address):
        """Say nothing: it was told to break."""


@contextmanager
def guide_server(port=0, *, left=10**9, **changes):
    """Run the server of the guide as it is printed, but for its port; yield its address."""
    code = SERVER
    for old, new in changes.items():
        assert old in code
        code = code.replace(old, new)
    names = {"__name__": "server"}
    exec(compile(code, "server.py", "exec"), names)

    answer = names["Server"].do_POST

    def counted(handler):
        handler.server.left -= 1
        if handler.server.left < 0:
            raise ConnectionError("told to break")
        answer(handler)

    names["Server"].do_POST, names["Server"].log_message = counted, lambda *_: None
    server = Dying(("127.0.0.1", port), names["Server"])
    server.left = left
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Have no time pass between attempts."""
    monkeypatch.setattr(http_client, "time", SimpleNamespace(perf_counter=lambda: 0.0, sleep=lambda _: None))


def arm(address, **settings):
    return {"name": "shop", "recommender": address, "settings": {"attempts": 2, "batch": 5, **settings}}


def scenario(folder, *arms):
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump({"name": "shop", **SMALL, "recommenders": list(arms)}))
    return str(path)


def run(path, out):
    return main(["run", path, "--quiet", "--out", str(out)])


def log_bytes(folder):
    """Every file of the log that is not about clock times."""
    kept = [folder / "manifest.json", folder / "segments.jsonl", *sorted(folder.glob("*/*.parquet"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def served(folder):
    return parquet.read_table(folder / "serving.parquet").to_pylist()


def test_the_server_of_the_guide_is_short_and_keeps_the_contract():
    assert len(SERVER.splitlines()) <= 40
    with guide_server() as address:
        check_recommender(lambda: open_recommender(address))


def test_the_openapi_document_is_what_the_code_says():
    written = json.loads((ROOT / "docs" / "http-recommender.openapi.json").read_text(encoding="utf-8"))
    assert written == http_openapi()


def test_the_messages_of_the_guide_keep_to_the_schema():
    from recsim_llm.recommenders.http_schema import RecommendBody, SlatesReply

    asked, answered = re.findall(r"```json\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert len(RecommendBody.model_validate_json(asked).requests) == 1
    assert len(SlatesReply.model_validate_json(answered).slates) == 1


def test_the_settings_of_the_guide_are_those_that_there_are():
    declared = type(open_recommender("http://shop").settings).model_fields
    table = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", GUIDE, flags=re.MULTILINE))
    defaults = {name: field.default for name, field in declared.items() if name not in ("address", "headers")}
    assert {name: float(value) for name, value in table.items() if name != "headers"} == defaults
    assert set(table) == set(declared) - {"address"}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("HTTPS://recommend.shop.example/v2/", "recommend.shop.example/v2"),
        ("http://me:hush@shop/a?key=hush", "shop/a"),
    ],
)
def test_an_address_alone_names_its_arm_by_host_and_path(address, name):
    for given in (address, {"recommender": address}):
        assert load_scenario("demo", {"recommenders": [given]}).recommenders[0].name == name


def test_an_address_on_the_command_line_is_an_arm(tmp_path, capsys):
    small = ["--n-users", "12", "--pages", "2", "--slate-size", "3", "--seed", "1"]
    with guide_server() as address:
        assert main(["run", "demo", "--recommenders", f"popularity,{address}", *small, "--out", str(tmp_path / "run")]) == 0
    name = address.removeprefix("http://")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["arms"] == ["popularity", name]
    assert manifest["services"][name] == {
        "address": address,
        "name": "popular",
        "version": "1",
        "fit": True,
        "observe": False,
    }
    assert f"{name}: 4 requests, 0 of them retries" in " ".join(capsys.readouterr().out.split())


def test_what_recommenders_took_is_in_the_report(tmp_path):
    with guide_server() as address:
        assert run(scenario(tmp_path, "popularity", arm(address)), tmp_path / "run") == 0
    (popularity, shop), pages = served(tmp_path / "run"), parquet.read_table(tmp_path / "run" / "pages").num_rows
    assert popularity["pages"] + shop["pages"] == pages
    assert popularity["fit_seconds"] > 0
    assert popularity["requests"] is None
    assert shop["requests"] > 2 + SMALL["max_pages"]
    assert shop["bytes_sent"] > shop["bytes_received"] > 0
    costs = json.loads((tmp_path / "run" / "metrics.json").read_text())["serving"]
    assert [(cost["arm"], cost["served"], cost["requests"]) for cost in costs] == [
        ("popularity", 1, None),
        ("shop", 1, shop["requests"]),
    ]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Serving" in page
    assert "Milliseconds a page" in page


def test_a_run_whose_server_died_goes_on_with_the_log_that_it_would_have_had(tmp_path, capsys):
    out = tmp_path / "stopped"
    with guide_server(left=8) as address:
        path, port = scenario(tmp_path, "popularity", arm(address)), int(address.rpartition(":")[2])
        assert run(path, out) == 2
    said = capsys.readouterr().err
    assert re.search(
        rf"recommender 'shop': {address}/recommend: got .* after 2 attempts in 0.0 s for \d+ users? in visit 0, page 2", said
    )
    assert f"go on with `recsim-llm resume {out}`" in said
    assert main(["report", str(out), "--quiet"]) == 0
    assert "shop was stopped" in (out / "report.html").read_text()
    assert main(["resume", str(out), "--quiet"]) == 2
    assert f"recommender 'shop': {address}/: got ClientConnectorError" in capsys.readouterr().err
    with guide_server(port):
        assert main(["resume", str(out), "--quiet"]) == 0
        assert run(path, tmp_path / "whole") == 0
    assert log_bytes(out) == log_bytes(tmp_path / "whole")
    assert [(row["arm"], row["stopped"] is None) for row in served(out)] == [
        ("popularity", True),
        ("shop", False),
        ("shop", True),
    ]
    assert dict(served(out)[1]["failures"]) == {"connection": 2}


def test_a_run_does_not_go_on_with_another_version_of_its_server(tmp_path, capsys):
    with guide_server(left=3) as address:
        assert run(scenario(tmp_path, arm(address)), tmp_path / "run") == 2
    capsys.readouterr()
    with guide_server(int(address.rpartition(":")[2]), **{'"version": "1"': '"version": "2"'}):
        assert main(["resume", str(tmp_path / "run"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "services (from" in said
    assert "changed since it was started" in said


def test_a_finished_arm_needs_its_server_no_more(tmp_path):
    out = tmp_path / "run"
    with guide_server(left=8) as other, guide_server() as address:
        path = scenario(tmp_path, arm(address) | {"name": "first"}, arm(other) | {"name": "second"})
        assert run(path, out) == 2
    with guide_server(int(other.rpartition(":")[2])):
        assert main(["resume", str(out), "--quiet"]) == 0
    assert [row["arm"] for row in served(out)] == ["first", "second", "second"]


def test_a_server_that_is_not_there_is_told_before_any_arm_is_served(tmp_path, capsys):
    with guide_server() as address:
        pass
    assert run(scenario(tmp_path, "popularity", arm(address)), tmp_path / "run") == 2
    assert "recommender 'shop'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_items_that_break_a_rule_are_for_the_scenario_to_judge(tmp_path, capsys):
    wrong = {"(fresh + again)[:k]": "[9**9] + (fresh + again)[: k - 1]"}
    with guide_server(**wrong) as address:
        path = scenario(tmp_path, arm(address))
        assert run(path, tmp_path / "refused") == 2
        assert "shop: got an unknown item 387420489 in row 0" in capsys.readouterr().err
        assert main(["run", path, "--quiet", "--set", "invalid=count", "--out", str(tmp_path / "counted")]) == 0
    (counted,) = json.loads((tmp_path / "counted" / "metrics.json").read_text())["arms"]
    assert counted["invalid_slots"] == counted["pages"]


def test_a_secret_header_reaches_the_server_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SHOP_TOKEN", "Bearer hush-hush")
    guarded = {
        "body = json": 'assert self.headers["Authorization"] == "Bearer hush-hush"\n        body = json',
    }
    with guide_server(**guarded, left=3) as address:
        assert run(scenario(tmp_path, arm(address, headers={"Authorization": "SHOP_TOKEN"})), tmp_path / "run") == 2
    kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"SHOP_TOKEN" in kept
    assert b"hush" not in kept
    assert "hush" not in capsys.readouterr().err


def test_an_address_with_a_secret_is_refused_and_not_shown(tmp_path, capsys):
    assert main(["run", "demo", "--recommenders", "http://me:hush@shop", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "settings: {headers: {Authorization: VARIABLE}}" in said
    assert "hush" not in said
    assert not (tmp_path / "run").exists()


def test_a_comparison_in_blocks_says_what_all_of_them_took(tmp_path):
    arguments = ["--until-decided", "--block", "6", "--effect", "0.01", "--quiet", "--out", str(tmp_path / "run")]
    with guide_server() as address:
        assert main(["compare", scenario(tmp_path, "popularity", arm(address)), *arguments]) == 0
    costs = json.loads((tmp_path / "run" / "metrics.json").read_text())["serving"]
    assert [(cost["arm"], cost["served"]) for cost in costs] == [("popularity", 2), ("shop", 2)]


def test_a_header_whose_variable_is_not_set_names_the_arm(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    assert run(scenario(tmp_path, arm("http://shop", headers={"Authorization": "SHOP_TOKEN"})), tmp_path / "run") == 2
    assert "recommender 'shop': headers.Authorization: got an environment variable that is not set" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# Users who do more than click

ACTING = {
    "clock": {"days": 3, "arrive_days": 1},
    "intents": "usual",
    "actions": {
        "search": {"share": 0.4, "answered_by": "recommender"},
        "filter": {"share": 0.5},
        "save": {"log_odds": 1.0},
        "less_like_this": {"log_odds": -1.0},
    },
    "invalid": "count",
}


def acting_scenario(folder, *arms):
    path = folder / "acting.yaml"
    path.write_text(yaml.safe_dump({"name": "acting", **SMALL, **ACTING, "recommenders": list(arms)}))
    return str(path)


@pytest.fixture
def asked(monkeypatch):
    """Return what servers are asked from now on, by path."""
    bodies, ask = {}, http_client.HttpClient.ask

    def noted(client, path, content, **more):
        bodies.setdefault(path, []).append(None if content is None else json.loads(content))
        return ask(client, path, content, **more)

    monkeypatch.setattr(http_client.HttpClient, "ask", noted)
    return bodies


def test_a_server_is_told_of_actions_and_filters_and_answers_queries(tmp_path, asked):
    with guide_server(**{'"fit": True': '"fit": True, "search": True'}) as address:
        assert run(acting_scenario(tmp_path, arm(address)), tmp_path / "run") == 0
    events = parquet.read_table(tmp_path / "run" / "events").to_pylist()
    typed = sorted(event["subject"] for event in events if event["event"] == "search")
    queries = sorted(request["query"] for body in asked["/search"] for request in body["requests"])
    assert queries == typed
    assert len(typed) > 10
    pages = [request for body in asked["/recommend"] for request in body["requests"]]
    assert {one["only_genre"] for one in pages if "only_genre" in one} == {
        event["subject"] for event in events if event["event"] == "filter"
    }
    done = {name for one in pages for names in one["history"]["actions"] for name in names}
    assert done == {"save", "less_like_this"}
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["services"]["shop"]["search"] is True


def test_a_server_that_does_not_answer_queries_is_refused_before_any_arm_is_served(tmp_path, capsys):
    with guide_server() as address:
        assert run(acting_scenario(tmp_path, arm(address)), tmp_path / "run") == 2
    assert "recommender 'shop': got a server that does not say `search`" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
