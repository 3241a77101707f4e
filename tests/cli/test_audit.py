"""The verb ``audit``: every audit the whole way by scripted models, what it refuses, and what a report shows of it."""

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from recsim_llm.agents.audits.audit_kinds import AUDITS
from recsim_llm.cli.main import main
from recsim_llm.log import lock_folder
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.audit_run import EVERY_AUDIT

SCRIPTS = dict.fromkeys(AUDITS, "scripted/genres") | {"slots": "scripted/slot_bias", "ranking": "scripted/history"}
SCRIPTS["fairness"] = "scripted/stereotype"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with 24 users of two tastes, who rate 12 of 30 items each."""
    folder = tmp_path_factory.mktemp("data") / "shop"
    folder.mkdir()
    random = np.random.default_rng(1)
    rows = ["user_id,item_id,rating,timestamp"]
    for user in range(24):
        own = [item for item in range(30) if item % 2 == user % 2]
        for place, item in enumerate(random.permutation([*random.permutation(own)[:9], *random.integers(0, 30, 3)])):
            rows.append(f"{user},{item},{4 + int(random.integers(0, 2)) if item % 2 == user % 2 else 2},{100 * place + user}")
    rows = [rows[0], *{tuple(row.split(",")[:2]): row for row in rows[1:]}.values()]
    (folder / "interactions.csv").write_text("\n".join(rows) + "\n")
    items = [f"{item},Thing {item},{'Tools' if item % 2 else 'Toys'}" for item in range(30)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,genres", *items]) + "\n")
    return folder


def audit(name, data, out, *options):
    return main(["audit", name, "--data", str(data), "--seed", "7", "--out", str(out), *options])


def content_of(out):
    return json.loads((out / "audit.json").read_text())


@pytest.mark.parametrize("name", AUDITS)
def test_data_that_cannot_carry_it_are_told_of_before_anything_is_foretold(name, tmp_path, capsys):
    """Two users who have rated both items: nothing is left to be shown or ranked."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "interactions.csv").write_text("user_id,item_id,rating,timestamp\n1,1,4,1\n1,2,3,2\n2,2,4,3\n2,1,2,4\n")
    (folder / "items.csv").write_text("item_id,title,genres\n1,One,War\n2,Two,War\n")
    assert audit(name, folder, tmp_path / "audit", "--model", "scripted/genres") == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("recsim-llm: ")
    assert "\n" not in error
    assert "calibrate" not in error
    assert ": got " in error
    assert "expected" in error


def test_data_without_genres_cannot_carry_the_audit_of_remembering(data, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "interactions.csv").write_bytes((data / "interactions.csv").read_bytes())
    assert audit("remembering", bare, tmp_path / "audit", "--model", "scripted/genres") == 2
    error = capsys.readouterr().err.strip()
    assert error == (
        "recsim-llm: remembering: got no genre that some items have and others lack, expected one; use data with genres"
    )


