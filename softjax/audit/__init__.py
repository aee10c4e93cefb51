"""The auditor: the derivative rules that people write by hand, checked where a project's own tests use them.

- `plugin`: the options of pytest, and when what happens (start here);
- `record`: which rules were called, and a few points of each; `saved`: how they are written for other processes;
- `jax_rules`, `torch_functions`, `scipy_pairs`: where such rules are seen, and how one is checked at a point;
- `judge`: what a difference looks like, and whether it looks meant;
- `worker`, `processes`: the checks, a process and a time limit for each rule; `accept`: rules that are meant to differ;
- `scan`: the rules in a package's source, so that those never called are known;
- `report`, `script`: what is written.
"""
