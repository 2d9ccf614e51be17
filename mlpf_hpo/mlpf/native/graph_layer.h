/* A graph layer: what a pass over it takes, and what goes on between its matrix products. */
#ifndef MLPF_GRAPH_LAYER_H
#define MLPF_GRAPH_LAYER_H

#include "products.h"

/* The bins of a batch of events, as structures.py has them. */
typedef struct {
    const int64_t *ptr, *first_slot, *hyperplanes, *filled;
    int64_t n, events, bins, size, most;
} batch_bins;

/* One layer in one pass, as structures.py has it. `kept` is room that the way back finds as the way forward left it;
 * x [n, in] and out [n, width] are columns of wider matrices. */
typedef struct {
    multiplier product;
    const batch_bins *bins;
    int64_t in, width, d, hash_columns;
    const float *gate_bias, *embed_in_weight, *embed_in_bias, *embed_out_weight, *embed_out_bias, *message_weight;
    const float *hyperplanes;
    int64_t dropped;
    float scale;
    const float *x;
    int64_t ldx;
    float *out;
    int64_t ldo;
    uint64_t seed;
    void *kept;
} graph_layer;

void sort_into_bins(const int32_t *codes, const int64_t *ptr, const int64_t *slots, int64_t events, int64_t n_codes,
                    int64_t *counts, int64_t *slot, int64_t *element);
void hash_codes(const float *projection, int64_t ld, const int64_t *ptr, const int64_t *hyperplanes, int64_t events,
                int64_t most, int32_t *codes);
void gather_rows(const float *from, int64_t ld, const int64_t *element, const float *weight, float *to,
                 int64_t n_slots, int64_t width);
void neighbourhood(float *kernel, float *slope, float *norm, int64_t m, int64_t size, float *squares);
void gate(float *parts, int64_t ldp, const float *bias, const float *exchanged, const float *norm,
          const int64_t *slot, float *y, int64_t ldy, int64_t n, int64_t width, dropout p);
void gate_backward(const float *y, int64_t ldy, const float *gradient, int64_t ldg, const float *parts, int64_t ldp,
                   const float *exchanged, const float *norm, const int64_t *slot, float *of_parts, int64_t ldo,
                   float *of_exchanged, float *of_norm, int64_t n, int64_t width, dropout p);
void send_backward(const float *of_sent, const float *x, int64_t ldx, const float *norm, const int64_t *slot,
                   float *of_x, int64_t ldo, float *of_norm, int64_t n, int64_t width);
void distances_backward(float *of_kernel, const float *slope, const float *of_degree, int64_t m, int64_t size,
                        float *sums);
void embedding_backward(const float *products, const float *embedding, const float *sums, const int64_t *slot,
                        float *of_embedding, int64_t n, int64_t width);

#endif
