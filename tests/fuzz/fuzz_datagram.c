/* Datagrams as they come in over UDP, and what an application names as an address: taken or refused; what is
 * taken is written the same way. */
#include "engine/transport/datagram.h"
#include "tests/fuzz/fuzz.h"

static void check_put(const sb_msg *msg, const uint8_t *data, size_t len)
{
    uint8_t head[1 + SB_GROUP_MAX];
    struct iovec iov[2];
    size_t put = sb__datagram_put(msg, head, iov);
    FUZZ_CHECK(put == len || (put == 0 && len > SB__DATAGRAM_GROUPS));
    if (put == 0)
        return;
    FUZZ_CHECK(iov[0].iov_len + iov[1].iov_len == len);
    FUZZ_CHECK(memcmp(iov[0].iov_base, data, iov[0].iov_len) == 0);
    FUZZ_CHECK(iov[1].iov_len == 0 || memcmp(iov[1].iov_base, data + iov[0].iov_len, iov[1].iov_len) == 0);
}

static void check_address(const uint8_t *text, size_t len)
{
    char once[64], twice[64];
    sb_addr addr;
    if (len == 0 || text[0] < '0' || text[0] > '9') /* names of interfaces depend on the machine */
        return;
    if (!sb__datagram_parse(text, len, &addr))
        return;
    sb__datagram_format(&addr, once, sizeof once);
    FUZZ_CHECK(sb__datagram_parse((const uint8_t *)once, strlen(once), &addr));
    sb__datagram_format(&addr, twice, sizeof twice);
    FUZZ_CHECK(strcmp(once, twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    size_t len;
    sb_msg msg;
    if (size == 0)
        return 0;
    uint8_t *block = fuzz_take(&in, size, &len);
    sb_msg_init(&msg);
    if (sb__datagram_get(&msg, block, len))
        check_put(&msg, block, len);
    else
        FUZZ_CHECK(len < 1u + data[0]);
    sb_msg_finish(&msg);
    check_address(block, len);
    free(block);
    return 0;
}
