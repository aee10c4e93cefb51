"""The gradient checker: is this hand-derived gradient right?"""
