/* Worlds of the simulator (tests/sim) whose every choice is the fuzzer's: types, options, what is sent,
 * split, delayed, closed, killed, and which allocation fails. */
#include "tests/fuzz/fuzz.h"
#include "tests/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sim_order order = {.dice = sim_dice_seeded(0), .steps = 2000};
    if (size == 0)
        return 0;
    order.dice.p = data;
    order.dice.end = data + size;
    sim_run(&order);
    return 0;
}
