"""Talking to users of a watched run changes nothing of it, and what they say is about what they saw."""

import sqlite3

import pytest
from pens import open_pen
from watched_runs import CLOCK, LANGUAGE, log_of, play, watched

from recsim_llm.errors import ConfigError

SPEAKING = {"models.writer": "scripted/genres"}


@pytest.fixture
def pen(monkeypatch):
    """A pen that writes all that is said in conversations, and keeps what it was told."""
    backend, model = open_pen()

    class Pens:
        def __init__(self, *_, **__):
            self.close = model.close

        def role(self, name):
            assert name == "writer"
            return model

    monkeypatch.setattr("recsim_llm.watch.conversation.Roles", Pens)
    return backend


def first(run, arm="random"):
    return run.users.listed(arm, "")["users"][0]["id"]


def calls(folder):
    with sqlite3.connect(folder / "calls.sqlite") as store:
        return store.execute("select count(*) from calls").fetchone()


def test_an_interview_has_every_statement_answered():
    with watched(**CLOCK, **SPEAKING) as run:
        play(run)
        answers = run.users.interview("random", first(run))["answers"]
    assert len(answers) == 10
    for answer in answers:
        assert answer["statement"].endswith(".")
        assert sum(answer["probabilities"]) == pytest.approx(1)
        assert answer["mean"] == pytest.approx(sum(level * chance for level, chance in enumerate(answer["probabilities"], 1)))


def test_language_users_are_talked_to_and_looked_into_without_a_trace(tmp_path):
    for name, talks in (("silent", False), ("asked", True)):
        with watched(tmp_path / name, **LANGUAGE, **CLOCK) as run:
            for _ in range(5):
                play(run, 1)
                if talks:
                    for user in [user["id"] for user in run.users.listed("random", "")["users"] if user["pages"]]:
                        run.users.interview("random", user)
                        run.users.shown("random", user)
    assert log_of(tmp_path / "silent") == log_of(tmp_path / "asked")
    assert calls(tmp_path / "silent") == calls(tmp_path / "asked")


def test_limits_of_the_run_do_not_count_what_is_asked_besides():
    with watched(**LANGUAGE, **{"limits.calls": 8, "recommenders": ["random"], "max_pages": 2}) as run:
        play(run, 1)
        run.users.interview("random", first(run))
        play(run)
        assert run.finished


def test_what_language_users_remember_is_shown_but_not_in_the_middle_of_a_step():
    with watched(**LANGUAGE) as run:
        user = first(run)
        assert run.users.shown("random", user)["memory"] == []
        play(run, 2)
        assert run.users.shown("random", user)["memory"]
        step = run.step()
        next(step)
        shown = run.users.shown("random", user)
        assert (shown["remembers"], shown["memory"]) == (True, None)
        step.close()


def test_a_reason_is_about_the_page_that_is_asked_about(pen):
    with watched(**SPEAKING) as run:
        play(run)
        user, page = next(
            (user["id"], page)
            for user in run.users.listed("random", "")["users"]
            for page in run.users.shown("random", user["id"])["pages_seen"]
            if any(slot["clicked"] for slot in page["slots"]) and not page["left"]
        )
        run.users.reason("random", user, page["page"])
        passed = next(slot for slot in page["slots"] if not slot["clicked"])
        with pytest.raises(ConfigError, match="expected one or the other"):
            run.users.reason("random", *without_a_click(run))
    taken = next(slot for slot in page["slots"] if slot["clicked"])
    told = pen.prompts[-1]
    assert f'"{taken["title"]}"' in told.split(f"Page {page['page'] + 1}:")[1].split("passed over")[0]
    assert passed["title"] in told
    assert f"Page {page['page'] + 2}:" not in told


def without_a_click(run):
    return next(
        (user["id"], page["page"])
        for user in run.users.listed("random", "")["users"]
        for page in run.users.shown("random", user["id"])["pages_seen"]
        if not page["left"] and not any(slot["clicked"] for slot in page["slots"])
    )


def test_nothing_is_said_of_the_end_of_a_visit_that_goes_on(pen):
    with watched(**SPEAKING) as run:
        play(run, 1)
        staying = next(
            user["id"]
            for user in run.users.listed("random", "")["users"]
            if not run.users.shown("random", user["id"])["pages_seen"][-1]["left"]
        )
        run.users.interview("random", staying)
        assert "no more pages" not in pen.prompts[-1]
        play(run)
        cut = next(user for user in run.users.listed("random", "")["users"] if user["pages"] == 3)["id"]
        if not run.users.shown("random", cut)["pages_seen"][-1]["left"]:
            run.users.interview("random", cut)
            assert "no more pages" in pen.prompts[-1]


def test_who_has_seen_nothing_and_who_has_no_words_is_not_asked():
    with watched(**SPEAKING) as run, pytest.raises(ConfigError, match="has seen no page yet"):
        run.users.interview("random", first(run))
    with watched() as run:
        play(run, 1)
        assert run.users.shown("random", first(run))["talks"] is False
        with pytest.raises(ConfigError, match="expected one; watch with --set models"):
            run.users.interview("random", first(run))
