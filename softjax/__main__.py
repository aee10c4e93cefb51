"""`python -m softjax`."""

from softjax.cli import run

if __name__ == "__main__":
    run()
