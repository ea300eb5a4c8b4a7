/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing over entry numbers, at most half full; the texts stand one after another, each
 * ended by a zero byte and eight more so that it can be read as a number in place. */
#include "table/dictionary.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "base/number.h"
#include "table/table.h"

#define TAG "factor levels"
#define FIRST_SLOTS 64

typedef struct entry {
    uint64_t hash;
    int64_t offset;
    int64_t length;
    int32_t code;
} entry;

/* A number by its bits; entry 0 = free, else entry number + 1. */
typedef struct number_slot {
    uint64_t bits;
    int32_t entry;
} number_slot;

struct w_dictionary {
    weir_ctx *ctx;
    entry *entries;
    number_slot *numbers; /* made when the first number comes; at most half full */
    int64_t number_count, number_room;
    int32_t *direct;      /* per whole number from 0 on: entry number + 1; 0 = look it up */
    int64_t direct_room;
    int64_t count, entry_room;
    int32_t *slots; /* entry number + 1; 0 = free */
    int64_t slot_count;
    char *text;
    int64_t text_used, text_room;
    const char **levels; /* after the finish */
    int32_t *remap;
};

weir_status w_dictionary_create(weir_ctx *ctx, w_dictionary **out)
{
    w_dictionary *dictionary = w_calloc(ctx, TAG, 1, sizeof *dictionary);
    if (!dictionary) {
        return w_alloc_status(ctx);
    }
    dictionary->ctx = ctx;
    dictionary->slots = w_calloc(ctx, TAG, FIRST_SLOTS, sizeof *dictionary->slots);
    if (!dictionary->slots) {
        w_free(ctx, dictionary);
        return w_alloc_status(ctx);
    }
    dictionary->slot_count = FIRST_SLOTS;
    *out = dictionary;
    return WEIR_OK;
}

void w_dictionary_free(w_dictionary *dictionary)
{
    if (!dictionary) {
        return;
    }
    weir_ctx *ctx = dictionary->ctx;
    w_free(ctx, dictionary->entries);
    w_free(ctx, dictionary->slots);
    w_free(ctx, dictionary->numbers);
    w_free(ctx, dictionary->direct);
    w_free(ctx, dictionary->text);
    w_free(ctx, dictionary->levels);
    w_free(ctx, dictionary->remap);
    w_free(ctx, dictionary);
}

static uint64_t hash_text(const char *text, size_t length)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ length;
    while (length > 0) {
        uint64_t word = 0;
        size_t part = length < 8 ? length : 8;
        memcpy(&word, text, part);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
        text += part;
        length -= part;
    }
    hash *= 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 29;
}

static int64_t find_slot(const w_dictionary *dictionary, uint64_t hash, const char *text, size_t length)
{
    int64_t mask = dictionary->slot_count - 1;
    for (int64_t i = (int64_t)(hash & (uint64_t)mask);; i = (i + 1) & mask) {
        if (dictionary->slots[i] == 0) {
            return i;
        }
        const entry *e = &dictionary->entries[dictionary->slots[i] - 1];
        if (e->hash == hash && e->length == (int64_t)length &&
            memcmp(dictionary->text + e->offset, text, length) == 0) {
            return i;
        }
    }
}

int32_t w_dictionary_find(const w_dictionary *dictionary, const char *text, size_t length)
{
    int32_t number = dictionary->slots[find_slot(dictionary, hash_text(text, length), text, length)];
    return number == 0 ? -1 : dictionary->entries[number - 1].code;
}

static bool grow_slots(w_dictionary *dictionary)
{
    int64_t wanted = 2 * dictionary->slot_count;
    int32_t *slots = w_calloc(dictionary->ctx, TAG, (size_t)wanted, sizeof *slots);
    if (!slots) {
        return false;
    }
    for (int64_t k = 0; k < dictionary->count; k++) {
        int64_t i = (int64_t)(dictionary->entries[k].hash & (uint64_t)(wanted - 1));
        while (slots[i] != 0) {
            i = (i + 1) & (wanted - 1);
        }
        slots[i] = (int32_t)(k + 1);
    }
    w_free(dictionary->ctx, dictionary->slots);
    dictionary->slots = slots;
    dictionary->slot_count = wanted;
    return true;
}

static bool make_room(w_dictionary *dictionary, size_t length)
{
    if (dictionary->count == dictionary->entry_room) {
        int64_t room = w_max64(32, 2 * dictionary->entry_room);
        entry *entries = w_realloc(dictionary->ctx, TAG, dictionary->entries, (size_t)room * sizeof *entries);
        if (!entries) {
            return false;
        }
        dictionary->entries = entries;
        dictionary->entry_room = room;
    }
    int64_t need = w_add64(dictionary->text_used, (int64_t)length + 1 + W_NUMBER_SLACK);
    if (need > dictionary->text_room) {
        int64_t room = w_max64(w_mul64(2, need), 512);
        char *text = w_realloc(dictionary->ctx, TAG, dictionary->text, (size_t)room);
        if (!text) {
            return false;
        }
        dictionary->text = text;
        dictionary->text_room = room;
    }
    return 2 * (dictionary->count + 1) <= dictionary->slot_count || grow_slots(dictionary);
}

