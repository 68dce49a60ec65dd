// SPDX-License-Identifier: Apache-2.0
// Drives the pins of a simulated board: a clock, a reset, and a UART whose other end is a file descriptor.
//
//   board FD DIVISOR IDLE
//
// FD is a byte stream (the master of a pseudo-terminal). DIVISOR clocks make a bit. When the design has answered
// everything and nothing moved on the pins for IDLE clocks, no register of it changes any more, and the clock is stopped
// until a byte comes: the design cannot tell. SIGUSR1 is the reset button. Statistics go to standard error at the end
// (SIGTERM or SIGINT) as JSON.
//
// With the macro SDRAM, there is one (sdram.h) on `pins`. It forgets nothing while the clock stands.

#include <chrono>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

volatile std::sig_atomic_t stopped = 0, pressed = 0;
void stop(int) { stopped = 1; }
void press(int) { pressed = 1; }

// Bytes of the host, as levels of the line `rx`.
class Sender {
  public:
    explicit Sender(unsigned divisor) : divisor_(divisor) {}
    bool idle() const { return left_ == 0; }
    void start(uint8_t byte) {
        bits_ = (1u << 9) | (unsigned(byte) << 1);
        left_ = 10 * divisor_;
        phase_ = 0;
    }
    bool level() {
        if (left_ == 0) return true;
        const bool bit = bits_ & 1;
        --left_;
        if (++phase_ == divisor_) {
            phase_ = 0;
            bits_ >>= 1;
        }
        return bit;
    }

  private:
    unsigned divisor_, bits_ = 0, left_ = 0, phase_ = 0;
};

// Bytes of the board, from levels of the line `tx`.
class Receiver {
  public:
    explicit Receiver(unsigned divisor) : divisor_(divisor) {}
    bool idle() const { return left_ == 0; }
    // The byte that is complete with this clock, or -1.
    int sample(bool level) {
        if (left_ == 0) {
            if (level) return -1;
            left_ = 10 * divisor_;
            timer_ = divisor_ / 2 + divisor_;
            bits_ = taken_ = 0;
        }
        --left_;
        if (--timer_ == 0 && taken_ < 8) {
            bits_ |= unsigned(level) << taken_++;
            timer_ = divisor_;
            if (taken_ == 8) {
                // The stop bit is left out: the next start bit may follow it at once.
                left_ = timer_ = divisor_;
                waiting_ = bits_;
            }
        }
        if (taken_ == 8 && left_ == divisor_ / 2) {
            left_ = 0;
            return int(waiting_);
        }
        return -1;
    }

  private:
    unsigned divisor_, left_ = 0, timer_ = 0, bits_ = 0, taken_ = 0, waiting_ = 0;
};

bool ready(int fd, short events, int timeout) {
    pollfd wait{fd, events, 0};
    return poll(&wait, 1, timeout) > 0 && (wait.revents & events);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const int fd = std::atoi(argv[1]);
    const unsigned divisor = std::atoi(argv[2]);
    const uint64_t idle_limit = std::strtoull(argv[3], nullptr, 10);
    struct sigaction action {};
    action.sa_handler = stop;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    action.sa_handler = press;
    sigaction(SIGUSR1, &action, nullptr);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);

    VerilatedContext context;
    Vtop top{&context};
    Sender sender(divisor);
    Receiver receiver(divisor);
    uint64_t cycles = 0, released = 4, quiet = 0, sent = 0, received = 0;
    double seconds = 0;
    auto since = std::chrono::steady_clock::now();
    auto lap = [&] {
        const auto now = std::chrono::steady_clock::now();
        seconds += std::chrono::duration<double>(now - since).count();
        since = now;
    };
    uint8_t buffer[4096];
    ssize_t have = 0, next = 0;

#ifdef SDRAM
    Sdram sdram;
#endif
    top.rst = 1;
    top.rx = 1;
    bool open = true;
    while (!stopped && open) {
        if (sender.idle() && next == have && (quiet == 0 || quiet % 64 == 0)) {
            if (quiet >= idle_limit) {
                lap();
                while (!stopped && !pressed && !ready(fd, POLLIN, 200)) {
                    if (ready(fd, POLLHUP, 0)) break;
                }
                since = std::chrono::steady_clock::now();
                quiet = 0;
            }
            have = read(fd, buffer, sizeof buffer);
            next = 0;
            if (have <= 0) {
                if (have == 0 || (errno != EAGAIN && errno != EINTR)) open = false;
                have = 0;
            }
        }
        if (sender.idle() && next < have) {
            sender.start(buffer[next++]);
            ++received;
        }
        const bool working = !sender.idle() || !receiver.idle() || top.busy || !top.tx;
        quiet = working ? 0 : quiet + 1;
        top.rx = sender.level();
#ifdef SDRAM
        sdram.drive(&top);
#endif
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        if (++cycles == released) top.rst = 0;
        if (pressed) {
            pressed = 0;
            top.rst = 1;
            released = cycles + 4;
        }
        const int byte = receiver.sample(top.tx);
        if (byte >= 0) {
            const uint8_t out = uint8_t(byte);
            // A UART does not wait: bytes nobody takes for a second are lost.
            if (write(fd, &out, 1) != 1 && ready(fd, POLLOUT, 1000)) {
                if (write(fd, &out, 1) != 1) continue;
            }
            ++sent;
        }
    }
    lap();
    std::fprintf(stderr, "{\"cycles\": %llu, \"seconds\": %.6f, \"bytes_in\": %llu, \"bytes_out\": %llu}\n",
                 (unsigned long long)cycles, seconds, (unsigned long long)received, (unsigned long long)sent);
    return 0;
}
