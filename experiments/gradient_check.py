"""The gradient check, with the options of `softjax check`: `python experiments/gradient_check.py --help`."""

import sys

from softjax.cli import main

if __name__ == "__main__":
    sys.exit(main(["check", *sys.argv[1:]]))
