/* Subscriptions that the application accepts, denies or turns into others, at once or late; and under which
 * topic a message arrives then. */
#include "engine/socket/internal.h"
#include "tests/sim/sim.h"

#include <stdio.h>

static const char *const topics[] = {"a", "ab", "b", "ba", "c"};
#define TOPICS (sizeof topics / sizeof topics[0])

/* Who asks for one gets the other, under the name it asked for. */
typedef struct alias {
    const char *asked, *given;
} alias;

static const alias aliases[] = {{"a", "b"}, {"ab", "c"}, {"b", ""}, {"bab", "a"}, {"", "a"}};
#define ALIASES (sizeof aliases / sizeof aliases[0])

uint8_t sim_pick_topic(sim *w)
{
    return (uint8_t)sim_pick(&w->dice, TOPICS);
}

const char *sim_topic(uint8_t i)
{
    return topics[i];
}

/* ---- what the application says ---- */

static const alias *alias_of(const sb_subscription *sub)
{
    for (size_t i = 0; i < ALIASES; i++)
        if (sub->len == strlen(aliases[i].asked) && memcmp(sub->topic, aliases[i].asked, sub->len) == 0)
            return &aliases[i];
    return NULL;
}

static sb_verdict judge(sim *w, const sim_slot *s, const alias *a)
{
    if (!w->quiet && sim_once_in(&w->dice, 30))
        return SB_VERDICT_DENY;
    bool other = s->rewrites && a != NULL && !w->quiet && sim_once_in(&w->dice, 2);
    return other ? SB_VERDICT_REWRITE : SB_VERDICT_ACCEPT;
}

sb_verdict sim_on_subscribe(sb_handler *self, sb_socket *sock, sb_subscription *sub)
{
    sim_slot *s = (sim_slot *)self;
    sim *w = s->world;
    const alias *a = alias_of(sub);
    (void)sock;
    if (s->rewrites && !w->quiet && s->nasked < SIM_ASKED && sim_once_in(&w->dice, 4)) {
        s->asked[s->nasked++] = sub;
        return SB_VERDICT_LATER;
    }
    sb_verdict v = judge(w, s, a);
    sim_note(w, "subscribes", s->index, v);
    if (v == SB_VERDICT_REWRITE && sb_subscription_rewrite(sub, a->given, strlen(a->given)) != SB_OK)
        return SB_VERDICT_DENY;
    return v;
}

/* Also of peers that are gone meanwhile, or were denied for want of an answer. */
void sim_answer_subscribers(sim *w, sim_slot *s)
{
    while (s->sock != NULL && s->nasked > 0) {
        sb_subscription *sub = s->asked[--s->nasked];
        const alias *a = alias_of(sub);
        sb_verdict v = judge(w, s, a);
        sim_note(w, sub->peer != NULL ? "answered" : "answered nobody", s->index, v);
        if (v == SB_VERDICT_REWRITE)
            sb_subscription_answer(sub, v, a->given, strlen(a->given));
        else
            sb_subscription_answer(sub, v, NULL, 0);
    }
}

/* ---- what arrives ---- */

static bool is_text(const char *text, const char *head, size_t head_len, const char *tail)
{
    return strlen(text) == head_len + strlen(tail) && memcmp(text, head, head_len) == 0 &&
           strcmp(text + head_len, tail) == 0;
}

/* Whether `sent` may be shown as `shown` by so many publishers that rewrite, one behind the other. */
static bool may_become(const char *sent, const char *shown, uint32_t times, bool exact)
{
    char next[16];
    if (strcmp(sent, shown) == 0)
        return true;
    for (size_t i = 0; i < ALIASES && times > 0; i++) {
        size_t given = strlen(aliases[i].given), asked = strlen(aliases[i].asked);
        if (strncmp(sent, aliases[i].given, given) != 0 || (exact && sent[given] != '\0'))
            continue;
        if (is_text(shown, aliases[i].asked, asked, sent + given))
            return true;
        snprintf(next, sizeof next, "%s%s", aliases[i].asked, sent + given);
        if (may_become(next, shown, times - 1, exact))
            return true;
    }
    return false;
}

/* Publishers that rewrite, between the one who sent it and the one who got it. */
static uint32_t rewriters(const sim *w, const sim_slot *s, uint8_t origin)
{
    uint32_t n = origin < w->nslots && w->slots[origin].rewrites, relays = 0;
    for (uint8_t i = 0; i < w->nslots && s->fed; i++)
        relays |= w->slots[i].relay != SIM_RELAY_NONE && w->slots[i].rewrites;
    return n + relays;
}

void sim_check_topic(sim *w, const sim_slot *s, const sb_msg *msg, const sim_stamp *st)
{
    const sb_frame *f = sb_msg_frame(msg, 0);
    char shown[16];
    if (st->topic >= TOPICS || sb_msg_count(msg) < 2)
        return;
    snprintf(shown, sizeof shown, "%.*s", (int)f->len, (const char *)f->data);
    uint8_t sent = (uint8_t)((st->topic + sim_breaks(w, SIM_TOPIC, 20)) % TOPICS);
    if (!may_become(topics[sent], shown, rewriters(w, s, st->origin), s->type == SB_DISH))
        sim_fail(w, SIM_TOPIC, "slot %u got message %u of slot %u under '%s', sent under '%s'", s->index,
            st->seq, st->origin, shown, topics[sent]);
}
