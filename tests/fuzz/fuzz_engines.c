/* Worlds of the simulator (tests/sim) whose every choice is the fuzzer's: types, options, what is sent,
 * split, delayed, closed, killed, and which allocation fails. */
#include "tests/fuzz/fuzz.h"
#include "tests/sim/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sim_dice dice = sim_dice_seeded(0);
    if (size == 0)
        return 0;
    dice.p = data;
    dice.end = data + size;
    sim_run(0, dice, 2000, false, 0);
    return 0;
}
