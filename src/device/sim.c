/* SPDX-License-Identifier: Apache-2.0 */
#include "device/sim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/format.h"
#include "base/size.h"
#include "device/host.h"

typedef struct sim_block {
    char *data;
    int64_t bytes;
} sim_block;

typedef struct sim_state {
    weir_device_host lend;
    void *host; /* state of the host's table: LAPACK workspace */
    int64_t capacity, in_use;
    int64_t fail, fail_op, fail_for_ever, absent;
    int64_t allocations, operations;
    double speed, launch, bandwidth;
    sim_block *block;
    int64_t blocks, block_room;
} sim_state;

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static bool due(int64_t number, int64_t target, int64_t for_ever)
{
    return target > 0 && (number == target || (for_ever && number > target));
}

static weir_status say(sim_state *sim, weir_status status, const char *line)
{
    return sim->lend.fail(sim->lend.user, status, line);
}

static weir_status block_room_make(sim_state *sim)
{
    if (sim->blocks < sim->block_room) {
        return WEIR_OK;
    }
    int64_t room = sim->block_room ? 2 * sim->block_room : 16;
    sim_block *bigger = sim->lend.alloc(sim->lend.user, "device", (size_t)room * sizeof *bigger);
    if (!bigger) {
        return WEIR_E_MEMORY;
    }
    if (sim->blocks > 0) {
        memcpy(bigger, sim->block, (size_t)sim->blocks * sizeof *bigger);
    }
    sim->lend.free(sim->lend.user, sim->block);
    sim->block = bigger;
    sim->block_room = room;
    return WEIR_OK;
}

static weir_status sim_alloc(void *state, int64_t bytes, void **out)
{
    sim_state *sim = state;
    char line[200], want[W_FORMAT_BYTES], have[W_FORMAT_BYTES];
    if (bytes < 0) {
        return WEIR_E_ARG;
    }
    int64_t charge = w_round_up64(w_max64(bytes, 1), 256);
    if (due(++sim->allocations, sim->fail, sim->fail_for_ever) || charge > sim->capacity - sim->in_use) {
        snprintf(line, sizeof line, "the simulated device has no room for %s beside %s in use",
                 w_format_bytes(want, charge), w_format_bytes(have, sim->in_use));
        return say(sim, WEIR_E_MEMORY, line);
    }
    weir_status status = block_room_make(sim);
    if (status != WEIR_OK) {
        return status;
    }
    void *data = mmap(NULL, (size_t)charge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        return say(sim, WEIR_E_MEMORY, "the system refused memory for the simulated device");
    }
    memset(data, 0xff, (size_t)charge); /* not-a-number wherever nothing has been written */
    sim->block[sim->blocks++] = (sim_block){ data, charge };
    sim->in_use += charge;
    *out = data;
    return WEIR_OK;
}

static void sim_free(void *state, void *block)
{
    sim_state *sim = state;
    for (int64_t i = 0; block && i < sim->blocks; i++) {
        if (sim->block[i].data == block) {
            munmap(block, (size_t)sim->block[i].bytes);
            sim->in_use -= sim->block[i].bytes;
            sim->block[i] = sim->block[--sim->blocks];
            return;
        }
    }
}

static bool owned(const sim_state *sim, const void *address, int64_t bytes)
{
    const char *at = address;
    for (int64_t i = 0; i < sim->blocks; i++) {
        const sim_block *block = &sim->block[i];
        if (at >= block->data && at < block->data + block->bytes) {
            return bytes <= block->data + block->bytes - at;
        }
    }
    return false;
}

static weir_status sim_copy(void *state, void *to, const void *from, int64_t bytes, weir_device_direction direction)
{
    sim_state *sim = state;
    bool to_device = direction != WEIR_DEVICE_DOWN, from_device = direction != WEIR_DEVICE_UP;
    if (bytes < 0 || owned(sim, to, bytes) != to_device || owned(sim, from, bytes) != from_device) {
        return say(sim, WEIR_E_ARG, "a copy names memory that is not on the side its direction says");
    }
    memmove(to, from, (size_t)bytes);
    return WEIR_OK;
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static weir_status operation(sim_state *sim)
{
    if (due(++sim->operations, sim->fail_op, sim->fail_for_ever)) {
        return say(sim, WEIR_E_DEVICE, "the simulated device failed as its script says");
    }
    return WEIR_OK;
}

/* Every matrix must lie on the device: a host address is a bug of the caller that a real device would not survive. */
static weir_status operands(sim_state *sim, const void *a, const void *b, const void *c)
{
    if ((a && !owned(sim, a, 1)) || (b && !owned(sim, b, 1)) || (c && !owned(sim, c, 1))) {
        return say(sim, WEIR_E_ARG, "an operand is not in the simulated device's memory");
    }
    return operation(sim);
}

static weir_status sim_gemm(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n,
                            int64_t k, double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta,
                            void *c, int64_t ldc)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, b, c);
    return status == WEIR_OK
               ? w_host_gemm(sim->host, dtype, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
               : status;
}

