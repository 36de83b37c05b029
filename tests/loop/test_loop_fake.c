/* The loop suite on the fake loop, whole and in small pieces, and what only the fake loop has. */
#include "backends/fake/fake.h"
#include "tests/loop/suite.h"

#include <arpa/inet.h>
#include <string.h>

static sb_err make_split(sb_loop **out)
{
    sb_err err = sb_fake_create(out);
    if (err == SB_OK) {
        sb_fake_split(*out, 4099);
        sb_fake_limit(*out, 10000);
    }
    return err;
}

static const suite_backend backends[] = {
    {.name = "fake", .make = sb_fake_create},
    {.name = "fake in pieces", .make = make_split},
};

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        failed += suite_run(&backends[i]);
    return failed != 0;
}
