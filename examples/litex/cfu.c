/* SPDX-License-Identifier: Apache-2.0 */
/* In SDRAM: a network on an engine that is the processor's own unit for custom instructions.
 *
 * Prints the words of every output, and cycles: of loading, and of every run. */
#include "console.h"
#include "lists.h"

/* Instructions of the space custom-0, whose funct3 is the function. */
#define CFU(function, first, second)                                                      \
    ({                                                                                    \
        uint32_t answer_;                                                                 \
        __asm__ volatile(".insn r 0x0b, " #function ", 0, %0, %1, %2"                     \
                         : "=r"(answer_)                                                  \
                         : "r"((uint32_t)(first)), "r"((uint32_t)(second)));              \
        answer_;                                                                          \
    })
#define READ(number) CFU(0, number, 0)
#define WRITE(number, value) CFU(1, number, value)
#define PUSH(word, last) CFU(2, word, last)
#define POP() CFU(3, 0, 0)
#define READY() CFU(4, 0, 0)

static uint32_t output[OUTPUT_WORDS];

/* A list with its data; returns the results that came. */
static int list(const uint32_t *words, int count, uint32_t commands) {
    int i = 0, found = 0;
    if (WRITE(LIST_COMMANDS, commands)) finish("wrong", "list_commands", 0);
    while (i < count || !READ(INTERRUPT)) {
        if (i < count && PUSH(words[i], i == count - 1)) {
            ++i;
        } else if (READY() & 2) {
            if (found == OUTPUT_WORDS) finish("wrong", "results", (uint32_t)found);
            output[found++] = POP();
        }
    }
    if (READ(LIST) >> 1 & 0x7F) finish("wrong", "list", READ(LIST));
    WRITE(INTERRUPT, 3);
    return found;
}

void isr(void);
void isr(void) {
    finish("wrong", "trap", 0);
}

int main(void) {
    uint32_t start, cycles;
    int i;
    /* Without this bit in its CSR 0xBC0 a VexRiscv takes custom instructions for illegal ones. */
    __asm__ volatile("csrw 0xBC0, %0" : : "r"(0x80000000u));
    if (READ(0) != MAGIC_NUMBER) finish("wrong", "device", READ(0));
    WRITE(INTERRUPT_ENABLE, 3);
    start = now();
    if (list(load_words, LOAD_WORDS, LOAD_COMMANDS)) finish("wrong", "results", 0);
    cycles = now() - start;
    print("load", &cycles, 1);
    for (i = 0; i < INPUTS; ++i) {
        start = now();
        if (list(run_words[i], RUN_WORDS, RUN_COMMANDS) != OUTPUT_WORDS) finish("wrong", "results", 1);
        cycles = now() - start;
        print("run", &cycles, 1);
        print("output", output, OUTPUT_WORDS);
    }
    finish("end", "", 0);
    return 0;
}
