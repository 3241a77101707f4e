"""Addresses: what is taken, what was meant, and what is never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim_llm.errors import ConfigError, DataError, hide_secrets
from recsim_llm.language.base.addresses import holds_address, is_loopback, parse_address


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8000/v1",
        "https://api.openai.com/v1",
        "HTTP://host/v1",
        "http://[::1]:80/v1",
        "https://h/a/b/openai/v1beta",
    ],
)
def test_an_address_is_taken_as_it_is_but_for_slashes_at_its_end(address):
    assert parse_address(address) == parse_address(address + "//") == address


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("localhost/v1/", "http://localhost/v1"),
        ("gpu-7:8000/v1", "http://gpu-7:8000/v1"),
        ("api.example.org/v1", "https://api.example.org/v1"),
        ("//127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http:/127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http:127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/chat/completions", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/models/", "http://127.0.0.1:8000/v1"),
    ],
)
def test_what_was_meant_is_said_and_works(given, meant):
    with pytest.raises(ConfigError, match=r"did you mean (\S+)\?$") as caught:
        parse_address(given, "--base-url")
    assert str(caught.value).startswith(f"--base-url: got {given}")
    assert parse_address(str(caught.value).split("did you mean ")[1].rstrip("?")) == meant


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "http://",
        "http:///v1",
        "ftp://h/v1",
        "file:///etc",
        "http://h:0/v1",
        "http://h:99999/v1",
        "http://[::1/v1",
        "http://a b/v1",
        "http://h\\v1",
        "http://h/\x1b[31m",
        "x" * 9999,
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(address):
    with pytest.raises(ConfigError, match="expected http") as caught:
        parse_address(address)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_one_line(text):
    try:
        taken = parse_address(text)
    except ConfigError as error:
        taken = f"http: {error}"
    assert taken.lower().startswith("http")
    assert taken.isprintable()


@given(st.text(st.characters(exclude_characters=" ", exclude_categories=["C", "Z"]), min_size=1, max_size=12))
def test_a_password_is_in_no_text_of_an_error(password):
    shown = str(DataError(f"data: got 'http://user:{password}Q9z@host/x', expected a folder"))
    assert "Q9z" not in shown
    assert "host/x" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("got http://u:p@h/v1, expected", "got http://[hidden]@h/v1, expected"),
        ("got http://h/v1?key=p more", "got http://h/v1?[hidden] more"),
        ("got http://h/v1#p", "got http://h/v1?[hidden]"),
        ("got u:p@h:80/v1", "got [hidden]@h:80/v1"),
        ("see http://h/v1?", "see http://h/v1?"),
        ("write to someone@example.org", "write to someone@example.org"),
        ("model claude-3@20240620: got", "model claude-3@20240620: got"),
    ],
)
def test_only_the_secret_parts_of_an_address_are_hidden(text, shown):
    assert hide_secrets(text) == shown
    assert hide_secrets(shown) == shown


@pytest.mark.parametrize("name", ["openai/http://h/v1", "http://u:p@h", "openai-compatible/u:p@h", "openai/m?key=p"])
def test_a_name_that_holds_an_address_is_told(name):
    assert holds_address(name)


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-4.1-mini",
        "openai-compatible/qwen3:8b",
        "openai-compatible/claude@20240620",
        "transformers/C:\\m",
        "replay/runs/a b",
        "scripted/my.module:script",
        "openai-compatible/org/model:free",
    ],
)
def test_other_names_hold_none(name):
    assert not holds_address(name)


@pytest.mark.parametrize(
    ("address", "near"), [("http://127.0.0.9/v1", True), ("http://h.localhost:1/v1", True), ("http://10.0.0.1/v1", False)]
)
def test_what_leads_to_this_machine_is_told(address, near):
    assert is_loopback(address) is near
