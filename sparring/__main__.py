"""``python -m sparring`` is ``sparring``."""

import os
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[:1] in ([""], [os.getcwd()]):
        del sys.path[0]  # -m puts the working directory first, where any file would be imported in place of a library
    from sparring.cli import main

    sys.exit(main())
