/* A graph layer's way forward and back: its matrix products, and the kernels between them. */
#include "graph_layer.h"
#include "heads.h"

/* What the way back needs. One product makes all that reads x, `parts`: W_theta, W_h, W_t and the embedding's first
 * map, side by side; its weights stand one under the other. */
typedef struct {
    float *weight, *parts, *hidden, *binned, *kernel, *slope, *norm, *sent, *exchanged;
    int64_t *slot, *element;
} layer_kept;

typedef struct {
    float *embedding, *projection, *projection_turned, *turned, *squares, *weight_turned;
    int64_t *counts;
    int32_t *codes;
} forward_work;

typedef struct {
    float *of_parts, *of_exchanged, *of_norm, *of_sent, *of_kernel, *turned, *sums, *products, *of_embedding, *biases;
    float *exchanged_factors;
} backward_work;

static int64_t columns_of(const graph_layer *g)
{
    return 3 * g->width + g->d;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Products of a bin's m elements; all rows of a, b and c are those of its `size` slots, zero beyond m in a and b. */

/* c [size, size] = a b^T with rows of `width`; columns beyond m are not to be read. `turned` has room for one factor. */
static void pairs_in_bin(const graph_layer *g, int64_t m, int64_t width, const float *a, const float *b, float *turned,
                         float *c)
{
    const int64_t size = g->bins->size, columns = (m + 7) / 8 * 8;
    if (by_vectors(size)) {
        transposed(m, width, b, width, turned, size);
        small_product(m, columns, width, a, width, 1, turned, size, c, size, 0);
    } else
        product(g->product, size, size, width, a, width, 'n', b, width, 't', 0.0f, c, size);
}

/* c [size, width] = a b, or a^T b if `of_a` is 't', a [size, size]. */
static void exchange_in_bin(const graph_layer *g, int64_t m, int64_t width, const float *a, char of_a, const float *b,
                            float *c)
{
    const int64_t size = g->bins->size;
    if (by_vectors(width))
        small_product(m, width, m, a, of_a == 't' ? 1 : size, of_a == 't' ? size : 1, b, width, c, width, 0);
    else
        product(g->product, size, width, size, a, size, of_a, b, width, 'n', 0.0f, c, width);
}

static layer_kept keep(const graph_layer *g, room *from)
{
    const batch_bins *b = g->bins;
    const int64_t slots = b->bins * b->size;
    layer_kept k;
    k.weight = take_floats(from, columns_of(g) * g->in);
    k.parts = take_floats(from, b->n * columns_of(g));
    k.hidden = take_floats(from, b->n * g->d);
    k.binned = take_floats(from, slots * g->d);
    k.kernel = take_floats(from, slots * b->size);
    k.slope = take_floats(from, slots * b->size);
    k.norm = take_floats(from, slots);
    k.sent = take_floats(from, slots * g->width);
    k.exchanged = take_floats(from, slots * g->width);
    k.slot = take(from, b->n, sizeof(int64_t));
    k.element = take(from, slots, sizeof(int64_t));
    return k;
}

static forward_work work_forward(const graph_layer *g, room *from)
{
    const batch_bins *b = g->bins;
    forward_work w;
    w.embedding = take_floats(from, b->n * g->d);
    w.projection = take_floats(from, b->n * b->most);
    w.projection_turned = take_floats(from, b->n * b->most);
    w.turned = take_floats(from, g->d * b->size);
    w.squares = take_floats(from, b->size);
    w.weight_turned = take_floats(from, columns_of(g) * larger(g->in, g->d));
    w.counts = take(from, 2 * b->most + 2, sizeof(int64_t));
    w.codes = take(from, b->n, sizeof(int32_t));
    return w;
}

static backward_work work_backward(const graph_layer *g, room *from)
{
    const batch_bins *b = g->bins;
    const int64_t slots = b->bins * b->size;
    backward_work w;
    w.of_parts = take_floats(from, b->n * columns_of(g));
    w.of_exchanged = take_floats(from, slots * g->width);
    w.of_norm = take_floats(from, slots);
    w.of_sent = take_floats(from, slots * g->width);
    w.of_kernel = take_floats(from, b->size * b->size);
    w.turned = take_floats(from, g->width * b->size);
    w.sums = take_floats(from, slots);
    w.products = take_floats(from, slots * g->d);
    w.of_embedding = take_floats(from, b->n * g->d);
    w.biases = take_floats(from, g->width + g->d);
    w.exchanged_factors = take_floats(from, columns_of(g) * larger(g->in, g->d));
    return w;
}

/* Bytes that a layer keeps. */
EXPORT int64_t layer_kept_bytes(const graph_layer *g)
{
    room counted = {0};
    keep(g, &counted);
    return (int64_t)counted.at;
}

/* Bytes that a layer works in, on either way. */
EXPORT int64_t layer_work_bytes(const graph_layer *g)
{
    room forward = {0}, backward = {0};
    work_forward(g, &forward);
    work_backward(g, &backward);
    return larger((int64_t)forward.at, (int64_t)backward.at);
}

/* Embed, and sort elements into bins by hash code. */
static void bin(const graph_layer *g, const layer_kept *k, const forward_work *w)
{
    const batch_bins *b = g->bins;
    const int64_t d = g->d, most = b->most;
    elu_dropout(k->parts + 3 * g->width, columns_of(g), g->embed_in_bias, k->hidden, d, b->n, d, (dropout){0, 0, 1.0f});
    fill_rows(b->n, d, g->embed_out_bias, w->embedding, d);
    product_turned(g->product, b->n, d, d, k->hidden, d, g->embed_out_weight, d, 1.0f, w->embedding, d, w->weight_turned);
    if (most < 32) { /* as for the gradients of narrow weights */
        product(g->product, most, b->n, d, g->hyperplanes, g->hash_columns, 't', w->embedding, d, 't', 0.0f, w->projection_turned, b->n);
        transposed(most, b->n, w->projection_turned, b->n, w->projection, most);
    } else
        product(g->product, b->n, most, d, w->embedding, d, 'n', g->hyperplanes, g->hash_columns, 'n', 0.0f, w->projection,
                most);
    hash_codes(w->projection, most, b->ptr, b->hyperplanes, b->events, most, w->codes);
    for (int64_t slot = 0; slot < b->bins * b->size; slot++)
        k->element[slot] = -1;
    sort_into_bins(w->codes, b->ptr, b->first_slot, b->events, larger(1, 2 * most), w->counts, k->slot, k->element);
    gather_rows(w->embedding, d, k->element, NULL, k->binned, b->bins * b->size, d);
}

/* Write the output for elements x; `work` is room of `layer_work_bytes`. */
EXPORT void layer_forward(const graph_layer *g, void *work)
{
    const batch_bins *b = g->bins;
    const int64_t width = g->width, ld = columns_of(g), size = b->size;
    const layer_kept k = keep(g, &(room){(uintptr_t)g->kept});
    const forward_work w = work_forward(g, &(room){(uintptr_t)work});
    memcpy(k.weight, g->message_weight, (size_t)(3 * width * g->in) * sizeof *k.weight);
    memcpy(k.weight + 3 * width * g->in, g->embed_in_weight, (size_t)(g->d * g->in) * sizeof *k.weight);
    product_turned(g->product, b->n, ld, g->in, g->x, g->ldx, k.weight, g->in, 0.0f, k.parts, ld, w.weight_turned);
    bin(g, &k, &w);
    for (int64_t i = 0; i < b->bins; i++) {
        const int64_t m = b->filled[i], first = i * size;
        float *kernel = k.kernel + first * size, *sent = k.sent + first * width;
        const float *embedding = k.binned + first * g->d;
        pairs_in_bin(g, m, g->d, embedding, embedding, w.turned, kernel);
        neighbourhood(kernel, k.slope + first * size, k.norm + first, m, size, w.squares);
        gather_rows(k.parts, ld, k.element + first, k.norm + first, sent, size, width);
        exchange_in_bin(g, m, width, kernel, 'n', sent, k.exchanged + first * width);
    }
    gate(k.parts + width, ld, g->gate_bias, k.exchanged, k.norm, k.slot, g->out, g->ldo, b->n, width,
         (dropout){g->seed, g->dropped, g->scale});
}

/* From what was exchanged back to the embedding, bin by bin. */
static void bins_backward(const graph_layer *g, const layer_kept *k, const backward_work *w)
{
    const batch_bins *b = g->bins;
    const int64_t width = g->width, d = g->d, size = b->size;
    for (int64_t i = 0; i < b->bins; i++) {
        const int64_t m = b->filled[i], first = i * size;
        const float *of_exchanged = w->of_exchanged + first * width;
        pairs_in_bin(g, m, width, of_exchanged, k->sent + first * width, w->turned, w->of_kernel);
        distances_backward(w->of_kernel, k->slope + first * size, w->of_norm + first, m, size, w->sums + first);
        exchange_in_bin(g, m, d, w->of_kernel, 'n', k->binned + first * d, w->products + first * d);
    }
}

/* Add the gradient of x to `of_x`, unless that is NULL, given that of the output. Those of the parameters go to
 * `found`, in the module's order: gate_bias, embed_in, embed_out, message. */
EXPORT void layer_backward(const graph_layer *g, void *work, const float *gradient, int64_t ldg, float *of_x,
                           int64_t ldo, float *found)
{
    const batch_bins *b = g->bins;
    const int64_t n = b->n, width = g->width, d = g->d, in = g->in, ld = columns_of(g), size = b->size;
    const layer_kept k = keep(g, &(room){(uintptr_t)g->kept});
    const backward_work w = work_backward(g, &(room){(uintptr_t)work});
    float *of_gate_bias = found, *of_in_weight = found + width, *of_in_bias = of_in_weight + d * in;
    float *of_out_weight = of_in_bias + d, *of_out_bias = of_out_weight + d * d, *of_message = of_out_bias + d;
    float *of_hidden = w.of_parts + 3 * width;

    gate_backward(g->out, g->ldo, gradient, ldg, k.parts + width, ld, k.exchanged, k.norm, k.slot, w.of_parts + width,
                  ld, w.of_exchanged, w.of_norm, n, width, (dropout){0, g->dropped, g->scale});
    for (int64_t i = 0; i < b->bins; i++) {
        const int64_t m = b->filled[i], first = i * size;
        float *of_exchanged = w.of_exchanged + first * width;
        memset(of_exchanged + m * width, 0, (size_t)((size - m) * width) * sizeof *of_exchanged);
        exchange_in_bin(g, m, width, k.kernel + first * size, 't', of_exchanged, w.of_sent + first * width);
    }
    send_backward(w.of_sent, k.parts, ld, k.norm, k.slot, w.of_parts, ld, w.of_norm, n, width);
    bins_backward(g, &k, &w);
    embedding_backward(w.products, k.binned, w.sums, k.slot, w.of_embedding, n, d);
    product(g->product, n, d, d, w.of_embedding, d, 'n', g->embed_out_weight, d, 'n', 0.0f, of_hidden, ld);
    elu_dropout_backward(k.hidden, d, of_hidden, ld, n, d, (dropout){0, 0, 1.0f});

    sum_of_rows(n, width + d, w.of_parts + 2 * width, ld, w.biases);
    memcpy(of_gate_bias, w.biases, (size_t)width * sizeof *found);
    memcpy(of_in_bias, w.biases + width, (size_t)d * sizeof *found);
    product_of_rows(g->product, n, d, d, w.of_embedding, d, k.hidden, d, of_out_weight, w.exchanged_factors);
    sum_of_rows(n, d, w.of_embedding, d, of_out_bias);
    product_of_rows(g->product, n, 3 * width, in, w.of_parts, ld, g->x, g->ldx, of_message, w.exchanged_factors);
    product_of_rows(g->product, n, d, in, of_hidden, ld, g->x, g->ldx, of_in_weight, w.exchanged_factors);
    if (of_x)
        product(g->product, n, in, ld, w.of_parts, ld, 'n', k.weight, in, 'n', 1.0f, of_x, ldo);
}
