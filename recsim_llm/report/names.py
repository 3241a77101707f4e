"""What readers call an item or a user: the title, and the data's own id where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recsim_llm.log.tables import has_table, read_table

__all__ = ["Names", "read_names"]


@dataclass(frozen=True, kw_only=True)
class Names:
    """Titles and the data's own ids of a run; what has none is called by its number."""

    titles: Mapping[int, str] = field(default_factory=dict)
    """Titles of items by outside id."""
    item_keys: Mapping[int, str] = field(default_factory=dict)
    """The data's own ids of items, where these are texts."""
    user_keys: Mapping[int, str] = field(default_factory=dict)
    """The data's own ids of users, where these are texts."""

    def item(self, item_id: int) -> str:
        """Return what an item is called: its title and its own id, or what there is of them."""
        if item_id < 0:
            return "(blank)"
        title, key = self.titles.get(item_id, ""), self.item_keys.get(item_id, "")
        if key and title and key != title:
            return f"{title} ({key})"
        return title or key or f"item {item_id}"

    def user(self, user_id: int) -> str:
        """Return what a user is called."""
        return f"user {self.user_keys.get(user_id, user_id)}"


def read_names(run: Path) -> Names:
    """Read what the items and users of a run are called; logs of other tools have no names.

    Raises:
        LogError: a table is damaged.
    """
    return Names(
        titles=_column(run, "items", "item_id", "title"),
        item_keys=_column(run, "items", "item_id", "item_key"),
        user_keys=_column(run, "users", "user_id", "user_key"),
    )


def _column(run: Path, name: str, key: str, column: str) -> dict[int, str]:
    if not has_table(run, name):
        return {}
    table = read_table(run, name, [key])
    if column not in table.column_names:
        return {}
    return {one: text for one, text in zip(table[key].to_pylist(), table[column].to_pylist(), strict=True) if text}
