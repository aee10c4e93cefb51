"""Finds what is wrong with a student's loss and gradient, or linear classifier. Start reading at `grade`.

`subjects` lists what can be graded. `mistakes`, `softmax_mistakes` and `svm_mistakes` name mistakes in the formula, and
`penalties` mistakes in the penalty. `student` explains what the function returns or raises. `trials` checks large scores
and other inputs, `checks` the ordinary ones, `own_gradient` the gradient against the student's own loss. `classifier`
checks `train` and `predict`. None of this needs JAX but `own_gradient_jax`.
"""
