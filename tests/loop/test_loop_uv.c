/* The loop suite on libuv. */
#include "backends/backends.h"
#include "tests/loop/suite.h"

int main(void)
{
    static const suite_backend uv = {
        .name = "uv", .make = sb__uv_create, .caps = SUITE_FDS | SUITE_HOST | SUITE_THREADS | SUITE_WATCH};
    return suite_run(&uv) != 0;
}
