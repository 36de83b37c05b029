/* Pages that are left out of core dumps. Place: under session/config.c, mech/curve.c and socket/values.c. */
#include "engine/base/secret.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return len > SIZE_MAX - page ? 0 : (len + page - 1) / page * page;
}

/* Where the kernel knows no MADV_DONTDUMP (before 3.4), or is told to dump everything, it is memory like any
 * other. */
void *sb__secret_alloc(size_t len)
{
    size_t size = whole_pages(len > 0 ? len : 1);
    if (size == 0)
        return NULL;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, size, MADV_DONTDUMP);
    return memory;
}

void sb__secret_free(void *memory, size_t len)
{
    if (memory == NULL)
        return;
    explicit_bzero(memory, len);
    munmap(memory, whole_pages(len > 0 ? len : 1));
}
