/* Engines that the test turns itself, as a host would: a poll, then a step. */
#ifndef SB_TEST_STEP_H
#define SB_TEST_STEP_H

#include "engine/signalbox.h"

#include <poll.h>

/* Waits at most so many ms for something to do. NULL: an engine that is gone. */
static inline void step_within(sb_engine *engine, int ms)
{
    struct pollfd pfd = {.events = POLLIN};
    if (engine == NULL)
        return;
    pfd.fd = sb_engine_fd(engine);
    if (sb_engine_timeout(engine) != 0)
        poll(&pfd, 1, ms);
    sb_engine_step(engine);
}

/* Calls `turn` with the rig, STEPS times at most, until the condition holds. */
#define STEP_UNTIL(r, condition)                                                                             \
    do {                                                                                                     \
        bool step_ok = false;                                                                                \
        for (int step_n = 0; !(step_ok = (condition)) && step_n < STEPS; step_n++)                           \
            turn(r);                                                                                         \
        assert_true(step_ok);                                                                                \
    } while (0)

#endif