def test_what_asks_for_consent_calls_itself_by_its_name(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("recsim_llm.scenarios.estimates.CostEstimate.large", True)
    assert audit("slots", data, tmp_path / "audit", "--model", "scripted/genres") == 2
    assert "recsim-llm: audit: got at most" in capsys.readouterr().err


@pytest.mark.parametrize("name", AUDITS)
def test_every_audit_goes_the_whole_way(name, data, tmp_path, capsys):
    out, table = tmp_path / "audit", tmp_path / "table.json"
    options = ("--model", SCRIPTS[name], "--n-users", "6", "--json", str(table))
    assert audit(name, data, out, *options) == 0
    printed = capsys.readouterr().out
    content = content_of(out)
    assert content == json.loads(table.read_text())
    assert (content["audit"], content["played_by"], content["seed"], content["users"]) == (name, SCRIPTS[name], 7, 6)
    assert content["asks"] <= AUDITS[name].asks * 6
    leading = [row for row in content["rows"] if row["leading"]]
    assert leading
    assert all(row["words"] for row in leading)
    assert leading[0]["label"] in printed.replace("\n", " ")
    assert f"6 users of shop, seed 7, {content['asks']} questions" in printed
    page = (out / "audit.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert (out / "calls.sqlite").is_file()


def test_whether_a_recommender_forgets_is_in_the_verdict_and_on_the_page(data, tmp_path, capsys):
    planted, forgotten = "recsim_llm.testing.unforgetting:Unforgetting", {}
    for name, words in (("item-knn", "within"), (planted, "beyond")):
        out = tmp_path / words
        assert audit("forgetting", data, out, "--recommender", name, "--n-users", "8") == 0
        content = content_of(out)
        assert (content["played_by"], content["users"], content["asks"]) == (name, 8, 5 * (8 + 8 + 16))
        leading = [row for row in content["rows"] if row["leading"]]
        assert [row["words"] for row in leading] == [words] * 3
        assert f"--recommender {name}" in content["made"]["Command"]
        assert "pages of the others: lean to having seen the forgotten, agreement" in " ".join(capsys.readouterr().out.split())
        assert "<svg" in (out / "audit.html").read_text(encoding="utf-8")
        forgotten[words] = content["finding"]
    assert forgotten["beyond"]["exposure"]["value"] > forgotten["within"]["exposure"]["value"] == 0
    told = ("--set", "policy.share=0.0", "--recommender", planted, "--n-users", "8", "--quiet")
    assert audit("forgetting", data, tmp_path / "told", *told) == 0
    assert content_of(tmp_path / "told")["finding"]["askings"] == forgotten["within"]["askings"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("forgetting", (), "got no recommender, expected --recommender NAME"),
        ("forgetting", ("--recommender", "oracle"), "knows the hidden side of a world"),
        ("forgetting", ("--recommender", "language"), "asks a language model, expected --model provider/name with it"),
        ("forgetting", ("--recommender", "mf", "--model", "scripted/genres"), "asks no language model, expected no --model"),
        ("forgetting", ("--recommender", "mf", "--users", "choice"), "expected no users, since a recommender is audited"),
        ("forgetting", ("--recommender", "mf", "--set", "policy.factor=3"), "did you mean 'factors'"),
        ("slots", ("--recommender", "mf", "--model", "scripted/genres"), "expected none; it goes with fairness, forgetting"),
    ],
)
def test_recommenders_that_cannot_be_audited_are_refused(name, options, words, data, tmp_path, capsys):
    assert audit(name, data, tmp_path / "a", *options, "--quiet") == 2
    assert words in capsys.readouterr().err


def test_a_policy_that_asks_a_model_can_be_asked_to_forget(data, tmp_path):
    asked = ("--recommender", "language", "--set", "policy.candidates=5", "--set", "policy.base=item-knn", "--n-users", "4")
    assert audit("forgetting", data, tmp_path / "a", *asked, "--model", "scripted/history", "--quiet") == 0
    assert {one["kept"]["value"] for one in content_of(tmp_path / "a")["finding"]["askings"]} == {0.0}
    assert (tmp_path / "a" / "calls.sqlite").is_file()


def test_an_audit_asks_users_as_is_set(data, tmp_path):
    told = ("--set", "users.parameters.templates=en_compact", "--set", "users.parameters.rating_history=2")
    assert audit("slots", data, tmp_path / "a", "--model", "scripted/genres", "--n-users", "3", "--quiet", *told) == 0
    assert "users.parameters.rating_history=2" in content_of(tmp_path / "a")["made"]["Command"]
    with closing(sqlite3.connect(tmp_path / "a" / "calls.sqlite")) as calls:
        texts = [text for (text,) in calls.execute("SELECT text FROM parts WHERE name = 'persona'")]
    assert texts
    assert {text.count("Thing ") for text in texts} == {2}


def test_a_policy_is_audited_as_is_set(data, tmp_path):
    told = ("--set", "policy.ask=list", "--set", "policy.candidates=5")
    assert audit("ranking", data, tmp_path / "a", "--model", "scripted/recommender", "--n-users", "4", "--quiet", *told) == 0
    content = content_of(tmp_path / "a")
    assert (content["finding"]["ask"], len(content["finding"]["picks"])) == ("list", 5)
    assert "policy.ask=" in content["made"]["Command"]
    assert any(row["label"].startswith("picks by their place") and row["leading"] for row in content["rows"])


NEGLECTING = "recsim_llm.testing.neglecting:Neglecting"


def test_a_recommender_of_any_kind_is_audited_by_name_without_a_model(data, tmp_path):
    settings = ("base=popularity", "field=race", "value=Asian", "candidates=15")
    told = [word for one in settings for word in ("--set", f"policy.{one}")]
    assert audit("fairness", data, tmp_path / "a", "--recommender", NEGLECTING, "--n-users", "5", "--quiet", *told) == 0
    content = content_of(tmp_path / "a")
    assert (content["played_by"], content["users"], content["asks"]) == (NEGLECTING, 5, 5 * 36)
    beyond = [row["label"].partition(":")[0] for row in content["rows"] if row["words"].startswith("beyond")]
    assert beyond == ["race"]
    assert "--recommender" in content["made"]["Command"]
    assert "policy.value=" in content["made"]["Command"]
    page = (tmp_path / "a" / "audit.html").read_text(encoding="utf-8")
    assert "lists told two values lie further apart" in page


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("slots", ["--recommender", "mf"], "audit slots: got --recommender mf, expected none"),
        ("fairness", ["--recommender", "mf", "--users", "choice"], "audit fairness: got --users choice"),
        ("fairness", ["--recommender", "oracle"], "which knows the hidden side"),
        ("fairness", ["--recommender", "language-generator"], "expected --model provider/name with it"),
        ("fairness", ["--recommender", "mff"], "did you mean 'mf'"),
        ("fairness", [], "audit: got no model"),
    ],
)
def test_policies_that_cannot_be_audited_are_refused(name, asked, words, data, tmp_path, capsys):
    assert audit(name, data, tmp_path / "a", *asked, "--quiet") == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "setting", "words"),
    [
        ("slots", "policy.ask=list", "would overlook"),
        ("ranking", "policy.asks=list", "did you mean 'ask'"),
        ("ranking", "policy.ask=pairs", "shows all candidates together"),
    ],
)
def test_settings_of_a_policy_that_cannot_be_heeded_are_refused(name, setting, words, data, tmp_path, capsys):
    asked = ("--model", "scripted/recommender", "--n-users", "4", "--quiet", "--set", setting)
    assert audit(name, data, tmp_path / "a", *asked) == 2
    assert words in capsys.readouterr().err


