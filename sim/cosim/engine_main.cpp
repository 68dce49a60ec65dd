// SPDX-License-Identifier: Apache-2.0
// Drives the ports of a simulated engine (sysmt.hdl.engine.engine.Engine) as commands on standard input say, and
// answers on standard output. All numbers are 32-bit words, little end first; a command is four of them:
//
//   1 0     count  -        write `count` payloads of i_write, which follow
//   2 half  limit  -        run; answers error, number, cycles, and 1 if it ended within `limit` cycles of the clock
//   3 first count  -        read words of the activation memory; answers them
//   4 0     count  -        answers the cycles of the first `count` layers
//   5 -     -      -        clear an error
//   6 -     -      -        reset the design; an SDRAM keeps its words
//
// The program ends with standard input.
//
// With the macro SDRAM, there is one (sdram.h) on `pins`.

#include <cstdint>
#include <cstdio>
#include <type_traits>

#include "Vtop.h"
#include "verilated.h"

// A member of a stream: two underscores, as Verilator writes them.
#define PORT(stream, member) top->stream##___05F##member

double sc_time_stamp() { return 0; }

namespace {

Vtop* top;

#ifdef SDRAM
Sdram sdram;
#endif

void clock_cycle() {
#ifdef SDRAM
    sdram.drive(top);
#endif
    top->clk = 0;
    top->eval();
    top->clk = 1;
    top->eval();
}

// What the design drives now, before the next clock edge.
void settle() {
    top->clk = 0;
    top->eval();
}

template <typename Port> constexpr size_t words() { return sizeof(Port) < 4 ? 1 : sizeof(Port) / 4; }

template <typename Port> void put(Port& port, const uint32_t* from) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t value = from[0];
        if (words<Port>() > 1) value |= uint64_t(from[1]) << 32;
        port = static_cast<Port>(value);
    } else {
        for (size_t i = 0; i < words<Port>(); ++i) port[i] = from[i];
    }
}

template <typename Port> void take(const Port& port, uint32_t* to) {
    if constexpr (std::is_integral_v<Port>) {
        const uint64_t value = port;
        to[0] = uint32_t(value);
        if (words<Port>() > 1) to[1] = uint32_t(value >> 32);
    } else {
        for (size_t i = 0; i < words<Port>(); ++i) to[i] = port[i];
    }
}

bool receive(uint32_t* data, size_t count) { return std::fread(data, 4, count, stdin) == count; }
void send(const uint32_t* data, size_t count) { std::fwrite(data, 4, count, stdout); }

bool write(uint32_t count) {
    constexpr size_t size = words<std::remove_reference_t<decltype(PORT(i_write, payload))>>();
    uint32_t payload[size];
    for (; count; --count) {
        if (!receive(payload, size)) return false;
        put(PORT(i_write, payload), payload);
        PORT(i_write, valid) = 1;
        for (;;) {
            settle();
            const bool ready = PORT(i_write, ready);
            clock_cycle();
            if (ready) break;
        }
        PORT(i_write, valid) = 0;
    }
    return true;
}

void run(uint32_t half, uint32_t limit) {
    PORT(i_run, payload) = half;
    PORT(i_run, valid) = 1;
    uint32_t cycles = 0;
    bool started = false, finished = false;
    for (; cycles < limit && !finished; ++cycles) {
        settle();
        const bool ready = PORT(i_run, ready);
        finished = started && top->finished;
        clock_cycle();
        if (!started && ready) {
            started = true;
            PORT(i_run, valid) = 0;
        }
    }
    PORT(i_run, valid) = 0;
    settle();
    const uint32_t answer[4] = {uint32_t(top->error), uint32_t(top->number), uint32_t(top->cycles), finished};
    send(answer, 4);
}

void read(uint32_t first, uint32_t count) {
    constexpr size_t size = words<std::remove_reference_t<decltype(PORT(o_read, payload))>>();
    uint32_t asked = 0, word[size];
    PORT(o_read, ready) = 1;
    for (uint32_t taken = 0; taken < count;) {
        PORT(i_read, valid) = asked < count;
        PORT(i_read, payload) = first + asked;
        settle();
        if (PORT(i_read, valid) && PORT(i_read, ready)) ++asked;
        if (PORT(o_read, valid)) {
            take(PORT(o_read, payload), word);
            send(word, size);
            ++taken;
        }
        clock_cycle();
    }
    PORT(i_read, valid) = 0;
    PORT(o_read, ready) = 0;
}

void layer_cycles(uint32_t count) {
    for (uint32_t layer = 0; layer < count; ++layer) {
        top->layer = layer;
        clock_cycle();
        clock_cycle();
        const uint32_t cycles = top->layer_cycles;
        send(&cycles, 1);
    }
}

void clear() {
    top->clear = 1;
    clock_cycle();
    top->clear = 0;
}

void reset() {
    top->rst = 1;
    for (int i = 0; i < 4; ++i) clock_cycle();
    top->rst = 0;
    clock_cycle();
}

}  // namespace

int main() {
    top = new Vtop;
    reset();
    uint32_t command[4];
    while (receive(command, 4)) {
        switch (command[0]) {
            case 1:
                if (!write(command[2])) return 1;
                break;
            case 2: run(command[1], command[2]); break;
            case 3: read(command[1], command[2]); break;
            case 4: layer_cycles(command[2]); break;
            case 5: clear(); break;
            case 6: reset(); break;
            default: return 1;
        }
        std::fflush(stdout);
    }
    return 0;
}
