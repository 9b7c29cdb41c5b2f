"""Finds a Chromium for the browser tests: one on the PATH, else Playwright's own, else Debian's package.

Run as a script it makes sure that there is one, and says in one sentence where there can be none.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Path of a Chromium that is already here, or None."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> None:
    """Try Playwright's own build first, then apt where this process is root; failures are not raised."""
    own = subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True, timeout=600
    )
    if own.returncode == 0 or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=600)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
        capture_output=True,
        timeout=900,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )


def main() -> int:
    if find_chromium() is None:
        install()
    if find_chromium() is None:
        print("The browser tests need Chromium: install it, or put it on the PATH.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
