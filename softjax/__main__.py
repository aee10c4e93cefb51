"""`python -m softjax`."""

import sys

from softjax.cli import main

if __name__ == "__main__":
    sys.exit(main())
