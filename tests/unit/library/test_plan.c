/* Plans and boards: what scripts declare, found out without I/O, then run. */
#include "engine/socket.h"
#include "modules/library/api.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_SCRIPTS 2

typedef struct fixture {
    sb_host host; /* first member */
    char log[1024];
    sb_script_config scripts[MAX_SCRIPTS];
    sb_board_config config;
    sb_board_error error;
    sb_plan *plan;
} fixture;

static void on_log(sb_host *self, sb_log_level level, const char *line)
{
    fixture *f = (fixture *)self;
    size_t len = strlen(f->log);
    snprintf(f->log + len, sizeof f->log - len, "%d:%s\n", (int)level, line);
}

static void use(fixture *f, const char *first, const char *second)
{
    const char *text[MAX_SCRIPTS] = {first, second};
    static const char *const names[MAX_SCRIPTS] = {"a.lua", "b.lua"};
    memset(f, 0, sizeof *f);
    f->host.log = on_log;
    f->config = (sb_board_config){.host = &f->host, .scripts = f->scripts};
    for (size_t i = 0; i < MAX_SCRIPTS && text[i] != NULL; i++) {
        f->scripts[i] =
            (sb_script_config){.name = names[i], .source = text[i], .source_len = strlen(text[i])};
        f->config.nscripts++;
    }
}

static void must_plan(fixture *f)
{
    if (sb_plan_create(&f->config, &f->error, &f->plan) != SB_OK)
        fail_msg("%s", f->error.text);
}

#define SB "local sb = require 'signalbox'\n"

static void test_binds_come_with_addresses_and_names(void **state)
{
    fixture f;
    size_t n;
    (void)state;
    use(&f, SB "sb.pull { name = 'in', bind = { 'tcp://*:5555', 'inproc://x' }, backlog = 7 }",
        SB "sb.push { name = 'out', bind = 'ipc:///tmp/sb-plan' }");
    must_plan(&f);
    const sb_plan_bind *b = sb_plan_binds(f.plan, &n);
    assert_int_equal(n, 3);
    assert_string_equal(b[0].endpoint, "tcp://*:5555");
    assert_string_equal(b[0].socket, "in");
    assert_int_equal(b[0].backlog, 7);
    assert_int_equal(((const struct sockaddr_in *)&b[0].addr.ss)->sin_port, htons(5555));
    assert_int_equal(b[1].addr.len, 0);
    assert_int_equal(b[2].script, 1);
    assert_string_equal(((const struct sockaddr_un *)&b[2].addr.ss)->sun_path, "/tmp/sb-plan");
    sb_plan_destroy(f.plan);
}

static void test_planning_touches_no_path(void **state)
{
    fixture f;
    struct stat st;
    (void)state;
    use(&f, SB "sb.push { bind = 'ipc:///tmp/sb-plan-none' }", NULL);
    must_plan(&f);
    assert_int_equal(lstat("/tmp/sb-plan-none", &st), -1);
    sb_plan_destroy(f.plan);
}

static void test_an_error_names_script_and_line(void **state)
{
    fixture f;
    (void)state;
    use(&f, SB, SB "\nsb.pull { rcvhvm = 1 }");
    assert_int_equal(sb_plan_create(&f.config, &f.error, &f.plan), SB_EINVAL);
    assert_int_equal(f.error.script, 1);
    assert_int_equal(strncmp(f.error.text, "b.lua:3: ", 9), 0);
    assert_non_null(strstr(f.error.text, "rcvhwm"));
}

static void test_a_clash_names_the_other_script(void **state)
{
    fixture f;
    (void)state;
    use(&f, SB "sb.pull { bind = 'tcp://*:5555' }", SB "sb.pull { bind = 'tcp://127.0.0.1:5555' }");
    assert_int_equal(sb_plan_create(&f.config, &f.error, &f.plan), SB_EADDRINUSE);
    assert_non_null(strstr(f.error.text, "tcp://*:5555 is bound by a.lua"));
}

static void test_only_warnings_are_said_while_planning(void **state)
{
    fixture f;
    (void)state;
    use(&f, SB "sb.log.notice('quiet') sb.log.warn('loud')", NULL);
    must_plan(&f);
    assert_null(strstr(f.log, "quiet"));
    assert_non_null(strstr(f.log, "loud"));
    sb_plan_destroy(f.plan);
}

static void test_an_unknown_backend_is_refused(void **state)
{
    fixture f;
    (void)state;
    use(&f, SB, NULL);
    f.config.backend = "epoll";
    assert_int_equal(sb_plan_create(&f.config, &f.error, &f.plan), SB_EINVAL);
    assert_int_equal(f.error.script, 1);
    assert_non_null(strstr(f.error.text, "backend epoll"));
}

static void test_a_listening_socket_can_be_made_from_a_bind(void **state)
{
    fixture f;
    size_t n;
    int fd, second;
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    (void)state;
    use(&f, SB "sb.pull { bind = 'tcp://127.0.0.1:*' }", NULL);
    must_plan(&f);
    sb_plan_bind bound = sb_plan_binds(f.plan, &n)[0];
    assert_int_equal(sb_plan_listen(&bound, &fd), SB_OK);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    memcpy(&bound.addr.ss, &in, sizeof in);
    assert_int_equal(sb_plan_listen(&bound, &second), SB_EADDRINUSE);
    bound.addr.len = 0;
    assert_int_equal(sb_plan_listen(&bound, &second), SB_EINVAL);
    close(fd);
    sb_plan_destroy(f.plan);
}

static void test_a_board_runs_all_scripts_and_fails_as_one(void **state)
{
    fixture f;
    sb_board *board = NULL;
    (void)state;
    use(&f, SB "sb.pull { bind = 'tcp://127.0.0.1:*' }", SB "sb.push { bind = 'tcp://127.0.0.1:*' }");
    assert_int_equal(sb_board_create(&f.config, &f.error, &board), SB_OK);
    assert_int_equal(sb_engine_sockets(sb_board_engine(board)), 2);
    assert_non_null(sb_board_script(board, 1));
    assert_null(sb_board_script(board, 2));
    assert_int_equal(sb_board_unsent(board), 0);
    sb_board_destroy(board);
    use(&f, SB "sb.pull { bind = 'tcp://127.0.0.1:*' }", "error('no')");
    assert_int_equal(sb_board_create(&f.config, &f.error, &board), SB_EINVAL);
    assert_int_equal(f.error.script, 1);
}

static void test_the_table_is_only_for_its_own_version(void **state)
{
    (void)state;
    assert_null(sb_api_get(SB_API_VERSION + 1));
    assert_int_equal(sb_api_get(SB_API_VERSION)->size, sizeof(sb_api));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binds_come_with_addresses_and_names),
        cmocka_unit_test(test_planning_touches_no_path),
        cmocka_unit_test(test_an_error_names_script_and_line),
        cmocka_unit_test(test_a_clash_names_the_other_script),
        cmocka_unit_test(test_only_warnings_are_said_while_planning),
        cmocka_unit_test(test_an_unknown_backend_is_refused),
        cmocka_unit_test(test_a_listening_socket_can_be_made_from_a_bind),
        cmocka_unit_test(test_a_board_runs_all_scripts_and_fails_as_one),
        cmocka_unit_test(test_the_table_is_only_for_its_own_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
