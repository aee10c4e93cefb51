"""The sweep, with the options of `softjax sweep`: `python experiments/sweep.py --help`."""

import sys

from softjax.cli import run

if __name__ == "__main__":
    run(["sweep", *sys.argv[1:]])
