"""``python -m simnet`` is the command line."""

from __future__ import annotations

import sys

from simnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
