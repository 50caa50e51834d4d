"""A small disk of its own, which a test can fill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a file system in memory on this folder until the block ends.

    Raises:
        PermissionError: this machine does not let this user mount one.
    """
    words = [] if os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*words, "mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0777", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PermissionError(f"no file system can be mounted on {sys.platform}") from error
    try:
        yield folder
    finally:
        subprocess.run([*words, "umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file that leaves no space on the disk, and return it."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return path
