/* What all kernels share: exponentials, and random bits by their number.
 *
 * Plain C11, single precision, row-major; `ld` is the distance of two rows in numbers. Nothing is allocated and no
 * state is kept, so that trials in one process may call at once. The compiler vectorises the inner loops for the
 * instruction set that a build is for. Who calls has checked sizes and strides. What is not a number stays none.
 */
#ifndef MLPF_ARITHMETIC_H
#define MLPF_ARITHMETIC_H

#include <float.h>
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
    const float below = exp_of(x > 0.0f ? 0.0f : x) - 1.0f;
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

/* Dropout: each element has 16 bits of the random words of a seed, the first the lowest of word 0 and so on. Those
 * below `dropped` of 65,536 are zeroed, others times `scale`. `dropped` 0 is no dropout. */
typedef struct {
    uint64_t seed;
    int64_t dropped;
    float scale;
} dropout;

/* Drop of `values`, elements number `first` to `first` + n <= CHUNK of their layer. A kept zero becomes the smallest
 * normal number, so that a zero says that it was dropped. */
INLINE void drop(float *restrict values, int64_t n, int64_t first, dropout p)
{
    random_bits random;
    const int64_t from = first / 4, offset = first % 4, count = (offset + n + 3) / 4;
    for (int64_t i = 0; i < count; i++)
        random.words[i] = random_word(p.seed, (uint64_t)(from + i));
    const uint16_t *bits = random.quarters + offset, limit = (uint16_t)p.dropped;
    for (int64_t i = 0; i < n; i++) {
        const float kept = values[i] == 0.0f ? FLT_MIN : values[i] * p.scale;
        values[i] = bits[i] >= limit ? kept : 0.0f;
    }
}

/* Slope of elu and dropout by their output y, given top = scale, or 1 without dropout. */
INLINE float slope_of(float y, int64_t dropped, float top)
{
    const float slope = (y > 0.0f ? 0.0f : y) + top;
    return dropped > 0 && y == 0.0f ? 0.0f : slope;
}

#endif
