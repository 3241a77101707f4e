"""Small disks of their own, which can be filled up or made read-only; only root on Linux can have them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ABLE = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None
"""Whether there may be such disks; a container can still forbid them."""


class SmallDisk:
    """A disk that is mounted where it is asked for; ``unmount`` takes it away with all that is on it.

    Raises:
        OSError: none can be mounted here.
    """

    def __init__(self, place: Path, megabytes: int = 70):
        self.place = place
        place.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs")

    def _mount(self, *how):
        done = subprocess.run(["mount", *how, self.place], check=False, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"no small disk can be mounted here: {done.stderr.strip()}")

    def leave(self, kilobytes):
        """Fill it up to so many kilobytes; None makes all of it free again."""
        filler = self.place / "filler"
        filler.unlink(missing_ok=True)
        if kilobytes is not None:
            room = os.statvfs(self.place)
            filler.write_bytes(b"0" * max(room.f_bavail * room.f_bsize - kilobytes * 1024, 0))

    def allow_writing(self, *, allowed):
        """Make it read-only, or writable again."""
        self._mount("-o", f"remount,{'rw' if allowed else 'ro'}")

    def unmount(self):
        """Take it away."""
        subprocess.run(["umount", self.place], check=True)
