/* Matrix products, by the library that PyTorch has or here; sums of columns; room.
 *
 * Row-major: c [m, n] is a [m, k] times b [k, n]. Sums go over k in ascending order, those of columns as PyTorch's do.
 */
#ifndef MLPF_PRODUCTS_H
#define MLPF_PRODUCTS_H

#include "arithmetic.h"

/* SGEMM of the reference BLAS: column-major, all by address, so factors change places. */
typedef void sgemm(const char *, const char *, const int *, const int *, const int *, const float *, const float *,
                   const int *, const float *, const int *, const float *, float *, const int *);

/* Who makes products, as structures.py has it: `library`, or this file where it can, if `here` is not 0. */
typedef struct {
    sgemm *library;
    int64_t here;
} multiplier;

void small_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, int64_t along, const float *b,
                   int64_t ldb, float *c, int64_t ldc, int more);
void transposed(int64_t m, int64_t n, const float *from, int64_t ldf, float *to, int64_t ldt);

/* Whether a product of n columns can go by vectors here: MKL's sums are of the same order. Those of others are not, so
 * they are the library's. */
INLINE int by_vectors(int64_t n)
{
    return n >= 16 && n % 8 == 0;
}

/* Whether a product with a [m, k] is made here. It reads a anew for every two vectors of columns, so a is to stay in the
 * cache of a core, 1 MiB; of one or two rows MKL sums in another order. */
INLINE int made_here(multiplier by, int64_t m, int64_t n, int64_t k)
{
    return by.here && by_vectors(n) && m > 2 && m * k <= 1 << 18;
}

/* c = `kept` c + a b, `kept` 0 or 1; a or b is transposed where it says so: 't', else 'n'. */
INLINE void product(multiplier by, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, char of_a,
                    const float *b, int64_t ldb, char of_b, float kept, float *c, int64_t ldc)
{
    if (made_here(by, m, n, k) && of_b == 'n') {
        const int turned = of_a == 't';
        small_product(m, n, k, a, turned ? 1 : lda, turned ? lda : 1, b, ldb, c, ldc, kept > 0.0f);
        return;
    }
    const float one = 1.0f;
    const int rows = (int)m, columns = (int)n, inner = (int)k;
    /* Where nothing is read the library still wants a distance that could be. */
    const int a_rows = (int)(lda > 0 ? lda : 1), b_rows = (int)(ldb > 0 ? ldb : 1), c_rows = (int)ldc;
    if (m > 0 && n > 0)
        by.library(&of_b, &of_a, &columns, &rows, &inner, &one, b, &b_rows, a, &a_rows, &kept, c, &c_rows);
}

/* c = `kept` c + a b^T, b [n, k]; `work` has room for b. */
INLINE void product_turned(multiplier by, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, const float *b,
                           int64_t ldb, float kept, float *c, int64_t ldc, float *work)
{
    if (made_here(by, m, n, k)) {
        transposed(n, k, b, ldb, work, n);
        product(by, m, n, k, a, lda, 'n', work, n, 'n', kept, c, ldc);
    } else
        product(by, m, n, k, a, lda, 'n', b, ldb, 't', kept, c, ldc);
}

void product_of_rows(multiplier by, int64_t n, int64_t out, int64_t in, const float *a, int64_t lda, const float *x,
                     int64_t ldx, float *c, float *work);
void sum_of_rows(int64_t n, int64_t width, const float *x, int64_t ldx, float *sums);
void fill_rows(int64_t n, int64_t width, const float *row, float *to, int64_t ld);
void copy_columns(int64_t n, int64_t width, const float *from, int64_t ldf, float *to, int64_t ldt);

/* Whoever gets no room yet counts what it would take: `at` begins at 0. */
typedef struct {
    uintptr_t at;
} room;

enum { LINE = 64 };

#if defined(__SANITIZE_ADDRESS__)
void __asan_poison_memory_region(const volatile void *, size_t);
void __asan_unpoison_memory_region(const volatile void *, size_t);
#endif

/* Take the next `count` numbers of `size` bytes, at the start of a cache line. The sanitiser sees what is between. */
INLINE void *take(room *from, int64_t count, size_t size)
{
    const uintptr_t first = (from->at + LINE - 1) / LINE * LINE, last = first + (uintptr_t)count * size;
    const uintptr_t next = (last + LINE) / LINE * LINE;
#if defined(__SANITIZE_ADDRESS__)
    if (from->at >= 4096) { /* a real place */
        __asan_unpoison_memory_region((void *)first, last - first);
        __asan_poison_memory_region((void *)last, next - last);
    }
#endif
    from->at = next;
    return (void *)first;
}

INLINE float *take_floats(room *from, int64_t count)
{
    return take(from, count, sizeof(float));
}

#endif
