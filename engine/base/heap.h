/* Giving memory back to the system: a heap keeps what lies between other things' memory until it is asked. */
#ifndef SB_HEAP_H
#define SB_HEAP_H

#include <stdint.h>

/* One small thing of a large set was freed, `left` are there: from time to time, when more went than stay,
 * the heap is asked. *gone counts, and begins at 0. */
void sb__heap_gone(uint64_t *gone, uint64_t left);

#endif
