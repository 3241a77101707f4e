"""The run log: the only room that writes and reads run folders.

``open_run`` reads one, ``open_segments`` and ``RunLog`` write one; ``open_exposures`` opens it, or the log of another system,
as what people were shown and did. What is named here is imported when it is first asked for, so that pyarrow is loaded late.
"""

from typing import TYPE_CHECKING

from recsim_llm.registry import lazy_names

if TYPE_CHECKING:
    from recsim_llm.log.folders import refuse_used_folder
    from recsim_llm.log.locks import FolderLock, lock_folder
    from recsim_llm.log.manifest import read_manifest, read_scenario_manifest, write_manifest
    from recsim_llm.log.reader import RunReader, open_run
    from recsim_llm.log.run_exposures import open_exposures, read_exposures
    from recsim_llm.log.schema import IMPRESSIONS, PAGES, VISITS
    from recsim_llm.log.segments import Segment, open_segments
    from recsim_llm.log.writer import RunLog

__all__ = [
    "IMPRESSIONS",
    "PAGES",
    "VISITS",
    "FolderLock",
    "RunLog",
    "RunReader",
    "Segment",
    "lock_folder",
    "open_exposures",
    "open_run",
    "open_segments",
    "read_exposures",
    "read_manifest",
    "read_scenario_manifest",
    "refuse_used_folder",
    "write_manifest",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "IMPRESSIONS": "schema",
        "PAGES": "schema",
        "VISITS": "schema",
        "FolderLock": "locks",
        "RunLog": "writer",
        "RunReader": "reader",
        "Segment": "segments",
        "lock_folder": "locks",
        "open_exposures": "run_exposures",
        "open_run": "reader",
        "open_segments": "segments",
        "read_exposures": "run_exposures",
        "read_manifest": "manifest",
        "read_scenario_manifest": "manifest",
        "refuse_used_folder": "folders",
        "write_manifest": "manifest",
    },
)
