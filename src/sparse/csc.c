/* SPDX-License-Identifier: Apache-2.0 */
/* X'WX by columns (Gustavson 1978): with X by columns at hand, column j of A gathers the rows of X that have an entry in j. One
 * pass counts, a second adds up; `mark` says where in column j a row already stands. */
#include "sparse/csc.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

typedef struct gram {
    const w_csr_rows *x;
    int64_t *first, *by_row; /* X by columns: places of entries, and their rows */
    int64_t *by_entry;
    int64_t *mark;           /* n */
    const double *diagonal;
    int64_t blocks;
    const w_csc_block *block;
} gram;

static double value_of(const w_csr_rows *x, int64_t e)
{
    return x->float32 ? (double)((const float *)x->values)[e] : ((const double *)x->values)[e];
}

int64_t w_csc_bytes(int64_t n, int64_t entries)
{
    return w_add64(w_alloc_bytes(w_mul64(w_add64(n, 1), 8)), w_mul64(2, w_alloc_bytes(w_mul64(entries, 8))));
}

int64_t w_csc_gram_bytes(int64_t n, int64_t csr_entries)
{
    return w_add64(w_add64(w_alloc_bytes(w_mul64(w_add64(n, 1), 8)), w_alloc_bytes(w_mul64(n, 8))),
                   w_mul64(2, w_alloc_bytes(w_mul64(csr_entries, 8))));
}

void w_csc_free(weir_ctx *ctx, w_csc *matrix)
{
    w_free(ctx, matrix->value);
    w_free(ctx, matrix->row);
    w_free(ctx, matrix->first);
    *matrix = (w_csc){ 0 };
}

static void transpose(gram *g)
{
    const w_csr_rows *x = g->x;
    memset(g->first, 0, (size_t)(x->columns + 1) * sizeof *g->first);
    for (int64_t i = x->first; i < x->first + x->rows; i++) {
        for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) {
            g->first[x->column[e] + 1]++;
        }
    }
    for (int64_t j = 0; j < x->columns; j++) {
        g->first[j + 1] += g->first[j];
        g->mark[j] = g->first[j];
    }
    for (int64_t i = x->first; i < x->first + x->rows; i++) {
        for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) {
            const int64_t place = g->mark[x->column[e]]++;
            g->by_row[place] = i;
            g->by_entry[place] = e;
        }
    }
}

/* Column j: rows into out->row from out->first[j] on, and values when there are any; returns its end. */
static int64_t gather(gram *g, int64_t j, const w_csc_block *block, w_csc *out, int64_t begin)
{
    const w_csr_rows *x = g->x;
    int64_t end = begin;
#define AT(r, v) \
    do { \
        const int64_t at = (r); \
        if (g->mark[at] < begin) { \
            g->mark[at] = end; \
            if (out->row) { \
                out->row[end] = at; \
                out->value[end] = (v); \
            } \
            end++; \
        } else if (out->row) { \
            out->value[g->mark[at]] += (v); \
        } \
    } while (0)
    AT(j, g->diagonal[j]);
    for (int64_t k = g->first[j]; k < g->first[j + 1]; k++) {
        const int64_t i = g->by_row[k];
        const double w = x->weights ? x->weights[i] : 1.0, left = w * value_of(x, g->by_entry[k]);
        for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) {
            if (x->column[e] <= j) {
                AT(x->column[e], left * value_of(x, e));
            }
        }
    }
    if (block && j >= block->first) {
        const int64_t c = j - block->first;
        for (int64_t r = 0; r <= c; r++) {
            AT(block->first + r, block->matrix[r + c * block->size]);
        }
    }
#undef AT
    return end;
}

/* All columns: structure alone while out->row is NULL. */
static void all_columns(gram *g, w_csc *out)
{
    int64_t b = 0, end = 0;
    for (int64_t j = 0; j < g->x->columns; j++) {
        g->mark[j] = -1;
    }
    for (int64_t j = 0; j < g->x->columns; j++) {
        while (b < g->blocks && g->block[b].first + g->block[b].size <= j) {
            b++;
        }
        out->first[j] = end;
        end = gather(g, j, b < g->blocks ? &g->block[b] : NULL, out, end);
    }
    out->first[g->x->columns] = out->entries = end;
}

