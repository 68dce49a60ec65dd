// SPDX-License-Identifier: Apache-2.0
// Drives the ports of a simulated device on a bus (sysmt.hdl.dma): the registers as commands on standard input say, and
// a memory that the device reads and writes by itself.
//
//   bus MEMORY LATENCY STALL SEED ERROR_FROM ERROR_TO [PERIOD]
//
// MEMORY is a file, mapped: byte 0 of it is address 0 of the bus, and whoever maps it too shares it. A read burst waits
// 0 to LATENCY cycles, at random, before its first beat; every channel pauses in STALL of 256 cycles. Accesses that
// touch ERROR_FROM up to before ERROR_TO, or lie outside the file, are answered with an error. PERIOD is that of the
// device's own clock, if it has one (macro CORE_CLOCK), in thousandths of the bus's; it drifts by up to a tenth, so that
// both clocks meet in every phase.
//
// All numbers on the pipes are 32-bit words, little end first; a command is three of them:
//
//   1 address data     write a register; answers its response (0: OKAY)
//   2 address -        read a register; answers response and data
//   3 -       limit    wait for irq; answers the cycles it took, or the limit
//   4 -       -        answers the cycles since reset
//
// What breaks a rule of the bus ends the program with code 1 and a line on standard error.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <random>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

Vtop* top;
uint8_t* memory;
uint64_t size, error_from, error_to, cycle;
unsigned latency, stall;
std::mt19937 numbers;

void fail(const char* what) {
    std::fprintf(stderr, "bus: cycle %llu: %s\n", (unsigned long long)cycle, what);
    std::exit(1);
}

bool pauses() { return numbers() % 256 < stall; }

bool refused(uint64_t from, uint64_t bytes) {
    return from + bytes > size || (from < error_to && from + bytes > error_from);
}

#ifdef AXI
constexpr unsigned BEAT = AXI / 8;
#else
constexpr unsigned BEAT = WISHBONE / 8;
#ifdef CORE_CLOCK
constexpr bool CLASSIC = true;
#else
constexpr bool CLASSIC = false;
#endif
#endif

// A port of up to 64 bits is a number, a wider one an array of words.
template <typename Port> void get(const Port& port, uint8_t* to) { std::memcpy(to, &port, BEAT); }
template <typename Port> void put(Port& port, const uint8_t* from) { std::memcpy(&port, from, BEAT); }

unsigned wait_cycles() { return latency ? numbers() % (latency + 1) : 0; }

#ifdef AXI

struct Address {
    uint32_t address, len, size, burst;
    bool operator==(const Address& o) const {
        return address == o.address && len == o.len && size == o.size && burst == o.burst;
    }
};

// What is offered must stay as it is until it is taken.
template <typename Payload> class Offer {
  public:
    void check(bool valid, bool ready, const Payload& payload, const char* name) {
        if (waits_ && (!valid || !(payload == payload_))) fail(name);
        waits_ = valid && !ready;
        payload_ = payload;
    }

  private:
    bool waits_ = false;
    Payload payload_;
};

void legal(const Address& a) {
    if ((1u << a.size) != BEAT || a.burst != 1) fail("a burst is not of whole beats, incrementing");
    if (a.address % BEAT) fail("an address is not that of a beat");
    if (a.address / 4096 != (a.address + (a.len + 1) * BEAT - 1) / 4096) fail("a burst crosses 4 KiB");
}

struct Beat { uint8_t data[BEAT]; uint32_t strb, last; bool operator==(const Beat& o) const {
    return !std::memcmp(data, o.data, BEAT) && strb == o.strb && last == o.last; } };

class Memory {
  public:
    void drive() {
        top->m_axi_arready = !pauses();
        top->m_axi_awready = !pauses();
        top->m_axi_wready = !pauses();
        if (!top->m_axi_rvalid && !reads_.empty() && reads_.front().due <= cycle && !pauses()) {
            const Address& a = reads_.front().a;
            const uint64_t from = a.address + uint64_t(beat_) * BEAT;
            const bool bad = refused(from, BEAT);
            uint8_t data[BEAT];
            for (unsigned i = 0; i < BEAT; ++i) data[i] = bad ? numbers() : memory[from + i];
            put(top->m_axi_rdata, data);
            top->m_axi_rresp = bad ? 2 : 0;
            top->m_axi_rlast = beat_ == a.len;
            top->m_axi_rvalid = 1;
        }
        if (!top->m_axi_bvalid && !answers_.empty() && answers_.front().due <= cycle && !pauses()) {
            top->m_axi_bvalid = 1;
            top->m_axi_bresp = answers_.front().bad ? 2 : 0;
        }
    }

