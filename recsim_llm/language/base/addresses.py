"""Addresses of servers: one parser for every place that takes one, and no secret in what it says.

User, password, query and fragment can hold a key, and an address is written into manifests, reports and messages. So an address
with any of them is refused, and never shown; keys come from the environment.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from recsim_llm.errors import ConfigError

__all__ = ["holds_address", "is_loopback", "parse_address"]

_SHAPE = "expected http(s)://HOST[:PORT]/PATH, for instance http://127.0.0.1:8000/v1"
_KEYS = "give the key in the environment, as OPENAI_API_KEY or RECSIM_LLM_API_KEY"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BROKEN_SCHEME = re.compile(r"(?:https?|htt?ps?)?:?/{0,2}(?=[^/])", re.IGNORECASE)
_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|models)/*$")
_ADDRESS_LIKE = re.compile(r"://|[^\s/:@]+:[^\s/@]+@|\?[^\s=]+=")
_LONGEST = 2_000


def parse_address(text: str, source: str = "", *, keys: str = _KEYS) -> str:
    """Return the address of a server, without slashes at its end.

    Args:
        text: up to and with ``/v1``, where the server has that.
        source: where it comes from, for the error's text; empty for nothing.
        keys: where its key is to be given, for the error's text.

    Raises:
        ConfigError: it cannot be used; the address is shown only where nothing in it can be secret.
    """
    before = f"{source}: " if source else ""
    if not text.strip():
        raise ConfigError(f"{before}got an empty address, {_SHAPE}")
    if any(mark in text for mark in "@?#"):
        got = "an address with a user, a password, a query or a fragment, which is not shown"
        raise ConfigError(f"{before}got {got}, expected http(s)://HOST[:PORT]/PATH alone; {keys}")
    if not text.isprintable() or re.search(r"[\s\\]", text) or len(text) > _LONGEST:
        raise ConfigError(
            f"{before}got an address with blanks, backslashes or control characters, or a very long one, {_SHAPE}"
        )
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise ConfigError(f"{before}got {text} without http:// or https://, {_SHAPE}{_meant(text)}")
    if scheme[1].lower() not in ("http", "https"):
        raise ConfigError(f"{before}got {text}, whose scheme is {scheme[1]}, {_SHAPE}")
    problem = _problem(text)
    if problem:
        raise ConfigError(f"{before}got {text}, {problem}, {_SHAPE}")
    endpoint = _ENDPOINT.search(text)
    if endpoint:
        raise ConfigError(
            f"{before}got {text}, which is that of one endpoint, {_SHAPE}; did you mean {text[: endpoint.start()]}?"
        )
    return text.rstrip("/")


def holds_address(text: str) -> bool:
    """Return whether a text that should be a name holds an address, which could hold a secret."""
    return _ADDRESS_LIKE.search(text) is not None


def is_loopback(address: str) -> bool:
    """Return whether a parsed address leads to this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _meant(text: str) -> str:
    """Return the question for the address that was perhaps meant, or nothing where none can be told."""
    rest = _BROKEN_SCHEME.sub("", text, count=1)
    guess = f"{'http' if _is_near(rest) else 'https'}://{rest}"
    return "" if _problem(guess) else f"; did you mean {guess.rstrip('/')}?"


def _is_near(rest: str) -> bool:
    """Return whether a host is one that hardly has a certificate: a number, this machine, a port, no dot."""
    host = re.split(r"[/]", rest, maxsplit=1)[0]
    return ":" in host or "." not in host or re.fullmatch(r"[0-9.]+", host) is not None


def _problem(address: str) -> str:
    """Return what is wrong with host and port; nothing where they can be used."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "whose host or port cannot be"
    if not parts.hostname:
        return "which has no host"
    return "whose port is 0" if port == 0 else ""
