"""An argument parser that refuses as everything here does: one line, got, expected, what to do."""

from __future__ import annotations

import argparse
import re
from difflib import get_close_matches
from typing import Any, NoReturn

from recsim_llm.errors import hide_secrets, one_of
from recsim_llm.terminal_text import printable

__all__ = ["PlainParser"]

_NUMBERS = {"int": "a whole number", "float": "a number"}


class PlainParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without a page of usage before it."""

    def error(self, message: str) -> NoReturn:
        """Print the one line and exit with status 2."""
        self.exit(2, f"recsim-llm: {printable(hide_secrets(self._plain(message)))}; see `{self.prog} --help`\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            name = argparse._get_action_name(action) or "command"
            self.error(f"{name}: got {value!r}, expected {one_of(value, map(str, action.choices))}")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and say for an option that nobody knows which one was probably meant."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            verb: PlainParser = getattr(found, "parser", self)
            known = [text for action in verb._actions for text in action.option_strings]
            unknown = next((text for text in rest if text.startswith("-")), None)
            if unknown is None:
                verb.error(f"got one argument too many, {rest[0]!r}, expected none")
            meant = get_close_matches(unknown.partition("=")[0], known, n=1)
            verb.error(f"got unknown option {unknown}, expected {meant[0] if meant else 'one that it has'}")
        return found

    @staticmethod
    def _plain(message: str) -> str:
        """Turn the standard texts into got and expected; others stand as they are."""
        text = message.removeprefix("argument ")
        if found := re.fullmatch(r"(?:argument )?(.+): invalid (\w+) value: (.+)", message):
            return f"{found[1]}: got {found[3]}, expected {_NUMBERS.get(found[2], found[2])}"
        if found := re.fullmatch(r"(?:argument )?(.+): expected one argument", message):
            return f"{found[1]}: got nothing after it, expected a value"
        if found := re.fullmatch(r"the following arguments are required: (.+)", message):
            return f"got no {found[1]}, expected one"
        return text