    void sample() {
        const Address ar{top->m_axi_araddr, top->m_axi_arlen, top->m_axi_arsize, top->m_axi_arburst};
        const Address aw{top->m_axi_awaddr, top->m_axi_awlen, top->m_axi_awsize, top->m_axi_awburst};
        Beat w;
        get(top->m_axi_wdata, w.data);
        w.strb = top->m_axi_wstrb;
        w.last = top->m_axi_wlast;
        ar_.check(top->m_axi_arvalid, top->m_axi_arready, ar, "AR changed before it was taken");
        aw_.check(top->m_axi_awvalid, top->m_axi_awready, aw, "AW changed before it was taken");
        w_.check(top->m_axi_wvalid, top->m_axi_wready, w, "W changed before it was taken");
        if (top->m_axi_arvalid && top->m_axi_arready) {
            legal(ar);
            reads_.push_back({ar, cycle + 1 + wait_cycles()});
        }
        if (top->m_axi_awvalid && top->m_axi_awready) {
            legal(aw);
            writes_.push_back(aw);
        }
        if (top->m_axi_wvalid && top->m_axi_wready) data_.push_back(w);
        taken_ = top->m_axi_rvalid && top->m_axi_rready;
        answered_ = top->m_axi_bvalid && top->m_axi_bready;
        while (!writes_.empty() && !data_.empty()) write();
    }

    // After the edge.
    void advance() {
        if (taken_) {
            top->m_axi_rvalid = 0;
            if (beat_++ == reads_.front().a.len) beat_ = 0, reads_.pop_front();
        }
        if (answered_) top->m_axi_bvalid = 0, answers_.pop_front();
    }

  private:
    void write() {
        const Address& a = writes_.front();
        const Beat& w = data_.front();
        const uint64_t from = a.address + uint64_t(written_) * BEAT;
        const bool bad = refused(from, BEAT);
        bad_ |= bad;
        for (unsigned i = 0; i < BEAT && !bad; ++i)
            if (w.strb >> i & 1) memory[from + i] = w.data[i];
        if (bool(w.last) != (written_ == a.len)) fail("WLAST is not at the end of its burst");
        data_.pop_front();
        if (written_++ == a.len) {
            answers_.push_back({cycle + 1 + wait_cycles(), bad_});
            written_ = 0, bad_ = false;
            writes_.pop_front();
        }
    }

    struct Read { Address a; uint64_t due; };
    struct Answer { uint64_t due; bool bad; };
    std::deque<Read> reads_;
    std::deque<Answer> answers_;
    std::deque<Address> writes_;
    std::deque<Beat> data_;
    unsigned beat_ = 0, written_ = 0;
    bool bad_ = false, taken_ = false, answered_ = false;
    Offer<Address> ar_, aw_;
    Offer<Beat> w_;
};

void reset(bool on) { top->aresetn = !on; }
void clock(bool high) { top->aclk = high; }
#else
// Answers a word at a time; what follows the first one of a burst comes at once.
class Memory {
  public:
    void drive() {
        const bool on = top->m_wb_cyc && top->m_wb_stb;
        top->m_wb_ack = top->m_wb_err = 0;
        if (!on || pauses()) return;
        if (!due_) due_ = cycle + wait_cycles();
        if (cycle < due_) return;
        const uint64_t from = uint64_t(top->m_wb_adr) * BEAT;
        const bool bad = refused(from, BEAT);
        uint8_t data[BEAT];
        for (unsigned i = 0; i < BEAT; ++i) data[i] = bad || top->m_wb_we ? numbers() : memory[from + i];
        put(top->m_wb_dat_r, data);
        top->m_wb_ack = !bad;
        top->m_wb_err = bad;
    }

    void sample() {
        const bool on = top->m_wb_cyc && top->m_wb_stb, ended = on && (top->m_wb_ack || top->m_wb_err);
        uint8_t data[BEAT];
        get(top->m_wb_dat_w, data);
        if (waits_ && (!on || adr_ != top->m_wb_adr || we_ != top->m_wb_we)) fail("an access changed before its end");
        if (burst_ && on && (top->m_wb_adr != adr_ + 1 || top->m_wb_we != we_)) fail("a burst does not go on");
        if (burst_ && !top->m_wb_cyc) fail("a burst ended without its last word");
        if (on) adr_ = top->m_wb_adr, we_ = top->m_wb_we;
        waits_ = on && !ended;
        if (ended && top->m_wb_ack && we_)
            for (unsigned i = 0; i < BEAT; ++i)
                if (top->m_wb_sel >> i & 1) memory[uint64_t(adr_) * BEAT + i] = data[i];
        if (on) burst_ = false;
        if (ended) burst_ = top->m_wb_cti == 2, due_ = burst_ ? cycle : 0;
        const bool burst = top->m_wb_cti == 2 || top->m_wb_cti == 7;
        if (ended && burst == CLASSIC) fail("neither in a burst nor at its end, or on two clocks in one");
    }

    void advance() {}

  private:
    uint64_t due_ = 0;
    uint32_t adr_ = 0;
    bool waits_ = false, burst_ = false, we_ = false;
};

