"""Write the reference pages from the docstrings; with ``--check``, fail if they are out of date."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

ROOMS: dict[str, tuple[str, list[str]]] = {
    "engine": (
        "The engine: items, users, dice, pages, logs",
        [
            "recsim_llm.core.catalog",
            "recsim_llm.core.ratings",
            "recsim_llm.population.personas",
            "recsim_llm.population.from_ratings",
            "recsim_llm.population.population_files",
            "recsim_llm.population.persona_text",
            "recsim_llm.core.keyed",
            "recsim_llm.core.dice",
            "recsim_llm.core.pages",
            "recsim_llm.core.kernel",
            "recsim_llm.log.writer",
            "recsim_llm.metrics.evaluation",
            "recsim_llm.registry",
            "recsim_llm.testing",
            "recsim_llm.errors",
        ],
    ),
    "evaluation": (
        "Evaluation: inference, metrics, off-policy, exports",
        ["recsim_llm.statistics", "recsim_llm.metrics", "recsim_llm.offpolicy", "recsim_llm.exports"],
    ),
    "data": ("Data: loaders, downloads, the invented catalog", ["recsim_llm.data", "recsim_llm.data.fictional"]),
    "recommenders": ("Recommenders: what is tested", ["recsim_llm.recommenders"]),
    "language": (
        "Language models: typed questions with probabilities",
        [
            "recsim_llm.language.base.questions",
            "recsim_llm.language.calls.model",
            "recsim_llm.language.providers",
            "recsim_llm.language.base.settings",
            "recsim_llm.language.answers.elicitation",
            "recsim_llm.language.base.wire",
            "recsim_llm.language.calls.store",
            "recsim_llm.language.calls.call_summary",
            "recsim_llm.language.calls.budget",
            "recsim_llm.language.calls.limiter",
            "recsim_llm.language.calls.retries",
            "recsim_llm.language.probing.probe",
            "recsim_llm.language.backends.openai_backend",
            "recsim_llm.language.backends.aiohttp_backend",
            "recsim_llm.language.backends.transformers_backend",
            "recsim_llm.language.backends.scripted",
            "recsim_llm.language.backends.scripts",
            "recsim_llm.language.calls.recorded_answers",
            "recsim_llm.language.chaos.server",
            "recsim_llm.language.chaos.faults",
            "recsim_llm.language.base.tokens",
        ],
    ),
    "agents": (
        "User models: who browses",
        [
            "recsim_llm.agents.choice.choice_users",
            "recsim_llm.agents.choice.choice_parameters",
            "recsim_llm.agents.choice.choice_model",
            "recsim_llm.agents.choice.saved_fits",
            "recsim_llm.agents.fitting.held_out_scores",
            "recsim_llm.agents.worlds",
            "recsim_llm.agents.language.language_users",
            "recsim_llm.agents.language.language_parameters",
            "recsim_llm.agents.language.calibration",
            "recsim_llm.agents.language.calibrating",
            "recsim_llm.agents.cascade",
            "recsim_llm.agents.replay",
            "recsim_llm.agents.noise",
            "recsim_llm.agents.language.voice",
            "recsim_llm.agents.memory",
            "recsim_llm.agents.audits",
            "recsim_llm.realism",
        ],
    ),
    "envs": (
        "Environments: Gymnasium and Stable-Baselines3",
        [
            "recsim_llm.envs.browse",
            "recsim_llm.envs.rewards",
            "recsim_llm.envs.observations",
            "recsim_llm.envs.wrappers",
            "recsim_llm.envs.stable_baselines",
        ],
    ),
    "scenarios": (
        "Scenarios: whole runs",
        [
            "recsim_llm.scenarios.schema",
            "recsim_llm.scenarios.runner",
            "recsim_llm.scenarios.speech",
            "recsim_llm.scenarios.compare",
        ],
    ),
}  # fmt: skip
HERE = Path(__file__).parent / "reference"


def main() -> int:
    """Write or check every page; return 1 if a page was out of date under ``--check``."""
    check = "--check" in sys.argv[1:]
    stale = []
    for room, (title, modules) in ROOMS.items():
        page = HERE / f"{room}.md"
        text = _page(title, modules)
        if check and (not page.is_file() or page.read_text(encoding="utf-8") != text):
            stale.append(page.name)
        elif not check:
            page.parent.mkdir(exist_ok=True)
            page.write_text(text, encoding="utf-8")
    if stale:
        sys.stderr.write(f"docs: got {', '.join(stale)} out of date, expected what the docstrings say; run `make docs`\n")
    return 1 if stale else 0


def _page(title: str, modules: list[str]) -> str:
    parts = [f"# {title}", "", "Built from the docstrings by `make docs`; edit those."]
    for name in modules:
        module = importlib.import_module(name)
        parts += ["", f"## `{name}`", "", _code(inspect.getdoc(module) or "")]
        for public in module.__all__:
            parts += _entry(public, getattr(module, public), name)
    return "\n".join(parts) + "\n"


def _entry(name: str, thing: Any, module: str) -> list[str]:
    if inspect.isclass(thing):
        parts = ["", f"### `{name}`", "", _code(inspect.getdoc(thing) or "")]
        parts += _fields(thing)
        for method, value in vars(thing).items():
            inner = getattr(value, "__func__", value)
            if not method.startswith("_") and inspect.isfunction(inner) and inspect.getdoc(inner):
                parts += ["", f"#### `{name}.{method}{_signature(inner)}`", "", _code(inspect.getdoc(inner) or "")]
        return parts
    if inspect.isfunction(thing):
        return ["", f"### `{name}{_signature(thing)}`", "", _code(inspect.getdoc(thing) or "")]
    note = _note(importlib.import_module(module), name)
    return ["", f"### `{name}`", "", _code(note)] if note else []


def _fields(thing: type) -> list[str]:
    notes = _attribute_notes(inspect.getsource(thing))
    return ["", *(f"- `{field}`: {note}" for field, note in notes.items())] if notes else []


def _note(module: Any, name: str) -> str:
    return _attribute_notes(inspect.getsource(module)).get(name, "")


def _attribute_notes(source: str) -> dict[str, str]:
    """Return the docstrings that stand under assignments, by name."""
    import ast
    import textwrap

    tree = ast.parse(textwrap.dedent(source))
    body = tree.body[0].body if len(tree.body) == 1 and isinstance(tree.body[0], ast.ClassDef) else tree.body
    notes = {}
    for before, after in zip(body, body[1:], strict=False):
        target = before.target if isinstance(before, ast.AnnAssign) else None
        if isinstance(before, ast.Assign) and len(before.targets) == 1:
            target = before.targets[0]
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        if isinstance(target, ast.Name) and isinstance(text, str):
            notes[target.id] = " ".join(text.split())
    return notes


def _signature(function: Any) -> str:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return "()"
    shown = []
    keyword_only = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            shown.append("*")
            keyword_only = True
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        shown.append(star + parameter.name)
    return f"({', '.join(name for name in shown if name not in ('self', 'cls'))})"


def _code(text: str) -> str:
    """Turn reStructuredText double backticks into Markdown code."""
    return text.replace("``", "`")


if __name__ == "__main__":
    sys.exit(main())
