// SPDX-License-Identifier: Apache-2.0
// An SDRAM on the pins of a simulated design: it keeps words and checks nothing (the tests of the controller do).
//
// SDRAM_CAS, SDRAM_CAPTURE, SDRAM_BANK_BITS and SDRAM_COLUMN_BITS say which (sysmt.hdl.params.sdram).

#include <cstdint>
#include <deque>
#include <unordered_map>

// Two underscores, as Verilator writes them.
#define PIN(name) pins___05F##name

class Sdram {
  public:
    // At the start of every cycle: all outputs are registers.
    template <typename Top> void drive(Top* top) {
        const unsigned command = top->PIN(ras_n) << 2 | top->PIN(cas_n) << 1 | top->PIN(we_n);
        const uint32_t bank = top->PIN(ba), column = top->PIN(a) & ((1u << SDRAM_COLUMN_BITS) - 1);
        if (command == 3) rows[bank] = top->PIN(a);
        const uint32_t at = ((rows[bank] << SDRAM_BANK_BITS | bank) << SDRAM_COLUMN_BITS) | column;
        if (command == 4) words[at] = top->PIN(dq_o);
        // Bursts of two; a new one cuts off the old.
        if (command == 5) late[SDRAM_CAS] = word(at), late[SDRAM_CAS + 1] = word(at ^ 1);
        captured.push_back(late[0]);
        top->PIN(dq_i) = captured.front();
        captured.pop_front();
        for (int i = 0; i <= SDRAM_CAS; ++i) late[i] = late[i + 1];
    }

  private:
    uint32_t word(uint32_t at) const {
        const auto found = words.find(at);
        return found == words.end() ? 0 : found->second;
    }
    std::unordered_map<uint32_t, uint32_t> words;
    std::deque<uint32_t> captured = std::deque<uint32_t>(SDRAM_CAPTURE, 0);
    uint32_t rows[4] = {}, late[SDRAM_CAS + 2] = {};
};

