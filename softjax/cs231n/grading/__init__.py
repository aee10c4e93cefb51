"""What is wrong with a student's loss and gradient: start at `grade`.

Mistakes in the formula are named in `mistakes`, in the penalty in `penalties`, in what the function returns or raises in
`student`, on large scores and other inputs in `trials`; `checks` puts them together.
"""
