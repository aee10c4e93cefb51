// TensorFlow.js: tf.losses.softmaxCrossEntropy and tf.valueAndGrad, on its backend in plain JavaScript.
//
// It speaks the protocol of docs/guide/comparison_protocol.md, and reads and writes without waiting for events.

const fs = require("fs");
console.log = console.info = console.error; // standard output is for answers
const tf = require("@tensorflow/tfjs");

const TYPES = { float32: Float32Array, int64: BigInt64Array };

let problem = null; // the arrays as tensors, and the numbers of the question
let placed = []; // tensors W
let result = null; // {value, grad}

// What is read from standard input and not used yet.
let rest = Buffer.alloc(0);

function readMore() {
  const chunk = Buffer.allocUnsafe(1 << 20);
  const count = fs.readSync(0, chunk, 0, chunk.length, null);
  return chunk.subarray(0, count);
}

// A line, or null where the input ends.
function readLine() {
  let end;
  while ((end = rest.indexOf("\n")) < 0) {
    const chunk = readMore();
    if (chunk.length === 0) return null;
    rest = Buffer.concat([rest, chunk]);
  }
  const line = rest.toString("utf8", 0, end);
  rest = rest.subarray(end + 1);
  return line;
}

function readValues({ dtype, shape }) {
  const values = new TYPES[dtype](shape.reduce((size, length) => size * length, 1));
  const bytes = new Uint8Array(values.buffer);
  for (let filled = 0; filled < bytes.length; ) {
    if (rest.length === 0) rest = readMore();
    if (rest.length === 0) throw new Error("the input ends in an array");
    const part = rest.subarray(0, bytes.length - filled);
    bytes.set(part, filled);
    filled += part.length;
    rest = rest.subarray(part.length);
  }
  return values;
}

function toTensor(values, { dtype, shape }) {
  return dtype === "int64" ? tf.tensor(Int32Array.from(values, Number), shape, "int32") : tf.tensor(values, shape);
}

function write(bytes) {
  for (let written = 0; written < bytes.length; ) written += fs.writeSync(1, bytes, written);
}

function computeLoss(W) {
  const { X, y, w, l1, l2, label_smoothing: smoothing } = problem;
  const logits = tf.matMul(X, W);
  const targets = y.rank === X.rank ? y : tf.oneHot(problem.labels ?? y, W.shape[1]);
  let loss = tf.losses.softmaxCrossEntropy(targets, logits, w, smoothing, tf.Reduction.MEAN);
  if (l1) loss = loss.add(tf.abs(W).sum().mul(l1));
  if (l2) loss = loss.add(W.square().sum().mul(l2));
  return loss;
}

function answer(question, arrays) {
  switch (question.do) {
    case "hello":
      tf.setBackend("cpu");
      return { name: "TensorFlow.js", version: tf.version.tfjs, dtypes: ["float32"] };
    case "prepare":
      tf.dispose([problem, placed, result]);
      placed = [];
      result = null;
      problem = { ...question, ...arrays, l1: Number(question.l1), l2: Number(question.l2) };
      return { done: true };
    case "place":
      return { id: placed.push(arrays.W) - 1 };
    case "loss_and_grad": {
      tf.dispose(result);
      const start = process.hrtime.bigint();
      result = tf.valueAndGrad(computeLoss)(placed[question.id]);
      return { seconds: Number(process.hrtime.bigint() - start) / 1e9 };
    }
    case "read":
      return {
        arrays: [
          { name: "loss", dtype: "float32", shape: [] },
          { name: "grad", dtype: "float32", shape: result.grad.shape },
        ],
      };
    default:
      return { "not offered": question.do };
  }
}

for (let line = readLine(); line !== null; line = readLine()) {
  const question = JSON.parse(line);
  const declared = question.arrays ?? [];
  const values = declared.map(readValues);
  let reply;
  try {
    const arrays = Object.fromEntries(declared.map((array, i) => [array.name, toTensor(values[i], array)]));
    reply = answer(question, arrays);
  } catch (error) {
    reply = { error: error.name, message: error.message };
  }
  write(Buffer.from(JSON.stringify(reply) + "\n"));
  if (reply.arrays) {
    for (const tensor of [result.value, result.grad]) {
      const values = tensor.dataSync();
      write(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    }
  }
}
