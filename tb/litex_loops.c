/* SPDX-License-Identifier: Apache-2.0 */
/* The processor's loops of examples/litex on this machine: exit code 0 when all values are those of cases.h. */
#include <string.h>

#include "cases.h"

static uint32_t buffers[3][BUFFER_BYTES / 4];
static int32_t product[M * N];

int main(void) {
    void *both[2];
    size_t i, j;
    both[0] = buffers[0], both[1] = buffers[1];
    cpu_matmul(case_x, case_w, product, M, K, N);
    if (memcmp(product, case_product, sizeof product)) return 1;
    for (i = 0; i < INPUTS; ++i) {
        for (j = 0; j < sizeof case_inputs[i]; ++j)
            ((uint8_t *)buffers[2])[j] = (uint8_t)(case_inputs[i][j] ^ INPUT_FLIP);
        if (memcmp(cpu_run(cpu_layers, LAYERS, buffers[2], both), case_outputs[i], sizeof case_outputs[i])) return 2;
    }
    return 0;
}
