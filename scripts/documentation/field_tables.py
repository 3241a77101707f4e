"""Griffe extension: the fields of a class, each documented by the string under it, become one table."""

from __future__ import annotations

from typing import Any

import griffe


class FieldTables(griffe.Extension):
    """Show documented fields as a table with type, default and meaning, in place of a heading for each."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite every class of a package once it is loaded whole."""
        rewrite(pkg)


def rewrite(holder: griffe.Module | griffe.Class) -> None:
    """Rewrite the classes that a module or class holds itself; imported names belong to another module."""
    for member in holder.members.values():
        if member.is_alias:
            continue
        if isinstance(member, griffe.Class):
            tabulate(member)
        if isinstance(member, griffe.Class | griffe.Module):
            rewrite(member)


def tabulate(record: griffe.Class) -> None:
    """Move the docstrings of a class's fields into a section of the class's own docstring."""
    fields = [
        member
        for member in record.members.values()
        if isinstance(member, griffe.Attribute) and member.docstring and member.is_public and "property" not in member.labels
    ]
    if not fields or record.docstring is None:
        return
    rows = [
        griffe.DocstringParameter(
            name=field.name,
            annotation=field.annotation,
            description=" ".join(field.docstring.value.split()) if field.docstring else "",
            value=default(field),
        )
        for field in fields
    ]
    record.docstring.parsed.append(griffe.DocstringSectionParameters(rows, title="Fields:"))
    for field in fields:
        field.docstring = None


def default(field: griffe.Attribute) -> Any:
    """Return a field's default; what ``dataclasses.field`` makes is shown as the call that makes it."""
    value = field.value
    if not isinstance(value, griffe.ExprCall) or str(value.function).rpartition(".")[2] not in ("field", "Field"):
        return value
    given = {argument.name: argument.value for argument in value.arguments if isinstance(argument, griffe.ExprKeyword)}
    factory = given.get("default_factory")
    return f"{factory}()" if factory is not None else given.get("default")
