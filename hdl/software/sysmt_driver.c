/* SPDX-License-Identifier: Apache-2.0 */
#include "sysmt_driver.h"

#ifndef SYSMT_READ
#define SYSMT_READ(device, offset) (*(volatile uint32_t *)((device)->base + (offset)))
#define SYSMT_WRITE(device, offset, value) (*(volatile uint32_t *)((device)->base + (offset)) = (value))
#endif
#ifndef SYSMT_ADDRESS
#define SYSMT_ADDRESS(pointer) ((uint32_t)(uintptr_t)(pointer))
#endif
#ifndef SYSMT_FLUSH
#define SYSMT_FLUSH(pointer, bytes) ((void)(pointer), (void)(bytes))
#endif

#define FIELD(word, name) ((word) >> name##_SHIFT & name##_MASK)
#define WORDS (SYSMT_COMMAND_BYTES / 4)
#define LIST_ALIGNMENT SYSMT_COMMAND_BYTES

static uint32_t divided_up(uint32_t a, uint32_t b) { return (a + b - 1) / b; }
static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }
static size_t aligned(size_t bytes) { return (bytes + LIST_ALIGNMENT - 1) / LIST_ALIGNMENT * LIST_ALIGNMENT; }

int sysmt_init(sysmt_t *device, uintptr_t base) {
    uint32_t magic, word;
    device->base = base;
    device->failed = 0;
    magic = SYSMT_READ(device, SYSMT_MAGIC);
    if (magic != SYSMT_ACCEL_MAGIC && magic != SYSMT_ENGINE_MAGIC) return SYSMT_NO_DEVICE;
    word = SYSMT_READ(device, SYSMT_LINK_BUS);
    if (FIELD(word, SYSMT_LINK_BUS_VERSION) != SYSMT_LIST_VERSION) return SYSMT_NO_DEVICE;
    device->beat = FIELD(word, SYSMT_LINK_BUS_DATA_WIDTH) / 8;
    device->engine = magic == SYSMT_ENGINE_MAGIC;
    word = SYSMT_READ(device, SYSMT_ACCEL_GEOMETRY);
    device->rows = FIELD(word, SYSMT_ACCEL_GEOMETRY_ROWS);
    device->cols = FIELD(word, SYSMT_ACCEL_GEOMETRY_COLS);
    word = SYSMT_READ(device, SYSMT_ACCEL_ELEMENT);
    device->threads = FIELD(word, SYSMT_ACCEL_ELEMENT_THREADS);
    if (device->threads == 0) device->threads = 8;
    device->products = FIELD(word, SYSMT_ACCEL_ELEMENT_KIND) == SYSMT_KIND_NBSMT ? device->threads : 0;
    device->depth = device->engine ? 0 : SYSMT_READ(device, SYSMT_ACCEL_OPERANDS);
    device->result_rows = device->engine ? 0 : SYSMT_READ(device, SYSMT_ACCEL_RESULTS);
    return 0;
}

int sysmt_start(sysmt_t *device, const void *list, uint32_t commands) {
    uint32_t state = SYSMT_READ(device, SYSMT_LINK_LIST);
    if (FIELD(state, SYSMT_LINK_LIST_BUSY)) return SYSMT_BUSY;
    SYSMT_FLUSH(list, commands * SYSMT_COMMAND_BYTES);
    SYSMT_WRITE(device, SYSMT_LINK_INTERRUPT, 3);
    SYSMT_WRITE(device, SYSMT_LINK_LIST_ADDRESS, SYSMT_ADDRESS(list));
    SYSMT_WRITE(device, SYSMT_LINK_LIST_COMMANDS, commands);
    return 0;
}

int sysmt_wait(sysmt_t *device) {
    uint32_t state;
    do state = SYSMT_READ(device, SYSMT_LINK_LIST);
    while (FIELD(state, SYSMT_LINK_LIST_BUSY));
    if (FIELD(state, SYSMT_LINK_LIST_ERROR)) device->failed = SYSMT_READ(device, SYSMT_LINK_FAILED);
    return (int)FIELD(state, SYSMT_LINK_LIST_ERROR);
}

int sysmt_do(sysmt_t *device, const void *list, uint32_t commands) {
    int error = sysmt_start(device, list, commands);
    return error ? error : sysmt_wait(device);
}

static uint32_t *begin(uint32_t *command, uint32_t opcode) {
    uint32_t i;
    for (i = 0; i < WORDS; ++i) command[i] = 0;
    command[0] = opcode;
    return command + WORDS;
}

#define SET(command, name, value) ((command)[name##_WORD] |= (uint32_t)(value) << name##_SHIFT)

