"""The page of sessions in a browser: opened as a file it loads what it shows and nothing else, and goes where it is told."""

import json

import pytest
from browser import Tab, opened_browser
from page_looks import LEAST_CONTRAST, PALE, TOO_WIDE

from recsim_llm.report import session_files, write_sessions
from recsim_llm.scenarios import load_scenario, run

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=\"document.title='taken'\"></pre><script>document.title='taken'</script>"
SETTINGS = {
    "users.count": 30,
    "max_pages": 4,
    "visits": 2,
    "slate_size": 5,
    "seed": 6,
    "recommenders": ["random", "popularity"],
}
SHOWN = "document.querySelector('#shown tbody tr') && document.getElementById('who').textContent"
WHERE = "return document.getElementById('line').textContent.split(':')[0];"
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


def press(tab, key, **more):
    event = json.dumps({"key": key, "bubbles": True} | more)
    tab.value(f"document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {event}));")


def until_at(tab, place):
    tab.until(f"document.getElementById('line').textContent.startsWith({json.dumps(place + ':')})")


def data_of(folder):
    """Make tables whose titles, ids and genres would run if a page took them for anything but text."""
    folder.mkdir()
    users, items, quoted = range(1, 13), range(1, 31), HOSTILE.replace('"', '""')
    rows = [
        f'"{quoted} {user}",{item},{1 + (user * item) % 5},{user * item}'
        for user in users
        for item in items
        if (user + item) % 3
    ]
    (folder / "interactions.csv").write_text("user_id,item_id,rating,timestamp\n" + "\n".join(rows))
    lines = [f'{item},"{quoted} {item}","Drama"' for item in items]
    (folder / "items.csv").write_text("item_id,title,genres\n" + "\n".join(lines))
    return str(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A page with choice users, its files of a few users each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_files, "_CHUNK_PAGES", 40)
        return write_sessions(run(load_scenario("demo", SETTINGS), tmp_path_factory.mktemp("plain") / "run"), "all")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page with language users, recommenders and data all of which bear hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    arms = [{"name": HOSTILE, "recommender": "popularity", "settings": {}}, "random"]
    told = {"users.model": "language", "models.user": "scripted/genres", "data": data_of(folder / "data"), "users.count": 8}
    return write_sessions(run(load_scenario("demo", SETTINGS | told | {"recommenders": arms}), folder / "run"), "all")


def test_it_loads_only_the_file_of_the_user_that_is_shown(browser, plain):
    with Tab(browser, plain, 1280) as tab:
        tab.until(SHOWN)
        beside = [address.rpartition("/sessions/")[2] for address in tab.requests()[1:]]
        assert sorted(beside) == ["index.js", "pages-00000.js", "sessions.css", "sessions.js"]
        assert len(list(plain.with_name("sessions").glob("pages-*.js"))) > 3
        tab.value("document.querySelectorAll('#users button')[29].click();")
        tab.until("document.querySelectorAll('#users button')[29].getAttribute('aria-current')")
        assert tab.value("return Object.keys(state.loaded.pages).length;") == 2
        assert len(tab.requests()) == 6
        assert all(address.startswith(plain.parent.as_uri()) for address in tab.requests())
        assert tab.complaints() == []


def test_keys_go_through_the_pages_and_visits_and_back(browser, plain):
    with Tab(browser, plain, 1280) as tab:
        tab.until(SHOWN)
        pages = tab.value("return state.visits.map((visit) => visit.pages.length);")
        places = [f"Visit {visit + 1}, page {page + 1}" for visit, count in enumerate(pages) for page in range(count)]
        assert len(places) > 2
        assert tab.value(WHERE) == places[0]
        press(tab, "ArrowLeft")
        for place in places[1:]:
            press(tab, "ArrowRight")
            until_at(tab, place)
        assert tab.value("return document.getElementById('next').disabled;")
        for place in reversed(places[:-1]):
            press(tab, "ArrowLeft")
            until_at(tab, place)
        assert tab.value("return document.getElementById('back').disabled;")
        if len(pages) > 1:
            press(tab, "ArrowRight", shiftKey=True)
            until_at(tab, "Visit 2, page 1")


