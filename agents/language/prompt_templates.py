"""Prompt templates: Jinja2 files with versions, a filter that makes foreign text safe, and one fingerprint over them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from unicodedata import category

from recsim_llm.errors import ConfigError
from recsim_llm.language.base.safe_text import safe_text

__all__ = ["TEMPLATE_FILES", "Templates", "shipped_families"]

_FAMILIES = {
    "de": "German, in full",
    "de_compact": "German, for small models: few words, the user's own ratings, each question asked alone",
    "en": "English, in full: the user in sentences, rules, an example",
    "en_compact": "English, for small models: few words, the user's own ratings, each question asked alone",
}

TEMPLATE_FILES: Mapping[str, tuple[str, ...]] = {
    "events": ("nothing", "passed", "taken"),
    "memory": (),
    "page": (),
    "persona": (),
    "questions": ("click", "leave", "satisfaction", "stars"),
    "recent": (),
    "rules": (),
}
"""Every template that decisions need, ``NAME.jinja``, with the macros that it must define."""

_OPTIONAL: Mapping[str, tuple[str, ...]] = {"examples": (), "leads": ("click", "leave", "satisfaction", "stars")}
"""What a family may have beside these: pages with their answers, told to everybody after the rules; and what stands before the
answer to a question that is asked alone, where a family without it has the question and what may be answered."""

_BRACKETS = str.maketrans("[]［］", "()()")
_OTHER_QUOTES = "„‚″〝〞〟＂"

_VERSION = re.compile(r"\A\{#-?\s*version:\s*(\S+)\s*-?#\}")


class Templates:
    """The templates of one language.

    Args:
        name: a shipped language such as ``en``, or the path of a folder with the same file names.
        wanted: the files to take of it, with the macros that each must define; the fingerprint is over these.

    Raises:
        ConfigError: a file is missing, has no version, is not a template, or lacks a macro.
    """

    def __init__(self, name: str, wanted: Mapping[str, tuple[str, ...]] = TEMPLATE_FILES) -> None:
        if wanted is TEMPLATE_FILES:
            folder = _folder(name)
            wanted = {**wanted, **{file: of for file, of in _OPTIONAL.items() if (folder / f"{file}.jinja").is_file()}}
        self.has_leads = "leads" in wanted
        self.has_examples = "examples" in wanted
        """Whether everybody's prompts begin with examples of pages and answers."""
        sources = _sources(name, wanted)
        self.name = name
        self.versions = {file: _version(f"{name}/{file}", source) for file, source in sources.items()}
        self.fingerprint = _fingerprint(self.versions, sources)
        environment = _environment(sources)
        persona = _used(environment, sources.get("persona", ""))
        self.tells_history = "history" in persona
        """Whether a persona tells what its user rated."""
        self.tells_sentences = "text" in persona or "written" in persona
        """Whether a persona tells traits and tastes in sentences."""
        self._templates = {file: _template(environment, f"{name}/{file}", file) for file in sources}
        self._macros = {
            f"{file}.{macro}": _macro(self._templates[file], f"{name}/{file}", macro)
            for file, macros in wanted.items()
            for macro in macros
        }

    @property
    def yes_no(self) -> tuple[str, str]:
        """Words for yes and no that may follow a lead: of the macros ``yes`` and ``no`` of ``leads.jinja``, else English."""
        module = self._templates["leads"].module if self.has_leads else None
        told = [getattr(module, word, None) for word in ("yes", "no")]
        yes, no = (word if macro is None else str(macro()).strip() for word, macro in zip(("yes", "no"), told, strict=True))
        return yes, no

    def render(self, file: str, **values: object) -> str:
        """Return a template's text without outer blank space.

        Args:
            file: one of the files that were taken.
            **values: what the template may use.

        Raises:
            ConfigError: the template uses something that it is not given, or fails otherwise.
        """
        return self._called(file, self._templates[file].render, values)

    def say(self, macro: str, **values: object) -> str:
        """Return what a macro makes of its arguments, without outer blank space.

        Args:
            macro: file and macro, for instance ``questions.click``.
            **values: the macro's arguments.

        Raises:
            ConfigError: the macro takes other arguments or fails.
        """
        return self._called(macro, self._macros[macro], values)

    def _called(self, what: str, act: Callable[..., Any], values: Mapping[str, object]) -> str:
        from jinja2 import TemplateError

        try:
            return str(act(**values)).strip()
        except (TemplateError, TypeError, KeyError, ValueError) as error:
            given = ", ".join(values) or "nothing"
            raise ConfigError(f"template {self.name}/{what}: got {error}, expected it to work with {given}") from error


