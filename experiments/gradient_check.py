"""The gradient check, with the options of `softjax check`: `python experiments/gradient_check.py --help`."""

import sys

from softjax.cli import run

if __name__ == "__main__":
    run(["check", *sys.argv[1:]])
