"""Start MedReason: `python app.py` serves the page, `python app.py --help` lists the commands."""

import sys

from medreason.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