def test_a_parameter_that_no_audit_heeds_is_refused(data, tmp_path, capsys):
    asked = ("--model", "scripted/genres", "--set", "users.parameters.contrast=neutral", "--quiet")
    assert audit("slots", data, tmp_path / "a", *asked) == 2
    assert "expected users.parameters.templates or users.parameters.rating_history; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "users"), [("ranking", "language"), ("exploits", "language"), ("strength", "choice")])
def test_audits_of_others_than_language_users_refuse_their_parameters(name, users, data, tmp_path, capsys):
    model = () if users == "choice" else ("--model", "scripted/genres")
    asked = ("--users", users, *model, "--set", "users.parameters.rating_history=2", "--quiet")
    assert audit(name, data, tmp_path / "a", *asked) == 2
    assert "users.parameters.rating_history" in capsys.readouterr().err


def test_item_agents_that_count_are_measured_without_a_model(data, tmp_path, capsys):
    assert audit("item-agents", data, tmp_path / "audit", "--users", "choice") == 0
    content = content_of(tmp_path / "audit")
    assert (content["played_by"], content["asks"]) == ("memories that count", 0)
    assert content["finding"]["reflections"] > 0
    assert content["finding"]["with_items"]["value"] > 0.5
    assert "item-agents, memories that count: more held-out choices" in capsys.readouterr().out
    assert not (tmp_path / "audit" / "calls.sqlite").exists()


@pytest.mark.parametrize("name", ["strength", "sweep"])
def test_choice_users_are_audited_without_a_model(name, data, tmp_path):
    assert audit(name, data, tmp_path / "audit", "--users", "choice", "--quiet") == 0
    content = content_of(tmp_path / "audit")
    assert content["played_by"] == "choice users"
    assert content["users"] > 20
    # Two tastes that are plain in the ratings: the longest history, or the persona, tells them.
    row = [row for row in content["rows"] if row["leading"]][-1 if name == "sweep" else 0]
    assert row["words"] == "comes out"
    assert not (tmp_path / "audit" / "calls.sqlite").exists()


