/* A world of engines on one network in memory, a schedule of what happens to them, and what must hold
 * whenever all is quiet. One source of choices makes one run; a run that breaks a promise says which, and
 * ends the program.
 *
 *   plan.c     which sockets there are, and who connects to whom
 *   door.c     mechanisms, and who is let in
 *   options.c  the options of sockets
 *   world.c    engines and sockets: made, killed, drained, made again; time; weather
 *   traffic.c  what is sent and what arrives
 *   wire.c     datagrams: a kernel's UDP in memory, and what becomes of them on the way
 *   topics.c   subscriptions, and under which topic a message arrives
 *   flows.c    the same for connections of mere octets
 *   oracle.c   what must hold
 *   acts.c     the table of what may happen
 *   promises.c the names of what must hold, and worlds that break it on purpose
 *   run.c      a run from its first choice to its last check */
#ifndef SB_SIM_H
#define SB_SIM_H

#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "tests/sim/dice.h"
#include "tests/sim/stamp.h"

#define SIM_ENGINES 4
#define SIM_SLOTS   15
#define SIM_WIRES   3 /* slots of datagrams, at most */
#define SIM_LINKS   28
#define SIM_RAWS    4
#define SIM_ASKED   8
#define SIM_EXTRAS  48
#define SIM_RAW     0xfe /* the origin of what a raw connection sends */

typedef struct sim sim;

/* What is said to be broken when something is. */
typedef enum sim_promise {
    SIM_HARNESS,   /* none of the engine's: the simulator itself cannot go on */
    SIM_TORN,      /* a message arrives as it was sent, octet by octet */
    SIM_TWICE,     /* ... and once */
    SIM_ORDER,     /* ... and behind those sent before it */
    SIM_ORIGIN,    /* ... and only at who it was for, over its sender's connection */
    SIM_TOPIC,     /* ... under its topic, or the one that was asked for instead */
    SIM_ANSWER,    /* ... and what answers, to the question that is open */
    SIM_MECHANISM, /* nobody comes in another way than its socket asks for */
    SIM_LAW,       /* accepted plus received is taken, sent, queued or dropped for a reason */
    SIM_LOST,      /* nothing is lost where the type promises it */
    SIM_WIRE,      /* a datagram is taken as often as it came, and counted when it goes and comes */
    SIM_LIMIT,     /* no queue goes beyond its limits */
    SIM_BUDGET,    /* nor all of an engine together beyond theirs */
    SIM_STUCK,     /* in the end everybody is connected, and every queue empty */
    SIM_QUIET,     /* with nothing to do nothing is done */
    SIM_CONTRACT,  /* callbacks and the loop are used as their headers say */
    SIM_LEAK,      /* what was allocated is given back */
    SIM_REPLAY,    /* the same seed is the same run */
    SIM_PROMISES
} sim_promise;

typedef enum sim_relay {
    SIM_RELAY_NONE,
    SIM_RELAY_FRONT, /* routes to the next slot */
    SIM_RELAY_BACK   /* of the slot before; answers go back to it where the types have any */
} sim_relay;

/* How a link goes. Services are sockets of one engine that share a port, known by their resource. */
typedef enum sim_way { SIM_TCP, SIM_IPC, SIM_INPROC, SIM_WS, SIM_SERVICE, SIM_WAYS } sim_way;

/* Which side of a mechanism. */
typedef enum sim_role { SIM_ANY, SIM_CALLS, SIM_SERVES } sim_role;

/* A place for a socket; the socket comes and goes, each time another life. */
typedef struct sim_slot {
    sb_handler handler; /* first */
    sim *world;
    uint8_t index, engine;
    sb_type type;
    sim_relay relay;
    sim_role role;
    sb_socket *sock; /* NULL: none */
    uint16_t life;
    bool leaving; /* close was called */

    /* options, the same in every life */
    int hwm_out, hwm_in, hwm_bytes, heartbeat, reconnect, on_full, ttl, conflate_key;
    bool conflate;
    bool immediate, named, mandatory, handover, nodrop, relaxed, correlate;
    bool ways[SIM_WAYS];        /* that others may come */
    uint8_t extras[SIM_EXTRAS]; /* options.c: which value of each, 0: none */
    bool polled;                /* no on_msg: messages are fetched */
    bool delimits;              /* a DEALER that talks to a REP */
    bool fed;                   /* a relay is among its peers */
    uint8_t wire_to;            /* DGRAM: the slot at whose port it binds (its own), or that it connects to */
    bool rewrites;              /* who subscribes may get something else, or wait for the answer */

    /* of this life */
    bool kicked;                       /* it ended a connection of its own for good */
    bool stopped;                      /* takes no messages for now */
    bool owes;                         /* REP: an answer */
    uint8_t owes_to;                   /* ... to the slot that asked */
    uint32_t owes_for;                 /* ... this message */
    uint32_t question;                 /* REQ: the message that was sent last */
    sb_subscription *asked[SIM_ASKED]; /* subscriptions that wait for their answer */
    uint32_t nasked;
    uint32_t next_seq;
    uint64_t accepted;            /* copies that a send took over */
    uint64_t delivered;           /* what the application took */
    uint64_t wire_sent, wire_got; /* datagrams that the kernel took and gave */
    uint64_t told; /* connections and subscriptions that began or ended, which may be messages of their own */
} sim_slot;

