/* The hub: work deferred to the end of a turn, write vectors, numbers.
 * Before: whoever changed something during the turn. After: the backend submits. */
#include "engine/transport/hub.h"

#include <stdlib.h>

/* Of input work per turn; what is left goes on in the next, so that the loop stays fair. */
#define ROUNDS 16

static sb__task *task_of(sb_list_node *node)
{
    return (sb__task *)((char *)node - offsetof(sb__task, node));
}

/* Runs what is queued now; what these tasks queue is for the next round. */
static void run_lane(sb_list *lane)
{
    sb_list now;
    sb_list_init(&now);
    sb_list_splice(&now, lane);
    while (!sb_list_empty(&now)) {
        sb__task *task = task_of(sb_list_pop(&now));
        task->run(task);
    }
}

/* The end of a turn may be told twice where a host steps: only a turn between them counts. */
static void wait_a_turn(sb__hub *hub)
{
    hub->turns = sb_loop_turns(hub->loop);
    sb_list_splice(&hub->output, &hub->soon);
    sb_list_splice(&hub->soon, &hub->later);
}

static void on_turn_end(sb_turn *turn)
{
    sb__hub *hub = (sb__hub *)((char *)turn - offsetof(sb__hub, turn));
    sb__turnstile_turn(&hub->turnstile);
    for (int i = 0; i < ROUNDS && !sb_list_empty(&hub->input); i++)
        run_lane(&hub->input);
    if (hub->turns != sb_loop_turns(hub->loop))
        wait_a_turn(hub);
    run_lane(&hub->output);
    sb__hub_go_on(hub);
}

static void on_again(sb_timer *timer)
{
    (void)timer; /* the turn it makes is all that is wanted */
}

void sb__hub_init(sb__hub *hub, sb_loop *loop, uint32_t max_peers)
{
    *hub = (sb__hub){.loop = loop, .max_peers = max_peers, .turn = {.on_turn_end = on_turn_end}};
    hub->random = (uint32_t)sb_loop_now(loop) ^ (uint32_t)(uintptr_t)hub;
    hub->random |= 1; /* xorshift must not start at 0 */
    sb_list_init(&hub->input);
    sb_list_init(&hub->output);
    sb_list_init(&hub->later);
    sb_list_init(&hub->soon);
    sb__turnstile_init(&hub->turnstile);
    hub->turnstile.seed = hub->random;
    sb_list_init(&hub->inproc_binds);
    sb_list_init(&hub->inproc_waiting);
    sb_list_init(&hub->parting);
    sb_list_init(&hub->closing);
    sb_timer_init(&hub->again, on_again);
    sb_loop_set_turn(loop, &hub->turn);
}

void sb__hub_finish(sb__hub *hub)
{
    sb_timer_stop(hub->loop, &hub->again);
    sb_loop_set_turn(hub->loop, NULL);
    while (hub->spare != NULL) {
        sb__vectors *next = hub->spare->next;
        free(hub->spare);
        hub->spare = next;
    }
}

void sb__task_init(sb__task *task, void (*run)(sb__task *task))
{
    task->run = run;
    sb_list_node_init(&task->node);
}

static void queue(sb_list *lane, sb__task *task)
{
    if (!sb_list_linked(&task->node))
        sb_list_push_back(lane, &task->node);
}

void sb__hub_input(sb__hub *hub, sb__task *task)
{
    queue(&hub->input, task);
}

void sb__hub_output(sb__hub *hub, sb__task *task)
{
    queue(&hub->output, task);
}

void sb__hub_later(sb__hub *hub, sb__task *task)
{
    queue(&hub->later, task);
}

void sb__task_cancel(sb__task *task)
{
    sb_list_remove(&task->node);
}

bool sb__hub_busy(const sb__hub *hub)
{
    return !sb_list_empty(&hub->input) || !sb_list_empty(&hub->output) || !sb_list_empty(&hub->soon) ||
           !sb_list_empty(&hub->later) || hub->turnstile.waiting > 0;
}

void sb__hub_go_on(sb__hub *hub)
{
    if (sb__hub_busy(hub))
        sb_timer_start(hub->loop, &hub->again, sb_loop_now(hub->loop));
}

sb__vectors *sb__hub_vectors(sb__hub *hub)
{
    sb__vectors *vectors = hub->spare;
    if (vectors != NULL)
        hub->spare = vectors->next;
    else if ((vectors = malloc(sizeof *vectors)) == NULL)
        return NULL;
    sb__queue_init(&vectors->flight, 0, 0);
    return vectors;
}

void sb__hub_vectors_done(sb__hub *hub, sb__vectors *vectors)
{
    if (vectors == NULL)
        return;
    sb__queue_finish(&vectors->flight);
    vectors->next = hub->spare;
    hub->spare = vectors;
}

uint32_t sb__hub_random(sb__hub *hub)
{
    hub->random ^= hub->random << 13;
    hub->random ^= hub->random >> 17;
    hub->random ^= hub->random << 5;
    return hub->random;
}
