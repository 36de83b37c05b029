/* The pages of a board: one row each. Before: gate.c. After: status.c, samples.c. */
#include "modules/library/gate_internal.h"

#include "modules/library/samples.h"

#include <string.h>

static const sb__page pages[] = {
    {"status", "{\"content-type\":\"application/json\",\"cache-control\":\"no-store\"}", sb_board_status},
    {"metrics", "{\"content-type\":\"text/plain; version=0.0.4; charset=utf-8\"}", sb_board_metrics},
};

const sb__page *sb__page_find(const char *name)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (strcmp(pages[i].name, name) == 0)
            return &pages[i];
    return NULL;
}
