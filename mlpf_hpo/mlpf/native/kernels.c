/* What lies between the matrix products of a training step of MLPF, each in one pass over its numbers.
 *
 * Plain C11, single precision, row-major; `ld` is the distance of two rows in numbers. Nothing is allocated and no
 * state is kept, so that trials in one process may call at once. The compiler vectorises the inner loops for the
 * instruction set that a build is for. Sizes and strides are checked by the caller (library.py).
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

enum { CHUNK = 256, WORDS = CHUNK / 4 + 2 };

/* exp(x): x = n ln 2 + r, and a polynomial of r. An error of 2 units in the last place; beyond +-87 its ends. */
INLINE float exp_of(float x)
{
    const float round_to_whole = 12582912.0f; /* 1.5 x 2^23: what is added to it loses its fraction */
    x = x < -87.0f ? -87.0f : x;
    x = x > 87.0f ? 87.0f : x;
    const float shifted = x * 1.44269504f + round_to_whole;
    const float n = shifted - round_to_whole;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u;
    float power;
    memcpy(&power, &bits, sizeof power);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * power;
}

INLINE float elu_of(float x)
{
    const float below = exp_of(x < 0.0f ? x : 0.0f) - 1.0f;
    return x > 0.0f ? x : below;
}

/* Random words by their number alone (splitmix64): word i of a seed. */
INLINE uint64_t random_word(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

typedef union {
    uint64_t words[WORDS];
    uint16_t quarters[4 * WORDS];
} random_bits;

/* Return 16 random bits for each of n <= CHUNK elements from number `first` on. */
INLINE const uint16_t *draw(random_bits *bits, uint64_t seed, int64_t first, int64_t n)
{
    const int64_t from = first / 4, offset = first % 4, count = (offset + n + 3) / 4;
    for (int64_t i = 0; i < count; i++)
        bits->words[i] = random_word(seed, (uint64_t)(from + i));
    return bits->quarters + offset;
}

/* y = elu(x + bias), in which elements are dropped if their 16 bits are below `dropped`; others times `scale`.
 * A kept zero becomes the smallest normal number, so that y = 0 says that it was dropped. */
EXPORT void elu_dropout(const float *x, int64_t ldx, const float *bias, float *y, int64_t ldy, int64_t n,
                        int64_t width, uint64_t seed, int64_t first, int64_t dropped, float scale)
{
    random_bits random;
    for (int64_t row = 0; row < n; row++) {
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
            if (dropped > 0) {
                const uint16_t *bits = draw(&random, seed, first + row * width + begin, m);
                for (int64_t i = 0; i < m; i++) {
                    const float kept = to[i] == 0.0f ? 1.17549435e-38f : to[i] * scale;
                    to[i] = bits[i] >= dropped ? kept : 0.0f;
                }
            }
        }
    }
}

/* g *= slope of elu_dropout, by its output y. */
EXPORT void elu_dropout_backward(const float *y, int64_t ldy, float *g, int64_t ldg, int64_t n, int64_t width,
                                 int64_t dropped, float scale)
{
    for (int64_t row = 0; row < n; row++) {
        const float *out = y + row * ldy;
        float *gradient = g + row * ldg;
        if (dropped > 0)
            for (int64_t i = 0; i < width; i++) {
                const float slope = (out[i] < 0.0f ? out[i] : 0.0f) + scale;
                gradient[i] = out[i] == 0.0f ? 0.0f : gradient[i] * slope;
            }
        else
            for (int64_t i = 0; i < width; i++)
                gradient[i] *= (out[i] < 0.0f ? out[i] : 0.0f) + 1.0f;
    }
}

/* sums[i] += sum over rows of x[row][i]. */
EXPORT void add_column_sums(const float *x, int64_t ldx, int64_t n, int64_t width, float *sums)
{
    for (int64_t row = 0; row < n; row++)
        for (int64_t i = 0; i < width; i++)
            sums[i] += x[row * ldx + i];
}

/* The code of each row: its largest projection m among those of its event, with its sign, argmax([m, -m]). */
EXPORT void hash_codes(const float *projection, int64_t ld, const int64_t *ptr, const int64_t *hyperplanes,
                       int64_t events, int64_t most, int32_t *codes)
{
    for (int64_t event = 0; event < events; event++) {
        const int64_t h = hyperplanes[event];
        for (int64_t row = ptr[event]; row < ptr[event + 1]; row++) {
            const float *p = projection + row * ld;
            float high = -INFINITY, low = INFINITY;
            int64_t at_high = 0, at_low = 0;
            for (int64_t i = 0; i < h; i++) {
                if (p[i] > high) {
                    high = p[i];
                    at_high = i;
                }
                if (p[i] < low) {
                    low = p[i];
                    at_low = i;
                }
            }
            codes[row] = (int32_t)(h == 0 ? 0 : high >= -low ? at_high : most + at_low);
        }
    }
}

