/* Any text as an endpoint: taken or refused with a reason, and what became an address is written so that it
 * is read the same way. */
#include "engine/transport/endpoint.h"
#include "tests/fuzz/fuzz.h"

static void check_written(const sb_addr *addr)
{
    char text[256], again[256], err[256];
    sb__endpoint ep;
    sb_addr back;
    sb__endpoint_format(addr, text, sizeof text);
    if (text[0] == '\0')
        return;
    FUZZ_CHECK(sb__endpoint_parse(text, &ep, err, sizeof err) == SB_OK);
    FUZZ_CHECK(sb__endpoint_addr(&ep, true, &back) == SB_OK);
    sb__endpoint_format(&back, again, sizeof again);
    FUZZ_CHECK(strcmp(text, again) == 0);
}

/* Only numbers: an interface name would make the run depend on the machine. */
static bool numeric(const char *host)
{
    return host[0] != '\0' && strspn(host, "0123456789.:abcdefABCDEF") == strlen(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    char *text = fuzz_text(&in, size), err[160] = "";
    sb__endpoint ep;
    sb_addr addr;
    sb_err code = sb__endpoint_parse(text, &ep, err, sizeof err);
    FUZZ_CHECK(code == SB_OK || err[0] != '\0');
    bool written = !ep.any_path && (!sb__endpoint_has_host(&ep) || ep.any_host || numeric(ep.host));
    if (code == SB_OK && written && sb__endpoint_addr(&ep, true, &addr) == SB_OK)
        check_written(&addr);
    free(text);
    return 0;
}
