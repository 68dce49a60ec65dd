/* SPDX-License-Identifier: Apache-2.0 */
/* How the driver reaches the simulation, in place of memory-mapped registers. */
#ifndef DRIVER_HOOKS_H
#define DRIVER_HOOKS_H
#include <stdint.h>
uint32_t bus_read(uint32_t offset);
void bus_write(uint32_t offset, uint32_t value);
uint32_t bus_address(const void *pointer);
#define SYSMT_READ(device, offset) ((void)(device), bus_read(offset))
#define SYSMT_WRITE(device, offset, value) ((void)(device), bus_write(offset, value))
#define SYSMT_ADDRESS(pointer) bus_address(pointer)
#endif