typedef struct sim_link {
    uint8_t from, to; /* slots: from connects to what to bound */
    uint8_t how;      /* a sim_way that `to` bound */
    uint16_t life;    /* of `from`, which has connected; 0: none has */
} sim_link;

typedef struct sim_engine {
    sb_engine *engine; /* NULL: dead */
    sb_loop *loop;
    sb_drain drain;
    bool drained;
    sim *world;
    sb_authenticator doorman;
    uint64_t asked[SIM_ASKED]; /* questions that wait for their answer */
    uint32_t nasked;
} sim_engine;

/* Weather of the whole network; see world.c. */
typedef struct sim_weather {
    sb_fake_weather base; /* first */
    uint32_t kind;
    uint32_t wire;    /* datagrams get lost, come twice, late and in another order */
    uint32_t blocked; /* bits of engines whose octets to the others do not arrive */
} sim_weather;

/* A message that a broken world shows after the next one. */
typedef struct sim_late {
    sim_slot *slot; /* NULL: none */
    uint64_t peer;
    sim_stamp stamp;
} sim_late;

/* What a run shall be. */
typedef struct sim_order {
    uint64_t seed; /* for the messages when choices come from octets */
    sim_dice dice;
    uint32_t steps;
    uint64_t refuse; /* the allocation of this number is refused; 0: none */
    bool trace;
    sim_promise broken; /* on purpose; SIM_HARNESS: none */
} sim_order;

struct sim {
    uint64_t seed, print; /* print: a sum over everything that happened */
    uint32_t step, steps;
    uint64_t refuse; /* the allocation that is refused, as sim_run was told */
    bool trace;
    uint32_t serial; /* of the run; what older runs left in the tables is stale */
    sim_dice dice;
    sim_promise broken; /* on purpose; SIM_HARNESS: none */
    sim_dice mischief;  /* whose choices are no part of the world's */
    sim_late late;
    void *kept;     /* memory that a broken world does not give back */
    bool spiced;    /* there are options beyond those of every plan */
    bool small;     /* only messages of few octets are sent */
    size_t largest; /* octets of the largest message, packed */
    sim_engine engines[SIM_ENGINES];
    sim_slot slots[SIM_SLOTS];
    sim_link links[SIM_LINKS];
    uint32_t nengines, nslots, nlinks;
    sb_fake_kernel *kernel; /* of datagrams */
    sb_loop *ground;        /* keeps the network while all engines are dead; raw connections begin here */
    sb_fake_raw *raw[SIM_RAWS];
    bool raw_spoilt[SIM_RAWS]; /* it has said what cannot be gone on with */
    uint64_t budget;           /* max_queued of every engine */
    sb_mechanism mechanism;
    bool asks; /* there are doormen */
    sim_weather weather;
    bool parted;      /* a connection ended, or was lost, since the beginning */
    bool refused;     /* memory was refused */
    bool torture;     /* one allocation is refused, and no other */
    bool raws;        /* raw connections spoke */
    bool quiet;       /* the calm at the end: nobody does anything by himself */
    int64_t baseline; /* blocks held before */
};

/* Says which promise broke, and how to see it again; does not return. */
__attribute__((format(printf, 3, 4), noreturn)) void sim_fail(
    sim *w, sim_promise promise, const char *fmt, ...);
/* Remembers that something happened, with two numbers. */
void sim_note(sim *w, const char *what, uint64_t a, uint64_t b);

/* plan.c */
void sim_plan(sim *w);
uint32_t sim_links_of(const sim *w, const sim_slot *slot);

/* options.c */
void sim_plan_extras(sim_slot *slot, sim_dice *d);
void sim_show_extras(const sim_slot *slot);
void sim_drop_extra(sim_slot *slot, sb_opt opt);
bool sim_set_options(sim_slot *slot);           /* false: there was no memory for a key */
bool sim_has(const sim_slot *slot, sb_opt opt); /* of the extras */
/* It says something of its own to peers, or about them to its application: one frame of at most an octet. */
bool sim_greets(const sim_slot *slot);