/* How a product is cut into runs: as many tiles of each side as fit, `part` steps of K at a time. */
typedef struct {
    uint32_t threads, steps, part, parts, m_tiles, n_tiles, m_block, n_block, x_bytes, w_bytes, pitch;
} plan_t;

static int make_plan(const sysmt_t *d, uint32_t m, uint32_t k, uint32_t n, uint32_t threads, plan_t *p) {
    uint32_t resident, cols;
    p->threads = threads ? threads : d->threads;
    if (d->engine || !d->products || !m || !k || !n || p->threads > d->threads || (p->threads & (p->threads - 1)))
        return SYSMT_ARGUMENT;
    p->steps = divided_up(k, p->threads);
    p->parts = divided_up(p->steps, d->depth);
    p->part = divided_up(p->steps, p->parts);
    p->parts = divided_up(p->steps, p->part);
    p->m_tiles = divided_up(m, d->rows);
    p->n_tiles = divided_up(n, d->cols);
    resident = d->depth / p->part;
    p->n_block = smaller(smaller(p->n_tiles, resident), d->result_rows / d->rows);
    p->m_block = smaller(smaller(p->m_tiles, resident), d->result_rows / d->rows / p->n_block);
    /* Nearly square blocks take the fewest operands for their outputs. */
    while (p->m_block + 1 < p->n_block && (p->m_block < smaller(p->m_tiles, resident))) {
        --p->n_block;
        p->m_block = smaller(smaller(p->m_tiles, resident), d->result_rows / d->rows / p->n_block);
    }
    p->x_bytes = divided_up(d->rows * d->products, d->beat) * d->beat;
    p->w_bytes = divided_up(d->cols * d->products, d->beat) * d->beat;
    cols = p->n_block * d->cols * 4;
    p->pitch = divided_up(cols, d->beat) * d->beat;
    return 0;
}

static uint32_t run_count(const plan_t *p) {
    return divided_up(p->m_tiles, p->m_block) * divided_up(p->n_tiles, p->n_block) * p->parts;
}

static size_t run_bytes(const sysmt_t *d, const plan_t *p) { return (size_t)p->m_block * d->rows * p->pitch; }

size_t sysmt_matmul_scratch(const sysmt_t *device, uint32_t m, uint32_t k, uint32_t n, uint32_t threads) {
    plan_t p;
    if (make_plan(device, m, k, n, threads, &p)) return 0;
    return aligned((size_t)run_count(&p) * 4 * SYSMT_COMMAND_BYTES) + aligned((size_t)p.m_tiles * p.steps * p.x_bytes) +
           aligned((size_t)p.n_tiles * p.steps * p.w_bytes) + aligned(run_count(&p) * run_bytes(device, &p));
}

/* Operand `at` of `lanes` lanes, `lane_stride` apart, as steps of `bytes`: part after part, in each tile after tile. */
static void pack(uint8_t *to, const uint8_t *from, uint32_t lanes, uint32_t lane_stride, uint32_t k, uint32_t k_stride,
                 uint32_t tile, uint32_t tiles, uint32_t bytes, uint32_t products, const plan_t *p) {
    uint32_t first, steps, i, step, lane, pair;
    for (first = 0; first < p->steps; first += p->part) {
        steps = smaller(p->part, p->steps - first);
        for (i = 0; i < tiles; ++i, to += steps * bytes) {
            for (step = 0; step < steps * bytes; ++step) to[step] = 0;
            for (lane = 0; lane < tile && i * tile + lane < lanes; ++lane)
                for (pair = 0; pair < p->threads; ++pair) {
                    const uint32_t at = pair * p->steps + first, count = at < k ? smaller(steps, k - at) : 0;
                    const uint8_t *source = from + (size_t)(i * tile + lane) * lane_stride + (size_t)at * k_stride;
                    uint8_t *target = to + lane * products + pair;
                    for (step = 0; step < count; ++step, source += k_stride, target += bytes) *target = *source;
                }
        }
    }
}

static uint32_t *write_steps(uint32_t *to, uint32_t target, const uint8_t *from, uint32_t bytes, uint32_t beat) {
    uint32_t *next = begin(to, SYSMT_OPCODE_WRITE);
    SET(to, SYSMT_ACCEL_WRITE_TARGET, target);
    SET(to, SYSMT_ACCEL_WRITE_ADDRESS, SYSMT_ADDRESS(from));
    SET(to, SYSMT_ACCEL_WRITE_BEATS, bytes / beat);
    return next;
}