static weir_status sim_syrk(void *state, weir_device_dtype dtype, char uplo, char trans, int64_t n, int64_t k,
                            double alpha, const void *a, int64_t lda, double beta, void *c, int64_t ldc)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, NULL, c);
    return status == WEIR_OK ? w_host_syrk(sim->host, dtype, uplo, trans, n, k, alpha, a, lda, beta, c, ldc) : status;
}

static weir_status sim_trsm(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag, int64_t m,
                            int64_t n, double alpha, const void *a, int64_t lda, void *b, int64_t ldb)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, b, NULL);
    return status == WEIR_OK ? w_host_trsm(sim->host, dtype, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb)
                             : status;
}

static weir_status sim_potrf(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda,
                             int64_t *info)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, NULL, NULL);
    return status == WEIR_OK ? w_host_potrf(sim->host, dtype, uplo, n, a, lda, info) : status;
}

static weir_status sim_geqrf(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda, void *tau)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, tau, NULL);
    return status == WEIR_OK ? w_host_geqrf(sim->host, dtype, m, n, a, lda, tau) : status;
}

static weir_status sim_syevd(void *state, weir_device_dtype dtype, int vectors, char uplo, int64_t n, void *a,
                             int64_t lda, void *w)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, w, NULL);
    return status == WEIR_OK ? w_host_syevd(sim->host, dtype, vectors, uplo, n, a, lda, w) : status;
}

static weir_status sim_gemm_batched(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m,
                                    int64_t n, int64_t k, double alpha, const void *a, int64_t lda, int64_t stride_a,
                                    const void *b, int64_t ldb, int64_t stride_b, double beta, void *c, int64_t ldc,
                                    int64_t stride_c, int64_t batch)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, b, c);
    return status == WEIR_OK ? w_host_gemm_batched(sim->host, dtype, trans_a, trans_b, m, n, k, alpha, a, lda, stride_a,
                                                   b, ldb, stride_b, beta, c, ldc, stride_c, batch)
                             : status;
}

static weir_status sim_trsm_batched(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag,
                                    int64_t m, int64_t n, double alpha, const void *a, int64_t lda, int64_t stride_a,
                                    void *b, int64_t ldb, int64_t stride_b, int64_t batch)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, b, NULL);
    return status == WEIR_OK ? w_host_trsm_batched(sim->host, dtype, side, uplo, trans, diag, m, n, alpha, a, lda,
                                                   stride_a, b, ldb, stride_b, batch)
                             : status;
}

static weir_status sim_potrf_batched(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda,
                                     int64_t stride, int64_t batch, int64_t *info)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, NULL, NULL);
    return status == WEIR_OK ? w_host_potrf_batched(sim->host, dtype, uplo, n, a, lda, stride, batch, info) : status;
}

static weir_status sim_geqrf_batched(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda,
                                     int64_t stride, void *tau, int64_t batch)
{
    sim_state *sim = state;
    weir_status status = operands(sim, a, tau, NULL);
    return status == WEIR_OK ? w_host_geqrf_batched(sim->host, dtype, m, n, a, lda, stride, tau, batch) : status;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static weir_status sim_memory(void *state, int64_t *free_bytes, int64_t *total_bytes)
{
    const sim_state *sim = state;
    *free_bytes = sim->capacity - sim->in_use;
    *total_bytes = sim->capacity;
    return WEIR_OK;
}

static weir_status sim_describe(void *state, char *text, size_t bytes)
{
    const sim_state *sim = state;
    char capacity[W_FORMAT_BYTES];
    snprintf(text, bytes, "simulated: capacity %s, speed %d/1000 of the host", w_format_bytes(capacity, sim->capacity),
             (int)(1000 * sim->speed));
    return WEIR_OK;
}

static weir_status sim_sync(void *state)
{
    (void)state;
    return WEIR_OK;
}

static int sim_supports(void *state, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape)
{
    const sim_state *sim = state;
    return w_host_api()->supports(sim->host, op, dtype, shape);
}

static void sim_close(void *state)
{
    sim_state *sim = state;
    if (!sim) {
        return;
    }
    weir_device_host lend = sim->lend;
    for (int64_t i = 0; i < sim->blocks; i++) {
        munmap(sim->block[i].data, (size_t)sim->block[i].bytes);
    }
    lend.free(lend.user, sim->block);
    w_host_api()->close(sim->host);
    lend.free(lend.user, sim);
}

static const weir_device_api sim_api = {
    .abi = WEIR_DEVICE_ABI, .struct_size = sizeof(weir_device_api), .name = "sim", .close = sim_close,
    .describe = sim_describe, .memory = sim_memory, .alloc = sim_alloc, .free = sim_free, .copy = sim_copy,
    .sync = sim_sync, .supports = sim_supports, .gemm = sim_gemm, .syrk = sim_syrk, .trsm = sim_trsm, .potrf = sim_potrf,
    .geqrf = sim_geqrf, .syevd = sim_syevd, .gemm_batched = sim_gemm_batched, .trsm_batched = sim_trsm_batched,
    .potrf_batched = sim_potrf_batched, .geqrf_batched = sim_geqrf_batched,
};

/* ---- script ------------------------------------------------------------------------------------------------------ */

static bool number_set(sim_state *sim, const char *name, const char *value)
{
    struct { const char *name; int64_t *to; } whole[] = {
        { "capacity", &sim->capacity }, { "fail", &sim->fail }, { "fail_op", &sim->fail_op },
        { "fail_for_ever", &sim->fail_for_ever }, { "absent", &sim->absent },
    };
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        if (strcmp(name, whole[i].name) == 0) {
            return w_parse_bytes(value, whole[i].to) == 0;
        }
    }
    double number;
    int64_t bytes;
    if (strcmp(name, "bandwidth") == 0) {
        sim->bandwidth = w_parse_bytes(value, &bytes) == 0 ? (double)bytes : 0;
        return sim->bandwidth > 0;
    }
    if (w_parse_double(value, strlen(value), &number) != 0 || !isfinite(number)) {
        return false;
    }
    if (strcmp(name, "speed") == 0) {
        sim->speed = number;
        return number > 0;
    }
    sim->launch = number; /* the only name left */
    return number >= 0;
}

