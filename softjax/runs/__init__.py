"""Where a run writes: a folder that appears whole, and what an unfinished run needs to go on. Knows nothing of sweeps."""
