/* SPDX-License-Identifier: Apache-2.0 */
#include "cpu.h"

void cpu_matmul(const uint8_t *x, const int8_t *w, int32_t *out, int m, int k, int n) {
    int i, j, l;
    for (i = 0; i < m; ++i)
        for (j = 0; j < n; ++j) {
            int32_t sum = 0;
            for (l = 0; l < k; ++l) sum += x[i * k + l] * w[l * n + j];
            out[i * n + j] = sum;
        }
}

/* TensorFlow Lite's MultiplyByQuantizedMultiplier, in either of its variants. */
static int32_t scaled(int32_t value, int32_t multiplier, int shift, int twice) {
    int64_t product = (int64_t)value * multiplier;
    int32_t high, mask, rest;
    if (!twice) return (int32_t)((product + ((int64_t)1 << (30 - shift))) >> (31 - shift));
    product = (int64_t)(shift > 0 ? (int32_t)((uint32_t)value << shift) : value) * multiplier;
    high = (int32_t)((product + ((int64_t)1 << 30)) >> 31);
    if (shift >= 0) return high;
    mask = (int32_t)(((uint32_t)1 << -shift) - 1);
    rest = high & mask;
    return (high >> -shift) + (rest > (mask >> 1) + (high < 0));
}

static int clamped(int value, const cpu_layer_t *l) {
    return value < l->low ? l->low : value > l->high ? l->high : value;
}

/* The sum under one window for the output `n`. */
static int32_t sum_of(const cpu_layer_t *l, const uint8_t *x, int top, int left, int n) {
    const int channels = l->in[2], taps = l->kernel[0] * l->kernel[1];
    int ky, kx, c;
    int32_t sum = 0;
    for (ky = 0; ky < l->kernel[0]; ++ky) {
        const int row = top + ky * l->dilation[0];
        if (row < 0 || row >= l->in[0]) continue;
        for (kx = 0; kx < l->kernel[1]; ++kx) {
            const int column = left + kx * l->dilation[1], tap = ky * l->kernel[1] + kx;
            const uint8_t *pixel = x + (row * l->in[1] + column) * channels;
            if (column < 0 || column >= l->in[1]) continue;
            if (l->kind == CPU_DEPTHWISE) {
                sum += (pixel[n] - l->zero) * l->weights[tap * channels + n];
            } else {
                const int8_t *weights = l->weights + (n * taps + tap) * channels;
                const int zero = l->zero;
                for (c = 0; c < channels; ++c) sum += (pixel[c] - zero) * weights[c];
            }
        }
    }
    return sum;
}

/* The mean under one window, of values without their zero, rounded to the nearest, ties away from zero. */
static int mean_of(const cpu_layer_t *l, const uint8_t *x, int top, int left, int n) {
    int ky, kx, sum = 0, count = 0;
    for (ky = 0; ky < l->kernel[0]; ++ky)
        for (kx = 0; kx < l->kernel[1]; ++kx) {
            const int row = top + ky * l->dilation[0], column = left + kx * l->dilation[1];
            if (row < 0 || row >= l->in[0] || column < 0 || column >= l->in[1]) continue;
            sum += x[(row * l->in[1] + column) * l->in[2] + n] - l->zero;
            ++count;
        }
    return sum < 0 ? -((-sum + count / 2) / count) : (sum + count / 2) / count;
}

void cpu_layer(const cpu_layer_t *l, const uint8_t *x, void *y) {
    uint8_t *bytes = (uint8_t *)y;
    int32_t *sums = (int32_t *)y;
    int oy, ox, n;
    for (oy = 0; oy < l->out[0]; ++oy)
        for (ox = 0; ox < l->out[1]; ++ox) {
            const int top = oy * l->stride[0] - l->before[0], left = ox * l->stride[1] - l->before[1];
            for (n = 0; n < l->out[2]; ++n) {
                if (l->kind == CPU_AVERAGE) {
                    *bytes++ = (uint8_t)clamped(mean_of(l, x, top, left, n) + l->zero_point, l);
                } else {
                    const int32_t sum = sum_of(l, x, top, left, n) + l->bias[n];
                    if (l->scores)
                        *sums++ = sum;
                    else
                        *bytes++ = (uint8_t)clamped(
                            scaled(sum, l->multiplier[n], l->shift[n], l->twice) + l->zero_point, l);
                }
            }
        }
}

const void *cpu_run(const cpu_layer_t *layers, int count, const void *x, void *buffers[2]) {
    int i;
    for (i = 0; i < count; ++i) {
        cpu_layer(layers + i, (const uint8_t *)x, buffers[i & 1]);
        x = buffers[i & 1];
    }
    return x;
}
