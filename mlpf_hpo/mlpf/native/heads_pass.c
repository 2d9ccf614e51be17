/* The heads' way forward and back over a block of elements: their matrix products, and the kernels between them.
 *
 * Class and charge go by themselves; eta and phi, and energy and pt, are pairs of equal widths that share their
 * dropout masks: four groups. First layers stand side by side, in one product with what all heads read.
 */
#include "heads.h"

/* Output columns of each head, and where they begin. */
static const int64_t outputs[N_HEADS] = {6, 1, 1, 2, 1, 1}, output_at[N_HEADS] = {0, 6, 7, 8, 10, 11};
static const int first_head[N_GROUPS + 1] = {0, 1, 2, 4, 6};

/* What of the step is the same for all blocks: first layers' weights by what they read, filled up with zeros. */
typedef struct {
    float *bias, *id, *classes, *reg;
} head_weights;

/* What a block keeps: outputs of the first layers, whose place their gradients take, logits, and activations. Those
 * of a group's first layer have its heads side by side, those of later ones one under the other. */
typedef struct {
    float *first, *logits, *activations[N_GROUPS][MOST_HIDDEN];
} block_kept;

typedef struct {
    float *up[2], *id, *classes, *reg, *biases, *turned, *weight_turned;
} block_work;

static int heads_of(int group)
{
    return first_head[group + 1] - first_head[group];
}

static int64_t width_of(const all_heads *h, int group, int64_t layer)
{
    return h->widths[group][layer];
}

/* Columns of the first layers of all heads before one. */
static int64_t columns_before(const all_heads *h, int head)
{
    int64_t columns = 0;
    for (int group = 0; group < N_GROUPS; group++)
        for (int one = first_head[group]; one < first_head[group + 1] && one < head; one++)
            columns += width_of(h, group, 0);
    return columns;
}

/* The weight of a head's layer, or its bias one further; gradients likewise. */
static int64_t parameter(const all_heads *h, int group, int head, int64_t layer)
{
    int64_t at = 2 * layer;
    for (int before = 0; before <= group; before++)
        at += (before < group ? heads_of(before) : head - first_head[group]) * 2 * (h->hidden[before] + 1);
    return at;
}

static float *activation(const all_heads *h, const block_kept *k, int group, int64_t layer, int one, int64_t n)
{
    const int64_t width = width_of(h, group, layer);
    return k->activations[group][layer] + one * (layer ? n * width : width);
}

static int64_t activation_ld(const all_heads *h, int group, int64_t layer)
{
    return width_of(h, group, layer) * (layer ? 1 : heads_of(group));
}

/* Numbers of a head that its first layer reads. */
static int64_t inputs_of(const all_heads *h, int head)
{
    return h->id_dim + (head >= ETA_HEAD ? outputs[0] : 0) + (head >= ENERGY_HEAD ? h->reg_dim : 0);
}

static head_weights weights_in(const all_heads *h, room *from)
{
    const int64_t all = columns_before(h, N_HEADS);
    head_weights w;
    w.bias = take_floats(from, all);
    w.id = take_floats(from, all * h->id_width);
    w.classes = take_floats(from, (all - columns_before(h, ETA_HEAD)) * outputs[0]);
    w.reg = take_floats(from, (all - columns_before(h, ENERGY_HEAD)) * h->reg_width);
    return w;
}

static block_kept keep(const all_heads *h, int64_t n, room *from)
{
    block_kept k;
    k.first = take_floats(from, n * columns_before(h, N_HEADS));
    k.logits = take_floats(from, n * outputs[0]);
    for (int group = 0; group < N_GROUPS; group++)
        for (int64_t layer = 0; layer < h->hidden[group]; layer++)
            k.activations[group][layer] = take_floats(from, n * heads_of(group) * width_of(h, group, layer));
    return k;
}

