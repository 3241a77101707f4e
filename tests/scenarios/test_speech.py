"""Speech: text after the decision, which changes nothing, is paid once, and is held against the decisions."""

import json
import re

import pyarrow.parquet as pq
import pytest
from pens import Pen

from recsim_llm.agents.language.voice import SPEECH_FILES
from recsim_llm.cli.main import main
from recsim_llm.data import open_dataset
from recsim_llm.errors import BudgetExceeded, ConfigError, LogError
from recsim_llm.language.calls.call_summary import summary
from recsim_llm.log.tables import INTERVIEWS, TEXTS
from recsim_llm.report import agreement_line, read_speech, write_report
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.speech import speak

SMALL = {"users.count": 14, "max_pages": 3, "slate_size": 6, "seed": 3, "recommenders": ["random", "popularity"]}
LANGUAGE = {"users.model": "language", "models.user.name": "scripted/genres"}
WORDS = ("Dreadful", "Weak", "Middling", "Good", "Splendid")
WRITTEN = "You love long rainy evenings."
HOSTILE = "<script>alert(1)</script>"


def build(folder, **changes):
    return run(load_scenario("demo", SMALL | LANGUAGE | changes), folder)


def files_of(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "calls.sqlite"}


def speech(folder, reviews=6, reasons=5, interviews=4, **more):
    speak(folder, reviews=reviews, reasons=reasons, interviews=interviews, **more)
    return pq.read_table(folder / "texts.parquet").to_pylist(), pq.read_table(folder / "interviews.parquet").to_pylist()


def paid(folder):
    return sum(row.calls for row in summary(folder) if row.role in ("writer", "judge"))


def honest(text):
    found = re.search(r"You gave it (\d) of 5 stars", text)
    return f"{WORDS[int(found[1]) - 1]} film." if found else "It suited me."


def contrary(text):
    found = re.search(r"You gave it (\d) of 5 stars", text)
    return f"{WORDS[5 - int(found[1])]} film." if found else "It suited me."


def reader(text, question):
    review = text[text.index("<review>") :] if "<review>" in text else ""
    return [0.001 + (word in review) for word in WORDS]


