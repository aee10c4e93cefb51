"""Grades the submissions of a class, each function in a process of its own. Start reading at `run`.

`submissions` finds them and copies them. `run` starts processes of `supervisor`, which fork: each fork sets its `limits`
and becomes a `worker`, which imports a student's file and grades one function. `python2` lets old submissions run.
`report` writes what is known of the class, `results` holds it.
"""
