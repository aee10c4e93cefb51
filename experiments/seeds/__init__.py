"""What `reproduce_seeds.py` is made of.

- `published`: the seeds' own figures, quoted.
- `training`: the sweeps that reproduce them, stage by stage.
- `agreement`: the statistics that hold a published run against ours.
- `measurements`: what takes no training: gradient checks, times, initial losses.
- `examples`: the seeds' derivations, questions and slips, in numbers.
- `figures`: a row for every published figure.
- `pictures`, `sections`, `text`: the report.
"""
