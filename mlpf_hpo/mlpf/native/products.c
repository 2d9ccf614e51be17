/* Products of narrow matrices, and what goes over rows or columns alone. */
#include "products.h"

/* The vectors of the instruction set, and how many rows are worked on at once without leaving registers. */
#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 6 };
#elif defined(__AVX__)
enum { LANES = 8, ROWS = 6 };
#else
enum { LANES = 4, ROWS = 4 };
#endif
typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));

/* Long sums are those of parts, as MKL's: so their rounding grows less. */
INLINE int64_t part_of(int64_t k)
{
    return k <= 192 ? (k > 0 ? k : 1) : k < 384 ? k / 2 : 192;
}

/* `rows` rows of c, COUNT vectors wide, kept in registers; to what is in c they are added if that is `more`. */
#define TILE(NAME, TYPE, COUNT)                                                                                   \
    INLINE void NAME(const int rows, int more, int64_t k, const float *restrict a, int64_t lda, int64_t along,    \
                     const float *restrict b, int64_t ldb, float *restrict c, int64_t ldc)                        \
    {                                                                                                             \
        TYPE sums[ROWS][COUNT];                                                                                   \
        for (int r = 0; r < rows; r++)                                                                            \
            for (int i = 0; i < COUNT; i++)                                                                       \
                sums[r][i] = (TYPE){0};                                                                           \
        for (int64_t l = 0; l < k; l++) {                                                                         \
            const TYPE *from = (const TYPE *)(b + l * ldb);                                                       \
            for (int r = 0; r < rows; r++)                                                                        \
                for (int i = 0; i < COUNT; i++)                                                                   \
                    sums[r][i] += a[r * lda + l * along] * from[i];                                               \
        }                                                                                                         \
        for (int r = 0; r < rows; r++)                                                                            \
            for (int i = 0; i < COUNT; i++) {                                                                     \
                TYPE *to = (TYPE *)(c + r * ldc) + i;                                                             \
                if (more)                                                                                         \
                    *to += sums[r][i];                                                                            \
                else                                                                                              \
                    *to = sums[r][i];                                                                             \
            }                                                                                                     \
    }                                                                                                             \
    static void NAME##_column(int64_t m, int64_t k, const float *a, int64_t lda, int64_t along, const float *b,   \
                              int64_t ldb, float *c, int64_t ldc, int more)                                       \
    {                                                                                                             \
        const int64_t part = part_of(k);                                                                          \
        for (int64_t from = 0; from < k || from == 0; from += part) {                                             \
            const int64_t inner = k - from < part ? k - from : part;                                              \
            int64_t row = 0;                                                                                      \
            for (; row + ROWS <= m; row += ROWS)                                                                  \
                NAME(ROWS, more || from > 0, inner, a + row * lda + from * along, lda, along, b + from * ldb,     \
                     ldb, c + row * ldc, ldc);                                                                    \
            for (; row < m; row++)                                                                                \
                NAME(1, more || from > 0, inner, a + row * lda + from * along, lda, along, b + from * ldb, ldb,   \
                     c + row * ldc, ldc);                                                                         \
        }                                                                                                         \
    }

TILE(two_vectors, vector, 2)
TILE(one_vector, vector, 1)
TILE(eight_numbers, eight, 1)

/* c [m, n] = a [m, k] b [k, n], added to what is in c if that is `more`; `by_vectors` holds. a's rows are `lda` apart,
 * its columns `along`: so it may be a transposed matrix. */
void small_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda, int64_t along, const float *b,
                   int64_t ldb, float *c, int64_t ldc, int more)
{
    int64_t at = 0;
    for (; at + 2 * LANES <= n; at += 2 * LANES)
        two_vectors_column(m, k, a, lda, along, b + at, ldb, c + at, ldc, more);
    for (; at + LANES <= n; at += LANES)
        one_vector_column(m, k, a, lda, along, b + at, ldb, c + at, ldc, more);
    for (; at + 8 <= n; at += 8)
        eight_numbers_column(m, k, a, lda, along, b + at, ldb, c + at, ldc, more);
}

/* to [n, m] = from [m, n] transposed. */
void transposed(int64_t m, int64_t n, const float *from, int64_t ldf, float *to, int64_t ldt)
{
    for (int64_t row = 0; row < m; row++)
        for (int64_t i = 0; i < n; i++)
            to[i * ldt + row] = from[row * ldf + i];
}

/* c [out, in] = a^T x, summed over n rows, as for the gradient of a weight; `work` has room for as much. */
void product_of_rows(multiplier by, int64_t n, int64_t out, int64_t in, const float *a, int64_t lda, const float *x,
                     int64_t ldx, float *c, float *work)
{
    if (in < 32) { /* MKL takes a quarter to a half of the time with the factors exchanged */
        product(by, in, out, n, x, ldx, 't', a, lda, 'n', 0.0f, work, out);
        transposed(in, out, work, out, c, in);
    } else
        product(by, out, in, n, a, lda, 't', x, ldx, 'n', 0.0f, c, in);
}

enum { STEP = 16, LEVELS = 4, COLUMNS = 32 };

/* Sums over n rows that are `ld` apart of up to 32 columns. Sixteen rows make a sum, sixteen of these one of the next
 * level, and so on, so that small numbers do not meet a large one. */
INLINE void cascade(int64_t n, int64_t ld, const int columns, const float *x, float *restrict sums)
{
    float levels[LEVELS][COLUMNS] = {{0}};
    int64_t row = 0;
    while (row + STEP <= n) {
        for (int64_t last = row + STEP; row < last; row++)
            for (int i = 0; i < columns; i++)
                levels[0][i] += x[row * ld + i];
        for (int level = 1, shift = 4; level < LEVELS; level++, shift += 4) {
            for (int i = 0; i < columns; i++) {
                levels[level][i] += levels[level - 1][i];
                levels[level - 1][i] = 0.0f;
            }
            if (row & ((int64_t)(STEP - 1) << shift))
                break;
        }
    }
    for (; row < n; row++)
        for (int i = 0; i < columns; i++)
            levels[0][i] += x[row * ld + i];
    for (int i = 0; i < columns; i++)
        sums[i] = levels[0][i] + levels[1][i] + levels[2][i] + levels[3][i];
}

/* Sum of one column, by four sums of every fourth row. */
static float cascade_by_four(int64_t n, int64_t ld, const float *x)
{
    float sums[4];
    for (int lane = 0; lane < 4; lane++)
        cascade(n / 4, 4 * ld, 1, x + lane * ld, sums + lane);
    for (int64_t row = n / 4 * 4; row < n; row++)
        sums[0] += x[row * ld];
    return sums[0] + sums[1] + sums[2] + sums[3];
}

/* sums [width] = those of the columns of x [n, width]. */
void sum_of_rows(int64_t n, int64_t width, const float *x, int64_t ldx, float *sums)
{
    int64_t at = 0;
    for (; width >= 8 && at + COLUMNS <= width; at += COLUMNS)
        cascade(n, ldx, COLUMNS, x + at, sums + at);
    for (; width < 8 && at + 4 <= width; at += 4)
        cascade(n, ldx, 4, x + at, sums + at);
    for (; at < width; at++)
        sums[at] = cascade_by_four(n, ldx, x + at);
}

void fill_rows(int64_t n, int64_t width, const float *row, float *to, int64_t ld)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * ld, row, (size_t)width * sizeof *to);
}

void copy_columns(int64_t n, int64_t width, const float *from, int64_t ldf, float *to, int64_t ldt)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * ldt, from + i * ldf, (size_t)width * sizeof *to);
}
