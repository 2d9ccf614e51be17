/* Between the matrix products of a graph layer, forward and backward, each in one pass over its numbers. */
#include "graph_layer.h"

#define LEAST_SQUARE 1e-6f
#define LEAST_DEGREE 1e-6f

/* The code of each row: its largest projection m among those of its event, with its sign, argmax([m, -m]). */
EXPORT void hash_codes(const float *restrict projection, int64_t ld, const int64_t *restrict ptr,
                       const int64_t *restrict hyperplanes, int64_t events, int64_t most,
                       int32_t *restrict codes)
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
void sort_into_bins(const int32_t *restrict codes, const int64_t *restrict ptr,
                           const int64_t *restrict slots, int64_t events, int64_t n_codes,
                           int64_t *restrict counts, int64_t *restrict slot, int64_t *restrict element)
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
void gather_rows(const float *restrict from, int64_t ld, const int64_t *restrict element,
                        const float *restrict weight, float *restrict to, int64_t n_slots, int64_t width)
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

/* From the products e_i e_j of a bin's m elements, in place: the kernel exp(-0.1 |e_i - e_j|). `slope` becomes its
 * derivative with respect to the squared distance, `norm` the inverse root of its row sums. Rows are `size` apart,
 * and the kernel is zero where there is no element; `squares` has room for one. */
void neighbourhood(float *restrict kernel, float *restrict slope, float *restrict norm, int64_t m, int64_t size,
                   float *restrict squares)
{
    for (int64_t i = 0; i < m; i++)
        squares[i] = kernel[i * size + i];
    for (int64_t i = 0; i < m; i++) {
        float *row = kernel + i * size, *derivative = slope + i * size;
        const float own = squares[i];
        float degree = 0.0f;
#pragma omp simd reduction(+ : degree)
        for (int64_t j = 0; j < m; j++) {
            const float squared = own + squares[j] - 2.0f * row[j];
            const float distance = sqrtf(squared < LEAST_SQUARE ? LEAST_SQUARE : squared);
            const float value = exp_of(-0.1f * distance);
            row[j] = value;
            derivative[j] = squared < LEAST_SQUARE ? 0.0f : -0.05f * value / distance;
            degree += value;
        }
        memset(row + m, 0, (size_t)(size - m) * sizeof *row);
        norm[i] = 1.0f / sqrtf(degree + LEAST_DEGREE);
    }
    memset(kernel + m * size, 0, (size_t)((size - m) * size) * sizeof *kernel);
}

/* Messages, gate and activation of each element. `parts` has its heterogeneous part and its gate side by side; the
 * gate becomes g = sigmoid(gate + bias). y = dropout(elu(g homogeneous + (1 - g) heterogeneous)), the homogeneous part
 * being norm times what was exchanged. */
void gate(float *restrict parts, int64_t ldp, const float *restrict bias,
                 const float *restrict exchanged, const float *restrict norm, const int64_t *restrict slot,
                 float *restrict y, int64_t ldy, int64_t n, int64_t width, dropout p)
{
    for (int64_t row = 0; row < n; row++) {
        const float *heterogeneous = parts + row * ldp, *messages = exchanged + slot[row] * width;
        float *opening = parts + row * ldp + width, *to = y + row * ldy;
        const float normed = norm[slot[row]];
        for (int64_t i = 0; i < width; i++) {
            const float g = 1.0f / (1.0f + exp_of(-(opening[i] + bias[i])));
            opening[i] = g;
            to[i] = elu_of(heterogeneous[i] + g * (normed * messages[i] - heterogeneous[i]));
        }
        for (int64_t begin = 0; p.dropped > 0 && begin < width; begin += CHUNK)
            drop(to + begin, width - begin < CHUNK ? width - begin : CHUNK, row * width + begin, p);
    }
}

/* Backward of `gate`. `gradient` is that of y. Goes to the parts, `of_parts`, and by slots to what was exchanged,
 * before its norm, and to the norm; slots without an element are left alone. */
void gate_backward(const float *restrict y, int64_t ldy, const float *restrict gradient, int64_t ldg,
                          const float *restrict parts, int64_t ldp, const float *restrict exchanged,
                          const float *restrict norm, const int64_t *restrict slot, float *restrict of_parts,
                          int64_t ldo, float *restrict of_exchanged, float *restrict of_norm, int64_t n,
                          int64_t width, dropout p)
{
    const float top = p.dropped > 0 ? p.scale : 1.0f;
    for (int64_t row = 0; row < n; row++) {
        const float *out = y + row * ldy, *up = gradient + row * ldg, *heterogeneous = parts + row * ldp;
        const float *g = heterogeneous + width, *messages = exchanged + slot[row] * width;
        float *of_heterogeneous = of_parts + row * ldo, *of_gate = of_heterogeneous + width;
        float *back = of_exchanged + slot[row] * width;
        const float normed = norm[slot[row]];
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < width; i++) {
            const float mixed = up[i] * slope_of(out[i], p.dropped, top);
            const float homogeneous = mixed * g[i];
            of_heterogeneous[i] = mixed - homogeneous;
            of_gate[i] = homogeneous * (1.0f - g[i]) * (normed * messages[i] - heterogeneous[i]);
            back[i] = normed * homogeneous;
            sum += homogeneous * messages[i];
        }
        of_norm[slot[row]] = sum;
    }
}

/* Backward of the weights n that messages go out with: `of_sent` is the gradient of n x by slots, x that of
 * elements. Goes to x, and completes the gradient of n: with it, `of_norm` becomes that of the row sums of the kernel. */
void send_backward(const float *restrict of_sent, const float *restrict x, int64_t ldx,
                          const float *restrict norm, const int64_t *restrict slot, float *restrict of_x,
                          int64_t ldo, float *restrict of_norm, int64_t n, int64_t width)
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

/* Backward of the squared distances of a bin's m elements. `of_kernel`, rows `size` apart, is the gradient of the kernel
 * from its products; with `of_degree` and the slope it becomes a symmetric one of the distances, whose row sums go to
 * `sums`. */
void distances_backward(float *restrict of_kernel, const float *restrict slope, const float *restrict of_degree,
                        int64_t m, int64_t size, float *restrict sums)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < m; j++)
            of_kernel[i * size + j] = (of_kernel[i * size + j] + of_degree[i]) * slope[i * size + j];
        memset(of_kernel + i * size + m, 0, (size_t)(size - m) * sizeof *of_kernel);
    }
    memset(of_kernel + m * size, 0, (size_t)((size - m) * size) * sizeof *of_kernel);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < i; j++) {
            const float both = of_kernel[i * size + j] + of_kernel[j * size + i];
            of_kernel[i * size + j] = of_kernel[j * size + i] = both;
        }
    for (int64_t i = 0; i < m; i++) {
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < size; j++)
            sum += j == i ? 0.0f : of_kernel[i * size + j];
        sums[i] = sum;
        of_kernel[i * size + i] = 0.0f;
    }
}

/* of_embedding[element] = 2 (sums e - products), products those of the symmetric gradient with e, by slots. */
void embedding_backward(const float *restrict products, const float *restrict embedding,
                               const float *restrict sums, const int64_t *restrict slot,
                               float *restrict of_embedding, int64_t n, int64_t width)
{
    for (int64_t row = 0; row < n; row++) {
        const int64_t at = slot[row];
        const float *product = products + at * width, *own = embedding + at * width;
        float *to = of_embedding + row * width;
        for (int64_t i = 0; i < width; i++)
            to[i] = 2.0f * (sums[at] * own[i] - product[i]);
    }
}
