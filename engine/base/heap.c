/* Giving memory back. After: malloc, where it can. */
#include "engine/base/heap.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define ASK_EVERY 16384

void sb__heap_gone(uint64_t *gone, uint64_t left)
{
    if (++*gone < ASK_EVERY || *gone < left)
        return;
    *gone = 0;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