/* door.c */
bool sim_lock(const sim_slot *slot); /* gives its socket the keys of its role; false without memory */
void sim_doorman_init(sim *w, sim_engine *e);
void sim_doorman_answers(sim_engine *e); /* what was left open */
/* The peer of a message came in as its socket wants it. */
void sim_check_door(sim *w, const sim_slot *slot, const sb_peer *peer);

/* world.c */
void sim_world_create(sim *w);
void sim_world_destroy(sim *w);
sim_engine *sim_engine_of(const sim *w, const sim_slot *slot);
bool sim_alive(const sim *w, const sim_slot *slot); /* has a socket that is not leaving */
void sim_kill(sim *w, uint32_t engine);
void sim_revive(sim *w, uint32_t engine);
void sim_open(sim *w, sim_slot *slot);
void sim_join(sim *w, sim_link *link);
void sim_part(sim *w, sim_link *link);
void sim_kick(sim *w, sim_slot *slot, sb_peer *peer);
void sim_drain(sim *w, uint32_t engine);
void sim_weather_change(sim *w);
void sim_pass_time(sim *w, uint64_t ns);
/* Steps until nobody has anything to do. */
void sim_settle(sim *w);
void sim_calm(sim *w); /* fair weather, no refusals, everybody takes messages */

/* traffic.c */
void sim_handler_init(sim_slot *slot);
void sim_send(sim *w, sim_slot *slot);
void sim_poll(sim *w, sim_slot *slot, uint32_t most);
void sim_answer(sim *w, sim_slot *slot);
bool sim_sends(const sim_slot *slot);

/* wire.c: DGRAM sockets. begin: nothing is open, nothing on its way. time: what waits for it goes on. open:
 * binds or connects the socket of a slot. pick: the port of some socket, and whose it is; 0: there may be
 * none. is: whether that is the address of the slot, now or before. */
#define SIM_WIRE_PORT 22000u
void sim_wire_begin(sim *w);
void sim_wire_check_closed(sim *w, uint32_t engine);
void sim_wire_time(void);
bool sim_wire_open(sim_slot *slot);
uint16_t sim_wire_pick(sim *w, uint8_t *slot);
bool sim_wire_is(const char *address, size_t len, uint8_t slot);

/* topics.c */
uint8_t sim_pick_topic(sim *w);
const char *sim_topic(uint8_t i);
sb_verdict sim_on_subscribe(sb_handler *self, sb_socket *sock, sb_subscription *sub);
void sim_answer_subscribers(sim *w, sim_slot *slot); /* what was left open */
void sim_check_topic(sim *w, const sim_slot *slot, const sb_msg *msg, const sim_stamp *stamp);

/* flows.c */
void sim_flow_take(sim *w, sim_slot *slot, const sb_peer *peer, const sb_frame *piece);

/* oracle.c */
void sim_check(sim *w);
void sim_check_rest(sim *w); /* after a long calm */
/* A message was taken; its peer, and what it says. */
void sim_check_taken(sim *w, sim_slot *slot, const sb_peer *peer, const sim_stamp *stamp);
void sim_note_arrival(sim *w, const sim_slot *slot, const sim_stamp *stamp); /* the kernel gave a datagram */
uint8_t sim_origin_of(
    const sim_slot *slot, uint64_t peer); /* the slot behind a peer; SIM_ANYBODY: not known */
uint64_t sim_copies(
    const sim_slot *slot, const void *topic, size_t len); /* peers that a publication reaches */

/* promises.c */
const char *sim_promise_name(sim_promise promise);
sim_promise sim_promise_find(const char *name); /* SIM_HARNESS: there is none that can be broken */
/* Once in n, in a world that breaks it. */
bool sim_breaks(sim *w, sim_promise promise, uint32_t n);
/* What a broken world makes of a message that arrived: itself, or `torn` (empty), which the caller
 * finishes. */
const sb_msg *sim_tear(sim *w, const sb_msg *msg, sb_msg *torn);
/* ... and to whom it shows it. */
sim_slot *sim_misdirect(sim *w, sim_slot *slot, const sim_stamp *stamp);
/* True: it is shown later, or was now. */
bool sim_holds_back(sim *w, sim_slot *slot, const sb_peer *peer, const sim_stamp *stamp);
void sim_keep_some(sim *w); /* memory */

/* acts.c */
void sim_act(sim *w);

/* run.c: a whole run. Returns the print. */
uint64_t sim_run(const sim_order *order);

#endif
