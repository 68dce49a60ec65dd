/* SPDX-License-Identifier: Apache-2.0 */
/* In ROM: wakes the SDRAM, whose content the simulation has put there, and jumps to its beginning. */
#include <generated/csr.h>
#include <generated/mem.h>
#include <generated/sdram_phy.h>

void isr(void);
void isr(void) {}

int main(void) {
    init_sequence();
    sdram_dfii_control_write(DFII_CONTROL_SEL);
    ((void (*)(void))MAIN_RAM_BASE)();
    return 0;
}
