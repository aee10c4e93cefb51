"""The comparison of frameworks, with the options of `softjax compare`: `python experiments/compare_frameworks.py --help`."""

import sys

from softjax.cli import run

if __name__ == "__main__":
    run(["compare", *sys.argv[1:]])
