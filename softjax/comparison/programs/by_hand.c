// The loss and gradient of the comparison by hand, in C on one core: the floor that libraries are compared with.
//
// It is compiled with REAL defined as float and as double. The two matrix products take most of the time. They go by blocks
// of ROWS examples and LANES classes, whose sums stay in registers; `lanes` holds the numbers of LANES classes, and GCC and
// Clang do arithmetic on it with vector instructions.

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)

typedef REAL real;
typedef real lanes __attribute__((vector_size(64)));
enum { LANES = 64 / sizeof(real), ROWS = 8 };

// The rows i to i + ROWS of X (N, D). Rows behind the last are the last once more: their results are not used.
static void find_rows(const real *rows[ROWS], const real *X, size_t i, size_t N, size_t D) {
  for (size_t r = 0; r < ROWS; r++) rows[r] = X + (i + r < N ? i + r : N - 1) * D;
}

// S = X W, (N, K).
static void multiply(real *restrict S, const real *X, const real *W, size_t N, size_t D, size_t K, lanes *tile) {
  for (size_t k = 0; k < K; k += LANES) {
    const size_t bytes = (K - k < LANES ? K - k : LANES) * sizeof(real);
    memset(tile, 0, D * sizeof(lanes));
    for (size_t d = 0; d < D; d++) memcpy(&tile[d], W + d * K + k, bytes);
    for (size_t i = 0; i < N; i += ROWS) {
      const real *x[ROWS];
      lanes sums[ROWS] = {{0}};
      find_rows(x, X, i, N, D);
      for (size_t d = 0; d < D; d++)
        for (size_t r = 0; r < ROWS; r++) sums[r] += x[r][d] * tile[d];
      for (size_t r = 0; r < ROWS; r++)
        if (i + r < N) memcpy(S + (i + r) * K + k, &sums[r], bytes);
    }
  }
}

// grad = Xᵀ Q, (D, K).
static void multiply_back(real *restrict grad, const real *X, const real *Q, size_t N, size_t D, size_t K,
                          lanes *tile) {
  for (size_t k = 0; k < K; k += LANES) {
    const size_t bytes = (K - k < LANES ? K - k : LANES) * sizeof(real);
    memset(tile, 0, D * sizeof(lanes));
    for (size_t i = 0; i < N; i += ROWS) {
      const real *x[ROWS];
      lanes q[ROWS] = {{0}};
      find_rows(x, X, i, N, D);
      for (size_t r = 0; r < ROWS; r++)
        if (i + r < N) memcpy(&q[r], Q + (i + r) * K + k, bytes);
      for (size_t d = 0; d < D; d++) {
        lanes sum = tile[d];
        for (size_t r = 0; r < ROWS; r++) sum += x[r][d] * q[r];
        tile[d] = sum;
      }
    }
    for (size_t d = 0; d < D; d++) memcpy(grad + d * K + k, &tile[d], bytes);
  }
}

// The loss of an example with scores s (K), −Σₖ tₖ log pₖ. In the place of s it leaves share · (p Σₖ tₖ − t).
// The targets t are those of `label` if `targets` is NULL.
static real differentiate_scores(real *s, size_t K, int64_t label, const real *targets, real share) {
  real most = -INFINITY, total = 0, sum = 0, product = 0;
  for (size_t k = 0; k < K; k++)
    if (s[k] > most) most = s[k];
  for (size_t k = 0; k < K; k++) {
    s[k] -= most;
    if (targets) sum += targets[k], product += targets[k] * s[k];
  }
  if (!targets) sum = 1, product = s[label];
  for (size_t k = 0; k < K; k++) total += s[k] = exp(s[k]);
  for (size_t k = 0; k < K; k++) s[k] = share * (s[k] / total * sum - (targets ? targets[k] : k == (size_t)label));
  return log(total) * sum - product;
}

// The penalty l1 Σ|W| + l2 ΣW², whose slope l1 sign(W) + 2 l2 W is added to the gradient.
static real add_penalty(real *restrict grad, const real *W, size_t D, size_t K, real l1, real l2) {
  real sizes = 0, squares = 0;
  for (size_t d = 0; d < D; d++) {
    real size = 0, square = 0;
    for (size_t j = d * K; j < (d + 1) * K; j++) {
      size += fabs(W[j]), square += W[j] * W[j];
      if (l1) grad[j] += l1 * ((W[j] > 0) - (W[j] < 0));
      if (l2) grad[j] += 2 * l2 * W[j];
    }
    sizes += size, squares += square;
  }
  return (l1 ? l1 * sizes : 0) + (l2 ? l2 * squares : 0);
}

// The loss Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ and the penalty at W (D, K), and the gradient (D, K). `scores` is room for N × K numbers.
// Either `labels` (N) or `targets` (N, K) is NULL.
real NAME(loss_and_grad_, REAL)(size_t N, size_t D, size_t K, const real *X, const int64_t *labels, const real *targets,
                                const real *weights, real l1, real l2, const real *W, real *grad, real *scores) {
  lanes *tile = aligned_alloc(sizeof(lanes), (D + 1) * sizeof(lanes));
  real loss = 0, whole = 0;
  for (size_t i = 0; i < N; i++) whole += weights[i];
  multiply(scores, X, W, N, D, K, tile);
  for (size_t i = 0; i < N; i++)
    loss += weights[i] * differentiate_scores(scores + i * K, K, labels ? labels[i] : -1,
                                              targets ? targets + i * K : NULL, weights[i] / whole);
  multiply_back(grad, X, scores, N, D, K, tile);
  free(tile);
  loss /= whole;
  return l1 || l2 ? loss + add_penalty(grad, W, D, K, l1, l2) : loss;
}
