"""The files of Results: written when they are shown, so that what is downloaded is what was read."""

import atexit
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

KEEP_S = 3600


class Shelf:
    """Files of this page, each set in a folder of its own; those of an hour ago go. The page takes copies."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="medreason-exports-"))
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)

    def put(self, files: Mapping[str, bytes]) -> dict[str, str]:
        """Write the files; their paths by name."""
        for old in self._folder.iterdir():
            if time.time() - old.stat().st_mtime > KEEP_S:
                shutil.rmtree(old, ignore_errors=True)
        place = Path(tempfile.mkdtemp(dir=self._folder))
        for name, content in files.items():
            (place / name).write_bytes(content)
        return {name: str(place / name) for name in files}