def test_a_user_is_found_by_id_and_an_address_leads_to_a_page(browser, plain):
    with Tab(browser, plain, 1280) as tab:
        tab.until(SHOWN)
        user = tab.value("return state.index.users[20];")
        press(tab, "/")
        assert tab.value("return document.activeElement.id;") == "query"
        tab.value(f"by('query').value = '{user}'; by('query').dispatchEvent(new Event('input'));")
        press(tab, "Enter")
        tab.until(f"document.getElementById('who').textContent === 'User {user}, served by random'")
        address = tab.value("return location.href;")
    wanted = address.replace("arm=random", "arm=popularity").replace("page=0", "page=1")
    assert wanted != address
    with Tab(browser, wanted, 1280) as tab:
        tab.until(f"document.getElementById('who').textContent === 'User {user}, served by popularity'")
        until_at(tab, "Visit 1, page 2")
        tab.value("location.hash = 'user=123456789';")
        tab.until("!by('trouble').hidden && by('trouble').textContent.includes('123456789')")


def test_what_is_shown_is_what_the_log_says(browser, plain):
    with Tab(browser, plain, 1280) as tab:
        tab.until(SHOWN)
        rows = tab.value(
            "const rows = [...document.querySelectorAll('#shown tbody tr')];"
            "return rows.map((row) => [...row.cells].map((cell) => cell.textContent));"
        )
        page = tab.value("return state.visits[state.at].pages[state.page].slots;")
        titles = tab.value("return state.loaded.pages[0].items;")
    assert len(rows) == 5
    for place, (row, slot) in enumerate(zip(rows, page, strict=True)):
        assert row[0] == f"{place + 1}. {titles[str(slot[0])]}"
        assert float(row[3].rstrip("%")) == pytest.approx(100 * slot[3], abs=0.05)
        assert row[4] == ("–", "looked", "✓ clicked")[slot[4]]


def test_a_missing_file_is_told(browser, plain):
    (missing,) = plain.with_name("sessions").glob("pages-00001.js")
    kept = missing.read_bytes()
    missing.unlink()
    try:
        with Tab(browser, plain, 1280) as tab:
            tab.until(SHOWN)
            tab.value("go({ user: state.index.firsts[1] });")
            tab.until("by('trouble').textContent.startsWith('pages-00001.js cannot be read')")
    finally:
        missing.write_bytes(kept)


def test_texts_from_outside_stay_texts(browser, hostile):
    with Tab(browser, hostile, 1280) as tab:
        tab.until(SHOWN)
        tab.value("document.querySelector('#shown details').open = true;")
        tab.until("document.querySelectorAll('.ask pre').length > 3")
        said = tab.value("return document.querySelector('main').textContent;")
        assert said.count("onerror") > 10
        assert "served by <img" in said
        assert tab.value("return document.title;") == "Sessions of demo – recsim_llm"
        assert tab.value("return document.querySelectorAll('main img, main script').length;") == 0
        assert tab.complaints() == []


def test_no_script_in_the_page_itself_would_run(browser, hostile, tmp_path):
    (tmp_path / "sessions").symlink_to(hostile.with_name("sessions"))
    changed = hostile.read_text(encoding="utf-8").replace("<main>", f"<main>{HOSTILE}")
    (tmp_path / hostile.name).write_text(changed, encoding="utf-8")
    with Tab(browser, tmp_path / hostile.name, 1280) as tab:
        tab.until(SHOWN)
        assert tab.value("return document.title;") == "Sessions of demo – recsim_llm"
        assert tab.complaints() != []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_it_fits_the_screen_and_its_texts_stand_out(browser, request, name, width, scheme):
    with Tab(browser, request.getfixturevalue(name), width, scheme) as tab:
        tab.until(SHOWN)
        if name == "hostile":
            tab.value("document.querySelector('#shown details').open = true;")
            tab.until("document.querySelector('.ask')")
        assert tab.value(TOO_WIDE.replace("WIDTH", str(width))) == []
        assert tab.value(PALE.replace("LEAST", str(LEAST_CONTRAST))) == []


def test_everything_is_reached_by_the_keyboard_and_has_a_name(browser, plain):
    script = """
        const all = [...document.querySelectorAll('button, select, input, summary, .wide')];
        const reached = all.filter((one) => one.tabIndex < 0);
        const unnamed = [...document.querySelectorAll('select, input')].filter((one) => !one.labels.length);
        const heads = [...document.querySelectorAll('th')].filter((one) => !one.scope);
        return [reached.length, unnamed.length, heads.length, document.querySelectorAll('[aria-live]').length];
    """
    with Tab(browser, plain, 1280) as tab:
        tab.until(SHOWN)
        assert tab.value(script) == [0, 0, 0, 2]