def shipped_families() -> dict[str, str]:
    """Return the shipped families of prompts, each with what it is."""
    return dict(_FAMILIES)


def _folder(name: str) -> Traversable:
    shipped = files("recsim_llm.agents.language") / "templates"
    folder: Traversable = Path(name)
    if re.fullmatch(r"\w+", name) and (shipped / name).is_dir():
        folder = shipped / name
    if not folder.is_dir():
        known = ", ".join(sorted(entry.name for entry in shipped.iterdir() if entry.is_dir()))
        raise ConfigError(f"templates: got {name!r}, expected {known} or a folder with the same files")
    return folder


def _sources(name: str, wanted: Iterable[str]) -> dict[str, str]:
    folder = _folder(name)
    return {file: _read(folder / f"{file}.jinja", name, wanted) for file in wanted}


def _read(path: Traversable, name: str, wanted: Iterable[str]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        listed = ", ".join(f"{file}.jinja" for file in wanted)
        reason = f"{type(error).__name__} at {path.name}"
        raise ConfigError(f"templates {name}: got {reason}, expected readable files {listed}") from error


def _version(where: str, source: str) -> str:
    found = _VERSION.match(source)
    if found is None:
        raise ConfigError(f"template {where}: got no version, expected it to start with {{# version: 1 #}}; add the comment")
    return found.group(1)


def _fingerprint(versions: Mapping[str, str], sources: Mapping[str, str]) -> str:
    digest = blake2b(digest_size=16)
    for file, source in sorted(sources.items()):
        for piece in (file, versions[file], source):
            digest.update(len(piece.encode()).to_bytes(8, "little") + piece.encode())
    return digest.hexdigest()


def _environment(sources: Mapping[str, str]) -> Any:
    from jinja2 import DictLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    # No escaping for HTML: prompts are plain text, and ``data`` does what is needed.
    environment = SandboxedEnvironment(
        loader=DictLoader(dict(sources)), autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data"] = lambda text, length: safe_text(str(text), int(length))
    environment.filters["quoted"] = lambda text, length: _quoted(safe_text(str(text), int(length)))
    return environment


def _quoted(line: str) -> str:
    """Make a safe line safe to stand between quotation marks beside an answer: no mark of any script, no square bracket.

    Some tokenizers read words in square brackets, such as ``[INST]``, as the end of a turn wherever they stand.
    """
    return "".join(
        "'" if category(letter) in ("Pi", "Pf") or letter in _OTHER_QUOTES else letter for letter in line.translate(_BRACKETS)
    )


def _used(environment: Any, source: str) -> set[str]:
    """Return the values that a template uses and must be given."""
    from jinja2 import TemplateError, meta

    try:
        return set(meta.find_undeclared_variables(environment.parse(source)))
    except TemplateError:  # told when the template is loaded
        return set()


def _template(environment: Any, where: str, file: str) -> Any:
    from jinja2 import TemplateError

    try:
        return environment.get_template(file)
    except TemplateError as error:
        raise ConfigError(f"template {where}: got {error}, expected a Jinja2 template") from error


def _macro(template: Any, where: str, macro: str) -> Callable[..., Any]:
    try:
        found = getattr(template.module, macro)
    except AttributeError as error:
        raise ConfigError(f"template {where}: got no macro {macro!r}, expected one; define it") from error
    if not callable(found):
        raise ConfigError(f"template {where}: got {macro!r} that is no macro, expected one; define it")
    return found  # type: ignore[no-any-return]
