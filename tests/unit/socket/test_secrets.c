/* Long-term secrets lie in memory that no core dump holds, and nowhere else: the test looks through all of
 * its own. */
#include "tests/unit/socket/bench.h"

#include "tests/raw_peer.h"

#include <sodium.h>

#define MASK 0x5a
#define PORT "tcp://127.0.0.1:1"

/* The test may not have what it looks for in clear itself. */
typedef struct masked {
    uint8_t octets[64];
    size_t len;
} masked;

static void mask(masked *m, const void *secret, size_t len)
{
    m->len = len;
    for (size_t i = 0; i < len; i++)
        m->octets[i] = ((const uint8_t *)secret)[i] ^ MASK;
}

static bool is_here(const masked *m, const uint8_t *p)
{
    for (size_t i = 0; i < m->len; i++)
        if ((p[i] ^ MASK) != m->octets[i])
            return false;
    return true;
}

static size_t count_in(const masked *m, const uint8_t *p, const uint8_t *end)
{
    size_t n = 0;
    for (; (size_t)(end - p) >= m->len; p++)
        n += (*p ^ MASK) == m->octets[0] && is_here(m, p);
    return n;
}

/* One mapping of /proc/self/smaps: its place, and from later lines whether it is left out of dumps. */
typedef struct place {
    uintptr_t from, to;
    bool searched;
} place;

static bool read_place(const char *line, place *out)
{
    char perms[8], name[256] = "";
    unsigned long from, to;
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to, perms, name) < 3)
        return false;
    bool memory = perms[0] == 'r' && perms[1] == 'w' && strcmp(name, "[stack]") != 0;
    *out = (place){from, to, memory};
    return true;
}

typedef struct found {
    size_t dumped, hidden;
} found;

static found look(const masked *m)
{
    char line[512];
    place at = {0, 0, false};
    found f = {0, 0};
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        if (read_place(line, &at) || strncmp(line, "VmFlags:", 8) != 0 || !at.searched)
            continue;
        size_t n = count_in(m, (const uint8_t *)at.from, (const uint8_t *)at.to);
        *(strstr(line, " dd") != NULL ? &f.hidden : &f.dumped) += n;
    }
    fclose(maps);
    return f;
}

static void set_secret(sb_socket *sock, sb_opt opt, const masked *m)
{
    uint8_t clear[64];
    char err[256] = "";
    for (size_t i = 0; i < m->len; i++)
        clear[i] = m->octets[i] ^ MASK;
    if (sb_socket_set_bytes(sock, opt, clear, m->len, err, sizeof err) != SB_OK)
        fail_msg("%s", err);
    sb_wipe(clear, sizeof clear);
}

static void make_pair(masked *secret, uint8_t public_key[32])
{
    sb_curve_pair pair;
    assert_int_equal(sb_curve_generate(&pair), SB_OK);
    mask(secret, pair.secret_key, 32);
    memcpy(public_key, pair.public_key, 32);
    sb_wipe(&pair, sizeof pair);
}

static void check(const masked *m, size_t least, size_t most)
{
    found f = look(m);
    assert_int_equal(f.dumped, 0);
    assert_in_range(f.hidden, least, most);
}

static void test_secret_keys_are_in_no_core_dump(void **state)
{
    bench b;
    ear got;
    masked server_secret, client_secret;
    uint8_t server_key[32], client_key[32];
    (void)state;
    bench_open(&b);
    make_pair(&server_secret, server_key);
    make_pair(&client_secret, client_key);
    sb_socket *server = open_socket(&b, SB_PULL, &got), *client = open_socket(&b, SB_PUSH, NULL);
    set_int(server, SB_OPT_CURVE_SERVER, 1);
    set_secret(server, SB_OPT_CURVE_SECRETKEY, &server_secret);
    set_secret(client, SB_OPT_CURVE_SECRETKEY, &client_secret);
    assert_int_equal(sb_socket_set_bytes(client, SB_OPT_CURVE_SERVERKEY, server_key, 32, NULL, 0), SB_OK);
    check(&server_secret, 1, 1); /* it can be found at all */
    bind_to(server, PORT);
    sb_fake_raw *raw = raw_connect(b.loop, 1);
    settle(&b);
    check(&server_secret, 2, 8); /* the unfinished handshake has one too */
    sb_fake_raw_close(raw, SB_ECLOSED);
    connect_to(client, PORT);
    settle(&b);
    assert_int_equal(send_text(client, "x"), SB_OK);
    settle(&b);
    expect_seen(&got, 0, "x");
    check(&server_secret, 1, 1); /* a finished one has none */
    check(&client_secret, 1, 1);
    sb_socket_close(client);
    sb_socket_close(server);
    settle(&b);
    check(&server_secret, 0, 0);
    check(&client_secret, 0, 0);
    ear_clear(&got);
    bench_close(&b);
}

static void test_passwords_are_in_no_core_dump_either(void **state)
{
    bench b;
    masked password;
    char text[32];
    (void)state;
    bench_open(&b);
    randombytes_buf(text, sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + (uint8_t)text[i] % 26);
    mask(&password, text, sizeof text);
    sb_wipe(text, sizeof text);
    sb_socket *client = open_socket(&b, SB_PUSH, NULL);
    assert_int_equal(sb_socket_set_bytes(client, SB_OPT_PLAIN_USERNAME, "ada", 3, NULL, 0), SB_OK);
    set_secret(client, SB_OPT_PLAIN_PASSWORD, &password);
    check(&password, 1, 1);
    set_secret(client, SB_OPT_PLAIN_PASSWORD, &password); /* the first is gone */
    check(&password, 1, 1);
    sb_socket_close(client);
    settle(&b);
    check(&password, 0, 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_keys_are_in_no_core_dump),
        cmocka_unit_test(test_passwords_are_in_no_core_dump_either),
    };
#if defined(__SANITIZE_ADDRESS__)
    return 77; /* its shadow is too large to look through */
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
