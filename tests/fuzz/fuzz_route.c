/* Any table of rows, compiled, against a matcher that looks at one row after the other. */
#include "engine/route.h"
#include "tests/fuzz/fuzz.h"

#define ROWS   12
#define FRAMES 6

struct sb_socket {
    char name[8];
};

static sb_socket targets[3] = {{"eu"}, {"us"}, {"dlq"}};

static const char *name_of(const sb_socket *sock)
{
    return sock->name;
}

typedef struct table {
    sb_route_row rows[ROWS];
    uint8_t *bytes[ROWS];
    size_t n;
} table;

static void read_row(table *t, fuzz_input *in)
{
    uint8_t kind = fuzz_u8(in);
    sb_route_row *row = &t->rows[t->n];
    *row = (sb_route_row){.frame = kind & 3u, .equals = (kind & 4) != 0, .nto = 1u + (kind >> 6)};
    t->bytes[t->n] = fuzz_take(in, fuzz_u8(in) % 20, &row->len);
    row->bytes = t->bytes[t->n];
    row->action = kind & 8 ? SB_ROUTE_REPLY : kind & 16 ? SB_ROUTE_DROP : SB_ROUTE_TO;
    row->reply = row->bytes;
    row->reply_len = row->len;
    for (uint32_t i = 0; i < row->nto; i++) {
        row->to[i] = &targets[i % 3];
        row->weight[i] = kind >> 5;
    }
    t->n++;
}

static bool matches(const sb_route_row *row, const sb_msg *msg)
{
    if (row->frame == 0)
        return true;
    if (row->frame > sb_msg_count(msg))
        return false;
    const sb_frame *f = sb_msg_frame(msg, row->frame - 1);
    if (row->equals ? f->len != row->len : f->len < row->len)
        return false;
    return row->len == 0 || memcmp(f->data, row->bytes, row->len) == 0;
}

static int match_slowly(const table *t, const sb_msg *msg)
{
    for (size_t i = 0; i < t->n; i++)
        if (matches(&t->rows[i], msg))
            return (int)i;
    return -1;
}

static void check_message(const table *t, sb_route *route, fuzz_input *in)
{
    uint8_t *bodies[FRAMES], head = fuzz_u8(in);
    uint32_t n = 1 + head % FRAMES;
    sb_msg msg;
    sb_msg_init(&msg);
    for (uint32_t i = 0; i < n; i++) {
        size_t got;
        bodies[i] = fuzz_take(in, fuzz_u8(in) % 24, &got);
        FUZZ_CHECK(sb_msg_push(&msg, bodies[i], got, NULL) == SB_OK);
    }
    msg.envelope = (head >> 4) % (n + 1);
    int row = sb_route_match(route, &msg);
    FUZZ_CHECK(row == match_slowly(t, &msg));
    if (row >= 0 && sb_route_get(route, (size_t)row)->action == SB_ROUTE_TO)
        FUZZ_CHECK(sb_route_pick(route, (size_t)row) != NULL);
    sb_msg_finish(&msg);
    for (uint32_t i = 0; i < n; i++)
        free(bodies[i]);
}

static void explain(sb_route *route, size_t n)
{
    char text[64];
    for (size_t i = 0; i < n; i++) {
        memset(text, 'x', sizeof text);
        sb_route_explain(route, i, name_of, text, sizeof text);
        FUZZ_CHECK(memchr(text, '\0', sizeof text) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    table t = {.n = 0};
    char err[160] = "";
    sb_route *route = NULL;
    for (int n = fuzz_u8(&in) % ROWS + 1; n > 0; n--)
        read_row(&t, &in);
    if (sb_route_create(t.rows, t.n, err, sizeof err, &route) == SB_OK) {
        while (fuzz_left(&in) > 0)
            check_message(&t, route, &in);
        explain(route, t.n);
    } else {
        FUZZ_CHECK(err[0] != '\0');
    }
    sb_route_destroy(route);
    while (t.n > 0)
        free(t.bytes[--t.n]);
    return 0;
}
