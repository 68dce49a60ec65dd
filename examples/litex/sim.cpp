// SPDX-License-Identifier: Apache-2.0
// Clocks the SoC until its software ends it, and prints what comes out of its UART.
//
//   soc LIMIT     cycles at most
#include <cstdio>
#include <cstdlib>

#include "Vtop.h"
#include "verilated.h"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const unsigned long long limit = std::strtoull(argv[1], nullptr, 0);
    VerilatedContext context;
    Vtop top(&context);
    top.serial_sink_valid = 0;
    top.serial_source_ready = 1;
    unsigned long long cycle = 0;
    for (; cycle < limit && !context.gotFinish(); ++cycle) {
        top.sys_clk = 0;
        top.eval();
        if (top.serial_source_valid) {
            std::putchar(top.serial_source_data);
            std::fflush(stdout);
        }
        top.sys_clk = 1;
        top.eval();
    }
    std::printf("cycles %llu\n", cycle);
    top.final();
    return context.gotFinish() ? 0 : 3;
}
