"""Start MedReason: `python app.py` serves the page, `python app.py --help` lists the commands."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (whoever starts it by hand may have an older one)
    sys.exit(f"MedReason needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]}.")

from medreason.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
