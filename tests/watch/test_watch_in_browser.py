"""The page of a watched run as a person uses it: by clicking, in a browser, narrow and wide, light and dark."""

import pytest
from browser import Tab, opened_browser
from page_looks import BAD_FIGURES, LEAST_CONTRAST, PALE, TOO_WIDE
from patience import PATIENCE
from watched_runs import CLOCK, LANGUAGE, served

pytestmark = pytest.mark.slow

SPEAKING = {"models.writer": "scripted/genres"}
FIGURES = "[...document.querySelectorAll('#series figure:not([hidden])')]"
TITLES = f"{FIGURES}.map(one => one.querySelector('h3').firstChild.data)"
ROWS = "return [...document.querySelectorAll('#user tbody tr')].map(row => [...row.cells].map(one => one.innerText))"


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


def click(tab, id_):
    """Click what has an id, once it can be clicked."""
    tab.until(f"document.getElementById('{id_}') && !document.getElementById('{id_}').disabled")
    tab.value(f"document.getElementById('{id_}').click()")


def choose(tab, element, value):
    """Choose another value of a form's field, as a person's hand does: with the events that come with it."""
    tab.value(f"""
        const one = document.querySelector({element!r});
        one.value = {value!r};
        for (const kind of ['input', 'change']) one.dispatchEvent(new Event(kind, {{ bubbles: true }}));
    """)


def text(tab, selector):
    return tab.value(f"return document.querySelector({selector!r}).innerText")


def until_said(tab, selector, part):
    tab.until(f"document.querySelector({selector!r})?.innerText.includes({part!r})")


def test_a_run_is_played_paused_and_stepped_by_clicking(browser):
    with served(**CLOCK) as (run, pacer, address), Tab(browser, address, 1280) as tab:
        until_said(tab, "#progress", "paused · 0 of 5 steps")
        assert tab.value(f"return {TITLES}") == []
        click(tab, "step")
        until_said(tab, "#progress", "paused · 1 of 5 steps, next day 1")
        assert run.steps == 1
        assert tab.value(f"return {TITLES}") == ["Clicks a page", "Users active", "Satisfaction", "Return share", "Coverage"]
        # Slower than any test waits, so that it is seen to play before it is paused.
        pacer.pace(0.001)
        click(tab, "play")
        until_said(tab, "#progress", "playing")
        assert (text(tab, "#play"), tab.value("return document.getElementById('step').disabled")) == ("Pause", True)
        click(tab, "play")
        until_said(tab, "#progress", "paused")
        choose(tab, "#speed", "0")
        click(tab, "play")
        until_said(tab, "#progress", "finished · 5 of 5 steps")
        assert tab.value("return document.getElementById('play').disabled")
        assert run.finished
        lines = tab.value("return document.querySelectorAll('#series figure:not([hidden]) path.line').length")
        assert lines == 5 * 2
        assert tab.complaints() == []
        assert all(asked.startswith(address) for asked in tab.requests() if not asked.startswith("data:"))


def test_the_table_has_the_values_of_the_last_step(browser):
    with served(**CLOCK) as (run, _, address), Tab(browser, address, 1280) as tab:
        click(tab, "step")
        until_said(tab, "#progress", "1 of 5 steps")
        arm = run.snapshot()["arms"][1]
        cells = tab.value("return [...document.querySelectorAll('#arms tbody tr')[1].cells].map(one => one.innerText)")
        assert cells[0].strip() == "random"
        assert cells[2:4] == [f"{arm['values']['clicks_a_page'][0]:.2f}", str(int(arm["values"]["users"][0]))]
        assert cells[-2:] == [str(arm["pages"]), str(arm["clicks"])]


def test_a_user_is_found_and_the_page_seen_as_shown(browser):
    with served(**CLOCK) as (run, _, address), Tab(browser, address, 1280) as tab:
        click(tab, "step")
        until_said(tab, "#progress", "1 of 5 steps")
        choose(tab, "#arm", "random")
        user = next(user for user in run.users.listed("random", "")["users"] if user["pages"])
        choose(tab, "#query", user["id"])
        tab.until(
            f"document.getElementById('found').innerText.startsWith('{run.users.listed('random', user['id'])['found']} user')"
        )
        tab.until(f"document.querySelector('#users button[data-user=\"{user['id']}\"]')")
        tab.value(f"document.querySelector('#users button[data-user=\"{user['id']}\"]').click()")
        until_said(tab, "#user h3", f"User {user['id']}, served as random")
        shown = run.users.shown("random", user["id"])
        assert shown["persona"] in text(tab, "#user")
        last = shown["pages_seen"][-1]
        rows = tab.value(ROWS)
        assert [row[1].split(" (")[0] for row in rows] == [slot["title"].split(" (")[0] for slot in last["slots"]]
        assert [row[5] for row in rows] == [
            "clicked" if slot["clicked"] else "seen" if slot["examined"] else "not seen" for slot in last["slots"]
        ]
        assert rows[0][3] == "100%"
        if len(shown["pages_seen"]) > 1:
            click(tab, "user-before")
            until_said(tab, "#user-page", f"Page {last['page']} of the visit")
        assert "language model" in text(tab, "#user")
        assert tab.complaints() == []


