/* Giving memory back. After: malloc, where it can. */
#include "engine/base/heap.h"

#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define ASK_EVERY 16384
#define ASK_LAST  4096 /* when nothing is left that could go later */

void sb__heap_gone(uint64_t *gone, uint64_t left)
{
    uint64_t enough = left > 0 ? ASK_EVERY : ASK_LAST;
    if (++*gone < enough || *gone < left)
        return;
    *gone = 0;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
