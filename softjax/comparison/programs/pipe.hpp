// The protocol of docs/guide/comparison_protocol.md for programs in C++, on little-endian machines.
//
// A program offers a function for each type that its library has, and hands these to `softjax::serve`.
#pragma once

#include <cxxabi.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <vector>

namespace softjax {

// A value of JSON: the text of a string, number or word; the items of a list; or the fields of an object.
struct Json {
  std::string text;
  std::vector<Json> items;
  std::map<std::string, Json> fields;
};

// The next character that says something.
inline char peek(const char*& at) {
  while (*at && std::strchr(" ,:\r", *at)) ++at;
  if (!*at) throw std::invalid_argument("the line ends too early");
  return *at;
}

// The value at `at`, which then points behind it. Texts have no escapes.
inline Json parse(const char*& at) {
  Json value;
  const char first = peek(at);
  if (first == '{') {
    for (++at; peek(at) != '}';) {
      const std::string name = parse(at).text;
      value.fields[name] = parse(at);
    }
    ++at;
  } else if (first == '[') {
    for (++at; peek(at) != ']';) value.items.push_back(parse(at));
    ++at;
  } else if (first == '"') {
    for (++at; *at && *at != '"'; ++at) value.text += *at;
    if (*at) ++at;
  } else {
    while (!std::strchr(" ,:]}\r", *at)) value.text += *at++;  // strchr finds the end of the line too
  }
  return value;
}

inline std::string quote(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return quoted + "\"";
}

template <typename T>
std::string name_type() {
  return std::is_same_v<T, float> ? "float32" : std::is_same_v<T, double> ? "float64" : "int64";
}

struct Array {
  std::string dtype;
  std::vector<std::size_t> shape;
  std::string bytes;

  template <typename T>
  std::vector<T> read() const {
    if (dtype != name_type<T>()) throw std::invalid_argument("expected " + name_type<T>() + ", got " + dtype);
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};

using Arrays = std::map<std::string, Array>;

inline Arrays read_arrays(const Json& question) {
  Arrays arrays;
  const auto declared = question.fields.find("arrays");
  if (declared == question.fields.end()) return arrays;
  for (const Json& item : declared->second.items) {
    Array array{item.fields.at("dtype").text, {}, ""};
    std::size_t size = array.dtype == "float32" ? 4 : 8;
    for (const Json& length : item.fields.at("shape").items) {
      array.shape.push_back(std::strtoull(length.text.c_str(), nullptr, 10));
      size *= array.shape.back();
    }
    array.bytes.resize(size);
    std::cin.read(array.bytes.data(), static_cast<std::streamsize>(size));
    arrays[item.fields.at("name").text] = std::move(array);
  }
  return arrays;
}

// What is to be minimized: Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ + l1 Σ|W| + l2 ΣW².
template <typename Real>
struct Problem {
  std::size_t N, D;
  std::vector<Real> X;               // N × D
  std::vector<std::int64_t> labels;  // N; empty if there are targets
  std::vector<Real> targets;         // N × K; empty if there are labels
  std::vector<Real> weights;         // N
  Real l1, l2;

  Problem(const Json& question, const Arrays& arrays) {
    const Array& features = arrays.at("X");
    D = features.shape.back();
    N = 1;
    for (std::size_t i = 0; i + 1 < features.shape.size(); ++i) N *= features.shape[i];
    X = features.read<Real>();
    if (arrays.count("T")) {
      targets = arrays.at("T").read<Real>();
    } else {
      labels = arrays.at(arrays.count("labels") ? "labels" : "y").read<std::int64_t>();
    }
    weights = arrays.count("w") ? arrays.at("w").read<Real>() : std::vector<Real>(N, 1);
    l1 = static_cast<Real>(std::strtod(question.fields.at("l1").text.c_str(), nullptr));
    l2 = static_cast<Real>(std::strtod(question.fields.at("l2").text.c_str(), nullptr));
  }

