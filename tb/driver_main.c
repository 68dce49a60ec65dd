/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of a device on a bus, against the simulated gates: registers are accessed over the pipes of the simulation
 * (sim/cosim/bus_main.cpp), memory is the file that both map.
 *
 *   driver BUS MEMORY LATENCY STALL SEED matmul M K N THREADS X W OUT SCRATCH BYTES
 *   driver BUS MEMORY LATENCY STALL SEED run COUNT BYTES INPUTS OUTPUTS FREE        BYTES of an input tensor
 *
 * Addresses are those of the bus. The last line says what the driver returned, and which command failed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver_hooks.h"
#include "sysmt_driver.h"

#ifdef PROGRAM
#include PROGRAM
#endif

static FILE *to, *from;
static uint8_t *memory;

static void ask(const uint32_t *command, uint32_t *words, size_t count) {
    if (fwrite(command, 4, 3, to) != 3 || fflush(to) || fread(words, 4, count, from) != count) exit(3);
}

uint32_t bus_read(uint32_t offset) {
    const uint32_t command[3] = {2, offset, 0};
    uint32_t words[2];
    ask(command, words, 2);
    if (words[0]) exit(4);
    return words[1];
}

void bus_write(uint32_t offset, uint32_t value) {
    const uint32_t command[3] = {1, offset, value};
    uint32_t response;
    ask(command, &response, 1);
    if (response) exit(5);
}

uint32_t bus_address(const void *pointer) { return (uint32_t)((const uint8_t *)pointer - memory); }

static void connect_bus(char **argv) {
    int down[2], up[2], file = open(argv[2], O_RDWR);
    struct stat facts;
    if (file < 0 || fstat(file, &facts) || pipe(down) || pipe(up)) exit(2);
    memory = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (fork() == 0) {
        dup2(down[0], 0), dup2(up[1], 1);
        close(down[1]), close(up[0]);
        execl(argv[1], argv[1], argv[2], argv[3], argv[4], argv[5], "0", "0", (char *)NULL);
        exit(2);
    }
    close(down[0]), close(up[1]);
    to = fdopen(down[1], "wb"), from = fdopen(up[0], "rb");
}

static uint32_t number(const char *text) { return (uint32_t)strtoul(text, NULL, 0); }

int main(int argc, char **argv) {
    sysmt_t device;
    int result;
    if (argc < 7) return 2;
    connect_bus(argv);
    result = sysmt_init(&device, 0);
    if (!result && !strcmp(argv[6], "matmul")) {
        const uint32_t m = number(argv[7]), k = number(argv[8]), n = number(argv[9]), threads = number(argv[10]);
        printf("%zu\n", sysmt_matmul_scratch(&device, m, k, n, threads));
        result = sysmt_matmul(&device, memory + number(argv[11]), (int8_t *)memory + number(argv[12]),
                              (int32_t *)(void *)(memory + number(argv[13])), m, k, n, threads,
                              memory + number(argv[14]), number(argv[15]));
    }
#ifdef PROGRAM
    if (!result && !strcmp(argv[6], "run")) {
        const uint32_t count = number(argv[7]), tensor = number(argv[8]);
        const uint8_t *inputs = memory + number(argv[9]);
        uint8_t *outputs = memory + number(argv[10]), *free = memory + number(argv[11]), *in, *out;
        void *list = free;
        sysmt_program_t program = sysmt_network;
        uint32_t i;
        free += 0x1000;
        /* The device sees the mapped memory alone. */
        memcpy(free, program.data, sizeof(sysmt_network_data));
        program.data = free;
        in = free + sizeof(sysmt_network_data) + 32 - sizeof(sysmt_network_data) % 32;
        out = in + count * program.input_bytes;
        for (i = 0; i < count; ++i) sysmt_pack(&program, inputs + i * tensor, in + i * program.input_bytes);
        result = sysmt_load(&device, &program, list);
        if (!result) result = sysmt_run(&device, &program, in, out, count, list);
        for (i = 0; i < count; ++i)
            sysmt_unpack(&program, out + i * program.output_bytes, outputs + i * program.output_count);
    }
#endif
    printf("%d %u\n", result, (unsigned)device.failed);
    return 0;
}
