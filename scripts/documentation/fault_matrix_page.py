"""Run the matrix of faults and write ``docs/faults.md`` from what came of it; needs root on Linux, for disks that fill up.

python scripts/documentation/fault_matrix_page.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))


def main() -> int:
    """Write the page; return 1 where a cell breaks the law, and say which."""
    from fault_page import page
    from fault_results import run_cells

    with tempfile.TemporaryDirectory() as folder:
        results = run_cells(Path(folder))
    wrong = [f"{cell}: {what}" for cell, result in results.items() for what in result["wrong"]]
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    (ROOT / "docs" / "faults.md").write_text(page(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