int sysmt_matmul(sysmt_t *d, const uint8_t *x, const int8_t *w, int32_t *out, uint32_t m, uint32_t k, uint32_t n,
                 uint32_t threads, void *scratch, size_t bytes) {
    plan_t p;
    uint32_t *list = (uint32_t *)scratch, *at = list, number = 0, mode = 0;
    /* What a half of a memory holds: the first byte of it, per half. */
    const uint8_t *x_held[2] = {0, 0}, *w_held[2] = {0, 0};
    uint32_t x_size[2] = {0, 0}, w_size[2] = {0, 0};
    uint32_t mb, nb, first, steps, rows, cols, r, c;
    uint8_t *xs, *ws, *results;
    int error = make_plan(d, m, k, n, threads, &p);
    if (error) return error;
    if (bytes < sysmt_matmul_scratch(d, m, k, n, threads) || (uintptr_t)scratch % LIST_ALIGNMENT)
        return SYSMT_TOO_SMALL;
    xs = (uint8_t *)scratch + aligned((size_t)run_count(&p) * 4 * SYSMT_COMMAND_BYTES);
    ws = xs + aligned((size_t)p.m_tiles * p.steps * p.x_bytes);
    results = ws + aligned((size_t)p.n_tiles * p.steps * p.w_bytes);
    pack(xs, x, m, k, k, 1, d->rows, p.m_tiles, p.x_bytes, d->products, &p);
    pack(ws, (const uint8_t *)w, n, 1, k, n, d->cols, p.n_tiles, p.w_bytes, d->products, &p);
    while (1u << mode < p.threads) ++mode;
    for (mb = 0; mb < p.m_tiles; mb += p.m_block)
        for (first = 0; first < p.steps; first += p.part)
            for (nb = 0; nb < p.n_tiles; nb += p.n_block, ++number) {
                uint32_t half = number & 1, *run, m_tiles = smaller(p.m_block, p.m_tiles - mb);
                uint32_t n_tiles = smaller(p.n_block, p.n_tiles - nb);
                const uint8_t *x_from, *w_from;
                steps = smaller(p.part, p.steps - first);
                rows = smaller(d->rows, m - (mb + m_tiles - 1) * d->rows);
                cols = smaller(d->cols, n - (nb + n_tiles - 1) * d->cols);
                x_from = xs + ((size_t)first * p.m_tiles + (size_t)mb * steps) * p.x_bytes;
                w_from = ws + ((size_t)first * p.n_tiles + (size_t)nb * steps) * p.w_bytes;
                if (x_held[half] != x_from || x_size[half] != m_tiles * steps)
                    at = write_steps(at, SYSMT_TARGET_X, x_from, m_tiles * steps * p.x_bytes, d->beat);
                if (w_held[half] != w_from || w_size[half] != n_tiles * steps)
                    at = write_steps(at, SYSMT_TARGET_W, w_from, n_tiles * steps * p.w_bytes, d->beat);
                x_held[half] = x_from, x_size[half] = m_tiles * steps;
                w_held[half] = w_from, w_size[half] = n_tiles * steps;
                run = at;
                at = begin(at, SYSMT_OPCODE_RUN);
                SET(run, SYSMT_ACCEL_RUN_THREADS, mode);
                SET(run, SYSMT_ACCEL_RUN_STEPS, steps);
                SET(run, SYSMT_ACCEL_RUN_M_TILES, m_tiles);
                SET(run, SYSMT_ACCEL_RUN_N_TILES, n_tiles);
                SET(run, SYSMT_ACCEL_RUN_ROWS, rows);
                SET(run, SYSMT_ACCEL_RUN_COLS, cols);
                run = at;
                at = begin(at, SYSMT_OPCODE_READ);
                SET(run, SYSMT_ACCEL_READ_ADDRESS, SYSMT_ADDRESS(results + number * run_bytes(d, &p)));
                SET(run, SYSMT_ACCEL_READ_PITCH, p.pitch);
                SET(run, SYSMT_ACCEL_READ_M_TILES, m_tiles);
                SET(run, SYSMT_ACCEL_READ_N_TILES, n_tiles);
                SET(run, SYSMT_ACCEL_READ_ROWS, rows);
                SET(run, SYSMT_ACCEL_READ_COLS, cols);
            }
    SYSMT_FLUSH(scratch, bytes);
    error = sysmt_do(d, list, (uint32_t)(at - list) / WORDS);
    if (error) return error;
    SYSMT_FLUSH(results, number * run_bytes(d, &p));
    number = 0;
    for (mb = 0; mb < p.m_tiles; mb += p.m_block)
        for (first = 0; first < p.steps; first += p.part)
            for (nb = 0; nb < p.n_tiles; nb += p.n_block, ++number) {
                const uint8_t *from = results + number * run_bytes(d, &p);
                rows = smaller(p.m_block * d->rows, m - mb * d->rows);
                cols = smaller(p.n_block * d->cols, n - nb * d->cols);
                for (r = 0; r < rows; ++r)
                    for (c = 0; c < cols; ++c) {
                        const int32_t *sums = (const int32_t *)(const void *)(from + (size_t)r * p.pitch);
                        int32_t *sum = out + (size_t)(mb * d->rows + r) * n + nb * d->cols + c;
                        *sum = (first ? *sum : 0) + sums[c];
                    }
            }
    return 0;
}

