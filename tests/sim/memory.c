/* The allocator under test; see memory.h. */
#include "tests/sim/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *text);

static struct {
    int64_t blocks;
    uint64_t calls, refused;
    uint64_t from, until; /* the calls that are refused */
} memory;

static bool refuses(void)
{
    uint64_t call = ++memory.calls;
    bool refuse = call >= memory.from && call < memory.until;
    memory.refused += refuse;
    return refuse;
}

void *__wrap_malloc(size_t size)
{
    void *p = refuses() ? NULL : __real_malloc(size);
    memory.blocks += p != NULL;
    return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = refuses() ? NULL : __real_calloc(n, size);
    memory.blocks += p != NULL;
    return p;
}

void *__wrap_realloc(void *p, size_t size)
{
    void *moved = refuses() ? NULL : __real_realloc(p, size);
    memory.blocks += moved != NULL && p == NULL;
    return moved;
}

void __wrap_free(void *p)
{
    memory.blocks -= p != NULL;
    __real_free(p);
}

char *__wrap_strdup(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = __wrap_malloc(len);
    return copy != NULL ? memcpy(copy, text, len) : NULL;
}

int64_t sim_memory_blocks(void)
{
    return memory.blocks;
}

uint64_t sim_memory_calls(void)
{
    return memory.calls;
}

void sim_memory_refuse(uint64_t nth, uint64_t times)
{
    memory.from = memory.calls + nth;
    memory.until = memory.from + times;
}

uint64_t sim_memory_refused(void)
{
    return memory.refused;
}
