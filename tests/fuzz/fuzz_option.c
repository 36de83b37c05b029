/* Any option with any value on every type of socket: taken inside its range, refused with a reason outside of
 * it, and what was set is read back. */
#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "tests/fuzz/fuzz.h"

static void parse_text(fuzz_input in)
{
    char *text = fuzz_text(&in, 40);
    const char *near = NULL;
    int64_t v = 0;
    sb_option_find(text, strlen(text), &near);
    if (sb_option_parse_ms(text, strlen(text), &v))
        FUZZ_CHECK(strpbrk(text, "0123456789") != NULL);
    if (sb_option_parse_size(text, strlen(text), &v))
        FUZZ_CHECK(strpbrk(text, "0123456789") != NULL);
    free(text);
}

static void set_number(sb_socket *sock, const sb_opt_row *row, fuzz_input *in)
{
    char err[256] = "";
    int64_t value = (int64_t)((uint64_t)fuzz_u32(in) << 32 | fuzz_u32(in)), back;
    if (fuzz_u8(in) & 1)
        value >>= 40;
    if (sb_socket_set_int(sock, row->opt, value, err, sizeof err) != SB_OK) {
        FUZZ_CHECK(err[0] != '\0');
        return;
    }
    FUZZ_CHECK(value >= row->min && value <= row->max);
    FUZZ_CHECK(!row->gettable || (sb_socket_get_int(sock, row->opt, &back) == SB_OK && back == value));
}

/* A key is shown as text, however it was given. */
static bool shown_as_given(const sb_opt_row *row)
{
    return row->gettable && row->opt != SB_OPT_CURVE_PUBLICKEY && row->opt != SB_OPT_CURVE_SERVERKEY;
}

static void set_octets(sb_socket *sock, const sb_opt_row *row, fuzz_input *in)
{
    char err[256] = "", back[600];
    size_t len, got;
    uint8_t *value = fuzz_take(in, fuzz_u8(in), &len);
    sb_err set = sb_socket_set_bytes(sock, row->opt, value, len, err, sizeof err);
    if (set == SB_OK && shown_as_given(row)) {
        FUZZ_CHECK(sb_socket_get_bytes(sock, row->opt, back, sizeof back, &got) == SB_OK && got == len);
        FUZZ_CHECK(len == 0 || memcmp(back, value, len) == 0);
    }
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    sb_loop *loop;
    sb_engine *engine;
    sb_socket *sock;
    size_t rows;
    const sb_opt_row *table = sb_option_table(&rows);
    parse_text(in);
    FUZZ_CHECK(sb_fake_create(&loop) == SB_OK);
    sb_engine_config cfg = {.loop = loop};
    FUZZ_CHECK(sb_engine_create(&cfg, NULL, 0, &engine) == SB_OK);
    sb_err made = sb_socket_create(engine, (sb_type)(fuzz_u8(&in) % SB_TYPE_COUNT), NULL, &sock);
    while (made == SB_OK && fuzz_left(&in) > 0) {
        const sb_opt_row *row = &table[fuzz_u8(&in) % rows];
        if (row->kind == SB_OPT_BYTES)
            set_octets(sock, row, &in);
        else
            set_number(sock, row, &in);
    }
    sb_engine_destroy(engine);
    sb_loop_destroy(loop);
    return 0;
}
