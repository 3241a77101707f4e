"""A report of hostile words in a browser: titles, ids, arms, personas and what models write are words, and nothing runs."""

import csv
import json
from dataclasses import replace

import pytest
from browser import Tab, opened_browser

from recsim_llm.cli.main import main
from recsim_llm.language.backends.scripted import Scripted
from recsim_llm.report import write_sessions

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=\"document.title='taken'\"></title></style></textarea><script>document.title='taken'</script>"
PLANTED = f"{HOSTILE}<svg onload=alert(1)><a href=javascript:alert(1)>&lt;b&gt;"


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    data = folder / "data"
    data.mkdir()
    with (data / "interactions.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["user_id", "item_id", "rating", "timestamp"])
        rows.writerows(
            [f"{PLANTED} {user}", item, 1 + (user * item) % 5, user * item]
            for user in range(14)
            for item in range(24)
            if (user + item) % 3
        )
    with (data / "items.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["item_id", "title", "genres", "description", "provider"])
        rows.writerows([item, f"{PLANTED} {item}", f"{PLANTED}|War", PLANTED, PLANTED] for item in range(24))
    personas = folder / "personas.json"
    told = {f"{PLANTED} {user}": {"text": f"You like {PLANTED}.", "passed": True} for user in range(14)}
    personas.write_text(json.dumps({"personas": told}))
    arms = json.dumps(
        [{"name": f"{PLANTED} one", "recommender": "random"}, {"name": f"{PLANTED} two", "recommender": "popularity"}]
    )
    settings = ["--n-users", "8", "--pages", "2", "--slate-size", "3", "--seed", "1", "--set", f"recommenders={arms}"]
    settings += ["--users", "language", "--model", "scripted/genres", "--set", f"users.parameters.personas={personas}"]
    settings += ["--set", f"description={json.dumps(PLANTED)}"]
    assert main(["compare", "demo", "--data", str(data), *settings, "--out", str(folder / "run"), "--quiet"]) == 0
    send = Scripted.send

    async def hostile(self, call):
        reply = await send(self, call)
        return replace(reply, texts=tuple(PLANTED for _ in reply.texts)) if call.form == "text" else reply

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Scripted, "send", hostile)
        speak = ["--reviews", "3", "--reasons", "3", "--interviews", "2", "--model", "scripted/genres", "--quiet"]
        assert main(["speak", str(folder / "run"), *speak]) == 0
    assert main(["report", str(folder / "run"), "--quiet"]) == 0
    write_sessions(folder / "run", "all")
    return folder / "run"


@pytest.mark.parametrize("name", ["report.html", "sessions.html"])
def test_nothing_that_was_planted_runs(name, run, browser):
    with Tab(browser, run / name, 1280) as tab:
        if name == "sessions.html":
            tab.until("document.querySelector('#shown tbody tr') && document.getElementById('who').textContent")
        said, title, made, dialogs = tab.value(
            """
            document.querySelectorAll('details').forEach(one => { one.open = true; });
            const made = document.querySelectorAll('[onerror], [onload], a[href^=javascript], img, iframe, object, embed');
            return [document.body.textContent, document.title, made.length, document.querySelectorAll('main script').length];
            """
        )
        assert said.count("onerror=") >= 8
        assert "taken" not in title.replace(HOSTILE, "")
        assert (made, dialogs) == (0, 0)
        assert tab.requests()[0].endswith(name)
        assert all(address.startswith(("file://", "data:")) for address in tab.requests())
        assert not tab.complaints()