/* Sort the elements of each event by code, stably; counts has `n_codes` + 1 places to work in.
 * slots[event] is the first slot of an event; element[slot] and slot[element] name each other. */
EXPORT void sort_into_bins(const int32_t *codes, const int64_t *ptr, const int64_t *slots, int64_t events,
                           int64_t n_codes, int64_t *counts, int64_t *slot, int64_t *element)
{
    for (int64_t event = 0; event < events; event++) {
        const int64_t first = ptr[event], last = ptr[event + 1];
        memset(counts, 0, (size_t)(n_codes + 1) * sizeof *counts);
        for (int64_t row = first; row < last; row++)
            counts[codes[row] + 1]++;
        for (int64_t code = 0; code < n_codes; code++)
            counts[code + 1] += counts[code];
        for (int64_t row = first; row < last; row++) {
            const int64_t place = slots[event] + counts[codes[row]]++;
            slot[row] = place;
            element[place] = row;
        }
    }
}

/* to[slot] = weight[slot] from[element[slot]], or without weights; zeros in slots of no element. */
EXPORT void gather_rows(const float *from, int64_t ld, const int64_t *element, const float *weight, float *to,
                        int64_t n_slots, int64_t width)
{
    for (int64_t slot = 0; slot < n_slots; slot++) {
        float *row = to + slot * width;
        if (element[slot] < 0) {
            memset(row, 0, (size_t)width * sizeof *row);
            continue;
        }
        const float *source = from + element[slot] * ld;
        if (weight)
            for (int64_t i = 0; i < width; i++)
                row[i] = weight[slot] * source[i];
        else
            memcpy(row, source, (size_t)width * sizeof *row);
    }
}

/* From the products e_i e_j of each bin, in place: the kernel exp(-0.1 |e_i - e_j|). `slope` is its derivative with
 * respect to the squared distance, `norm` the inverse root of its row sums. `filled` counts a bin's elements. */
EXPORT void neighbourhood(float *kernel, float *slope, float *norm, const int64_t *filled, int64_t bins,
                          int64_t size, float *squares)
{
    for (int64_t bin = 0; bin < bins; bin++) {
        const int64_t m = filled[bin];
        float *k = kernel + bin * size * size, *f = slope + bin * size * size, *scale = norm + bin * size;
        for (int64_t i = 0; i < m; i++)
            squares[i] = k[i * size + i];
        for (int64_t i = 0; i < m; i++) {
            float *row = k + i * size, *derivative = f + i * size;
            const float own = squares[i];
            float degree = 0.0f;
#pragma omp simd reduction(+ : degree)
            for (int64_t j = 0; j < m; j++) {
                const float squared = own + squares[j] - 2.0f * row[j];
                const float distance = sqrtf(squared > 1e-6f ? squared : 1e-6f);
                const float value = exp_of(-0.1f * distance);
                row[j] = value;
                derivative[j] = squared > 1e-6f ? -0.05f * value / distance : 0.0f;
                degree += value;
            }
            for (int64_t j = m; j < size; j++)
                row[j] = derivative[j] = 0.0f;
            scale[i] = 1.0f / sqrtf(degree + 1e-6f);
        }
        memset(k + m * size, 0, (size_t)((size - m) * size) * sizeof *k);
        memset(f + m * size, 0, (size_t)((size - m) * size) * sizeof *f);
        for (int64_t i = m; i < size; i++)
            scale[i] = 0.0f;
    }
}

/* Messages, gate and activation of each element. `parts` has its heterogeneous part and its gate side by side; the
 * gate becomes sigmoid(gate + bias). y = elu_dropout(g homogeneous + (1 - g) heterogeneous). */
EXPORT void gate(float *parts, int64_t ldp, const float *bias, const float *exchanged, const float *norm,
                 const int64_t *slot, float *y, int64_t ldy, int64_t n, int64_t width, uint64_t seed,
                 int64_t dropped, float scale)
{
    random_bits random;
    for (int64_t row = 0; row < n; row++) {
        const float *heterogeneous = parts + row * ldp, *messages = exchanged + slot[row] * width;
        float *opening = parts + row * ldp + width, *to = y + row * ldy;
        const float normed = norm[slot[row]];
        for (int64_t i = 0; i < width; i++) {
            const float g = 1.0f / (1.0f + exp_of(-(opening[i] + bias[i])));
            opening[i] = g;
            to[i] = elu_of(heterogeneous[i] + g * (normed * messages[i] - heterogeneous[i]));
        }
        for (int64_t begin = 0; dropped > 0 && begin < width; begin += CHUNK) {
            const int64_t m = width - begin < CHUNK ? width - begin : CHUNK;
            const uint16_t *bits = draw(&random, seed, row * width + begin, m);
            for (int64_t i = 0; i < m; i++) {
                const float value = to[begin + i];
                const float kept = value == 0.0f ? 1.17549435e-38f : value * scale;
                to[begin + i] = bits[i] >= dropped ? kept : 0.0f;
            }
        }
    }
}