static uint32_t *write_memory(uint32_t *to, uint32_t memory, uint32_t half, uint32_t first, const void *from,
                              uint32_t beats) {
    uint32_t *next = begin(to, SYSMT_OPCODE_WRITE);
    SET(to, SYSMT_ENGINE_WRITE_TARGET, memory);
    SET(to, SYSMT_ENGINE_WRITE_HALF, half);
    SET(to, SYSMT_ENGINE_WRITE_ADDRESS, SYSMT_ADDRESS(from));
    SET(to, SYSMT_ENGINE_WRITE_BEATS, beats);
    SET(to, SYSMT_ENGINE_WRITE_FIRST, first);
    return next;
}

void sysmt_pack(const sysmt_program_t *program, const void *tensor, void *packed) {
    uint32_t i;
    for (i = 0; i < program->input_bytes; ++i) {
        const uint32_t from = program->input_table[i];
        ((uint8_t *)packed)[i] =
            (uint8_t)(from >> 31 ? from & 0xff : ((const uint8_t *)tensor)[from] ^ program->input_flip);
    }
}

void sysmt_unpack(const sysmt_program_t *program, const void *packed, void *tensor) {
    uint32_t i;
    for (i = 0; i < program->output_count; ++i)
        ((uint8_t *)tensor)[i] = (uint8_t)(((const uint8_t *)packed)[program->output_table[i]] ^ program->output_flip);
}

static int check_program(sysmt_t *device, const sysmt_program_t *program) {
    if (!device->engine) return SYSMT_ARGUMENT;
    if (SYSMT_READ(device, SYSMT_ENGINE_FINGERPRINT_LOW) != program->fingerprint_low ||
        SYSMT_READ(device, SYSMT_ENGINE_FINGERPRINT_HIGH) != program->fingerprint_high ||
        device->beat != program->beat)
        return SYSMT_OTHER_DEVICE;
    return 0;
}

int sysmt_load(sysmt_t *device, const sysmt_program_t *program, void *list) {
    uint32_t i, *at = (uint32_t *)list;
    int error = check_program(device, program);
    if (error) return error;
    for (i = 0; i < program->image_count; ++i) {
        const sysmt_image_t *image = program->images + i;
        const uint8_t *from = (const uint8_t *)program->data + image->offset;
        at = write_memory(at, image->memory, 0, 0, from, image->beats);
        SYSMT_FLUSH(from, image->beats * program->beat);
    }
    return sysmt_do(device, list, program->image_count);
}

int sysmt_run(sysmt_t *device, const sysmt_program_t *program, const void *inputs, void *outputs, uint32_t count,
              void *list) {
    uint32_t i, *at = (uint32_t *)list;
    uint32_t places = program->input_first[0] != program->input_first[1] ? 2 : 1;
    int error = check_program(device, program);
    if (error) return error;
    if (!count) return 0;
    for (i = 0; i < count; ++i) {
        uint32_t half = i % places, *command;
        const uint8_t *from = (const uint8_t *)inputs + (size_t)i * program->input_bytes;
        at = write_memory(at, SYSMT_MEMORY_ACTIVATIONS, half, program->input_first[half], from,
                          program->input_bytes / program->beat);
        command = at;
        at = begin(at, SYSMT_OPCODE_RUN);
        SET(command, SYSMT_ENGINE_RUN_HALF, half);
        command = at;
        at = begin(at, SYSMT_OPCODE_READ);
        SET(command, SYSMT_ENGINE_READ_ADDRESS, SYSMT_ADDRESS((uint8_t *)outputs + (size_t)i * program->output_bytes));
        SET(command, SYSMT_ENGINE_READ_BEATS, program->output_bytes / program->beat);
        SET(command, SYSMT_ENGINE_READ_FIRST, program->output_first[half]);
    }
    SYSMT_FLUSH(inputs, count * program->input_bytes);
    SYSMT_FLUSH(outputs, count * program->output_bytes);
    error = sysmt_do(device, list, 3 * count);
    SYSMT_FLUSH(outputs, count * program->output_bytes);
    return error;
}