def test_a_recommender_is_switched_and_users_are_moved(browser):
    with served(**CLOCK) as (run, _, address), Tab(browser, address, 1280) as tab:
        tab.until("document.querySelectorAll('#arms select').length === 2")
        choose(tab, "#arms tbody tr:first-child select", "random")
        until_said(tab, "#arms tbody tr:first-child", "from the next step")
        choose(tab, "input[data-slider=clicking]", 2)
        until_said(tab, "#sliders label", "+2, from the next step")
        click(tab, "step")
        until_said(tab, "#changes", "day 0: users of popularity are served by random")
        until_said(tab, "#changes", "day 0: Inclination to click anything: +2 log-odds of a click")
        assert "next step" not in text(tab, "#arms")
        assert run.arms["popularity"].recommender == "random"
        tab.until("document.querySelectorAll('#series figure:not([hidden]) .mark').length >= 5")
        assert tab.complaints() == []


def test_a_language_user_is_interviewed_and_its_memory_read(browser):
    with served(**LANGUAGE) as (run, _, address), Tab(browser, address, 1280) as tab:
        click(tab, "step")
        until_said(tab, "#progress", "1 steps")
        tab.until("document.querySelectorAll('#users button').length === 4")
        tab.value("document.querySelector('#users button').click()")
        until_said(tab, "#user", "Memory")
        assert "Sliders move users through interventions, which need a clock" in text(tab, "#how")
        click(tab, "user-interview")
        tab.until("document.querySelectorAll('.answers li').length === 10")
        assert run.users.listed("popularity", "")["users"][0]["visit"] == 0
        assert tab.complaints() == []


HOSTILE = "<img src=x onerror=\"document.title='taken'\"></textarea><script>document.title='taken'</script>"


def test_texts_from_outside_stay_texts(browser, tmp_path):
    (tmp_path / "data").mkdir()
    users, items = range(1, 13), range(1, 31)
    rows = [f"{user},{item},{1 + (user * item) % 5},{user * item}" for user in users for item in items if (user + item) % 3]
    (tmp_path / "data" / "interactions.csv").write_text("user_id,item_id,rating,timestamp\n" + "\n".join(rows))
    quoted = HOSTILE.replace('"', '""')
    lines = [f'{item},"{quoted} {item}","{"Drama" if item % 2 else quoted}"' for item in items]
    (tmp_path / "data" / "items.csv").write_text("item_id,title,genres\n" + "\n".join(lines))
    changes = {"data": str(tmp_path / "data"), "users.count": 12, "description": HOSTILE, "genre_separator": "|"}
    with served(**CLOCK, **SPEAKING, **changes) as (_, pacer, address), Tab(browser, address, 1280) as tab:
        pacer.play()
        assert pacer.wait(PATIENCE)
        until_said(tab, "#progress", "finished")
        tab.until("document.querySelectorAll('#users button').length === 12")
        tab.value("document.querySelector('#users button').click()")
        until_said(tab, "#user tbody", "onerror")
        assert text(tab, "#facts").startswith("<img")
        assert tab.value("return document.title") == "Watching demo"
        assert tab.value("return document.querySelectorAll('main img, main script').length") == 0
        assert tab.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_the_screen_and_its_texts_stand_out(browser, width, scheme, tmp_path):
    with served(**CLOCK, **SPEAKING) as (_, pacer, address), Tab(browser, address, width, scheme) as tab:
        pacer.play()
        assert pacer.wait(PATIENCE)
        until_said(tab, "#progress", "finished")
        tab.until("document.querySelectorAll('#users button').length === 24")
        tab.value("document.querySelector('#users button').click(); document.getElementById('genres').open = true;")
        tab.until("document.querySelector('#user table')")
        click(tab, "user-interview")
        tab.until("document.querySelector('.answers')")
        assert tab.value(TOO_WIDE.replace("WIDTH", str(width))) == []
        assert tab.value(BAD_FIGURES) == []
        assert tab.value(PALE.replace("LEAST", str(LEAST_CONTRAST))) == []


def test_where_the_server_is_gone_the_page_says_so(browser):
    with served() as (_, _, address):
        tab = Tab(browser, address, 1280)
        tab.until("document.querySelectorAll('#arms select').length === 2")
    with tab:
        until_said(tab, "#trouble", "The run is not being served any more")
        assert tab.value("return document.getElementById('play').disabled")