def test_a_sweep_draws_its_lengths_and_a_damaged_one_is_one_line(data, tmp_path, capsys):
    out = tmp_path / "sweep"
    assert audit("sweep", data, out, "--model", "scripted/genres", "--n-users", "6", "--quiet") == 0
    cells = content_of(out)["finding"]["cells"]
    lines = (out / "figures" / "lengths-audit-sweep-scripted-genres.csv").read_text().splitlines()
    assert lines[0] == "page_size,history,told,tokens,value,low,high,users"
    assert len(lines) == len(cells) + 1
    assert [float(line.split(",")[4]) for line in lines[1:]] == [cell["auc"]["value"] for cell in cells]
    assert (out / "figures" / "lengths-audit-sweep-scripted-genres.png").stat().st_size > 10_000
    page = (out / "audit.html").read_text()
    assert "ratings of the history told, at most" in page
    assert all(f"{size} items" in page for size in {cell["page_size"] for cell in cells})
    content = content_of(out)
    del content["finding"]["cells"][0]["auc"]
    (out / "audit.json").write_text(json.dumps(content))
    capsys.readouterr()
    finished = run(
        load_scenario("demo", {"users.count": 4, "max_pages": 1, "seed": 1, "recommenders": ["random"]}), tmp_path / "run"
    )
    assert main(["report", str(finished), "--audit", str(out)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "setting", "words"),
    [
        ("slots", "users.parameters.contrast=neutral", "users.parameters.templates or users.parameters.rating_history"),
        ("slots", "users.parameters.facts=facts.json", "would overlook"),
        ("sweep", "users.parameters.rating_history=3", "expected users.parameters.templates"),
        ("ranking", "users.parameters.templates=en", "expected none of users.parameters"),
        ("slots", "users.parameters.rating_history=-1", "a whole number of 0 or more"),
        ("slots", "max_pages=3", "models.user.NAME or users.parameters.NAME"),
    ],
)
def test_what_an_audit_would_ignore_is_refused_in_one_line(name, setting, words, data, tmp_path, capsys):
    assert audit(name, data, tmp_path / "audit", "--model", SCRIPTS[name], "--set", setting) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "audit").exists()


def test_a_planted_slot_bias_departs_and_a_model_without_one_is_sound(data, tmp_path):
    for script, words in (("slot_bias", "departs, in all users alike"), ("genres", "sound")):
        assert audit("slots", data, tmp_path / script, "--model", f"scripted/{script}", "--n-users", "5", "--quiet") == 0
        assert content_of(tmp_path / script)["rows"][0]["words"] == words


def test_an_audit_that_was_stopped_goes_on_by_the_command_that_it_names(data, tmp_path, capsys):
    options = ("--model", "scripted/genres", "--n-users", "5", "--quiet")
    asked = ["audit", "slots", "--data", str(data), *options]
    assert main([*asked, "--out", str(tmp_path / "audit"), "--max-calls", "3"]) == 2
    seed, out = re.search(r"give the same command with --seed (\d+) --out (\S+)", capsys.readouterr().err).groups()
    assert main([*asked, "--seed", seed, "--out", out]) == 0
    with closing(sqlite3.connect(tmp_path / "audit" / "calls.sqlite")) as calls:
        assert calls.execute("SELECT count(*) FROM calls WHERE cache_hit = 1").fetchone() != (0,)


def test_an_audit_that_another_writes_is_left_alone(data, tmp_path, capsys):
    with ThreadPoolExecutor(1) as other, lock_folder(tmp_path / "audit", "audit"):
        assert other.submit(audit, "slots", data, tmp_path / "audit", "--users", "language", "--quiet").result() == 2
    assert "in use by process" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()


def test_purchases_are_audited_without_a_word_about_stars(data, tmp_path, capsys):
    (tmp_path / "bought").mkdir()
    for name in ("interactions.csv", "items.csv"):
        (tmp_path / "bought" / name).write_text((data / name).read_text().replace("rating", "amount"))
    few = ("--feedback", "implicit", "--model", "scripted/genres", "--n-users", "4")
    assert audit("sycophancy", tmp_path / "bought", tmp_path / "audit", *few) == 0
    labels = [row["label"] for row in content_of(tmp_path / "audit")["rows"]]
    assert len(labels) == 3
    assert not [label for label in labels if "stars" in label]
    assert "implicit" in content_of(tmp_path / "audit")["made"]["Command"]
    assert "stars" not in capsys.readouterr().out


