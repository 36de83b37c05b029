/* Any octets as metadata: properties lie inside of it, and written again they are the same octets. */
#include "engine/wire/metadata.h"
#include "tests/fuzz/fuzz.h"

static void check_property(const sb__metadata *m, const uint8_t *p, size_t len)
{
    FUZZ_CHECK(sb__metadata_name_ok(m->name, m->name_len));
    FUZZ_CHECK(m->name > p && m->name + m->name_len <= p + len);
    FUZZ_CHECK(m->value >= m->name && m->value + m->value_len <= p + len);
}

static void write_again(sb__bytes *out, const sb__metadata *m)
{
    char name[256] = {0};
    memcpy(name, m->name, m->name_len);
    FUZZ_CHECK(sb__metadata_is(m, name));
    sb__metadata_put(out, name, m->value, m->value_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    size_t len;
    uint8_t *p = fuzz_take(&in, size, &len);
    sb__cursor c = sb__cursor_of(p, len);
    sb__metadata m;
    sb__bytes out = {0};
    while (sb__metadata_get(&c, &m)) {
        check_property(&m, p, len);
        write_again(&out, &m);
    }
    size_t read = len - sb__cursor_left(&c);
    FUZZ_CHECK(sb__bytes_len(&out) == read && (read == 0 || memcmp(sb__bytes_data(&out), p, read) == 0));
    sb__bytes_finish(&out);
    free(p);
    return 0;
}