static block_work work_in(const all_heads *h, int64_t n, room *from)
{
    const int64_t all = columns_before(h, N_HEADS);
    int64_t widest = 0;
    for (int group = 0; group < N_GROUPS; group++)
        for (int64_t layer = 0; layer < h->hidden[group]; layer++)
            if (heads_of(group) * width_of(h, group, layer) > widest)
                widest = heads_of(group) * width_of(h, group, layer);
    block_work w;
    for (int i = 0; i < 2; i++)
        w.up[i] = take_floats(from, n * widest);
    w.id = take_floats(from, all * h->id_width);
    w.classes = take_floats(from, (all - columns_before(h, ETA_HEAD)) * outputs[0]);
    w.reg = take_floats(from, (all - columns_before(h, ENERGY_HEAD)) * h->reg_width);
    w.biases = take_floats(from, all);
    const int64_t inputs = h->id_width > h->reg_width ? h->id_width : h->reg_width;
    w.weight_turned = take_floats(from, (all > widest ? all : widest) * (inputs > widest ? inputs : widest));
    w.turned = take_floats(from, 32 * (all > widest ? all : widest));
    return w;
}

EXPORT int64_t heads_weights_bytes(const all_heads *h)
{
    room counted = {0};
    weights_in(h, &counted);
    return (int64_t)counted.at;
}

/* Bytes that a block of n elements keeps, then works in. */
EXPORT int64_t heads_kept_bytes(const all_heads *h, int64_t n)
{
    room counted = {0};
    keep(h, n, &counted);
    return (int64_t)counted.at;
}

EXPORT int64_t heads_work_bytes(const all_heads *h, int64_t n)
{
    room counted = {0};
    work_in(h, n, &counted);
    return (int64_t)counted.at;
}

/* Copy `width` columns of `out` rows, and zeros up to `to_width`. */
static void copy_filled(int64_t out, int64_t width, const float *from, int64_t ldf, float *to, int64_t to_width)
{
    copy_columns(out, width, from, ldf, to, to_width);
    for (int64_t row = 0; row < out; row++)
        memset(to + row * to_width + width, 0, (size_t)(to_width - width) * sizeof *to);
}

/* Fill `weights` once a step. */
EXPORT void heads_prepare(const all_heads *h, void *weights)
{
    const head_weights w = weights_in(h, &(room){(uintptr_t)weights});
    const int64_t pairs = columns_before(h, ETA_HEAD), scales = columns_before(h, ENERGY_HEAD), n = h->id_dim;
    for (int group = 0; group < N_GROUPS; group++)
        for (int head = first_head[group]; head < first_head[group + 1]; head++) {
            const int64_t at = columns_before(h, head), width = width_of(h, group, 0), in = inputs_of(h, head);
            const float *weight = h->parameters[parameter(h, group, head, 0)];
            memcpy(w.bias + at, h->parameters[parameter(h, group, head, 0) + 1], (size_t)width * sizeof *w.bias);
            copy_filled(width, n, weight, in, w.id + at * h->id_width, h->id_width);
            if (head >= ETA_HEAD)
                copy_columns(width, outputs[0], weight + n, in, w.classes + (at - pairs) * outputs[0], outputs[0]);
            if (head >= ENERGY_HEAD)
                copy_filled(width, h->reg_dim, weight + n + outputs[0], in, w.reg + (at - scales) * h->reg_width,
                            h->reg_width);
        }
}