weir_status w_csc_gram(weir_ctx *ctx, const w_csr_rows *x, const double *diagonal, int64_t blocks, const w_csc_block *block,
                       w_csc *out)
{
    const int64_t n = x->columns, entries = x->row_first[x->first + x->rows] - x->row_first[x->first];
    gram g = { .x = x, .diagonal = diagonal, .blocks = blocks, .block = block };
    w_csc made = { .n = n };
    g.first = w_alloc_array(ctx, "sparse gram", (size_t)n + 1, sizeof(int64_t));
    g.mark = w_alloc_array(ctx, "sparse gram", (size_t)n, sizeof(int64_t));
    g.by_row = w_alloc_array(ctx, "sparse gram", (size_t)entries, sizeof(int64_t));
    g.by_entry = w_alloc_array(ctx, "sparse gram", (size_t)entries, sizeof(int64_t));
    made.first = w_alloc_array(ctx, "sparse gram", (size_t)n + 1, sizeof(int64_t));
    weir_status status = g.first && g.mark && g.by_row && g.by_entry && made.first ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        transpose(&g);
        all_columns(&g, &made);
        int64_t *row = w_alloc_array(ctx, "sparse gram", (size_t)made.entries, sizeof *row);
        made.value = w_alloc_array(ctx, "sparse gram", (size_t)made.entries, sizeof(double));
        made.row = row;
        status = row && made.value ? WEIR_OK : w_alloc_status(ctx);
    }
    if (status >= 0) {
        all_columns(&g, &made);
        *out = made;
    } else {
        w_csc_free(ctx, &made);
    }
    w_free(ctx, g.by_entry);
    w_free(ctx, g.by_row);
    w_free(ctx, g.mark);
    w_free(ctx, g.first);
    return status;
}

void w_csc_subtract_product(const w_csc *a, int64_t count, const double *x, double *y)
{
    for (int64_t k = 0; k < count; k++) {
        const double *from = x + k * a->n;
        double *to = y + k * a->n;
        for (int64_t j = 0; j < a->n; j++) {
            double sum = 0.0;
            for (int64_t e = a->first[j]; e < a->first[j + 1]; e++) {
                const int64_t i = a->row[e];
                sum += a->value[e] * from[i];
                if (i != j) {
                    to[i] -= a->value[e] * from[j];
                }
            }
            to[j] -= sum;
        }
    }
}

double w_csc_gram_estimate(const w_csr_rows *x, int64_t samples, int32_t *work)
{
    const int64_t n = x->columns, step = w_max64(1, n / w_max64(1, samples));
    int32_t *head = work, *next = work + n; /* lists of the rows of the sampled columns, by entry */
    double found = 0.0;
    int64_t sampled = 0;
    const int64_t base = x->row_first[x->first];
    for (int64_t j = 0; j < n; j++) {
        head[j] = -1;
    }
    /* next[] keeps, per entry of a sampled column, the entry before it; rows are found again by bisection. */
    for (int64_t i = x->first; i < x->first + x->rows; i++) {
        for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) {
            if (x->column[e] % step == 0) {
                next[e - base] = head[x->column[e]];
                head[x->column[e]] = (int32_t)(e - base);
            }
        }
    }
    for (int64_t j = 0; j < n; j += step, sampled++) {
        int64_t count = 1;
        const int32_t stamp = (int32_t)(-2 - sampled);
        for (int32_t e = head[j], following; e >= 0; e = following) {
            following = next[e];
            int64_t low = x->first, high = x->first + x->rows;
            while (high - low > 1) {
                const int64_t middle = low + (high - low) / 2;
                *(x->row_first[middle] - base <= e ? &low : &high) = middle;
            }
            for (int64_t f = x->row_first[low]; f < x->row_first[low + 1]; f++) {
                const int64_t c = x->column[f];
                if (c != j && c % step != 0 && head[c] != stamp) {
                    head[c] = stamp;
                    count++;
                }
            }
        }
        found += (double)count * (double)step / (double)w_max64(1, step - (step > 1));
    }
    return 0.5 * found * (double)n / (double)w_max64(1, sampled) + 0.5 * (double)n;
}
