/* Who may come in: mechanisms of the sockets, and a doorman in each engine who answers at once, late, or with
 * a refusal. */
#include "engine/mech/curve.h"
#include "engine/socket/internal.h"
#include "tests/sim/sim.h"

#define PASSWORD "simple"

/* The same keys in every run: what they are changes nothing. */
static void key_of(uint8_t fill, sb_curve_pair *out)
{
    memset(out->secret_key, fill, SB_CURVE_KEY);
    sb_curve_public(out->secret_key, out->public_key);
}

static bool set_bytes(sb_socket *sock, sb_opt opt, const void *data, size_t len)
{
    return sb_socket_set_bytes(sock, opt, data, len, NULL, 0) == SB_OK;
}

static bool lock_plain(const sim_slot *s)
{
    if (s->role == SIM_SERVES)
        return sb_socket_set_int(s->sock, SB_OPT_PLAIN_SERVER, 1, NULL, 0) == SB_OK;
    char name = (char)('a' + s->index);
    return set_bytes(s->sock, SB_OPT_PLAIN_USERNAME, &name, 1) &&
           set_bytes(s->sock, SB_OPT_PLAIN_PASSWORD, PASSWORD, strlen(PASSWORD));
}

static bool lock_curve(const sim_slot *s)
{
    sb_curve_pair server, own;
    key_of(0x51, &server);
    key_of((uint8_t)(1 + s->index), &own);
    const sb_curve_pair *mine = s->role == SIM_SERVES ? &server : &own;
    if (!set_bytes(s->sock, SB_OPT_CURVE_SECRETKEY, mine->secret_key, SB_CURVE_KEY))
        return false;
    if (s->role == SIM_SERVES)
        return sb_socket_set_int(s->sock, SB_OPT_CURVE_SERVER, 1, NULL, 0) == SB_OK;
    return set_bytes(s->sock, SB_OPT_CURVE_SERVERKEY, server.public_key, SB_CURVE_KEY);
}

bool sim_lock(const sim_slot *s)
{
    const sim *w = s->world;
    if (s->role == SIM_ANY || w->mechanism == SB_MECHANISM_NULL || w->broken == SIM_MECHANISM)
        return true;
    return w->mechanism == SB_MECHANISM_PLAIN ? lock_plain(s) : lock_curve(s);
}

/* ---- the doorman ---- */

static void say(sb_engine *engine, uint64_t id, unsigned status)
{
    const sb_session_verdict v = {.status = status, .text = "", .user_id = "somebody"};
    sb_auth_answer(engine, id, &v); /* without memory it stays unanswered, and ends at its deadline */
}

static unsigned judge(sim *w, const sb_auth_request *r)
{
    if (strcmp(r->mechanism, "PLAIN") == 0 && strcmp(r->password, PASSWORD) != 0)
        sim_fail(w, SIM_MECHANISM, "a password that nobody has");
    static const unsigned refusals[] = {300, 400, 500};
    return !w->quiet && sim_once_in(&w->dice, 20) ? refusals[sim_pick(&w->dice, 3)] : 200;
}

static void on_request(sb_authenticator *self, const sb_auth_request *r)
{
    sim_engine *e = (sim_engine *)((char *)self - offsetof(sim_engine, doorman));
    sim *w = e->world;
    sim_note(w, "asked", sb_socket_name(r->socket)[5], 0);
    if (!w->quiet && sim_once_in(&w->dice, 4) && e->nasked < SIM_ASKED)
        e->asked[e->nasked++] = r->id;
    else
        say(e->engine, r->id, judge(w, r));
}

void sim_doorman_answers(sim_engine *e)
{
    while (e->nasked > 0)
        say(e->engine, e->asked[--e->nasked], 200);
}

void sim_doorman_init(sim *w, sim_engine *e)
{
    e->world = w;
    e->nasked = 0;
    e->doorman.on_request = on_request;
    if (w->asks)
        sb_engine_set_authenticator(e->engine, &e->doorman);
}

/* Over inproc there is no mechanism; without memory for its address, nobody knows. */
static bool came_by_wire(const sb_peer *peer)
{
    const char *address = sb_peer_address(peer);
    return address[0] != '\0' && strncmp(address, "inproc:", 7) != 0;
}

void sim_check_door(sim *w, const sim_slot *s, const sb_peer *peer)
{
    if (s->role == SIM_ANY || peer->info == NULL || !came_by_wire(peer))
        return;
    if (strcmp(peer->info->mechanism, sb_mechanism_name(w->mechanism)) != 0)
        sim_fail(w, SIM_MECHANISM, "slot %u got a message from a peer that came in by %s", s->index,
            peer->info->mechanism);
}