/* The outputs of a group [n, 12] from its first layers' columns of `first`; `seeds` are those of its masks. */
static void group_forward(const all_heads *h, int group, int64_t n, const block_kept *k, const block_work *w,
                          const uint64_t *seeds, float *out)
{
    const int64_t last = h->hidden[group], all = columns_before(h, N_HEADS), heads = heads_of(group);
    for (int64_t layer = 0; layer <= last; layer++) {
        for (int one = 0; layer > 0 && one < heads; one++) {
            const int head = first_head[group] + one;
            const int64_t at = parameter(h, group, head, layer), in = width_of(h, group, layer - 1);
            const int64_t width = layer == last ? outputs[head] : width_of(h, group, layer);
            const int64_t ld = layer == last ? N_OUTPUTS : width;
            float *to = layer == last ? out + output_at[head] : w->up[0] + one * n * width;
            fill_rows(n, width, h->parameters[at + 1], to, ld);
            product_turned(h->product, n, width, in, activation(h, k, group, layer - 1, one, n),
                           activation_ld(h, group, layer - 1), h->parameters[at], in, 1.0f, to, ld, w->weight_turned);
        }
        if (layer == last)
            break;
        const dropout p = {h->dropped > 0 ? seeds[layer] : 0, h->dropped, h->scale};
        const int64_t width = width_of(h, group, layer);
        if (layer == 0)
            elu_dropout(k->first + columns_before(h, first_head[group]), all, NULL, k->activations[group][0],
                        heads * width, n, heads * width, p);
        else
            elu_dropout(w->up[0], width, NULL, k->activations[group][layer], width, heads * n, width, p);
    }
}

/* The outputs [n, 12] of a block: `id_input` and `reg_input` have rows of id_width and reg_width. */
EXPORT void heads_forward(const all_heads *h, const void *weights, int64_t n, const float *id_input,
                          const float *reg_input, const uint64_t *seeds, void *kept, void *work, float *out)
{
    const head_weights w = weights_in(h, &(room){(uintptr_t)weights});
    const block_kept k = keep(h, n, &(room){(uintptr_t)kept});
    const block_work r = work_in(h, n, &(room){(uintptr_t)work});
    const int64_t all = columns_before(h, N_HEADS), pairs = columns_before(h, ETA_HEAD);
    const int64_t scales = columns_before(h, ENERGY_HEAD);
    fill_rows(n, all, w.bias, k.first, all);
    product_turned(h->product, n, all, h->id_width, id_input, h->id_width, w.id, h->id_width, 1.0f, k.first, all,
                   r.weight_turned);
    for (int group = 0; group < N_GROUPS; group++) {
        group_forward(h, group, n, &k, &r, seeds, out);
        seeds += h->dropped > 0 ? h->hidden[group] : 0;
        if (first_head[group + 1] != ETA_HEAD)
            continue;
        copy_columns(n, outputs[0], out, N_OUTPUTS, k.logits, outputs[0]); /* the loss puts gradients in their place */
        product_turned(h->product, n, all - pairs, outputs[0], k.logits, outputs[0], w.classes, outputs[0], 1.0f,
                       k.first + pairs, all, r.weight_turned);
        product_turned(h->product, n, all - scales, h->reg_width, reg_input, h->reg_width, w.reg, h->reg_width, 1.0f,
                       k.first + scales, all, r.weight_turned);
    }
}

/* From the gradient of a group's outputs to that of its first layers, in `first`; those of its parameters go to
 * `found`. */