  // C++ would read beside the array.
  void check_labels(std::size_t K) const {
    for (std::size_t i = 0; targets.empty() && i < N; ++i) {
      if (labels.at(i) < 0 || labels[i] >= static_cast<std::int64_t>(K))
        throw std::out_of_range("label " + std::to_string(labels[i]) + " of " + std::to_string(K) + " classes");
    }
  }
};

// The loss at W (D × K), whose gradient is written to the last argument.
template <typename Real>
using LossAndGrad =
    std::function<Real(const Problem<Real>&, std::size_t K, const std::vector<Real>& W, std::vector<Real>& grad)>;

// A problem in a library, in one of its types.
struct Session {
  virtual ~Session() = default;
  virtual std::size_t place(const Array& W) = 0;
  virtual double loss_and_grad(std::size_t id) = 0;  // the seconds that it took
  virtual std::string describe() const = 0;          // the arrays that `write` writes
  virtual void write(std::FILE* file) const = 0;
};

template <typename Real>
struct SessionOf : Session {
  Problem<Real> problem;
  LossAndGrad<Real> function;
  std::vector<std::vector<Real>> placed;
  std::size_t K = 0;
  Real loss = 0;
  std::vector<Real> grad;

  SessionOf(const Problem<Real>& problem, const LossAndGrad<Real>& function) : problem(problem), function(function) {}

  std::size_t place(const Array& W) override {
    K = W.shape.at(1);
    problem.check_labels(K);
    placed.push_back(W.read<Real>());
    grad.resize(placed.back().size());
    return placed.size() - 1;
  }

  double loss_and_grad(std::size_t id) override {
    const auto start = std::chrono::steady_clock::now();
    loss = function(problem, K, placed.at(id), grad);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::string describe() const override {
    const std::string type = "\"dtype\": " + quote(name_type<Real>());
    const std::string shape = "[" + std::to_string(problem.D) + ", " + std::to_string(K) + "]";
    return "{\"name\": \"loss\", " + type + ", \"shape\": []}, {\"name\": \"grad\", " + type + ", \"shape\": " + shape +
           "}";
  }

  void write(std::FILE* file) const override {
    std::fwrite(&loss, sizeof(Real), 1, file);
    std::fwrite(grad.data(), sizeof(Real), grad.size(), file);
  }
};

// The function of a library for one type, as it is handed to `serve`.
struct Offer {
  std::string dtype;
  std::function<std::unique_ptr<Session>(const Json&, const Arrays&)> start;
};

template <typename Real>
Offer offer(LossAndGrad<Real> function) {
  return {name_type<Real>(), [function](const Json& question, const Arrays& arrays) -> std::unique_ptr<Session> {
            return std::make_unique<SessionOf<Real>>(Problem<Real>(question, arrays), function);
          }};
}

inline std::string describe_error(const std::exception& error) {
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, nullptr), std::free);
  return "{\"error\": " + quote(name.get()) + ", \"message\": " + quote(error.what()) + "}";
}

// Answers questions until standard input ends. What libraries print goes to standard error.
inline int serve(const std::string& name, const std::string& version, const std::vector<Offer>& offers) {
  std::ios::sync_with_stdio(false);
  std::FILE* answers = fdopen(dup(1), "w");
  dup2(2, 1);
  std::unique_ptr<Session> session;
  std::string line, dtypes;
  for (const Offer& offer : offers) dtypes += (dtypes.empty() ? "" : ", ") + quote(offer.dtype);
  while (std::getline(std::cin, line)) {
    std::string answer;
    bool reads = false;
    try {
      const char* at = line.c_str();
      const Json question = parse(at);
      const Arrays arrays = read_arrays(question);
      const std::string what = question.fields.at("do").text;
      if (what == "hello") {
        answer = "{\"name\": " + quote(name) + ", \"version\": " + quote(version) + ", \"dtypes\": [" + dtypes + "]}";
      } else if (what == "prepare") {
        for (const Offer& offer : offers)
          if (offer.dtype == arrays.at("X").dtype) session = offer.start(question, arrays);
        answer = "{\"done\": true}";
      } else if (what == "place") {
        answer = "{\"id\": " + std::to_string(session->place(arrays.at("W"))) + "}";
      } else if (what == "loss_and_grad") {
        char seconds[32];
        const std::size_t id = std::strtoull(question.fields.at("id").text.c_str(), nullptr, 10);
        std::snprintf(seconds, sizeof seconds, "%.9g", session->loss_and_grad(id));
        answer = std::string("{\"seconds\": ") + seconds + "}";
      } else if (what == "read") {
        answer = "{\"arrays\": [" + session->describe() + "]}";
        reads = true;
      } else {
        answer = "{\"not offered\": " + quote(what) + "}";
      }
    } catch (const std::exception& error) {
      answer = describe_error(error);
    }
    std::fprintf(answers, "%s\n", answer.c_str());
    if (reads) session->write(answers);
    std::fflush(answers);
  }
  return 0;
}

}  // namespace softjax
