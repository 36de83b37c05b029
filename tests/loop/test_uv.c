/* What only the libuv loop has: the limits of libuv 1.44 made visible, and what its laziness promises. */
#include "backends/backends.h"
#include "tests/loop/suite.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_up(void **state)
{
    return sb__uv_create((sb_loop **)state) == SB_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    sb_loop_destroy(*state);
    return 0;
}

static int lowest_free_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* Runs in a child of its own: libuv opens its process-wide pipe once only. */
static int create_with(int spare)
{
    sb_loop *loop;
    rlim_t fds = (rlim_t)(lowest_free_fd() + spare);
    if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = fds, .rlim_max = fds}) < 0)
        return 99;
    sb_err err = sb__uv_create(&loop);
    if (err == SB_OK)
        sb_loop_destroy(loop);
    return err;
}

static void test_too_few_descriptors_are_an_error_and_no_abort(void **state)
{
    (void)state;
    int ok = 0;
    for (int spare = 0; spare < 12; spare++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            _exit(create_with(spare));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == SB_OK || WEXITSTATUS(status) == SB_EMFILE);
        assert_true(WEXITSTATUS(status) == SB_EMFILE || spare >= 4);
        ok += WEXITSTATUS(status) == SB_OK;
    }
    assert_true(ok > 0);
}

static void ignore_ready(sb_watch *w, bool readable, bool writable)
{
    (void)w, (void)readable, (void)writable;
}

static void test_a_second_watch_of_a_descriptor_is_refused(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    sb_watch one = {.on_ready = ignore_ready, .fd = fds[0]}, two = one;
    assert_int_equal(sb_watch_start(*state, &one, true, false), SB_OK);
    assert_int_equal(sb_watch_start(*state, &two, true, false), SB_EEXIST);
    sb_watch_stop(*state, &two);
    sb_watch_stop(*state, &one);
    assert_int_equal(sb_watch_start(*state, &two, true, false), SB_OK);
    sb_watch_stop(*state, &two);
    close(fds[0]);
    close(fds[1]);
}

static void test_new_interest_asks_the_host_for_a_step(void **state)
{
    sb_addr addr = any_port();
    struct door d = {0};
    assert_int_equal(sb_loop_step(*state), SB_OK);
    assert_int_equal(sb_loop_timeout(*state), -1);
    assert_int_equal(sb_loop_listen(*state, &addr, NULL, &door_events, &d, &d.ln), SB_OK);
    assert_int_equal(sb_loop_timeout(*state), 0);
    assert_int_equal(sb_loop_step(*state), SB_OK);
    assert_int_equal(sb_loop_timeout(*state), -1);
    sb_listener_close(d.ln);
    assert_int_equal(sb_loop_timeout(*state), 0);
    assert_int_equal(sb_loop_step(*state), SB_OK);
    assert_int_equal(d.closed, 1);
    assert_int_equal(sb_loop_timeout(*state), -1);
}

static void handle_guard(sb_timer *timer)
{
    (void)timer;
    fail_msg("waited too long");
}

static void fixture_init(struct fixture *fx, sb_loop *loop)
{
    *fx = (struct fixture){.loop = loop, .epfd = -1};
    sb_timer_init(&fx->guard, handle_guard);
}

static void test_a_refused_stream_has_no_end(void **state)
{
    struct fixture fx;
    struct peer a;
    struct door d;
    sb_addr addr = any_port();
    fixture_init(&fx, *state);
    peer_init(&a, &fx, 1, 2);
    door_open(&d, &fx, &addr, NULL, 0);
    sb_listener_close(d.ln);
    assert_int_equal(sb_loop_connect(*state, &d.addr, NULL, &peer_events, &a, &a.st), SB_OK);
    sb_stream_read_start(a.st);
    peer_send(&a, 10);
    for (int i = 0; i < 5; i++)
        sb_loop_step(*state);
    assert_int_equal(a.connect_err, SB_ECONNREFUSED);
    assert_int_equal(a.write_err, SB_ECONNREFUSED);
    assert_int_equal(a.written, 1);
    assert_int_equal(a.ended, 0);
    sb_stream_close(a.st);
    assert_int_equal(sb_loop_run(*state), SB_OK);
    peer_finish(&a);
}

/* A peer that never lets the kernel's buffer run dry, up to about FLOOD bytes. */
#define FLOOD (32u << 20)

struct flood {
    int fd;
    size_t sent;
};

static void top_up(struct peer *reader, int what)
{
    struct flood *flood = reader->data;
    uint8_t bytes[16384];
    ssize_t n = 1;
    while (what == PEER_READ && n > 0 && flood->sent < FLOOD) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = pattern_byte(reader->seed_in, flood->sent + i);
        n = send(flood->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        flood->sent += n > 0 ? (size_t)n : 0;
    }
}

static void test_one_stream_reads_no_more_than_four_buffers_a_turn(void **state)
{
    struct fixture fx;
    struct peer a, b;
    fixture_init(&fx, *state);
    make_pair(&fx, &a, &b);
    struct flood flood = {.fd = sb_stream_fd(a.st)};
    b.data = &flood;
    b.on_event = top_up;
    top_up(&b, PEER_READ);
    sb_stream_read_start(b.st);
    size_t most = 0;
    for (size_t before = 0, idle = 0; b.bytes_in < FLOOD && idle < 1000000; before = b.bytes_in) {
        assert_int_equal(sb_loop_step(*state), SB_OK);
        most = b.bytes_in - before > most ? b.bytes_in - before : most;
        idle = b.bytes_in > before ? 0 : idle + 1;
    }
    assert_true(b.bytes_in >= FLOOD);
    assert_in_range(most, 1, 4 * 65536);
    peer_close(&a);
    peer_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_few_descriptors_are_an_error_and_no_abort),
        cmocka_unit_test_setup_teardown(test_a_second_watch_of_a_descriptor_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refused_stream_has_no_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_one_stream_reads_no_more_than_four_buffers_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_interest_asks_the_host_for_a_step, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