int32_t w_dictionary_add(w_dictionary *dictionary, const char *text, size_t length)
{
    uint64_t hash = hash_text(text, length);
    int64_t slot = find_slot(dictionary, hash, text, length);
    if (dictionary->slots[slot] != 0) {
        return dictionary->entries[dictionary->slots[slot] - 1].code;
    }
    if (dictionary->count == INT_MAX - 1 || !make_room(dictionary, length)) {
        return -1;
    }
    slot = find_slot(dictionary, hash, text, length);
    int64_t number = dictionary->count++;
    dictionary->entries[number] = (entry){ hash, dictionary->text_used, (int64_t)length, (int32_t)number };
    char *copy = dictionary->text + dictionary->text_used;
    memcpy(copy, text, length);
    memset(copy + length, 0, 1 + W_NUMBER_SLACK);
    dictionary->text_used += (int64_t)length + 1 + W_NUMBER_SLACK;
    dictionary->slots[slot] = (int32_t)(number + 1);
    return (int32_t)number;
}

static number_slot *find_number(number_slot *numbers, int64_t room, uint64_t bits)
{
    uint64_t hash = bits * 0x9e3779b97f4a7c15u;
    int64_t i = (int64_t)((hash ^ hash >> 32) & (uint64_t)(room - 1));
    while (numbers[i].entry != 0 && numbers[i].bits != bits) {
        i = (i + 1) & (room - 1);
    }
    return &numbers[i];
}

/* Whole numbers that are not far more than there are levels have a table of their own. */
static bool note_direct(w_dictionary *dictionary, double value, int32_t entry)
{
    const double most = 4.0 * (double)dictionary->count + 1024.0;
    if (!(value >= 0 && value < most) || signbit(value) || value != floor(value)) {
        return true;
    }
    const int64_t at = (int64_t)value;
    if (at >= dictionary->direct_room) {
        const int64_t room = w_max64(1024, w_max64(at + 1, 2 * dictionary->direct_room));
        int32_t *direct = w_realloc(dictionary->ctx, TAG, dictionary->direct, (size_t)room * sizeof *direct);
        if (!direct) {
            return false;
        }
        memset(direct + dictionary->direct_room, 0, (size_t)(room - dictionary->direct_room) * sizeof *direct);
        dictionary->direct = direct;
        dictionary->direct_room = room;
    }
    dictionary->direct[at] = entry;
    return true;
}

static bool note_number(w_dictionary *dictionary, uint64_t bits, int32_t entry)
{
    if (2 * (dictionary->number_count + 1) > dictionary->number_room) {
        int64_t room = w_max64(FIRST_SLOTS, 2 * dictionary->number_room);
        number_slot *numbers = w_calloc(dictionary->ctx, TAG, (size_t)room, sizeof *numbers);
        if (!numbers) {
            return false;
        }
        for (int64_t i = 0; i < dictionary->number_room; i++) {
            if (dictionary->numbers[i].entry != 0) {
                *find_number(numbers, room, dictionary->numbers[i].bits) = dictionary->numbers[i];
            }
        }
        w_free(dictionary->ctx, dictionary->numbers);
        dictionary->numbers = numbers;
        dictionary->number_room = room;
    }
    *find_number(dictionary->numbers, dictionary->number_room, bits) = (number_slot){ bits, entry };
    dictionary->number_count++;
    return true;
}

