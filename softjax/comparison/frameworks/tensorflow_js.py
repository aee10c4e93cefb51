"""TensorFlow.js: tf.losses.softmaxCrossEntropy and tf.valueAndGrad, on its backend in plain JavaScript, in Node.js.

It has no loss of integer labels outside of its layers: labels become one-hot rows.
"""

from softjax.comparison.frameworks import programs
from softjax.comparison.frameworks.protocol import Prepared, Problem
from softjax.comparison.frameworks.shared_pipe import SOURCES, prepare_program

DTYPES = ("float32",)

SCRIPT = """\
import json, subprocess
program = f'''
const tf = require("@tensorflow/tfjs")
const X = tf.tensor({json.dumps(X.ravel().tolist())}, {json.dumps(X.shape)})
const targets = «targets»
const loss = W => tf.losses.softmaxCrossEntropy(targets, tf.matMul(X, W)«options»)«penalty»
const {{value, grad}} = tf.valueAndGrad(loss)(tf.tensor({json.dumps(W.ravel().tolist())}, {json.dumps(W.shape)}))
console.log(value.dataSync()[0], String(grad.dataSync()))
'''
subprocess.run(["node", "--eval", program], check=True)
"""


def prepare(problem: Problem) -> Prepared:
    """Eager. Everything is float32, whatever the type of W: TensorFlow.js has no other floating type."""
    found = programs.find_tensorflow_js()
    program = str(SOURCES / "tensorflow_js.js")
    return prepare_program(problem, "node", program, variables={"NODE_PATH": found[1]} if found else {})


def write_script(problem: Problem) -> str:
    """A script that runs a program in Node.js."""
    options, penalty = ", undefined, 0, tf.Reduction.MEAN", ""
    if problem.soft:
        targets = "tf.tensor({json.dumps(y.ravel().tolist())}, {json.dumps(y.shape)})"
    else:
        name = "y" if problem.ignore_index is None else "labels"
        kind = ', undefined, "int32"' if problem.y.dtype.kind in "iu" else ""
        targets = f"tf.oneHot(tf.tensor({{{name}.tolist()}}{kind}), {{W.shape[1]}})"
    if problem.weights is not None or problem.label_smoothing:
        weights = "undefined" if problem.weights is None else "tf.tensor({json.dumps(w.tolist())})"
        smoothing = "{label_smoothing}" if problem.label_smoothing else "0"
        options = f", {weights}, {smoothing}, tf.Reduction.MEAN"
    if problem.reg:
        penalty = ".add(W.square().sum().mul({json.dumps(reg)}))"
    script = SCRIPT.replace("«targets»", targets).replace("«options»", options)
    return script.replace("«penalty»", penalty)


def count_operations(N: int, D: int, K: int) -> float:
    """Operations. A call costs as much as a million of them."""
    return 4.0 * N * D * K + 1e6