@pytest.fixture
def pens(monkeypatch):
    """Writers and judges by the name of the model; keeps them."""
    known = {"scripted/honest": honest, "scripted/contrary": contrary, "scripted/hostile": lambda text: HOSTILE}
    known["scripted/shy"] = lambda text: "" if "You gave it 3" in text else honest(text)
    made = []

    def open_backend(settings, _role="user"):
        made.append(Pen(known.get(settings.name, honest), reader, settings.name))
        return made[-1]

    monkeypatch.setattr("recsim_llm.language.providers.open_backend", open_backend)
    return made


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return build(tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run of users whose personas a model wrote."""
    personas = dict.fromkeys(map(str, open_dataset("fictional").ratings.users.tolist()), WRITTEN)
    return build(tmp_path_factory.mktemp("runs") / "written", **{"users.parameters.personas": personas})


@pytest.fixture
def finished(plain, tmp_path):
    """A finished run of one's own."""
    for path, content in files_of(plain).items():
        copy = tmp_path / "run" / path.relative_to(plain)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    return tmp_path / "run"


def test_log_manifest_and_segments_stay_as_they_were(finished):
    before = files_of(finished)
    speech(finished)
    after = files_of(finished)
    assert {path: after[path] for path in before} == before
    assert {path.name for path in set(after) - set(before)} == {"texts.parquet", "interviews.parquet"}


def test_speaking_again_gives_the_same_bytes_and_pays_nothing(finished):
    speech(finished)
    first, calls = files_of(finished), paid(finished)
    speech(finished)
    assert files_of(finished) == first
    assert paid(finished) == calls > 0


def test_speech_that_was_killed_goes_on_and_pays_nothing_twice(finished, tmp_path):
    class Killed(Exception):
        pass

    def kill(state):
        if (state.kind, state.done) == ("reason", 0):
            raise Killed

    with pytest.raises(Killed):
        speech(finished, progress=kill)
    assert not (finished / "texts.parquet").exists()
    begun = paid(finished)
    speech(finished)
    killed = files_of(finished)
    (finished / "calls.sqlite").rename(tmp_path / "calls.sqlite")
    before = paid(tmp_path)
    speech(finished)
    assert files_of(finished) == killed
    assert 0 < begun < before == paid(finished)


def test_a_limit_stops_speech_and_a_higher_one_goes_on(finished):
    with pytest.raises(BudgetExceeded, match="--max-calls"):
        speech(finished, limits={"calls": 5})
    assert paid(finished) == 5
    texts, _ = speech(finished)
    assert all(row["text"] for row in texts)


def test_texts_are_about_what_was_decided(finished):
    texts, _ = speech(finished)
    impressions = pq.read_table(finished / "impressions").to_pylist()
    names = ("arm", "user_id", "visit", "page", "position", "item_id", "rating")
    rated = {tuple(row[name] for name in names) for row in impressions if row["clicked"]}
    reviews = [row for row in texts if row["kind"] == "review"]
    assert len(reviews) == 12
    assert {tuple(row[name] for name in names) for row in reviews} <= rated
    pages = pq.read_table(finished / "pages").to_pylist()
    left = {(row["arm"], row["user_id"], row["visit"], row["page"]): row["stop_reason"] == "left" for row in pages}
    reasons = [row for row in texts if row["kind"] != "review"]
    assert len(reasons) == 10
    assert all(left[row["arm"], row["user_id"], row["visit"], row["page"]] == (row["kind"] == "left") for row in reasons)


def test_the_files_have_the_published_columns(finished):
    speech(finished)
    assert pq.read_schema(finished / "texts.parquet").equals(TEXTS)
    assert pq.read_schema(finished / "interviews.parquet").equals(INTERVIEWS)


def test_a_larger_count_keeps_the_draw_of_a_smaller_one(finished):
    def key(row):
        return tuple(row[name] for name in ("arm", "user_id", "visit", "page", "position", "kind"))

    few = {key(row) for row in speech(finished, reviews=3, reasons=3)[0]}
    assert few < {key(row) for row in speech(finished, reviews=7, reasons=7)[0]}


def test_another_seed_draws_other_moments(finished):
    one, _ = speech(finished, seed=1)
    other, _ = speech(finished, seed=2)
    assert one != other


def test_recommenders_are_asked_about_in_the_same_visits_and_not_named(finished, pens):
    _, answers = speech(finished, models={"writer": "scripted/honest"})
    asked = {arm: {(row["user_id"], row["visit"]) for row in answers if row["arm"] == arm} for arm in SMALL["recommenders"]}
    assert asked["random"] == asked["popularity"]
    assert len(asked["random"]) == 4
    prompts = [text for pen in pens for text in pen.prompts]
    assert prompts
    assert not any(re.search(r"\brandom\b|popularity", text) for text in prompts)


def test_users_speak_as_the_written_personas_that_they_decided_with(written, pens):
    speech(written, reviews=2, reasons=1, interviews=1, models={"writer": "scripted/honest"})
    texts = [text for pen in pens for text in pen.prompts if "<review>" not in text]
    assert texts
    assert all(WRITTEN in text for text in texts)


def test_what_one_review_tells_is_nothing_certain(finished, pens):
    speech(finished, reviews=1, models={"writer": "scripted/honest", "judge": "scripted/judge"})
    said = agreement_line(read_speech(finished))
    assert "came within one star of 100% [0, 100]; mean error" in said
    assert "stars (no interval: users are too few or all alike), against " in said


def test_a_writer_who_keeps_to_the_decisions_is_told_from_one_who_contradicts_them(finished, pens):
    speech(finished, reviews=30, models={"writer": "scripted/honest", "judge": "scripted/judge"})
    agreement = read_speech(finished).agreement
    assert agreement.error.value < 0.01
    assert agreement.within_one.value == 1.0
    assert "better than others'" in agreement_line(read_speech(finished))
    speech(finished, reviews=30, models={"writer": "scripted/contrary", "judge": "scripted/judge"})
    agreement = read_speech(finished).agreement
    assert agreement.error.value > agreement.chance_error
    assert agreement.error.low is not None
    assert "better than others'" not in agreement_line(read_speech(finished))


def test_texts_that_a_model_refuses_are_missing_and_counted(finished, pens):
    texts, _ = speech(finished, reviews=30, models={"writer": "scripted/shy"})
    refused = [row for row in texts if row["text"] is None]
    assert refused
    assert all(row["rating"] == 3.0 and row["judged"] is None for row in refused)
    said = read_speech(finished)
    assert said.missing == len(refused)
    assert "could not be had" in write_report(finished).read_text()


def test_interviews_hold_distributions(finished):
    _, answers = speech(finished)
    assert len(answers) == 2 * 4 * 10
    for row in answers:
        levels = [row[f"level_{level}"] for level in range(1, 6)]
        assert sum(levels) == pytest.approx(1, abs=1e-5)
        assert row["mean"] == pytest.approx(sum(level * share for level, share in enumerate(levels, start=1)), abs=1e-4)


def test_interviews_are_averaged_by_user_with_intervals(finished):
    _, answers = speech(finished)
    table = pq.read_table(finished / "interviews.parquet")
    users = sorted({row["user_id"] for row in answers})
    rows = [row | {"mean": float(1 + users.index(row["user_id"]))} for row in answers]
    pq.write_table(table.from_pylist(rows, schema=table.schema), finished / "interviews.parquet")
    said = read_speech(finished)
    assert said.interviews["random"]["trust"].value == pytest.approx(2.5)
    assert said.interviews["random"]["trust"].low == pytest.approx(1.0)
    assert said.yes_saying["random"].value == pytest.approx(-0.5)


def test_the_report_shows_what_was_said_and_escapes_it(finished, pens):
    assert "What users said" not in write_report(finished).read_text()
    speech(finished, models={"writer": "scripted/hostile"})
    html = write_report(finished).read_text()
    assert "What users said" in html
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    metrics = json.loads((finished / "metrics.json").read_text())["speech"]
    assert metrics["texts"]["review"] == 12
    assert metrics["interviews"]["random"]["trust"]["users"] == 4


def test_texts_without_interviews_are_enough(finished):
    _, answers = speech(finished, interviews=0, reasons=0)
    assert answers == []
    assert read_speech(finished).interviews == {}
    assert "Yes-saying" not in write_report(finished).read_text()


def test_an_unfinished_run_speaks_of_what_is_finished(finished):
    index = finished / "segments.jsonl"
    index.write_text(index.read_text().splitlines()[0] + '\n{"arm": "popul')
    before = index.read_bytes()
    texts, _ = speech(finished)
    assert {row["arm"] for row in texts} == {"random"}
    assert index.read_bytes() == before


def test_choice_users_speak_when_a_model_is_named(tmp_path):
    folder = run(load_scenario("demo", SMALL), tmp_path / "choice")
    with pytest.raises(ConfigError, match="--model"):
        speech(folder)
    texts, answers = speech(folder, models={"writer": "scripted/genres"})
    assert {row["kind"] for row in texts} >= {"review", "taken"}
    assert answers


def test_a_run_without_rated_clicks_says_so(tmp_path):
    folder = build(tmp_path / "run", **{"users.noise": {"missing_ratings": 1.0}})
    with pytest.raises(LogError, match=r"no rated clicks.*--reviews 0"):
        speech(folder)
    assert speech(folder, reviews=0)[0]


def test_the_log_of_an_environment_is_refused(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    (finished / "manifest.json").write_text(json.dumps(manifest | {"settings": {}}))
    with pytest.raises(LogError, match="log of an environment"):
        speech(finished)


def test_a_run_on_other_data_is_refused(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    (finished / "manifest.json").write_text(json.dumps(manifest | {"population": {"fingerprint": "other"}}))
    with pytest.raises(LogError, match="population changed"):
        speech(finished)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"reviews": 0, "reasons": 0, "interviews": 0}, "above 0"),
        ({"reviews": -1}, "0 or more"),
        ({"models": {"user": "scripted/genres"}}, "writer or judge"),
        ({"models": {"writer": "nobody/x"}}, "nobody/x"),
        ({"templates": "xx"}, "templates"),
    ],
)
def test_settings_that_cannot_work_are_refused(finished, settings, text):
    with pytest.raises(ConfigError, match=text):
        speech(finished, **settings)


