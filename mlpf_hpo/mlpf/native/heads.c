/* Before, in and behind the heads: inputs, normalisation, activations with dropout, the loss. */
#include "heads.h"

/* Columns of features, targets and outputs, and the order of the loss's terms; eta, sin phi and cos phi follow each
 * other in all four. */
enum { TYPES = 3, FEATURES = 12, TARGETS = 7, CLASSES = 6, OUTPUTS = 12 };
enum feature { F_ETA = 2, F_ENERGY = 5 };
enum target { T_CLASS, T_CHARGE, T_PT, T_ETA, T_ENERGY = 6 };
enum output { O_CHARGE = CLASSES, O_ETA, O_ENERGY = O_ETA + 3, O_PT };
enum term { CLASS, CHARGE, PT, ETA, ENERGY = ETA + 3 };

/* y = dropout(elu(x + bias)), bias or none. */
void elu_dropout(const float *restrict x, int64_t ldx, const float *restrict bias, float *restrict y,
                        int64_t ldy, int64_t n, int64_t width, dropout p)
{
    for (int64_t row = 0; row < n; row++)
        for (int64_t begin = 0; begin < width; begin += CHUNK) {
            const int64_t m = width - begin < CHUNK ? width - begin : CHUNK;
            const float *from = x + row * ldx + begin;
            float *to = y + row * ldy + begin;
            if (bias)
                for (int64_t i = 0; i < m; i++)
                    to[i] = elu_of(from[i] + bias[begin + i]);
            else
                for (int64_t i = 0; i < m; i++)
                    to[i] = elu_of(from[i]);
            if (p.dropped > 0)
                drop(to, m, row * width + begin, p);
        }
}

/* gradient *= slope of elu_dropout, by its output y. */
void elu_dropout_backward(const float *restrict y, int64_t ldy, float *restrict gradient, int64_t ldg,
                                 int64_t n, int64_t width, dropout p)
{
    const float top = p.dropped > 0 ? p.scale : 1.0f;
    for (int64_t row = 0; row < n; row++)
        for (int64_t i = 0; i < width; i++)
            gradient[row * ldg + i] *= slope_of(y[row * ldy + i], p.dropped, top);
}

/* One-hot type and the other columns of x [n, 12] into the first 14 columns of two matrices. Returns the number of
 * elements whose type there is not. */
EXPORT int64_t encode(const float *restrict x, float *restrict a, int64_t lda, float *restrict b, int64_t ldb,
                      int64_t n)
{
    int64_t unknown = 0;
    for (int64_t row = 0; row < n; row++) {
        const float *from = x + row * FEATURES;
        float *to = a + row * lda;
        unknown += !(from[0] >= 0.0f && from[0] < (float)TYPES);
        for (int i = 0; i < TYPES; i++)
            to[i] = from[0] >= (float)i && from[0] < (float)(i + 1) ? 1.0f : 0.0f;
        memcpy(to + TYPES, from + 1, (FEATURES - 1) * sizeof *to);
        memcpy(b + row * ldb, to, (TYPES + FEATURES - 1) * sizeof *to);
    }
    return unknown;
}

/* Layer normalisation of rows; `means` and `rstds` [n] are kept for the way back. */
EXPORT void layer_norm(const float *restrict x, int64_t ldx, const float *restrict weight,
                       const float *restrict bias, float epsilon, float *restrict y, int64_t ldy,
                       float *restrict means, float *restrict rstds, int64_t n, int64_t width)
{
    for (int64_t row = 0; row < n; row++) {
        const float *from = x + row * ldx;
        float *to = y + row * ldy;
        float sum = 0.0f, squares = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < width; i++)
            sum += from[i];
        const float mean = sum / (float)width;
#pragma omp simd reduction(+ : squares)
        for (int64_t i = 0; i < width; i++)
            squares += (from[i] - mean) * (from[i] - mean);
        const float rstd = 1.0f / sqrtf(squares / (float)width + epsilon);
        for (int64_t i = 0; i < width; i++)
            to[i] = (from[i] - mean) * rstd * weight[i] + bias[i];
        means[row] = mean;
        rstds[row] = rstd;
    }
}

/* Backward of layer_norm: to of_x for columns from `skip` on; sums over rows are added to of_weight and of_bias, by way
 * of `work` [2, width], so that many small numbers do not meet a large one. */
