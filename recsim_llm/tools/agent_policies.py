"""Three ways in which an agent goes about it: step by step, by a plan, and along several paths at once."""

from __future__ import annotations

from pydantic import Field

from recsim_llm.tools.agents import Agent, AgentSettings
from recsim_llm.tools.sessions import Session, Steps

__all__ = ["AllPaths", "PlanExecute", "ReAct"]

_MOST_PLANNED = 20
_NOW = "Answer now: call the tool answer, with ids of candidates. This is the last call."


class ReAct(Agent):
    """Takes one step at a time and sees what came of it before the next: ReAct (Yao et al. 2023, ICLR), the plain baseline."""

    class Settings(AgentSettings):
        """Settings of ``ReAct``."""

    _kind = "react"

    def _most_calls(self) -> int:
        most: int = self.settings.budget.calls
        return most

    def _task(self) -> str:
        return "Take one step at a time: ask for one tool, look at its result, go on, and end with the tool answer."

    def _steps(self, session: Session) -> Steps:
        while not session.done:
            left = session.calls_left
            wanted = _NOW if left == 1 else f"Name exactly one next action. Calls left: {left}."
            yield from session.ask(wanted, 1)


class PlanExecute(Agent):
    """Plans all calls of tools at once, has them carried out, and ranks in one more call.

    Two calls of the model a page whatever the plan is, as in InteRecAgent (Huang et al. 2023, section 3.4, plan-first
    execution).
    """

    class Settings(AgentSettings):
        """Settings of ``PlanExecute``."""

    _kind = "plan-execute"

    def _most_calls(self) -> int:
        return 2

    def _task(self) -> str:
        return (
            "First name all tools that you want, in order, as a plan; they are carried out one after the other on the same "
            "list of candidates. Then you see their results and end with the tool answer."
        )

    def _steps(self, session: Session) -> Steps:
        yield from session.ask("Name all actions of your plan, in order, without the answer.", _MOST_PLANNED)
        if not session.done:
            yield from session.ask(_NOW, 1)
        if not session.done:
            session.end("no_answer")


class AllPaths(Agent):
    """Explores several paths and keeps all of them for the decision: self-inspiring (RecMind, Wang et al. 2024, section 3.2).

    At each step the model names several next actions. Each of them makes a path of its own, with the candidates of the path
    that it goes on from; none is given up, and every later step and the answer see all of them. Candidates of the page are
    those of all paths, those of most paths first.
    """

    class Settings(AgentSettings):
        """Settings of ``AllPaths``."""

        alternatives: int = Field(default=3, ge=1, le=8)
        """Most actions a step."""
        depth: int = Field(default=2, ge=1, le=6)
        """Steps before the answer."""

    _kind = "all-paths"
    _paths = True

    def _most_calls(self) -> int:
        most: int = self.settings.depth + 1
        return most

    def _task(self) -> str:
        return (
            "Explore several paths, each with a list of candidates of its own. An action goes on from the path that its "
            "argument path names, 0 for a new one, and makes a new path; no path is given up. At the end you see all of them "
            "and call the tool answer, with candidates of any path."
        )

    def _steps(self, session: Session) -> Steps:
        most = self.settings.alternatives
        for _ in range(self.settings.depth):
            if session.done or session.calls_left == 1:
                break
            yield from session.ask(f"Name up to {most} next actions, each for a path of its own.", most)
        if not session.done:
            yield from session.ask(_NOW, 1)
        if not session.done:
            session.end("no_answer")
