"""The run log: the only room that writes and reads run folders.

``open_run`` reads one, ``open_segments`` and ``RunLog`` write one. What needs pyarrow is loaded when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recsim_llm.log.folders import refuse_used_folder
from recsim_llm.log.manifest import read_manifest, read_scenario_manifest, write_manifest
from recsim_llm.log.reader import RunReader, open_run
from recsim_llm.log.segments import Segment, open_segments

if TYPE_CHECKING:
    from recsim_llm.log.schema import IMPRESSIONS, PAGES, VISITS
    from recsim_llm.log.writer import RunLog

__all__ = [
    "IMPRESSIONS",
    "PAGES",
    "VISITS",
    "RunLog",
    "RunReader",
    "Segment",
    "open_run",
    "open_segments",
    "read_manifest",
    "read_scenario_manifest",
    "refuse_used_folder",
    "write_manifest",
]

_HEAVY = {"IMPRESSIONS": "schema", "PAGES": "schema", "VISITS": "schema", "RunLog": "writer"}


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
