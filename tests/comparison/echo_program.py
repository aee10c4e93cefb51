"""A program of the comparison: the loss and gradient in NumPy, asked over a pipe."""

import json
import math
import sys
import time

import numpy as np


def read_arrays(question):
    """The arrays that follow the line of a question, by name."""
    arrays = {}
    for array in question.get("arrays", ()):
        dtype = np.dtype(array["dtype"]).newbyteorder("<")
        data = sys.stdin.buffer.read(math.prod(array["shape"]) * dtype.itemsize)
        arrays[array["name"]] = np.frombuffer(data, dtype).reshape(array["shape"])
    return arrays


def write_answer(answer, *arrays):
    """A line, and the arrays that it declares."""
    if arrays:
        answer["arrays"] = [{"name": name, "dtype": a.dtype.name, "shape": a.shape} for name, a in arrays]
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    for _, a in arrays:
        sys.stdout.buffer.write(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes())
    sys.stdout.buffer.flush()


def prepare(question, arrays):
    """A function of W that computes the loss and its gradient."""
    X, l1, l2 = arrays["X"], float(question["l1"]), float(question["l2"])
    y, w = arrays.get("labels", arrays["y"]), arrays.get("w", np.ones(len(X), X.dtype))
    if "T" in arrays:
        raise NotImplementedError("soft labels and label smoothing")

    def loss_and_grad(W):
        rows, share = np.arange(len(X)), w / w.sum()
        scores = X @ W
        scores -= scores.max(axis=1, keepdims=True)
        e = np.exp(scores)
        total = e.sum(axis=1)
        loss = share @ (np.log(total) - scores[rows, y])
        Q = e / total[:, None]
        Q[rows, y] -= 1
        grad = X.T @ (share[:, None] * Q)
        return loss + l1 * abs(W).sum() + l2 * (W * W).sum(), grad + l1 * np.sign(W) + 2 * l2 * W

    return loss_and_grad


def main():
    """Answers questions until standard input ends."""
    function, placed, result = None, [], None
    for line in sys.stdin.buffer:
        question = json.loads(line)
        arrays = read_arrays(question)
        try:
            match question["do"]:
                case "hello":
                    write_answer(
                        {"name": "NumPy", "version": np.__version__, "dtypes": ["float64", "float32"]}
                    )
                case "prepare":
                    function, placed = prepare(question, arrays), []
                    write_answer({"done": True})
                case "place":
                    placed.append(arrays["W"])
                    write_answer({"id": len(placed) - 1})
                case "loss_and_grad":
                    start = time.perf_counter()
                    result = function(placed[question["id"]])
                    write_answer({"seconds": time.perf_counter() - start})
                case "read":
                    write_answer({}, ("loss", np.asarray(result[0])), ("grad", result[1]))
                case other:
                    write_answer({"not offered": other})
        except NotImplementedError as error:
            write_answer({"not offered": str(error)})
        except Exception as error:
            write_answer({"error": type(error).__name__, "message": str(error)})


main()
