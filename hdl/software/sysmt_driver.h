/* SPDX-License-Identifier: Apache-2.0 */
/* Driver of accelerators and engines by sysmt on a bus. C99, nothing of the library but its integer types, no memory
 * of its own: bare metal as it is.
 *
 * The device reads and writes memory by itself. Where caches lie between, define SYSMT_FLUSH(p, bytes) (write back, and
 * forget, what is cached of it) before this file; it is called before a list begins and before results are read.
 * SYSMT_ADDRESS(p) is the address of a pointer on the device's bus, by default the pointer itself. */
#ifndef SYSMT_H
#define SYSMT_H

#include <stddef.h>
#include <stdint.h>

#include "sysmt_registers.h"

#ifndef SYSMT_ALIGNED
#define SYSMT_ALIGNED __attribute__((aligned(32)))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uintptr_t base;        /* of the registers */
    uint32_t engine;       /* 1: an engine, 0: an accelerator */
    uint32_t rows, cols;   /* of the array */
    uint32_t threads;      /* of a PE */
    uint32_t depth;        /* steps in one half of an operand memory (accelerator) */
    uint32_t result_rows;  /* rows in one half of the result memory (accelerator) */
    uint32_t beat;         /* bytes of a beat */
    uint32_t products;     /* operand pairs of a PE and step, 0: matrix products are not laid out by this driver */
    uint32_t failed;       /* the command that failed, of the last list */
} sysmt_t;

/* What functions return: 0, an error of a list (SYSMT_ERROR_..., positive), or one of these. */
enum {
    SYSMT_NO_DEVICE = -1,   /* nothing of sysmt answers at that address, or another version of it */
    SYSMT_BUSY = -2,        /* a list is under way */
    SYSMT_TOO_SMALL = -3,   /* the scratch memory is too small, or not aligned to 32 bytes */
    SYSMT_ARGUMENT = -4,    /* an argument that this device does not allow */
    SYSMT_OTHER_DEVICE = -5 /* a program for another engine */
};

/* Find out what is at `base`. */
int sysmt_init(sysmt_t *device, uintptr_t base);

/* Begin a list of `commands` commands (32 bytes each, at a multiple of 32), wait for it, or both. */
int sysmt_start(sysmt_t *device, const void *list, uint32_t commands);
int sysmt_wait(sysmt_t *device);
int sysmt_do(sysmt_t *device, const void *list, uint32_t commands);

/* out[m][n] = x[m][k] times w[k][n], rows one behind the other, on `threads` threads (0: all).
 * `scratch` takes sysmt_matmul_scratch() bytes and is a multiple of 32. */
size_t sysmt_matmul_scratch(const sysmt_t *device, uint32_t m, uint32_t k, uint32_t n, uint32_t threads);
int sysmt_matmul(sysmt_t *device, const uint8_t *x, const int8_t *w, int32_t *out, uint32_t m, uint32_t k, uint32_t n,
                 uint32_t threads, void *scratch, size_t bytes);

/* A network for an engine, as `sysmt compile --c` writes it. */
typedef struct {
    uint32_t memory, beats, offset; /* offset: in `data`, bytes */
} sysmt_image_t;
typedef struct {
    uint32_t fingerprint_low, fingerprint_high, beat;
    const void *data;
    const sysmt_image_t *images;
    uint32_t image_count;
    uint32_t input_first[2], input_bytes;   /* of an input as the engine takes it */
    uint32_t output_first[2], output_bytes; /* of an output as it leaves it */
    const uint32_t *input_table; /* of every such byte: the byte of the tensor, or bit 31 and what it is */
    uint32_t input_flip;
    const uint32_t *output_table; /* of every byte of the tensor: where it lies */
    uint32_t output_count, output_flip;
} sysmt_program_t;

/* One input tensor into `input_bytes` bytes, which are aligned as beats are; one output tensor of `output_count` bytes
 * out of `output_bytes`. */
void sysmt_pack(const sysmt_program_t *program, const void *tensor, void *packed);
void sysmt_unpack(const sysmt_program_t *program, const void *packed, void *tensor);

/* Fill the memories of the engine. `list` takes 32 bytes per image, and is a multiple of 32. */
int sysmt_load(sysmt_t *device, const sysmt_program_t *program, void *list);
/* Run it on `count` inputs, one behind the other; outputs likewise. `list` takes 96 bytes per input. */
int sysmt_run(sysmt_t *device, const sysmt_program_t *program, const void *inputs, void *outputs, uint32_t count,
              void *list);

#ifdef __cplusplus
}
#endif
#endif
