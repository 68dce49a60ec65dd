/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of 8-bit integers on the processor alone: plain loops over one image, height, width, channels. */
#ifndef CPU_H
#define CPU_H
#include <stddef.h>
#include <stdint.h>

enum { CPU_CONV, CPU_DEPTHWISE, CPU_AVERAGE };

typedef struct {
    int kind;
    int in[3], out[3];           /* height, width, channels */
    int kernel[2], stride[2], dilation[2], before[2]; /* down, across; pixels of padding in front */
    int zero;                    /* what is taken from every activation */
    const int8_t *weights;       /* [outputs][kernel][kernel][channels], depthwise [kernel][kernel][channels] */
    const int32_t *bias, *multiplier;
    const int8_t *shift;
    int twice;                   /* requantises with two roundings */
    int zero_point, low, high;
    int scores;                  /* gives sums and their bias, 32 bits each, instead of bytes */
} cpu_layer_t;

/* out[m][n] = x[m][k] times w[k][n]. */
void cpu_matmul(const uint8_t *x, const int8_t *w, int32_t *out, int m, int k, int n);
/* One layer; activations are unsigned: of int8 the value and 128. */
void cpu_layer(const cpu_layer_t *layer, const uint8_t *x, void *y);
/* Layers one after the other, from x to the last one's output, which is returned; between them in the two buffers. */
const void *cpu_run(const cpu_layer_t *layers, int count, const void *x, void *buffers[2]);
#endif
