"""What `reproduce_seeds.py` is made of.

- `published`: the seeds' own figures, quoted.
- `training`: the sweeps that reproduce them, stage by stage.
- `agreement`: the statistics that hold a published run against ours.
- `measurements`: what takes no training: gradient checks, times, initial losses, the worked examples.
- `figures`: a row for every published figure.
- `pictures`, `text`: the report.
"""
