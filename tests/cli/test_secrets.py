"""A secret in an address or a name is in nothing that the command prints or writes, whatever the verb."""

from __future__ import annotations

import traceback

import pytest

from recsim_llm.cli.main import main
from recsim_llm.cli.parser import make_parser
from recsim_llm.errors import ConfigError
from recsim_llm.language import open_model

SECRET = "s3cret-planted"
PLANTED = (
    f"http://someone:{SECRET}@127.0.0.1:9/v1",
    f"http://{SECRET}@127.0.0.1:9/v1",
    f"http://127.0.0.1:9/v1?key={SECRET}",
    f"http://127.0.0.1:9/v1#{SECRET}",
    f"someone:{SECRET}@127.0.0.1:9/v1",
    f"127.0.0.1:9/v1?key={SECRET}",
    f"ftp://someone:{SECRET}@127.0.0.1/v1",
    f"http://someone:{SECRET}@127.0.0.1:none/v1",
    f"http://someone:{SECRET} more@127.0.0.1:9/v1",
)
LANGUAGE = ("--users", "language", "--model", "openai-compatible/m")
NAMED = "openai-compatible/m"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets") / "run"
    small = ["--n-users", "2", "--pages", "1", "--slate-size", "2", "--seed", "1", "--recommenders", "popularity"]
    assert main(["run", "demo", *small, "--out", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def addressed(address, run):
    """Return commands that take an address, or a name in which one stands."""
    speak = ["speak", str(run), "--reviews", "1"]
    return [
        ["run", "demo", *LANGUAGE, "--base-url", address],
        ["run", "demo", "--users", "language", "--model", f"openai-compatible/{address}"],
        ["run", "demo", *LANGUAGE, "--set", f"models.user.base_url='{address}'"],
        ["run", "demo", *LANGUAGE, "--set", f"models.writer={{name: {NAMED}, base_url: '{address}'}}"],
        ["run", "demo", "--set", f"models.judge='openai-compatible/{address}'"],
        ["compare", "demo", *LANGUAGE, "--base-url", address],
        ["train", "small", *LANGUAGE, "--base-url", address],
        ["watch", "demo", *LANGUAGE, "--base-url", address],
        ["watch", "demo", "--users", "language", "--model", f"openai-compatible/{address}"],
        ["warm", "fictional", *LANGUAGE, "--base-url", address],
        ["warm", "fictional", "--users", "language", "--model", f"openai-compatible/{address}"],
        ["compare", "demo", "--users", "language", "--model", address],
        ["probe", NAMED, "--base-url", address],
        ["probe", f"openai-compatible/{address}"],
        ["probe", address],
        ["calibrate", "fictional", "fitted.json", "--seed", "1", "--model", NAMED, "--base-url", address],
        ["calibrate", "fictional", "fitted.json", "--seed", "1", "--model", f"openai/{address}"],
        ["personas", "fictional", "written.json", "--seed", "1", "--model", NAMED, "--base-url", address],
        ["personas", "fictional", "written.json", "--seed", "1", "--model", f"openai/{address}"],
        ["audit", "slots", "--data", "fictional", *LANGUAGE[2:], "--base-url", address],
        ["audit", "slots", "--data", "fictional", "--model", f"openai-compatible/{address}"],
        ["realism", "--data", "fictional", *LANGUAGE, "--base-url", address],
        ["realism", "--data", "fictional", "--users", "language", "--model", f"openai/{address}"],
        ["export", str(run), "narratives", "queries", "--model", NAMED, "--base-url", address],
        ["export", str(run), "narratives", "queries", "--model", f"openai-compatible/{address}"],
        [*speak, "--model", NAMED, "--base-url", address],
        [*speak, "--model", f"openai-compatible/{address}"],
        [*speak, "--model", "scripted/genres", "--judge", f"openai-compatible/{address}"],
    ]


def test_every_verb_that_takes_an_address_or_a_model_is_tried(finished):
    (verbs,) = (action.choices for action in make_parser()._actions if isinstance(action.choices, dict))
    taking = {
        verb
        for verb, parser in verbs.items()
        if {"--base-url", "--model", "--judge"} & {option for action in parser._actions for option in action.option_strings}
    }
    assert taking <= {command[0] for command in addressed(PLANTED[0], finished)}


@pytest.mark.parametrize("address", PLANTED)
def test_an_address_that_holds_a_secret_is_refused_unseen(finished, place, capsys, address):
    for command in addressed(address, finished):
        assert main(command) == 2, command
        shown = capsys.readouterr()
        assert SECRET not in shown.out + shown.err, command
        assert len(shown.err.strip().splitlines()) == 1 or "preparing" in shown.err, command
    assert not [path for path in place.rglob("*") if path.is_file()]
    assert not [path for path in finished.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    "command",
    [
        ["run", PLANTED[0]],
        ["run", "demo", "--data", PLANTED[0]],
        ["run", "demo", "--users", PLANTED[0]],
        ["run", "demo", "--recommenders", PLANTED[0]],
        ["run", "demo", "--reward", PLANTED[0]],
        ["realism", "--data", PLANTED[2]],
        ["fit", PLANTED[0], "fitted"],
        ["run", "demo", *LANGUAGE, "--set", f"models.user.api_key_variable={SECRET}"],
        ["run", "demo", *LANGUAGE, "--set", f"models.user.request={{extra_headers: {{Authorization: Bearer {SECRET}}}}}"],
        ["run", "demo", *LANGUAGE, "--set", f"models.user.request={{more: [{{api-key: {SECRET}}}]}}"],
        ["run", "demo", *LANGUAGE, "--set", f"models.user.api_key={SECRET}"],
    ],
)
def test_a_secret_in_another_name_is_not_shown(place, capsys, command):
    assert main(command) == 2
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
    assert not [path for path in place.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("address", PLANTED)
def test_an_address_in_the_environment_is_read_and_refused_alike(place, monkeypatch, capsys, address):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    assert main(["probe", "openai/m"]) == 2
    shown = capsys.readouterr().err
    assert "environment variable OPENAI_BASE_URL" in shown
    assert SECRET not in shown


@pytest.mark.parametrize("address", PLANTED)
def test_not_even_a_traceback_shows_it(address):
    for settings in ({"name": NAMED, "base_url": address}, {"name": f"openai-compatible/{address}"}):
        with pytest.raises(ConfigError) as caught:
            open_model(**settings)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_address_without_its_scheme_is_told_the_one_that_was_meant(place, capsys):
    assert main(["probe", NAMED, "--base-url", "127.0.0.1:9/v1"]) == 2
    shown = capsys.readouterr().err
    assert "--base-url: got 127.0.0.1:9/v1 without" in shown
    meant = shown.split("did you mean ")[1].rstrip("?\n")
    assert main(["probe", NAMED, "--base-url", meant]) == 2
    assert "got no usable answer" in capsys.readouterr().err
