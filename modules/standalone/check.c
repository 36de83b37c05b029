/* signalbox check and signalbox route: what a script declares, without any I/O. */
#include "modules/library/plan.h"
#include "modules/standalone/options.h"
#include "modules/standalone/script_file.h"

#include "engine/socket.h"

#include <stdio.h>
#include <string.h>

static void print_log(sb_host *self, sb_log_level level, const char *line)
{
    (void)self;
    log_line(false, level, line);
}

static sb_host quiet_host = {.log = print_log};

/* NULL after saying why. */
static sb_plan *load_plan(const options *opts)
{
    script_file file;
    sb_board_error error;
    sb_plan *plan = NULL;
    if (!script_file_init(&file, opts))
        return NULL;
    const sb_board_config config = script_file_board(&file, opts, &quiet_host);
    if (sb_plan_create(&config, &error, &plan) != SB_OK)
        fprintf(stderr, "signalbox: %s\n", error.text);
    script_file_finish(&file);
    return plan;
}

static void print_row(const sb_route *route, size_t row)
{
    char line[1024];
    sb_route_explain(route, row, sb_socket_name, line, sizeof line);
    printf("  %s\n", line);
}

static bool print_socket(void *arg, sb_socket *sock)
{
    size_t n;
    const sb_plan_bind *binds = sb_plan_binds(arg, &n);
    const sb_route *route = sb_socket_get_route(sock);
    printf("socket %s %s\n", sb_socket_name(sock), sb_type_name(sb_socket_type(sock)));
    for (size_t i = 0; i < n; i++)
        if (strcmp(binds[i].socket, sb_socket_name(sock)) == 0)
            printf("  bind %s\n", binds[i].endpoint);
    for (size_t i = 0; route != NULL && i < sb_route_count(route); i++)
        print_row(route, i);
    return true;
}

int check_command(const options *opts)
{
    sb_plan *plan = load_plan(opts);
    if (plan == NULL)
        return 1;
    sb_engine_each_socket(sb_plan_engine(plan), print_socket, plan);
    printf("%s: ok, %u sockets\n", opts->file, sb_engine_sockets(sb_plan_engine(plan)));
    sb_plan_destroy(plan);
    return 0;
}

static int print_match(const sb_route *route, const char *topic)
{
    sb_msg msg;
    sb_msg_init(&msg);
    if (sb_msg_push(&msg, topic, strlen(topic), NULL) != SB_OK)
        return 1;
    int row = sb_route_match(route, &msg);
    sb_msg_finish(&msg);
    if (row >= 0)
        print_row(route, (size_t)row);
    else
        printf("  no row matches\n");
    return row >= 0 ? 0 : 1;
}

static int explain(sb_engine *engine, const char *name, const char *topic)
{
    sb_socket *sock = sb_engine_find_socket(engine, name);
    if (sock == NULL) {
        fprintf(stderr, "signalbox: no socket is named '%s'\n", name);
        return 1;
    }
    const sb_route *route = sb_socket_get_route(sock);
    printf("socket %s, frame 1 is \"%s\"\n", name, topic);
    if (route != NULL)
        return print_match(route, topic);
    printf("  no routes: messages go to a handler\n");
    return 1;
}

int route_command(const options *opts)
{
    sb_plan *plan = load_plan(opts);
    if (plan == NULL)
        return 1;
    int code = explain(sb_plan_engine(plan), opts->words[0], opts->words[1]);
    sb_plan_destroy(plan);
    return code;
}
