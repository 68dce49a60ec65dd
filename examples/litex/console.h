/* SPDX-License-Identifier: Apache-2.0 */
/* What a program on the SoC prints: lines of a name and numbers; and the clock. */
#ifndef CONSOLE_H
#define CONSOLE_H
#include <stdint.h>

void print(const char *name, const uint32_t *numbers, int count);
/* The last line, `why what number`, and the end of the simulation. */
void finish(const char *why, const char *what, uint32_t number);
/* Cycles since the beginning. */
uint32_t now(void);
#endif