weir_status w_dictionary_number(w_dictionary *dictionary, double value, int32_t *code)
{
    *code = -1;
    if (isnan(value)) {
        return WEIR_OK;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (dictionary->numbers) {
        const number_slot *slot = find_number(dictionary->numbers, dictionary->number_room, bits);
        if (slot->entry != 0) {
            *code = dictionary->entries[slot->entry - 1].code;
            return WEIR_OK;
        }
    }
    char text[W_NUMBER_TEXT_BYTES];
    w_number_text(value, text);
    if (dictionary->levels) { /* finished: many threads may be here */
        *code = w_dictionary_find(dictionary, text, strlen(text));
        return *code < 0 ? WEIR_E_DATA : WEIR_OK;
    }
    *code = w_dictionary_add(dictionary, text, strlen(text));
    return *code < 0 || !note_number(dictionary, bits, *code + 1) || !note_direct(dictionary, value, *code + 1)
               ? w_alloc_status(dictionary->ctx)
               : WEIR_OK;
}

/* Rows of a level often follow each other. */
weir_status w_dictionary_numbers(w_dictionary *dictionary, weir_dtype dtype, const void *data, int64_t stride, int64_t rows,
                                 int32_t *codes, int64_t *row)
{
    enum { RUN = 256 };
    const char *p = data;
    double value[RUN], last = NAN;
    int32_t last_code = -1;
    for (int64_t start = 0; start < rows; start += RUN) {
        const int64_t run = w_min64(RUN, rows - start);
        w_convert_numeric(dtype, p + start * stride, stride, run, value);
        for (int64_t i = 0; i < run; i++) {
            if (value[i] == last && signbit(value[i]) == signbit(last)) {
                codes[start + i] = last_code;
                continue;
            }
            const bool direct = value[i] >= 0 && value[i] < (double)dictionary->direct_room && !signbit(value[i]) &&
                                value[i] == (double)(int64_t)value[i];
            const int32_t entry = direct ? dictionary->direct[(int64_t)value[i]] : 0;
            weir_status status = WEIR_OK;
            if (entry > 0) {
                last_code = dictionary->entries[entry - 1].code;
            } else {
                status = w_dictionary_number(dictionary, value[i], &last_code);
            }
            if (status < 0) {
                *row = start + i;
                return status;
            }
            last = value[i];
            codes[start + i] = last_code;
        }
    }
    return WEIR_OK;
}

int64_t w_dictionary_count(const w_dictionary *dictionary) { return dictionary->count; }

static bool comes_after(const w_dictionary *dictionary, const double *number, int32_t a, int32_t b)
{
    if (number && number[a] != number[b]) {
        return number[a] > number[b];
    }
    const entry *x = &dictionary->entries[a], *y = &dictionary->entries[b];
    int order =
        memcmp(dictionary->text + x->offset, dictionary->text + y->offset, (size_t)w_min64(x->length, y->length));
    return order != 0 ? order > 0 : x->length > y->length;
}

/* Bottom-up merge sort; the C library's qsort may take memory of its own. */
static int32_t *sort_entries(const w_dictionary *dictionary, const double *number, int32_t *from, int32_t *to)
{
    int64_t n = dictionary->count;
    for (int64_t i = 0; i < n; i++) {
        from[i] = (int32_t)i;
    }
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t start = 0; start < n; start += 2 * width) {
            int64_t a = start, middle = w_min64(start + width, n), b = middle, end = w_min64(start + 2 * width, n);
            for (int64_t i = start; i < end; i++) {
                bool second = a == middle || (b < end && comes_after(dictionary, number, from[a], from[b]));
                to[i] = from[second ? b++ : a++];
            }
        }
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

/* NaN is never a level, so comparing numbers is a total order. */
static bool read_numbers(const w_dictionary *dictionary, char decimal, double *number)
{
    for (int64_t i = 0; i < dictionary->count; i++) {
        const entry *e = &dictionary->entries[i];
        if (!w_number_field(dictionary->text + e->offset, (size_t)e->length, decimal, &number[i]) ||
            number[i] != number[i]) {
            return false;
        }
    }
    return true;
}

weir_status w_dictionary_finish(w_dictionary *dictionary, char decimal)
{
    if (dictionary->levels) {
        return WEIR_OK;
    }
    weir_ctx *ctx = dictionary->ctx;
    size_t n = (size_t)dictionary->count;
    double *number = w_alloc_array(ctx, TAG, n, sizeof *number);
    int32_t *order = w_alloc_array(ctx, TAG, 2 * n, sizeof *order);
    const char **levels = w_alloc_array(ctx, TAG, n, sizeof *levels);
    int32_t *remap = w_alloc_array(ctx, TAG, n, sizeof *remap);
    if (!number || !order || !levels || !remap) {
        w_free(ctx, number);
        w_free(ctx, order);
        w_free(ctx, levels);
        w_free(ctx, remap);
        return w_alloc_status(ctx);
    }
    bool numeric = read_numbers(dictionary, decimal, number);
    const int32_t *sorted = sort_entries(dictionary, numeric ? number : NULL, order, order + n);
    for (size_t i = 0; i < n; i++) {
        entry *e = &dictionary->entries[sorted[i]];
        levels[i] = dictionary->text + e->offset;
        e->code = (int32_t)i;
        remap[sorted[i]] = (int32_t)i;
    }
    w_free(ctx, number);
    w_free(ctx, order);
    dictionary->levels = levels;
    dictionary->remap = remap;
    return WEIR_OK;
}

bool w_dictionary_finished(const w_dictionary *dictionary) { return dictionary->levels != NULL; }
const char *const *w_dictionary_levels(const w_dictionary *dictionary) { return dictionary->levels; }
const int32_t *w_dictionary_remap(const w_dictionary *dictionary) { return dictionary->remap; }