/* Backward of `gate`. `gradient` is that of y; of the parts it goes to `of_parts`, of the products K n x to
 * `of_exchanged` (by slots, times n; those without an element are left alone), of n to `of_norm`. */
EXPORT void gate_backward(const float *y, int64_t ldy, const float *gradient, int64_t ldg, const float *parts,
                          int64_t ldp, const float *exchanged, const float *norm, const int64_t *slot,
                          float *of_parts, int64_t ldo, float *of_exchanged, float *of_norm, float *of_bias,
                          int64_t n, int64_t width, int64_t dropped, float scale)
{
    const float top = dropped > 0 ? scale : 1.0f;
    for (int64_t row = 0; row < n; row++) {
        const float *out = y + row * ldy, *up = gradient + row * ldg, *heterogeneous = parts + row * ldp;
        const float *g = heterogeneous + width, *messages = exchanged + slot[row] * width;
        float *of_heterogeneous = of_parts + row * ldo, *of_gate = of_heterogeneous + width;
        float *back = of_exchanged + slot[row] * width;
        const float normed = norm[slot[row]];
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < width; i++) {
            float mixed = up[i] * ((out[i] < 0.0f ? out[i] : 0.0f) + top);
            mixed = dropped > 0 && out[i] == 0.0f ? 0.0f : mixed;
            const float homogeneous = mixed * g[i];
            const float opening =
                mixed * (normed * messages[i] - heterogeneous[i]) * g[i] * (1.0f - g[i]);
            of_heterogeneous[i] = mixed - homogeneous;
            of_gate[i] = opening;
            of_bias[i] += opening;
            back[i] = normed * homogeneous;
            sum += homogeneous * messages[i];
        }
        of_norm[slot[row]] = sum;
    }
}

/* Backward of the weights n that messages go out with: `of_sent` is the gradient of n x by slots, x that of
 * elements. Goes to x, and completes the gradient of n: with it, `of_norm` becomes that of the row sums of the kernel. */
EXPORT void send_backward(const float *of_sent, const float *x, int64_t ldx, const float *norm,
                          const int64_t *slot, float *of_x, int64_t ldo, float *of_norm, int64_t n, int64_t width)
{
    for (int64_t row = 0; row < n; row++) {
        const int64_t at = slot[row];
        const float *from = of_sent + at * width, *own = x + row * ldx;
        float *to = of_x + row * ldo;
        const float normed = norm[at];
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < width; i++) {
            to[i] = normed * from[i];
            sum += from[i] * own[i];
        }
        of_norm[at] = -0.5f * normed * normed * normed * (of_norm[at] + sum);
    }
}

/* Backward of the squared distances. `of_kernel` [bins, size, size] is the gradient of the kernel from its products;
 * with `of_degree` and the slope it becomes a symmetric one of the distances, whose row sums go to `sums`. */
EXPORT void distances_backward(float *of_kernel, const float *slope, const float *of_degree,
                               const int64_t *filled, int64_t bins, int64_t size, float *sums)
{
    for (int64_t bin = 0; bin < bins; bin++) {
        const int64_t m = filled[bin];
        float *a = of_kernel + bin * size * size;
        const float *f = slope + bin * size * size, *degree = of_degree + bin * size;
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < size; j++)
                a[i * size + j] = (a[i * size + j] + degree[i]) * f[i * size + j];
        memset(a + m * size, 0, (size_t)((size - m) * size) * sizeof *a);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < i; j++) {
                const float both = a[i * size + j] + a[j * size + i];
                a[i * size + j] = a[j * size + i] = both;
            }
        for (int64_t i = 0; i < size; i++) {
            float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < size; j++)
                sum += j == i ? 0.0f : a[i * size + j];
            sums[bin * size + i] = sum;
            a[i * size + i] = 0.0f;
        }
    }
}

/* of_embedding[element] = 2 (sums e - products), products those of the symmetric gradient with e, by slots. */
EXPORT void embedding_backward(const float *products, const float *embedding, const float *sums,
                               const int64_t *slot, float *of_embedding, int64_t n, int64_t width)
{
    for (int64_t row = 0; row < n; row++) {
        const int64_t at = slot[row];
        const float *product = products + at * width, *own = embedding + at * width;
        float *to = of_embedding + row * width;
        for (int64_t i = 0; i < width; i++)
            to[i] = 2.0f * (sums[at] * own[i] - product[i]);
    }
}

