"""Random problems for the objective and its gradients."""

import numpy as np

PENALTIES = ("l2", "half_l2", "l1", "elastic_net", "none")


def problem(num_examples=30, num_features=7, num_classes=4, seed=0, scale=1.0, dtype=np.float64):
    """W, X, y of a random problem."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(num_examples, num_features))
    X[:, -1] = 1
    W = scale * rng.normal(size=(num_features, num_classes))
    return W.astype(dtype), X.astype(dtype), rng.integers(0, num_classes, num_examples)
