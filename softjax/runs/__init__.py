"""The folder of a run: its report appears only when complete, and a checkpoint lets an unfinished run continue.

This room does not know sweeps or paths. `training/checkpoint.py` and `path/checkpoint.py` say what a checkpoint contains,
`cli/running.py` says when one is written.
"""
