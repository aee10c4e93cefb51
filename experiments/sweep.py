"""The sweep, with the options of `softjax sweep`: `python experiments/sweep.py --help`."""

import sys

from softjax.cli import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