void reset(bool on) { top->rst = on; }
void clock(bool high) { top->clk = high; }
#endif

Memory bus;

#ifdef CORE_CLOCK
double now, next_edge, period = 0.5;

// To half a cycle of the bus later, with the edges of the device's clock before that.
void pass() {
    now += 0.5;
    for (; next_edge < now; next_edge += period / 2 * (0.9 + 0.2 / 256 * (numbers() % 257))) {
        top->core_clk = !top->core_clk;
        top->eval();
    }
}
#else
void pass() {}
#endif

void clock_cycle() {
#ifdef WISHBONE
    // What the device asks for is known before it is answered, in the same cycle.
    clock(false);
    top->eval();
#endif
    bus.drive();
    clock(false);
    top->eval();
    pass();
    bus.sample();
    clock(true);
    top->eval();
    bus.advance();
    pass();
    ++cycle;
}

#ifdef AXI
// What the device answers in this cycle, before the edge.
void settle() {
    clock(false);
    top->eval();
}

uint32_t write_register(uint32_t address, uint32_t data) {
    bool address_left = true, data_left = true;
    top->s_axi_awaddr = address;
    top->s_axi_wdata = data;
    top->s_axi_wstrb = 15;
    top->s_axi_bready = 1;
    while (true) {
        top->s_axi_awvalid = address_left && (top->s_axi_awvalid || !pauses());
        top->s_axi_wvalid = data_left && (top->s_axi_wvalid || !pauses());
        settle();
        if (top->s_axi_awvalid && top->s_axi_awready) address_left = false;
        if (top->s_axi_wvalid && top->s_axi_wready) data_left = false;
        const bool answered = top->s_axi_bvalid;
        const uint32_t response = top->s_axi_bresp;
        clock_cycle();
        if (answered) return response;
    }
}

void read_register(uint32_t address, uint32_t answer[2]) {
    bool left = true;
    top->s_axi_araddr = address;
    while (true) {
        top->s_axi_arvalid = left;
        top->s_axi_rready = !pauses();
        settle();
        if (left && top->s_axi_arready) left = false;
        const bool answered = top->s_axi_rvalid && top->s_axi_rready;
        answer[0] = top->s_axi_rresp;
        answer[1] = top->s_axi_rdata;
        clock_cycle();
        if (answered) break;
    }
    top->s_axi_rready = 0;
}
#else
bool access(uint32_t address, bool write, uint32_t data) {
    while (pauses()) clock_cycle();
    top->s_wb_adr = address / 4;
    top->s_wb_dat_w = data;
    top->s_wb_sel = 15;
    top->s_wb_we = write;
    top->s_wb_cyc = top->s_wb_stb = 1;
    while (!top->s_wb_ack && !top->s_wb_err) clock_cycle();
    return top->s_wb_err;
}

void release() {
    top->s_wb_cyc = top->s_wb_stb = 0;
    clock_cycle();
}

uint32_t write_register(uint32_t address, uint32_t data) {
    const bool bad = access(address, true, data);
    release();
    return bad ? 2 : 0;
}

void read_register(uint32_t address, uint32_t answer[2]) {
    answer[0] = access(address, false, 0) ? 2 : 0;
    answer[1] = top->s_wb_dat_r;
    release();
}
#endif

void answer(const uint32_t* words, size_t count) {
    std::fwrite(words, 4, count, stdout);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7 && argc != 8) return 2;
    const int file = open(argv[1], O_RDWR);
    struct stat facts;
    if (file < 0 || fstat(file, &facts)) return 2;
    size = facts.st_size;
    memory = static_cast<uint8_t*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    latency = std::strtoul(argv[2], nullptr, 0);
    stall = std::strtoul(argv[3], nullptr, 0);
    numbers.seed(std::strtoul(argv[4], nullptr, 0));
    error_from = std::strtoull(argv[5], nullptr, 0);
    error_to = std::strtoull(argv[6], nullptr, 0);
    VerilatedContext context;
    top = new Vtop(&context);
#ifdef CORE_CLOCK
    if (argc == 8) period = std::strtoul(argv[7], nullptr, 0) / 1000.0;
#endif
    reset(true);
    clock_cycle();
    reset(false);
    cycle = 0;
    uint32_t command[3];
    while (std::fread(command, 4, 3, stdin) == 3) {
        if (command[0] == 1) {
            const uint32_t response = write_register(command[1], command[2]);
            answer(&response, 1);
        } else if (command[0] == 2) {
            uint32_t words[2];
            read_register(command[1], words);
            answer(words, 2);
        } else if (command[0] == 3) {
            uint32_t took = 0;
            while (!top->irq && took < command[2]) clock_cycle(), ++took;
            answer(&took, 1);
        } else if (command[0] == 4) {
            const uint32_t now = cycle;
            answer(&now, 1);
        } else {
            return 2;
        }
    }
    top->final();
    return 0;
}
