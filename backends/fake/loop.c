/* The fake loop: a queue of things to tell and a clock that stands still. Before: engine/loop.c. */
#include "backends/fake/internal.h"

#include <stdlib.h>

#define FIRST_PORT 49152

void sb__fake_queue(struct fake_loop *fl, struct fake_job *job)
{
    if (job->queued)
        return;
    job->queued = true;
    job->next = NULL;
    *fl->jobs_tail = job;
    fl->jobs_tail = &job->next;
}

/* What is queued now; what that queues is for the next turn. */
static void run_jobs(struct fake_loop *fl)
{
    struct fake_job *job = fl->jobs;
    fl->jobs = NULL;
    fl->jobs_tail = &fl->jobs;
    while (job != NULL) {
        struct fake_job *next = job->next;
        job->queued = false;
        job->run(job);
        job = next;
    }
}

static bool fake_pending(const sb_loop *loop)
{
    const struct fake_loop *fl = fake_from_loop(loop);
    return fl->jobs != NULL || sb__fake_watches_pending(fl);
}

static sb_err fake_turn(sb_loop *loop, int timeout_ms)
{
    struct fake_loop *fl = fake_from_loop(loop);
    if (!fake_pending(loop) && timeout_ms > 0)
        sb_fake_advance(loop, (uint64_t)timeout_ms * SB_NS_PER_MS);
    sb_loop_update(loop);
    run_jobs(fl);
    sb__fake_tell_watches(fl);
    return SB_OK;
}

static uint64_t fake_clock(sb_loop *loop)
{
    return fake_from_loop(loop)->clock;
}

/* Nothing sleeps here that could be woken. */
static void fake_wake(sb_loop *loop)
{
    (void)loop;
}

static void fake_destroy(sb_loop *loop)
{
    struct fake_loop *fl = fake_from_loop(loop);
    if (--fl->net->loops == 0)
        free(fl->net);
    sb__fake_names_finish(fl);
    sb_loop_base_finish(loop);
    free(fl);
}

void sb_fake_advance(sb_loop *loop, uint64_t ns)
{
    fake_from_loop(loop)->clock += ns;
    sb__fake_stir(fake_from_loop(loop));
}

bool sb_fake_settle(sb_loop *loop, size_t max_steps)
{
    while (max_steps-- > 0) {
        sb_loop_step(loop);
        if (sb_loop_timeout(loop) != 0)
            return true;
    }
    return false;
}

void sb_fake_split(sb_loop *loop, size_t n)
{
    fake_from_loop(loop)->split = n;
}

void sb_fake_limit(sb_loop *loop, size_t n)
{
    fake_from_loop(loop)->limit = n;
}

void sb_fake_set_weather(sb_loop *loop, sb_fake_weather *weather)
{
    fake_from_loop(loop)->weather = weather;
    sb__fake_stir(fake_from_loop(loop));
}

const char *sb_fake_complaint(const sb_loop *loop)
{
    return fake_from_loop(loop)->complaint;
}

/* alive is pending: an idle listener or stream of a fake loop can cause no event by itself. */
#define COMMON                                                                                               \
    .name = "fake", .destroy = fake_destroy, .clock = fake_clock, .turn = fake_turn, .alive = fake_pending,  \
    .pending = fake_pending, .wake = fake_wake, .listen = sb__fake_listen, .connect = sb__fake_connect,      \
    .resolve = sb__fake_resolve, .resolve_cancel = sb__fake_resolve_cancel

const sb_loop_impl sb__fake_impl = {COMMON};
/* With a kernel. */
const sb_loop_impl sb__fake_watching_impl = {
    COMMON, .watch_start = sb__fake_watch_start, .watch_stop = sb__fake_watch_stop};

static sb_err create(struct fake_net *net, uint64_t clock, sb_loop **out)
{
    struct fake_loop *fl = calloc(1, sizeof *fl);
    if (fl == NULL)
        return SB_ENOMEM;
    net->loops++;
    fl->net = net;
    fl->clock = clock;
    fl->jobs_tail = &fl->jobs;
    fl->names_tail = &fl->names;
    fl->limit = 256 * 1024;
    sb_loop_base_init(&fl->base, &sb__fake_impl);
    *out = &fl->base;
    return SB_OK;
}

sb_err sb_fake_create(sb_loop **out)
{
    struct fake_net *net = calloc(1, sizeof *net);
    if (net == NULL)
        return SB_ENOMEM;
    net->next_port = FIRST_PORT;
    sb_err err = create(net, SB_NS_PER_S, out);
    if (err != SB_OK)
        free(net);
    return err;
}

sb_err sb_fake_create_beside(sb_loop *other, sb_loop **out)
{
    const struct fake_loop *fl = fake_from_loop(other);
    return create(fl->net, fl->clock, out);
}
