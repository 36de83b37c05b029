/* signalbox options: the page of all socket options, out of the engine's table. docs/options.md is what this
 * prints. */
#include "modules/standalone/options.h"

#include "engine/signalbox.h"
#include "modules/standalone/compat.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kinds[] = {
    [SB_OPT_INT] = "number",
    [SB_OPT_BOOL] = "true/false",
    [SB_OPT_MS] = "time",
    [SB_OPT_SIZE] = "size",
    [SB_OPT_BYTES] = "string",
    [SB_OPT_CHOICE] = "name",
};

static void print_default(const sb_opt_row *row)
{
    if (row->kind == SB_OPT_BYTES || !row->settable)
        return;
    if (row->kind == SB_OPT_BOOL)
        printf("%s", row->def != 0 ? "true" : "false");
    else if (row->kind == SB_OPT_CHOICE)
        printf("`\"%s\"`", row->choices[row->def]);
    else if (row->kind == SB_OPT_MS && row->def > 0)
        printf("%g s", (double)row->def / 1000);
    else
        printf("%" PRId64, row->def);
}

static void print_types(const sb_opt_row *row)
{
    const char *blank = "";
    for (int t = 0; row->types != 0 && t < SB_TYPE_COUNT; t++) {
        if ((row->types & SB_TYPE_BIT(t)) == 0)
            continue;
        printf("%s%s", blank, sb_type_name((sb_type)t));
        blank = " ";
    }
}

static void print_row(const sb_opt_row *row)
{
    printf("| `%s` | ", row->name);
    if (row->opt < 1000)
        printf("%d", (int)row->opt);
    printf(" | %s | ", kinds[row->kind]);
    print_default(row);
    printf(" | ");
    print_types(row);
    const char *test = compat_option_test(row->name);
    printf(" | %s%s | ", row->settable ? "" : "read only; ", row->doc);
    compat_print_tests(test != NULL ? test : "");
    fputs(" |\n", stdout);
}

static const char head[] =
    "# Options\n\n"
    "All socket options, as `signalbox options` prints them out of the table that C and scripts use. Names "
    "are libzmq's in lower\n"
    "case and mean what they mean there; the number is libzmq's (`zmq.h`), options without one are "
    "Signalbox' own. Scripts give them\n"
    "in the constructor's table or with `set`, C with `sb_socket_set_int`, `sb_socket_set_bytes` or "
    "`sb_socket_set_text`. Times are\n"
    "seconds in scripts (`2`, `\"500ms\"`) and milliseconds in C; sizes are octets (`65536`, `\"64k\"`). -1 "
    "is what it is in libzmq:\n"
    "no limit, or the kernel's choice. Most options act on the binds and connects that follow. Each has a "
    "test (of `ctest`) that "
    "proves it.\n\n"
    "| option | libzmq | value | default | sockets | meaning | test |\n|---|---|---|---|---|---|---|\n";

static const char tail[] =
    "\n## Not supported\n\n"
    "| option | why |\n|---|---|\n"
    "| `rate`, `recovery_ivl` | of pgm, a transport that is not spoken |\n"
    "| `norm_mode`, `norm_unicast_nack`, `norm_buffer_size`, `norm_segment_size`, `norm_block_size`, "
    "`norm_num_parity`, "
    "`norm_num_autoparity`, `norm_push` | of NORM, likewise |\n"
    "| `vmci_buffer_size`, `vmci_buffer_min_size`, `vmci_buffer_max_size`, `vmci_connect_timeout` | of VMCI, "
    "likewise |\n"
    "| `gssapi_server`, `gssapi_principal`, `gssapi_service_principal`, `gssapi_plaintext`, "
    "`gssapi_principal_nametype`, "
    "`gssapi_service_principal_nametype` | of GSSAPI, a mechanism that is not spoken |\n"
    "| `tcp_accept_filter`, `ipc_filter_pid`, `ipc_filter_uid`, `ipc_filter_gid` | deprecated in libzmq for "
    "ZAP; here "
    "`sb.authenticate` sees the address |\n"
    "\n## Of the context\n\n"
    "libzmq's contexts are engines here. There are no I/O threads, so `io_threads`, `thread_sched_policy`, "
    "`thread_priority`,\n"
    "`thread_affinity_cpu_add`, `thread_affinity_cpu_remove` and `thread_name_prefix` have nothing to act "
    "on. `max_sockets` and `socket_limit`\n"
    "are the memory; connections are limited by the host's `max_peers`, what is queued by its `queue_limit`. "
    "`max_msgsz` is a socket's\n"
    "`max_message`, `ipv6` a socket's `ipv6`. `blocky`: no call blocks; what is not sent at the end is "
    "reported by `sb_engine_drain`.\n"
    "`zero_copy_recv`: receiving is always without copies where it pays.\n";

int options_main(const command *cmd, int argc, char **argv)
{
    size_t n;
    (void)argv;
    if (argc > 1)
        return command_usage(cmd);
    const sb_opt_row *table = sb_option_table(&n);
    fputs(head, stdout);
    for (size_t i = 0; i < n; i++)
        print_row(&table[i]);
    fputs(tail, stdout);
    return 0;
}
