/* Names of the fake loop: a table set by hand, numeric hosts and "localhost". Answers come in a later turn.
 */
#include "backends/fake/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ANSWERS 16

struct fake_lookup {
    struct fake_job job;
    sb_lookup *lk; /* NULL: cancelled */
    size_t n;
    sb_addr addrs[MAX_ANSWERS];
};

static bool parse_numeric(const char *host, sb_addr *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&out->ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->ss;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        out->len = sizeof *in;
        return true;
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        out->len = sizeof *in6;
        return true;
    }
    return false;
}

static void add_answer(struct fake_lookup *look, const sb_addr *addr, int family, uint16_t port)
{
    if (look->n == MAX_ANSWERS || (family != AF_UNSPEC && family != addr->ss.ss_family))
        return;
    sb_addr *out = &look->addrs[look->n++];
    *out = *addr;
    if (addr->ss.ss_family == AF_INET)
        ((struct sockaddr_in *)&out->ss)->sin_port = htons(port);
    else if (addr->ss.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&out->ss)->sin6_port = htons(port);
}

static void find_answers(
    struct fake_lookup *look, struct fake_loop *fl, const char *host, int family, uint16_t port)
{
    static const char *const localhost[] = {"127.0.0.1", "::1"};
    sb_addr addr;
    if (parse_numeric(host, &addr)) {
        add_answer(look, &addr, family, port);
        return;
    }
    for (const struct fake_name *name = fl->names; name != NULL; name = name->next)
        if (strcmp(name->name, host) == 0)
            add_answer(look, &name->addr, family, port);
    if (look->n > 0 || strcmp(host, "localhost") != 0)
        return;
    for (size_t i = 0; i < 2; i++)
        if (parse_numeric(localhost[i], &addr))
            add_answer(look, &addr, family, port);
}

static void lookup_run(struct fake_job *job)
{
    struct fake_lookup *look = (struct fake_lookup *)job; /* job is the first member */
    sb_lookup *lk = look->lk;
    if (lk != NULL) {
        lk->state = NULL;
        lk->on_done(lk, look->n > 0 ? SB_OK : SB_ENOENT, look->addrs, look->n);
    }
    free(look);
}

sb_err sb__fake_resolve(sb_loop *loop, const char *host, uint16_t port, int family, sb_lookup *lk)
{
    struct fake_loop *fl = fake_from_loop(loop);
    struct fake_lookup *look = calloc(1, sizeof *look);
    if (look == NULL)
        return SB_ENOMEM;
    look->job.run = lookup_run;
    look->lk = lk;
    find_answers(look, fl, host, family, port);
    lk->state = look;
    sb__fake_queue(fl, &look->job);
    return SB_OK;
}

void sb__fake_resolve_cancel(sb_loop *loop, sb_lookup *lk)
{
    struct fake_lookup *look = lk->state;
    (void)loop;
    if (look == NULL)
        return;
    look->lk = NULL;
    lk->state = NULL;
}

static void forget_name(struct fake_loop *fl, const char *host)
{
    struct fake_name **at = &fl->names;
    while (*at != NULL) {
        struct fake_name *name = *at;
        if (strcmp(name->name, host) != 0) {
            at = &name->next;
            continue;
        }
        *at = name->next;
        free(name);
    }
    fl->names_tail = at;
}

sb_err sb_fake_host(sb_loop *loop, const char *host, const sb_addr *addr)
{
    struct fake_loop *fl = fake_from_loop(loop);
    if (addr == NULL) {
        forget_name(fl, host);
        return SB_OK;
    }
    struct fake_name *name = calloc(1, sizeof *name + strlen(host) + 1);
    if (name == NULL)
        return SB_ENOMEM;
    name->addr = *addr;
    strcpy(name->name, host);
    *fl->names_tail = name;
    fl->names_tail = &name->next;
    return SB_OK;
}

void sb__fake_names_finish(struct fake_loop *fl)
{
    while (fl->names != NULL) {
        struct fake_name *name = fl->names;
        fl->names = name->next;
        free(name);
    }
}
