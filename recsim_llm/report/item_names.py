"""What readers call an item or a user: the title, and the data's own id where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsim_llm.log.tables import has_table, read_table

__all__ = ["ItemNames", "read_item_names"]


@dataclass(frozen=True)
class ItemNames:
    """Titles and own ids of a run's items."""

    titles: Mapping[int, str]
    """By outside id; empty where the run folder has no table of items, as logs of environments."""
    keys: Mapping[int, str]
    """The data's own ids where these are texts, likewise."""

    def name(self, item_id: int) -> str:
        """Return what an item is called: its title and its own id, or what there is of them."""
        title, key = self.titles.get(item_id, ""), self.keys.get(item_id, "")
        if key and title and key != title:
            return f"{title} ({key})"
        return title or key or f"item {item_id}"


def read_item_names(run: Path) -> ItemNames:
    """Read the names of a run's items.

    Raises:
        LogError: the table of items is damaged.
    """
    if not has_table(run, "items"):
        return ItemNames({}, {})
    table = read_table(run, "items", ["item_id", "title"])
    item_id = table["item_id"].to_pylist()
    keys: list[Any] = table["item_key"].to_pylist() if "item_key" in table.column_names else []
    titles = {item: title for item, title in zip(item_id, table["title"].to_pylist(), strict=True) if title}
    return ItemNames(titles, {item: key for item, key in zip(item_id, keys, strict=False) if key})
