from __future__ import annotations

import sys

from lightship_registry.cli import main

if __name__ == "__main__":
    sys.exit(main())