/* One-hot type and the other columns of x [n, 12] into the first 14 columns of two matrices. */
EXPORT void encode(const float *x, float *a, int64_t lda, float *b, int64_t ldb, int64_t n)
{
    for (int64_t row = 0; row < n; row++) {
        const float *from = x + row * 12;
        float *to = a + row * lda;
        const int type = (int)from[0];
        for (int i = 0; i < 3; i++)
            to[i] = type == i ? 1.0f : 0.0f;
        memcpy(to + 3, from + 1, 11 * sizeof *to);
        memcpy(b + row * ldb, to, 14 * sizeof *to);
    }
}

/* Layer normalisation of rows; `means` and `rstds` [n] are kept for the way back. */
EXPORT void layer_norm(const float *x, int64_t ldx, const float *weight, const float *bias, float epsilon,
                       float *y, int64_t ldy, float *means, float *rstds, int64_t n, int64_t width)
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

/* Backward of layer_norm, for columns from `skip` on, to of_x; sums over rows to of_weight and of_bias. */
EXPORT void layer_norm_backward(const float *gradient, int64_t ldg, const float *x, int64_t ldx,
                                const float *weight, const float *means, const float *rstds, float *of_x,
                                int64_t ldo, float *of_weight, float *of_bias, int64_t n, int64_t width,
                                int64_t skip)
{
    for (int64_t row = 0; row < n; row++) {
        const float *up = gradient + row * ldg, *from = x + row * ldx;
        float *to = of_x + row * ldo;
        const float mean = means[row], rstd = rstds[row];
        float sum = 0.0f, along = 0.0f;
#pragma omp simd reduction(+ : sum, along)
        for (int64_t i = 0; i < width; i++) {
            const float normed = (from[i] - mean) * rstd, weighted = up[i] * weight[i];
            of_weight[i] += up[i] * normed;
            of_bias[i] += up[i];
            sum += weighted;
            along += weighted * normed;
        }
        sum /= (float)width;
        along /= (float)width;
        for (int64_t i = skip; i < width; i++)
            to[i] = rstd * (up[i] * weight[i] - sum - (from[i] - mean) * rstd * along);
    }
}

INLINE float huber(float error, float delta, float *slope)
{
    const float size = fabsf(error);
    *slope = size <= delta ? error : error > 0.0f ? delta : -delta;
    return size <= delta ? 0.5f * error * error : delta * (size - 0.5f * delta);
}

/* Losses of n elements by the outputs of the heads: logits [n, 6], charge, eta, phi [n, 2], energy, pt, in `outputs`
 * [n, 12] in this order. x [n, 12] are the features, y [n, 7] the targets: class, charge, pt, eta, sin, cos, energy.
 * Sums of the terms (class, charge, pt, eta, sin, cos, energy) are added to `sums`; outputs become gradients of the
 * sum of weights[term] x term. */
EXPORT void loss(float *outputs, const float *x, const float *y, const float *weights, int64_t n, double *sums)
{
    for (int64_t row = 0; row < n; row++) {
        float *out = outputs + row * 12;
        const float *feature = x + row * 12, *target = y + row * 7;
        const int pid = (int)target[0];
        float highest = out[0];
        for (int i = 1; i < 6; i++)
            highest = out[i] > highest ? out[i] : highest;
        float exps[6], total = 0.0f;
        const float chosen = out[pid];
        for (int i = 0; i < 6; i++) {
            exps[i] = exp_of(out[i] - highest);
            total += exps[i];
        }
        sums[0] += (double)(logf(total) + highest - chosen);
        for (int i = 0; i < 6; i++)
            out[i] = weights[0] * (exps[i] / total - (i == pid ? 1.0f : 0.0f));
        if (pid <= 0) {
            for (int i = 6; i < 12; i++)
                out[i] = 0.0f;
            continue;
        }
        float slope;
        const float charge = out[6] - target[1];
        sums[1] += (double)(charge * charge);
        out[6] = weights[1] * 2.0f * charge;
        sums[3] += (double)huber(feature[2] + out[7] - target[3], 0.1f, &slope);
        out[7] = weights[3] * slope;
        sums[4] += (double)huber(feature[3] + out[8] - target[4], 0.1f, &slope);
        out[8] = weights[4] * slope;
        sums[5] += (double)huber(feature[4] + out[9] - target[5], 0.1f, &slope);
        out[9] = weights[5] * slope;
        const float energy = feature[5] + out[10];
        sums[6] += (double)huber(fabsf(energy) - target[6], 1.0f, &slope);
        out[10] = weights[6] * (energy < 0.0f ? -slope : energy > 0.0f ? slope : 0.0f);
        const float pt = out[11];
        sums[2] += (double)huber(fabsf(pt) - target[2], 1.0f, &slope);
        out[11] = weights[2] * (pt < 0.0f ? -slope : pt > 0.0f ? slope : 0.0f);
    }
}
