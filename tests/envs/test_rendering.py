"""A page as text and as a picture."""

from __future__ import annotations

import numpy as np
import pytest

from recsim_llm.errors import ConfigError


@pytest.fixture
def env(make_world, make_env):
    def make(mode):
        return make_env(make_world(leave_start=-50.0), render_mode=mode, max_pages=50, repeats="allow").unwrapped

    return make


def test_text_before_the_first_page_says_so(env):
    shown = env("ansi")
    _, info = shown.reset(seed=0)
    assert shown.render() == f"user {info['user_id']}, visit 0: no page yet"


def test_text_tells_what_happened_on_each_slot(env):
    shown = env("ansi")
    shown.reset(seed=0)
    marks = {"clicked": 0, "seen": 0, "blank": 0}
    for page in range(20):
        *_, info = shown.step(np.array([page, 30, 30, 31]))
        heading, *lines = shown.render().splitlines()
        feedback = shown.feedback
        assert f"page {page}: {info['clicks']} clicks, satisfaction 0." in heading
        assert len(lines) == 4
        for position, line in enumerate(lines):
            assert line.startswith(f"{position + 1:2d} ")
            assert ("clicked" in line) == bool(feedback.clicked[0, position])
            assert ("(blank)" in line) == (position == 2)
            assert ("seen" in line) == bool(feedback.examined[0, position] and not feedback.clicked[0, position])
            for mark in marks:
                marks[mark] += mark in line
        assert f"Film {page} " in lines[0]
    assert all(marks.values())


def test_text_says_when_the_user_left(make_world, make_env):
    shown = make_env(make_world(leave_start=50.0), render_mode="ansi").unwrapped
    shown.reset(seed=0)
    shown.step(np.arange(4))
    assert shown.render().splitlines()[0].endswith(", left")


def test_picture_is_an_image_that_changes_with_the_page(env):
    shown = env("rgb_array")
    shown.reset(seed=0)
    empty = shown.render()
    shown.step(np.arange(4))
    page = shown.render()
    for picture in (empty, page):
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3
    assert page.shape[0] > empty.shape[0]
    assert (page < 128).any()


def test_rendering_draws_nothing_from_the_dice(env):
    def rewards(render):
        shown = env("ansi")
        shown.reset(seed=0)
        paid = []
        for page in range(10):
            paid.append(shown.step(np.arange(4) + page)[1])
            if render:
                shown.render()
        return paid

    assert rewards(render=True) == rewards(render=False)


def test_render_without_a_mode_is_refused(env):
    with pytest.raises(ConfigError, match="render: got render_mode None, expected 'ansi' or 'rgb_array'"):
        env(None).render()
