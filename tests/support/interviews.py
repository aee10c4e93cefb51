"""Questions for processes that crash or hang. It imports little, since every process imports it."""

import os
import time
from functools import partial


def interview(task):
    """Three questions; at the second one the process crashes, or hangs, if the task says so."""
    for question in ("first", "second", "third"):
        yield question, partial(answer, task, question)


def answer(task, question):
    """The task and the question."""
    if question == "second" and task == "crash":
        os._exit(7)
    if question == "second" and task == "hang":
        time.sleep(3600)
    return f"{task} {question}"
