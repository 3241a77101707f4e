"""One agent at work for one visitor: its chat, its candidates, its budget, and what it did."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np

from recsim_llm.errors import ModelReplyError, ToolError
from recsim_llm.language.answers.loose_json import find_values
from recsim_llm.language.base.questions import Prompt
from recsim_llm.tools.agent_prompts import Action, Transcript, Way
from recsim_llm.tools.budgets import Budget, BudgetSettings
from recsim_llm.tools.bus import CandidateBus
from recsim_llm.tools.catalog_tools import CatalogTools, Desk
from recsim_llm.tools.journal import Row
from recsim_llm.tools.tool_arguments import ANSWER, Answer, Tool, find_tool, read_arguments

__all__ = ["PAGE", "Session", "Steps", "read_actions"]

Steps = Generator[Prompt, str | ModelReplyError, None]
"""An agent at work: it yields prompts and is sent replies, or why there is none that can be used."""

PAGE = "page"
"""What the row of a page has for a tool."""

_MOST_ACTIONS = 20
"""Actions of one reply that are looked at."""
_LONGEST = 500
"""Characters of arguments, and of results, that the log keeps."""
_SHAPE = 'one JSON object {"actions": [{"tool": "NAME", "arguments": {...}}]} and nothing else'


class Session:
    """What one agent does for one page.

    Args:
        tools: of the catalog.
        desk: what they work on.
        known: the tools that the agent may ask for.
        task: what it is told first.
        way: how its model asks for tools.
        paths: whether it keeps several paths, each with candidates of its own.
        budget: what it may use up.
        reply_tokens: most tokens of a reply.
        context: tokens that its model reads and writes in one call; None: not known.
    """

    def __init__(
        self,
        tools: CatalogTools,
        desk: Desk,
        known: Sequence[Tool],
        task: str,
        *,
        way: Way,
        paths: bool,
        budget: BudgetSettings,
        reply_tokens: int,
        context: int | None = None,
    ) -> None:
        self.desk = desk
        self._tools, self._known, self._keeps = tools, known, paths
        self._budget = Budget(budget, reply_tokens, context)
        self._chat = Transcript(way, known, task, paths=paths)
        self._paths: list[CandidateBus] = [CandidateBus(desk.allowed)]
        self._rows: list[Row] = []
        self._answer: list[int] = []
        self._invalid, self._step = 0, 0
        self._ended = ""
        self.done = False

    @property
    def calls_left(self) -> int:
        """Calls of the model that are left."""
        return self._budget.calls

    def ask(self, wanted: str, most: int) -> Steps:
        """Put a question to the model and carry out what it asks for; nothing where the budget does not suffice.

        The generator yields the prompt and is sent the reply, or why there is none that can be used.

        Args:
            wanted: what the model is asked for.
            most: actions that are carried out.
        """
        prompt = self._chat.prompt(wanted)
        lacking = self._budget.lacks(prompt)
        if lacking:
            self.end(lacking)
            return
        reply = yield prompt
        words = "" if isinstance(reply, ModelReplyError) else reply
        tokens = self._budget.spend(prompt, words)
        self._step += 1
        try:
            if isinstance(reply, ModelReplyError):
                raise ToolError(f"{reply}; expected {_SHAPE}", cause="action")
            actions = read_actions(reply)[:_MOST_ACTIONS]
        except ToolError as error:
            self._note(Action(None, words), str(error), tokens, error=error.cause)
            self._chat.complain({"error": str(error)})
            return
        results = []
        for number, action in enumerate(actions):
            allowed = most if number >= most else 0
            results.append(self._carry_out(action, tokens if number == 0 else 0, allowed))
            if self.done:
                return
        self._chat.add(actions, results)

    def end(self, why: str) -> None:
        """End without an answer.

        Args:
            why: the part of the budget that is used up, ``calls`` or ``tokens``, or ``context`` where the chat does not fit the
                model's, or ``no_answer``.
        """
        self._ended, self.done = why, True

    def page(self, size: int) -> tuple[list[int], list[Row]]:
        """Return the page by catalog position, and what the agent did, with a row for the page at the end.

        Args:
            size: positions.
        """
        chosen = self._answer[:size]
        candidates = [item for item in self._candidates().items if item not in chosen][: size - len(chosen)]
        taken = {*chosen, *candidates}
        base = [item for item in self.desk.order.tolist() if item not in taken][: size - len(taken)]
        row = Row(
            self._step,
            PAGE,
            "",
            "",
            self._ended or None,
            0,
            chosen=len(chosen),
            invalid=self._invalid,
            from_candidates=len(candidates),
            from_base=len(base),
        )
        return [*chosen, *candidates, *base], [*self._rows, row]

    def _carry_out(self, action: Action, tokens: int, allowed: int) -> Mapping[str, Any]:
        """Return what the model is told of one action; a wrong one, or one more than are allowed, is told as an error."""
        path, arguments = 0, action.arguments
        try:
            if allowed:
                raise ToolError(f"got one action too many, expected at most {allowed} at a time", cause="budget")
            path, arguments = self._path_of(arguments)
            tool = find_tool(action.tool, self._known)
            given = read_arguments(tool, arguments)
            if isinstance(given, Answer):
                return self._take_answer(given, tokens)
            if self._budget.tool_calls < 1:
                raise ToolError("got no calls of tools left, expected an answer", cause="budget")
            self._budget.tool_calls -= 1
            bus = self._paths[path].copy() if self._keeps else self._paths[0]
            result = self._tools.call(given, self.desk, bus)
        except ToolError as error:
            self._note(action, str(error), tokens, error=error.cause)
            return {"error": str(error)} | self._told(path)
        self._note(action, result.summary, tokens)
        if not self._keeps:
            return result.content
        self._paths.append(bus)
        return dict(result.content) | {"path": len(self._paths) - 1}

    def _path_of(self, arguments: object) -> tuple[int, object]:
        """Return which path goes on, and the arguments without it."""
        if not self._keeps or not isinstance(arguments, Mapping):
            return 0, arguments
        path = arguments.get("path", 0)
        if isinstance(path, bool) or not isinstance(path, int) or not 0 <= path < len(self._paths):
            raise ToolError(f"path: got no path of that number, expected 0 to {len(self._paths) - 1}", cause="arguments")
        return path, {name: value for name, value in arguments.items() if name != "path"}

    def _take_answer(self, given: Answer, tokens: int) -> Mapping[str, Any]:
        """Take the page that the model ends with: candidates, each once; others are counted."""
        candidates = self._candidates()
        index = self._tools.positions(given.item_ids)
        fit = list(dict.fromkeys(item for item in index if item in candidates))
        self._invalid += len(index) - len(fit)
        if not fit:
            raise ToolError("got no id of a candidate, expected ids from the list of candidates; find some first", cause="item")
        self._answer, self.done = fit, True
        self._note(Action(ANSWER.name, {"item_ids": given.item_ids}), f"{len(fit)} of {len(index)} are candidates", tokens)
        return {}

    def _candidates(self) -> CandidateBus:
        """Return the candidates of all paths: those of most paths first, equal ones in the base's order."""
        if not self._keeps:
            return self._paths[0]
        count = np.zeros(len(self.desk.allowed), np.int64)
        for bus in self._paths:
            count[bus.items] += 1
        order = self.desk.order[np.argsort(-count[self.desk.order], kind="stable")]
        return CandidateBus(self.desk.allowed, order[count[order] > 0].tolist())

    def _told(self, path: int) -> dict[str, Any]:
        return dict(self._tools.state(self._paths[path]))

    def _note(self, action: Action, result: str, tokens: int, *, error: str | None = None) -> None:
        tool, given = action
        name = tool if isinstance(tool, str) and tool in {known.name for known in self._known} else None
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, sort_keys=True)
        self._rows.append(Row(self._step, name, _cut(text), _cut(result), error, tokens))


def read_actions(reply: str) -> list[Action]:
    """Return the actions in a reply, in order.

    Args:
        reply: JSON, whatever stands around it: an object with ``actions``, a list of actions, or one action.

    Raises:
        ToolError: there are none, or more than one thing that could be them.
    """
    values, _ = find_values(reply)
    lists = [actions for value in values if (actions := _actions_in(value))]
    if len(lists) != 1:
        got = f"{len(lists)} lists of actions" if lists else "no action"
        raise ToolError(f"reply: got {got}, expected {_SHAPE}", cause="action")
    return lists[0]


def _actions_in(value: object) -> list[Action]:
    inner = value.get("actions") if isinstance(value, dict) else value
    many = inner if isinstance(inner, list) else [value]
    fit = [one for one in many if isinstance(one, dict) and "tool" in one]
    return [Action(one["tool"], one.get("arguments", {})) for one in fit] if len(fit) == len(many) else []


def _cut(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