def test_a_report_shows_the_audits_that_it_is_given_and_keeps_them(data, tmp_path):
    changes = {"users.count": 12, "max_pages": 2, "slate_size": 3, "recommenders": ["random"], "seed": 1}
    folder = run(load_scenario("demo", changes), tmp_path / "run")
    for name in ("slots", "strength"):
        assert audit(name, data, tmp_path / name, "--model", "scripted/genres", "--n-users", "5", "--quiet") == 0
    given = ["--audit", str(tmp_path / "slots"), "--audit", str(tmp_path / "strength" / "audit.json")]
    assert main(["report", str(folder), *given, "--quiet"]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Audits of the users</a></h2>" in page
    for name in ("slots", "strength"):
        assert f"{name}, scripted/genres:" in page
        assert (folder / "figures" / f"audit-{name}-scripted-genres.csv").is_file()
    assert main(["report", str(folder), "--quiet"]) == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page
    (tmp_path / "slots" / "audit.json").write_text('{"audit": "slots", "rows": [5]}')
    assert main(["report", str(folder), "--audit", str(tmp_path / "slots"), "--quiet"]) == 2


@pytest.mark.parametrize("name", AUDITS)
@pytest.mark.parametrize(("users", "items", "each"), [(1, 1, 1), (1, 2, 2), (3, 5, 4), (4, 12, 10)])
def test_tiny_data_end_in_a_page_or_in_one_line(name, users, items, each, tmp_path, capsys):
    rows = [f"{user},{(user + place) % items},{1 + place % 5},{place}" for user in range(users) for place in range(each)]
    (tmp_path / "interactions.csv").write_text("\n".join(["user_id,item_id,rating,timestamp", *rows]) + "\n")
    things = [f"{item},Thing {item},Toys" for item in range(items)]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title,genres", *things]) + "\n")
    status = audit(name, tmp_path, tmp_path / "audit", "--model", SCRIPTS[name], "--quiet")
    lines = capsys.readouterr().err.strip().splitlines()
    assert (status, len(lines), (tmp_path / "audit" / "audit.html").is_file()) in [(0, 0, True), (2, 1, False)]
    if lines:
        assert "got" in lines[0]
        assert "expected" in lines[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["slot", "--model", "scripted/genres"], ["'slot'", "slots", "--help"]),
        (["slots"], ["--model"]),
        (["slots", "--users", "choice"], ["read no prompt", "strength, sweep"]),
        (["strength", "--users", "choice", "--model", "scripted/genres"], ["scripted/genres", "--users language"]),
        (["slots", "--model", "nonesuch"], ["'nonesuch'", "scripted"]),
        (["slots", "--base-url", "http://127.0.0.1:1/v1"], ["--model"]),
        (["slots", "--model", "scripted/genres", "--n-users", "0"], ["--n-users", "1 or more"]),
        (["slots", "--model", "scripted/genres", "--max-calls", "0"], ["limits"]),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(options, words, data, tmp_path, capsys):
    out = tmp_path / "audit"
    assert main(["audit", *options, "--data", str(data), "--seed", "7", "--out", str(out), "--quiet"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert all(word in line for word in words), line
    assert not out.exists()


def test_an_audit_that_reached_a_limit_goes_on_where_it_was(data, tmp_path, capsys):
    out = tmp_path / "audit"
    few = ("--model", "scripted/genres", "--n-users", "4", "--quiet")
    assert audit("sycophancy", data, out, *few, "--max-calls", "5") == 2
    assert "the same command with --seed" in capsys.readouterr().err
    assert not (out / "audit.json").exists()
    assert audit("sycophancy", data, out, *few, "--max-calls", "16") == 0
    assert audit("sycophancy", data, out, *few) == 2
    assert "pass another --out" in capsys.readouterr().err


def test_the_audits_are_listed_with_what_they_ask(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--list"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for name, kind in EVERY_AUDIT.items():
        assert f"{name:<14}{kind.question}" in printed
    with pytest.raises(SystemExit):
        main(["audit", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(list(EVERY_AUDIT)[:-1])} or {list(EVERY_AUDIT)[-1]}" in shown