def test_a_folder_of_decision_templates_alone_lacks_those_of_speech(finished, tmp_path):
    with pytest.raises(ConfigError, match=f"{min(SPEECH_FILES)}.jinja|events.jinja"):
        speech(finished, templates=str(tmp_path))


def test_a_finished_run_is_resumed_as_before_it_spoke(finished):
    speech(finished)
    before = files_of(finished)
    assert main(["resume", str(finished), "--quiet"]) == 0
    after = files_of(finished)
    assert {path: after[path] for path in before} == before


def test_the_command_speaks_and_prints(finished, tmp_path, capsys):
    numbers = ["--reviews", "3", "--reasons", "2", "--interviews", "2"]
    assert main(["speak", str(finished), *numbers, "--json", str(tmp_path / "speech.json")]) == 0
    out = capsys.readouterr().out
    assert "Questionnaire" in out
    assert "A judge who read 6 reviews" in out
    assert json.loads((tmp_path / "speech.json").read_text())["texts"]["review"] == 6


def test_the_command_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["speak", "--help"])
    assert "example:\n  recsim-llm speak" in capsys.readouterr().out


def test_the_command_wants_a_model_with_an_address(finished, capsys):
    assert main(["speak", str(finished), "--reviews", "1", "--base-url", "http://127.0.0.1:1/v1"]) == 2
    assert "--model" in capsys.readouterr().err
