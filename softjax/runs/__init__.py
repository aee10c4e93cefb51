"""Where a run writes: a folder that appears whole, and what an unfinished run needs to go on. Knows nothing of sweeps.

What a sweep, or a path, puts into a checkpoint stands in `training/checkpoint.py` and `path/checkpoint.py`; when one is
written, in `cli/running.py`.
"""
