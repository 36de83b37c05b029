/* The allocator under test: counts what is held, and refuses when it is told to. Programs that use it are
 * linked with
 * --wrap for these functions, so that every ring's calls come here, and those of libc's own functions do not.
 */
#ifndef SB_SIM_MEMORY_H
#define SB_SIM_MEMORY_H

#include <stdint.h>

/* Blocks held now. */
int64_t sim_memory_blocks(void);
/* Allocations asked for since the program began. */
uint64_t sim_memory_calls(void);
/* The nth allocation from now (1: the next) is refused, and `times` in all, one after the other. 0 times:
 * none. */
void sim_memory_refuse(uint64_t nth, uint64_t times);
/* How many were refused since the program began. */
uint64_t sim_memory_refused(void);

#endif