static void group_backward(const all_heads *h, int group, int64_t n, const float *gradient, const block_kept *k,
                           const block_work *w, float *const *found)
{
    const int64_t last = h->hidden[group], all = columns_before(h, N_HEADS), heads = heads_of(group);
    float *to_first = k->first + columns_before(h, first_head[group]);
    for (int64_t layer = last; layer > 0; layer--) {
        const int64_t below = width_of(h, group, layer - 1), ld = activation_ld(h, group, layer - 1);
        for (int one = 0; one < heads; one++) {
            const int head = first_head[group] + one;
            const int64_t at = parameter(h, group, head, layer);
            const int64_t out = layer == last ? outputs[head] : width_of(h, group, layer);
            const float *up = layer == last ? gradient + output_at[head] : w->up[layer % 2] + one * n * out;
            const int64_t ldu = layer == last ? N_OUTPUTS : out;
            const float *x = activation(h, k, group, layer - 1, one, n);
            if (heads > 1 && layer < last)
                product(h->product, out, below, n, up, ldu, 't', x, ld, 'n', 0.0f, found[at], below);
            else
                product_of_rows(h->product, n, out, below, up, ldu, x, ld, found[at], w->turned);
            sum_of_rows(n, out, up, ldu, found[at + 1]);
            float *to = layer == 1 ? to_first + one * below : w->up[(layer - 1) % 2] + one * n * below;
            product(h->product, n, below, out, up, ldu, 'n', h->parameters[at], below, 'n', 0.0f, to,
                    layer == 1 ? all : below);
        }
        const dropout p = {0, h->dropped, h->scale};
        if (layer == 1)
            elu_dropout_backward(k->activations[group][0], ld, to_first, all, n, heads * below, p);
        else
            elu_dropout_backward(k->activations[group][layer - 1], below, w->up[(layer - 1) % 2], below, heads * n,
                                 below, p);
    }
}

/* Copy the gradients of the first layers from where they stand together to the parameters they belong to. */
static void to_parameters(const all_heads *h, const block_work *w, float *const *found)
{
    const int64_t pairs = columns_before(h, ETA_HEAD), scales = columns_before(h, ENERGY_HEAD), n = h->id_dim;
    for (int group = 0; group < N_GROUPS; group++)
        for (int head = first_head[group]; head < first_head[group + 1]; head++) {
            const int64_t at = columns_before(h, head), width = width_of(h, group, 0), in = inputs_of(h, head);
            const int64_t place = parameter(h, group, head, 0);
            copy_columns(width, n, w->id + at * h->id_width, h->id_width, found[place], in);
            if (head >= ETA_HEAD)
                copy_columns(width, outputs[0], w->classes + (at - pairs) * outputs[0], outputs[0], found[place] + n,
                             in);
            if (head >= ENERGY_HEAD)
                copy_columns(width, h->reg_dim, w->reg + (at - scales) * h->reg_width, h->reg_width,
                             found[place] + n + outputs[0], in);
            memcpy(found[place + 1], w->biases + at, (size_t)width * sizeof *w->biases);
        }
}

/* Write the gradients of a block's inputs and of all parameters, given that of its outputs [n, 12]. */
EXPORT void heads_backward(const all_heads *h, const void *weights, int64_t n, const float *id_input,
                           const float *reg_input, const void *kept, void *work, const float *gradient, float *of_id,
                           float *of_reg, float *const *found)
{
    const head_weights w = weights_in(h, &(room){(uintptr_t)weights});
    const block_kept k = keep(h, n, &(room){(uintptr_t)kept});
    const block_work r = work_in(h, n, &(room){(uintptr_t)work});
    const int64_t all = columns_before(h, N_HEADS), pairs = columns_before(h, ETA_HEAD);
    const int64_t scales = columns_before(h, ENERGY_HEAD);
    for (int group = 0; group < N_GROUPS; group++)
        group_backward(h, group, n, gradient, &k, &r, found);
    product(h->product, n, h->id_width, all, k.first, all, 'n', w.id, h->id_width, 'n', 0.0f, of_id, h->id_width);
    product(h->product, n, h->reg_width, all - scales, k.first + scales, all, 'n', w.reg, h->reg_width, 'n', 0.0f, of_reg,
            h->reg_width);
    product_of_rows(h->product, n, all, h->id_width, k.first, all, id_input, h->id_width, r.id, r.turned);
    product_of_rows(h->product, n, all - pairs, outputs[0], k.first + pairs, all, k.logits, outputs[0], r.classes, r.turned);
    product_of_rows(h->product, n, all - scales, h->reg_width, k.first + scales, all, reg_input, h->reg_width, r.reg,
                    r.turned);
    sum_of_rows(n, all, k.first, all, r.biases);
    to_parameters(h, &r, found);
}
