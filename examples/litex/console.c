/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"

#include <generated/csr.h>

static void put(char c) {
    while (uart_txfull_read()) {}
    uart_rxtx_write((uint32_t)c);
}

void print(const char *name, const uint32_t *numbers, int count) {
    char digits[10];
    while (*name) put(*name++);
    for (; count--; ++numbers) {
        uint32_t value = *numbers;
        int i = 0;
        put(' ');
        do digits[i++] = (char)('0' + value % 10);
        while (value /= 10);
        while (i) put(digits[--i]);
    }
    put('\n');
}

void finish(const char *why, const char *what, uint32_t number) {
    while (*why) put(*why++);
    put(' ');
    print(what, &number, 1);
    /* The last character leaves the FIFO of the UART before the simulation ends. */
    while (!uart_txempty_read()) {}
    sim_finish_finish_write(1);
    while (1) {}
}

uint32_t now(void) {
    timer0_uptime_latch_write(1);
    return (uint32_t)timer0_uptime_cycles_read();
}
