/* Packets as `signalbox dump` captures them: the first octet chooses the link type, then each packet stands
 * behind its length of two octets. Every line is whole, what is held is bounded. */
#include "modules/standalone/dump/flow.h"
#include "tests/fuzz/fuzz.h"

#include <pcap/dlt.h>

static void check_line(void *user, const char *text)
{
    size_t *lines = user;
    size_t len = strlen(text);
    FUZZ_CHECK(len > 0 && len < LINE_ROOM + 4);
    for (size_t i = 0; i < len; i++)
        FUZZ_CHECK(text[i] >= 0x20 && text[i] < 0x7f);
    (*lines)++;
}

static void take_packet(flows *f, int link, fuzz_input *in)
{
    size_t len, said = (size_t)fuzz_u8(in) << 8 | fuzz_u8(in);
    segment s;
    uint8_t *packet = fuzz_take(in, said, &len);
    if (segment_find(link, packet, len, said, &s)) {
        FUZZ_CHECK(s.len + s.missing <= said);
        FUZZ_CHECK(flows_take(f, &s));
    }
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int links[] = {DLT_RAW, DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL};
    fuzz_input in = fuzz_input_of(data, size);
    size_t lines = 0;
    flows f = {.say = check_line, .user = &lines, .shown = 64};
    int link = links[fuzz_u8(&in) % (sizeof links / sizeof *links)];
    flows_init(&f);
    while (fuzz_left(&in) > 0)
        take_packet(&f, link, &in);
    flows_finish(&f);
    return 0;
}
