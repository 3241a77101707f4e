"""The end of the report: settings as they were resolved, and the command that gives the same run again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from html import escape
from typing import Any

from recsim_llm.comparison import Summary
from recsim_llm.data.table_settings import TableSettings
from recsim_llm.report import numbers
from recsim_llm.report.first_screen import user_model_name

__all__ = ["configuration_section", "enrichment_line", "reproduction_section"]

Content = Mapping[str, Any]


def enrichment_line(manifest: Content) -> str:
    """Say in a line who wrote what about how many items before the first page; empty where nobody did."""
    known = manifest.get("enrichment")
    if not known:
        return ""
    written = ", ".join(f"{name} of {numbers.count(count)} items" for name, count in known["written"].items())
    by = known["by"] if known["model"] is None else f"{known['by']}, {known['model']}"
    lost = f"; {numbers.count(known['unwritten'])} not written" if known["unwritten"] else ""
    return f"{written} by {by}{lost}"


def configuration_section(summary: Summary, manifest: Content) -> str:
    """Return the section with the settings that matter in a list and all others folded."""
    data = manifest.get("data") or {}
    versions = manifest.get("versions") or {}
    skipped = data.get("skipped") or {}
    rows = {
        "Scenario": summary.scenario,
        "Recommenders": ", ".join(arm.arm for arm in summary.arms),
        "User model": user_model_name(manifest) or "not recorded",
        "Users": numbers.count(summary.users),
        "Visits a user": manifest.get("visits", "not recorded"),
        "Slots a page": manifest["slate_size"],
        "Pages a visit, at most": manifest["max_pages"],
        "Catalog": f"{numbers.count(int(manifest['catalog']['items']))} items",
        **({"Words about items": line} if (line := enrichment_line(manifest)) else {}),
        "Seed": summary.seed,
        "Data": data.get("name", "not recorded"),
        "Data fingerprint": data.get("fingerprint", "not recorded"),
        "Data licence": data.get("licence", "not recorded"),
        "Data rows skipped": ", ".join(f"{number} {reason}" for reason, number in skipped.items()) or "none recorded",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or "not recorded",
    }
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(text))}</dd>" for name, text in rows.items())
    settings = escape(json.dumps(manifest.get("settings", {}), indent=2, ensure_ascii=False))
    return (
        f"<h2>Configuration</h2>\n<dl>{items}</dl>\n"
        f"<details><summary>All settings, as resolved</summary><pre>{settings}</pre></details>"
    )


def reproduction_section(manifest: Content, compared: Content | None = None) -> str:
    """Return the section with the command.

    Args:
        manifest: of the run.
        compared: what a comparison found; None where nothing was compared.
    """
    verb, given = ("run", []) if compared is None else ("compare", _judging(compared["judging"]))
    start = shlex.join(["recsim-llm", verb, str(manifest["scenario"])])
    options = [shlex.join([name, str(value)]) for name, value in [*_options(manifest), *given] if value not in ("", None)]
    options += map(shlex.quote, _reading(manifest))
    options += ["--until-decided"] if compared is not None and compared["judging"]["until_decided"] else []
    command = " \\\n  ".join([start, *options, "--out again"])
    return (
        f"<h2>Reproduce</h2>\n<pre>{escape(command)}</pre>\n"
        "<p>If the scenario is not a shipped one, give its file in place of its name. Settings that this line does not "
        "name are listed above and in <code>manifest.json</code>. The same seed, settings, data and versions give the same "
        "log, byte for byte. <code>recsim-llm report</code> on the run folder writes this page again; "
        "<code>metrics.json</code> holds its numbers and <code>figures/</code> each figure with its data.</p>"
    )


def _judging(judging: Content) -> list[tuple[str, Any]]:
    """Return options of ``recsim-llm compare`` that judge alike."""
    names = ("effect", "confidence", "correction", "groups", "block")
    return [("--metrics", ",".join(judging["metrics"])), *((f"--{name}", judging[name]) for name in names)]


def _reading(manifest: Content) -> list[str]:
    """Return options that have the data read alike."""
    settings: Content = manifest.get("settings") or {}
    given = {name: settings[name] for name in TableSettings.model_fields if settings.get(name) is not None}
    return TableSettings(**given).command_line()


def _options(manifest: Content) -> list[tuple[str, Any]]:
    """Return options of ``recsim-llm run`` that lead to the same settings."""
    settings: Content = manifest.get("settings") or {}
    users: Content = settings.get("users") or {}
    model: Content = (settings.get("models") or {}).get("user") or {}
    arms = settings.get("recommenders") or []
    plain = all(arm.get("name") == arm.get("recommender") and not arm.get("settings") for arm in arms)
    return [
        ("--data", settings.get("data")),
        ("--users", user_model_name(manifest)),
        ("--model", model.get("name")),
        ("--base-url", model.get("base_url")),
        ("--n-users", users.get("count", manifest["users"])),
        ("--slate-size", manifest["slate_size"]),
        ("--pages", manifest["max_pages"]),
        ("--visits", manifest.get("visits")),
        # Arms with names or settings of their own can only come from the scenario itself.
        ("--recommenders", ",".join(map(str, manifest["arms"])) if plain else None),
        ("--reward", settings.get("reward")),
        ("--seed", manifest["seed"]),
        *(("--set", f"users.parameters.{key}={value}") for key, value in (users.get("parameters") or {}).items()),
        *(("--set", f"users.noise.{key}={value}") for key, value in (users.get("noise") or {}).items()),
    ]
