"""Finds what is wrong with a student's loss and gradient. Start reading at `grade`.

`mistakes` names mistakes in the formula, and `penalties` mistakes in the penalty. `student` explains what the function
returns or raises. `trials` checks large scores and other inputs. `checks` combines them.
"""