static weir_status script_read(weir_ctx *ctx, sim_state *sim, const char *script)
{
    static const char *const known[] = { "capacity", "speed", "launch", "bandwidth", "fail", "fail_op", "fail_for_ever",
                                         "absent" };
    while (script && *script) {
        size_t length = strcspn(script, ",");
        char field[80];
        if (length >= sizeof field) {
            return w_fail(ctx, WEIR_E_ARG, "device sim: the field '%.40s…' is too long", script);
        }
        memcpy(field, script, length);
        field[length] = '\0';
        script += length + (script[length] == ',');
        char *value = strchr(field, '=');
        if (value) {
            *value++ = '\0';
        }
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(field, known[i]) == 0;
        }
        if (!found) {
            return w_fail(ctx, WEIR_E_ARG, "device sim: unknown field '%s'; known are capacity, speed, launch, bandwidth, "
                          "fail, fail_op, fail_for_ever, absent", field);
        }
        if (!value) {
            return w_fail(ctx, WEIR_E_ARG, "device sim: field '%s' needs a value, as in %s=1", field, field);
        }
        if (!number_set(sim, field, value)) {
            return w_fail(ctx, WEIR_E_ARG, "device sim: '%s' is no value for %s", value, field);
        }
    }
    return WEIR_OK;
}

static void cost_fill(const sim_state *sim, const w_cost *host, w_device_cost *cost)
{
    *cost = host->host;
    cost->launch = sim->launch;
    cost->up = cost->down = sim->bandwidth;
    for (int op = 0; op < WEIR_DEVICE_OPS; op++) {
        for (int dtype = 0; dtype < WEIR_DEVICE_DTYPES; dtype++) {
            cost->peak[op][dtype] *= sim->speed;
        }
    }
}

weir_status w_sim_open(weir_ctx *ctx, const weir_device_host *lend, const char *script, const w_cost *cost,
                       w_device *device)
{
    sim_state start = { .lend = *lend, .capacity = (int64_t)1 << 30, .speed = 1, .launch = 1e-5, .bandwidth = 1e10 };
    weir_status status = script_read(ctx, &start, script);
    if (status != WEIR_OK) {
        return status;
    }
    *device = (w_device){ .name = "sim", .kind = W_DEVICE_SIMULATED };
    snprintf(device->description, sizeof device->description, "simulated device");
    if (start.absent) {
        snprintf(device->reason, sizeof device->reason, "no such device: absent as its script says");
        return WEIR_OK;
    }
    status = w_host_api()->open(lend, &start.host);
    sim_state *sim = status == WEIR_OK ? lend->alloc(lend->user, "device", sizeof *sim) : NULL;
    if (!sim) {
        w_host_api()->close(start.host);
        return w_alloc_status(ctx);
    }
    *sim = start;
    device->api = sim_api;
    device->state = sim;
    device->available = true;
    sim_describe(sim, device->description, sizeof device->description);
    cost_fill(sim, cost, &device->cost);
    return WEIR_OK;
}

int64_t w_sim_live(const w_device *device, int64_t *bytes)
{
    const sim_state *sim = device->state;
    *bytes = sim->in_use;
    return sim->blocks;
}
