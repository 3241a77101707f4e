"""Plug-ins from the current folder, and what the command says when one of them is wrong or crashes."""

import json
import re
import sys
import textwrap
from pathlib import Path

import pytest

from recsim_llm.cli.main import main

SMALL = ["--n-users", "8", "--pages", "2", "--slate-size", "3", "--seed", "1", "--quiet", "--set", "repeats=allow"]
MODULE = """
    import numpy as np
    from recsim_llm.recommenders import Recommender, deterministic

    class First(Recommender):
        def __init__(self, crash=""):
            if crash == "made":
                raise KeyError("weights")
            self.crash = crash

        def fit(self, catalog, ratings, seed):
            self.items = catalog.item_id
            if self.crash == "fit":
                np.concatenate([])

        def recommend(self, requests, k):
            if self.crash == "recommend" and requests.page[0] == 1:
                {}["nobody"]
            return deterministic(np.broadcast_to(self.items[:k], (len(requests.user_id), k)))

        def observe(self, requests, slates, clicked, rating):
            if self.crash == "observe":
                self.nothing

    class Needs(First):
        def __init__(self, path):
            self.path = path

    def nobody(data, count, parameters, fitted, seed):
        return [].pop()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "own_arms.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "own_broken.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("own_arms", None)


def line_of(text):
    return (
        textwrap.dedent(MODULE).splitlines().index(next(line for line in textwrap.dedent(MODULE).splitlines() if text in line))
        + 1
    )


def scenario(folder, recommender, **settings):
    path = folder / "own.yaml"
    path.write_text(
        f"name: own\nseed: 1\nslate_size: 3\nmax_pages: 2\nrepeats: allow\nusers: {{count: 8}}\n"
        f"recommenders:\n- {{recommender: '{recommender}', settings: {settings}}}\n"
    )
    return str(path)


def test_a_recommender_of_the_current_folder_is_found_by_its_path(here):
    assert main(["run", "demo", "--recommenders", "own_arms:First", *SMALL, "--out", "run"]) == 0
    assert (here / "run" / "report.html").is_file()


def test_an_arm_is_called_what_its_recommender_is_called(here):
    assert main(["run", scenario(here, "own_arms:First"), "--quiet", "--out", "run"]) == 0
    assert '"own_arms:First"' in (here / "run" / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("crash", "raised", "code"),
    [
        ("made", "KeyError: 'weights'", 'raise KeyError("weights")'),
        ("fit", "ValueError: need at least one array", "np.concatenate([])"),
        ("recommend", "KeyError: 'nobody'", '{}["nobody"]'),
        ("observe", "AttributeError", "self.nothing"),
    ],
)
def test_a_crash_names_what_was_raised_file_and_line(crash, raised, code, here, capsys):
    assert main(["run", scenario(here, "own_arms:First", crash=crash), "--quiet", "--out", "run"]) == 2
    said = capsys.readouterr().err
    assert raised in said
    assert f"(own_arms.py line {line_of(code)})" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("crash", ["fit", "observe"])
def test_the_run_folder_keeps_the_traceback_and_takes_the_next_try(crash, here):
    assert main(["run", scenario(here, "own_arms:First", crash=crash), "--quiet", "--out", "run"]) == 2
    assert [path.name for path in (here / "run").iterdir()] == ["traceback.txt"]
    assert (
        f'own_arms.py", line {line_of("np.concatenate" if crash == "fit" else "self.nothing")}'
        in (here / "run" / "traceback.txt").read_text()
    )
    assert main(["run", scenario(here, "own_arms:First"), "--quiet", "--out", "run"]) == 0
    assert not (here / "run" / "traceback.txt").exists()


def test_neither_the_file_nor_the_option_shows_the_secrets_of_an_address(here, capsys):
    source = (
        (here / "own_arms.py")
        .read_text()
        .replace("np.concatenate([])", "raise OSError('http://me:pass' + 'word@host/v1?key=hush')")
    )
    (here / "own_arms.py").write_text(source)
    assert main(["run", scenario(here, "own_arms:First", crash="fit"), "--quiet", "--traceback", "--out", "run"]) == 2
    shown = capsys.readouterr().err + (here / "run" / "traceback.txt").read_text()
    assert "OSError: http://[hidden]@host/v1?[hidden]" in shown
    assert "password" not in shown


def test_traceback_shows_the_code_that_led_to_a_crash(here, capsys):
    assert main(["run", scenario(here, "own_arms:First", crash="fit"), "--quiet", "--traceback", "--out", "run"]) == 2
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "np.concatenate([])" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recommenders", "own_arms:Frist"], ["no 'Frist'", "own_arms.py", "did you mean 'First'?"]),
        (["--recommenders", "own_armes:First"], ["no module 'own_armes'", "current folder"]),
        (["--recommenders", "own_broken:First"], ["a_library_that_is_not_there", "own_broken.py line 1"]),
        (["--recommenders", "own_arms:np"], ["got module", "expected a class of recommenders"]),
        (["--recommenders", "own_arms:Needs"], ["no setting 'path'", "settings: {path:"]),
        (["--recommenders", "popularity", "--users", "own_arms:nobody"], ["IndexError", "own_arms.py", "returns a World"]),
        (["--recommenders", "popularty"], ["did you mean 'popularity'?"]),
        (["--recommenders", "popularity", "--users", "choise"], ["did you mean 'choice'?"]),
    ],
)
def test_a_wrong_plug_in_is_one_line_that_says_what_to_do(arguments, words, here, capsys):
    assert main(["run", "demo", *arguments, *SMALL, "--out", "run"]) == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert not (here / "run").exists()


def test_a_setting_that_a_constructor_does_not_take_is_named(here, capsys):
    assert main(["run", scenario(here, "own_arms:First", crush="x"), "--quiet", "--out", "run"]) == 2
    assert "unknown key 'crush', expected one of crash; did you mean 'crash'?" in capsys.readouterr().err


GUIDE = (Path(__file__).parents[2] / "docs" / "user-models.md").read_text(encoding="utf-8")


def block(language, containing):
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)
    return next(text for text in found if containing in text)


def test_the_user_model_of_the_guide_plays_the_scenario_of_the_guide(here):
    (here / "fans.py").write_text(block("python", "class Fans"))
    (here / "fans.yaml").write_text(block("yaml", "fans:fans"))
    assert main(["run", "fans.yaml", "--n-users", "30", "--pages", "3", "--quiet", "--out", "run", "--json", "table.json"]) == 0
    arms = {arm["arm"]: arm for arm in json.loads((here / "table.json").read_text())["arms"]}
    assert list(arms) == ["random", "popularity", "mf"]
    assert json.loads((here / "run" / "manifest.json").read_text())["user_model"] == "fans:fans"
    assert main(["compare", "run", "--quiet"]) == 0


def test_the_script_of_the_guide_plays_language_users(here):
    (here / "rules.py").write_text(block("python", "def early_leavers"))
    arguments = ["--users", "language", "--model", "scripted/rules:early_leavers", "--recommenders", "popularity"]
    assert main(["run", "demo", *arguments, *SMALL, "--out", "run", "--json", "table.json"]) == 0
    # Three to one to leave: hardly anybody sees both pages.
    assert json.loads((here / "table.json").read_text())["arms"][0]["metrics"]["pages_per_visit"]["value"] < 1.7
