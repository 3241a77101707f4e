"""Check the types of the Python that the README and the guides show, as mypy checks the package.

Functions of examples need no annotations; what they call is checked all the same. Run from the root of the repository.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "servers").glob("*.md")))
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def write_examples(folder: Path) -> list[Path]:
    """Write the examples of each page as a module of the package ``pages``, to which setup.cfg gives options of its own."""
    package = folder / "pages"
    package.mkdir()
    (package / "__init__.py").touch()
    written = []
    for page in PAGES:
        code = "\n".join(PYTHON.findall(page.read_text(encoding="utf-8")))
        if code:
            written.append(package / f"{page.stem.replace('-', '_')}.py")
            written[-1].write_text(code, encoding="utf-8")
    return written


def main() -> int:
    """Return the exit status of mypy."""
    with tempfile.TemporaryDirectory() as folder:
        modules = write_examples(Path(folder))
        command = [sys.executable, "-m", "mypy", "--config-file", "setup.cfg", *map(str, modules)]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
