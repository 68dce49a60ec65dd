/* SPDX-License-Identifier: Apache-2.0 */
/* In SDRAM: a product and a network on the devices and on the processor alone, every value compared.
 *
 * Every line that is printed is a name and numbers. The first result that is wrong ends the program with a line
 * `wrong WHAT PLACE`, an error of the driver with `error WHAT CODE`; all is well only when `end 0` is reached. */
#include <generated/csr.h>
#include <generated/mem.h>
#include <irq.h>

#define SYSMT_FLUSH(pointer, bytes) ((void)(pointer), (void)(bytes), flush_cpu_dcache())
#include "sysmt_driver.h"

#include "cases.h"
#include "console.h"
#include "cpu.h"
#include "network.h"

#define SCRATCH_BYTES (1 << 18)
#define LIMIT 10000000 /* Turns of a loop in which an interrupt must come. */

static volatile unsigned interrupts;
static uint32_t scratch[SCRATCH_BYTES / 4] SYSMT_ALIGNED;
static uint8_t packed[PACKED_BYTES] SYSMT_ALIGNED, left[OUTPUT_BYTES] SYSMT_ALIGNED;
static int32_t product[M * N], expected[M * N];
static uint32_t buffers[3][BUFFER_BYTES / 4];

/* Bytes as unsigned activations. */
static void flipped(uint8_t *to, const void *from, size_t bytes, unsigned flip) {
    size_t i;
    for (i = 0; i < bytes; ++i) to[i] = (uint8_t)(((const uint8_t *)from)[i] ^ flip);
}

static void compare(const char *what, const void *got, const void *wanted, size_t bytes) {
    size_t i;
    for (i = 0; i < bytes; ++i)
        if (((const uint8_t *)got)[i] != ((const uint8_t *)wanted)[i]) finish("wrong", what, (uint32_t)i);
}

static void check(const char *what, int error) {
    if (error) finish("error", what, (uint32_t)error);
}

void isr(void);
void isr(void) {
    if (irq_pending() & irq_getmask() & 1u << ENGINE_INTERRUPT) {
        ++interrupts;
        /* A level: the device is told first, then the SoC. */
        *(volatile uint32_t *)(ENGINE_BASE + SYSMT_LINK_INTERRUPT) = 3;
        engine_ev_pending_write(1);
    }
}

static void products(void) {
    sysmt_t device;
    uint32_t cycles[2], start;
    check("accel", sysmt_init(&device, ACCEL_BASE));
    if (sysmt_matmul_scratch(&device, M, K, N, 1) > sizeof scratch) finish("wrong", "scratch", 0);
    start = now();
    check("matmul", sysmt_matmul(&device, case_x, case_w, product, M, K, N, 1, scratch, sizeof scratch));
    cycles[0] = now() - start;
    start = now();
    cpu_matmul(case_x, case_w, expected, M, K, N);
    cycles[1] = now() - start;
    compare("matmul", product, case_product, sizeof product);
    compare("cpu_matmul", expected, case_product, sizeof expected);
    print("matmul", cycles, 2);
}

static void network(void) {
    sysmt_t device;
    /* Load; pack, run, the rest on the processor; all on the processor. */
    uint32_t cycles[5], start, i;
    const void *result;
    void *both[2];
    both[0] = buffers[0], both[1] = buffers[1];
    check("engine", sysmt_init(&device, ENGINE_BASE));
    start = now();
    check("load", sysmt_load(&device, &sysmt_network, scratch));
    cycles[0] = now() - start;
    for (i = 0; i < INPUTS; ++i) {
        start = now();
        sysmt_pack(&sysmt_network, case_inputs[i], packed);
        cycles[1] = now() - start;
        start = now();
        check("run", sysmt_run(&device, &sysmt_network, packed, left, 1, scratch));
        cycles[2] = now() - start;
        start = now();
        sysmt_unpack(&sysmt_network, left, buffers[2]);
        flipped((uint8_t *)buffers[2], buffers[2], sysmt_network.output_count, BOUNDARY_FLIP);
        result = cpu_run(cpu_layers + ON_ENGINE, LAYERS - ON_ENGINE, buffers[2], both);
        cycles[3] = now() - start;
        compare("network", result, case_outputs[i], sizeof case_outputs[i]);
        start = now();
        flipped((uint8_t *)buffers[2], case_inputs[i], sizeof case_inputs[i], INPUT_FLIP);
        result = cpu_run(cpu_layers, LAYERS, buffers[2], both);
        cycles[4] = now() - start;
        compare("cpu_network", result, case_outputs[i], sizeof case_outputs[i]);
        print("network", cycles, 5);
    }
}

/* The same run again, its end told by an interrupt. */
static void interrupted(void) {
    sysmt_t device;
    uint32_t waited = 0;
    check("engine", sysmt_init(&device, ENGINE_BASE));
    *(volatile uint32_t *)(ENGINE_BASE + SYSMT_LINK_INTERRUPT) = 3;
    *(volatile uint32_t *)(ENGINE_BASE + SYSMT_LINK_INTERRUPT_ENABLE) = 3;
    engine_ev_enable_write(1);
    irq_setmask(1u << ENGINE_INTERRUPT);
    irq_setie(1);
    check("start", sysmt_start(&device, scratch, 3));
    while (!interrupts && waited < LIMIT) ++waited;
    irq_setie(0);
    if (interrupts != 1) finish("wrong", "interrupts", interrupts);
    check("wait", sysmt_wait(&device));
    print("interrupts", (const uint32_t *)&interrupts, 1);
}

int main(void) {
    products();
    network();
    interrupted();
    finish("end", "", 0);
    return 0;
}