EXPORT void layer_norm_backward(const float *restrict gradient, int64_t ldg, const float *restrict x,
                                int64_t ldx, const float *restrict weight, const float *restrict means,
                                const float *restrict rstds, float *restrict of_x, int64_t ldo,
                                float *restrict of_weight, float *restrict of_bias, float *restrict work,
                                int64_t n, int64_t width, int64_t skip)
{
    float *weights = work, *biases = work + width;
    memset(work, 0, (size_t)(2 * width) * sizeof *work);
    for (int64_t row = 0; row < n; row++) {
        const float *up = gradient + row * ldg, *from = x + row * ldx;
        float *to = of_x + row * ldo;
        const float mean = means[row], rstd = rstds[row];
        float sum = 0.0f, along = 0.0f;
#pragma omp simd reduction(+ : sum, along)
        for (int64_t i = 0; i < width; i++) {
            const float normed = (from[i] - mean) * rstd, weighted = up[i] * weight[i];
            weights[i] += up[i] * normed;
            biases[i] += up[i];
            sum += weighted;
            along += weighted * normed;
        }
        sum /= (float)width;
        along /= (float)width;
        for (int64_t i = skip; i < width; i++)
            to[i] = rstd * (up[i] * weight[i] - sum - (from[i] - mean) * rstd * along);
        if (row % 128 == 127 || row == n - 1) {
            for (int64_t i = 0; i < width; i++) {
                of_weight[i] += weights[i];
                of_bias[i] += biases[i];
            }
            memset(work, 0, (size_t)(2 * width) * sizeof *work);
        }
    }
}

INLINE float huber(float error, float delta, float *slope)
{
    const float size = fabsf(error);
    *slope = size <= delta ? error : error > 0.0f ? delta : -delta;
    return size <= delta ? 0.5f * error * error : delta * (size - 0.5f * delta);
}

/* `slope` and the Huber loss of |value| - target: the network's energy and transverse momentum have no sign. */
INLINE float huber_of_size(float value, float target, float delta, float *slope)
{
    const float term = huber(fabsf(value) - target, delta, slope);
    *slope = value < 0.0f ? -*slope : value > 0.0f ? *slope : 0.0f;
    return term;
}

/* Losses of n elements by what the heads say of them, `outputs` [n, 12] in the order of `output` above; x [n, 12] are
 * the features, y [n, 7] the targets. The terms are added to `sums` [7]; outputs become gradients of the sum of
 * weights[term] x term. Returns the number of elements whose class there is not. */
EXPORT int64_t loss(float *restrict outputs, const float *restrict x, const float *restrict y,
                    const float *restrict weights, int64_t n, double *restrict sums)
{
    int64_t unknown = 0;
    for (int64_t row = 0; row < n; row++) {
        float *out = outputs + row * OUTPUTS;
        const float *feature = x + row * FEATURES, *target = y + row * TARGETS;
        if (!(target[T_CLASS] >= 0.0f && target[T_CLASS] < (float)CLASSES)) {
            unknown++;
            continue;
        }
        const int class = (int)target[T_CLASS];
        float highest = out[0], exps[CLASSES], total = 0.0f;
        for (int i = 1; i < CLASSES; i++)
            highest = out[i] > highest ? out[i] : highest;
        for (int i = 0; i < CLASSES; i++) {
            exps[i] = exp_of(out[i] - highest);
            total += exps[i];
        }
        sums[CLASS] += (double)(logf(total) + highest - out[class]);
        for (int i = 0; i < CLASSES; i++)
            out[i] = weights[CLASS] * (exps[i] / total - (i == class ? 1.0f : 0.0f));
        if (class == 0) { /* no target: what else is said of it does not count */
            memset(out + O_CHARGE, 0, (OUTPUTS - O_CHARGE) * sizeof *out);
            continue;
        }
        const float charge = out[O_CHARGE] - target[T_CHARGE];
        sums[CHARGE] += (double)(charge * charge);
        out[O_CHARGE] = weights[CHARGE] * 2.0f * charge;
        for (int i = 0; i < 3; i++) {
            float slope;
            sums[ETA + i] +=
                (double)huber(feature[F_ETA + i] + out[O_ETA + i] - target[T_ETA + i], 0.1f, &slope);
            out[O_ETA + i] = weights[ETA + i] * slope;
        }
        float slope;
        sums[ENERGY] +=
            (double)huber_of_size(feature[F_ENERGY] + out[O_ENERGY], target[T_ENERGY], 1.0f, &slope);
        out[O_ENERGY] = weights[ENERGY] * slope;
        sums[PT] += (double)huber_of_size(out[O_PT], target[T_PT], 1.0f, &slope);
        out[O_PT] = weights[PT] * slope;
    }
    return unknown;
}
