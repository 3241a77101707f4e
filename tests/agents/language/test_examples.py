"""Examples of one's own: told to everybody after the rules, counted, and absent where no file is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from pens import open_pen
from scripted_users import FakeModel, build_users, films, pages, people

from recsim_llm.agents.audits import slot_bias
from recsim_llm.agents.language.calibration_answers import ask_pages, uncalibrated_users
from recsim_llm.agents.language.calibration_pages import calibration_pages
from recsim_llm.agents.language.language_parameters import LanguageParameters
from recsim_llm.agents.language.prompt_templates import Templates, shipped_families
from recsim_llm.agents.language.prompts import PromptWriter
from recsim_llm.cli.main import main
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.language.answers.elicitation import prepare
from recsim_llm.language.base.tokens import estimate_tokens

TOLD = "Somebody else, who never takes musicals:\nclick_1: no\nstars_1: 2"


def family(folder, of, text=TOLD):
    """Make a family of one's own from a shipped one, with examples."""
    shutil.copytree(str(files("recsim_llm.agents.language") / "templates" / of), folder)
    (folder / "examples.jinja").write_text(f"{{# version: 1 #}}\n{text}\n", encoding="utf-8")
    return str(folder)


@pytest.fixture
def own(tmp_path):
    return family(tmp_path / "own", "en")


def test_examples_stand_between_rules_and_persona_the_same_for_everybody(own):
    model = FakeModel()
    users = build_users(model, templates=own)
    users.decide(pages(np.arange(20).reshape(4, 5)))
    assert [part.name for part in model.asks[0].prompt.parts] == ["rules", "examples", "persona", "page"]
    assert {ask.prompt.parts[1] for ask in model.asks} == {model.asks[0].prompt.parts[1]}
    assert model.asks[0].prompt.parts[1].text == TOLD
    call = prepare(model.asks[0], "logprobs")
    assert call.messages[1].content.startswith(f"{TOLD}\n\n")
    assert call.recurring[0] == len(TOLD)


@pytest.mark.parametrize("name", shipped_families())
def test_a_family_without_the_file_tells_none_and_one_with_it_is_another(name, tmp_path):
    assert not Templates(name).has_examples
    own = family(tmp_path / "own", name)
    assert Templates(own).fingerprint != Templates(name).fingerprint
    (tmp_path / "own" / "examples.jinja").unlink()
    assert Templates(own).fingerprint == Templates(name).fingerprint


def test_a_file_that_says_nothing_is_no_part(tmp_path):
    own = family(tmp_path / "own", "en", "{% set nothing = 1 %}")
    assert [part.name for part in PromptWriter(films(), people(), Templates(own), "json").opening] == ["rules"]


def test_examples_take_room_from_what_gives_way(own, tmp_path):
    plain, told = (PromptWriter(films(), people(), Templates(one), "json") for one in ("en", own))
    assert plain.room(0, 5) - told.room(0, 5) == estimate_tokens(TOLD)
    catalog = films(40, ["A long river in a small town. " * 6] * 40)
    long = family(tmp_path / "long", "en", "Somebody else passed over a musical. " * 60)
    lengths = []
    for templates in ("en", long):
        model = FakeModel()
        build_users(model, catalog, templates=templates, prompt_tokens=1500).decide(pages(np.arange(20).reshape(4, 5)))
        lengths.append(len(model.asks[0].prompt.parts[-1].text))
    assert lengths[1] < lengths[0] - 200


def test_examples_that_no_context_holds_are_named_in_one_line(tmp_path):
    model = FakeModel()
    model.context = 1600
    users = build_users(model, templates=family(tmp_path / "own", "en", "Somebody else passed over a musical. " * 200))
    with pytest.raises(ConfigError, match=r"shorten .*examples\.jinja, or the page") as found:
        users.decide(pages(np.arange(20).reshape(4, 5)))
    assert "\n" not in str(found.value)
    assert not model.asks


def test_the_example_of_the_documents_uses_the_words_of_the_questions(tmp_path):
    text = Path("docs/language-users.md").read_text(encoding="utf-8").split("```jinja\n")[1].split("```")[0]
    own = family(tmp_path / "own", "en_compact", text.partition("\n")[2])
    writer = PromptWriter(films(), people(), Templates(own), "forced")
    lines = writer.opening[1].text.split("\n")
    click = writer.questions([0])[0].lead.replace("Film 0", "A Winter Crossing").replace("(Comedy)", "(War, Drama)")
    assert f"{click} yes" in lines
    assert len(lines) == 5


def test_calibrations_audits_and_neutral_contrasts_tell_them(own):
    dataset, parameters = fictional.load(n_users=40), LanguageParameters(templates=own)
    asked = FakeModel()
    shown = calibration_pages(dataset, seed=3, users=6, taken=2, page_size=8)
    ask_pages(uncalibrated_users(asked, dataset, parameters, 3), shown, lambda done, planned: None)
    slot_bias(asked, dataset, seed=3, users=4, page_size=4, parameters=parameters)
    assert asked.asks
    for ask in asked.asks:
        assert [part.name for part in ask.prompt.parts[:2]] == ["rules", "examples"]
    pen, model = open_pen()
    build_users(model, templates=own, contrast="neutral").decide(pages(np.arange(20).reshape(4, 5)))
    assert any("The person you play:" not in text for text in pen.prompts)
    assert all(TOLD in text for text in pen.prompts)


def test_a_run_tells_them_and_its_dry_run_counts_them(own, tmp_path):
    def told(templates):
        table = tmp_path / "told.json"
        command = ["run", "demo", "--users", "language", "--model", "scripted/genres", "--recommenders", "popularity"]
        command += ["--n-users", "12", "--pages", "2", "--seed", "5", "--set", f"users.parameters.templates={templates}"]
        assert main([*command, "--dry-run", "--quiet", "--json", str(table)]) == 0
        return command, json.loads(table.read_text())

    command, foretold = told(own)
    assert foretold["prompt_tokens"]["value"] > told("en")[1]["prompt_tokens"]["value"]
    assert main([*command, "--quiet", "--out", str(tmp_path / "run")]) == 0
    with closing(sqlite3.connect(tmp_path / "run" / "calls.sqlite")) as connection:
        calls, read = connection.execute("SELECT count(*), sum(prompt_tokens) FROM calls WHERE cache_hit = 0").fetchone()
        with_them = connection.execute(
            "SELECT count(*) FROM calls WHERE parts LIKE '%' || (SELECT hash FROM parts WHERE text = ?) || '%'", [TOLD]
        ).fetchone()[0]
    assert with_them == calls
    assert foretold["prompt_tokens"]["value"] == pytest.approx(read, rel=0.05)
