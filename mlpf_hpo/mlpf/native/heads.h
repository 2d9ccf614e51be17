/* The heads: what a step says of them, and the activation that they share with the layers. */
#ifndef MLPF_HEADS_H
#define MLPF_HEADS_H

#include "products.h"

enum { ETA_HEAD = 2, ENERGY_HEAD = 4, N_HEADS = 6, N_GROUPS = 4, MOST_HIDDEN = 8, N_OUTPUTS = 12 };

/* All heads in one step, as structures.py has them: `widths` are those of the hidden layers of a group's heads; `parameters`
 * are weight and bias of each linear layer, head by head. Inputs have rows of `id_width` and `reg_width`, of which
 * columns beyond `id_dim` and `reg_dim` are zero. */
typedef struct {
    multiplier product;
    int64_t id_dim, reg_dim, id_width, reg_width;
    int64_t hidden[N_GROUPS], widths[N_GROUPS][MOST_HIDDEN];
    const float *const *parameters;
    int64_t dropped;
    float scale;
} all_heads;

void elu_dropout(const float *x, int64_t ldx, const float *bias, float *y, int64_t ldy, int64_t n, int64_t width,
                 dropout p);
void elu_dropout_backward(const float *y, int64_t ldy, float *gradient, int64_t ldg, int64_t n, int64_t width,
                          dropout p);

#endif
