/* The manual and the annotations say what is there: every option and method has its line, every example of
 * docs/scripting.md runs. Started in the root of the tree. */
#include "script_rig.h"

#include "lua/socket.h"

#include <stdlib.h>

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s cannot be read", path);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void assert_has(const char *text, const char *format, const char *name)
{
    char line[128];
    snprintf(line, sizeof(line), format, name);
    if (strstr(text, line) == NULL)
        fail_msg("missing: %s", line);
}

static void test_every_option_is_annotated_and_in_the_manual(void **state)
{
    (void)state;
    char *annotations = read_text("lua/signalbox.d.lua"), *manual = read_text("docs/options.md");
    size_t n;
    const sb_opt_row *table = sb_option_table(&n);
    for (size_t i = 0; i < n; i++) {
        assert_has(annotations, "---@field %s? ", table[i].name);
        assert_has(manual, "| `%s` |", table[i].name);
    }
    free(annotations);
    free(manual);
}

static void test_every_method_is_annotated_and_in_the_manual(void **state)
{
    (void)state;
    const luaL_Reg *const parts[] = {sb__socket_io_methods, sb__socket_request_methods,
        sb__socket_route_methods, sb__socket_handler_methods, sb__socket_admin_methods,
        sb__socket_subscribe_methods};
    char *annotations = read_text("lua/signalbox.d.lua"), *manual = read_text("docs/scripting.md");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (const luaL_Reg *m = parts[i]; m->name != NULL; m++) {
            assert_has(annotations, "function Socket:%s(", m->name);
            assert_has(manual, "%s", m->name);
        }
    free(annotations);
    free(manual);
}

static const char list_source[] = "local sb = require 'signalbox' for k, v in pairs(sb) do if type(v) == "
                                  "'function' then print('sb.' .. k) end end";

static void test_every_function_is_annotated_and_in_the_manual(void **state)
{
    (void)state;
    script_rig r;
    rig_init(&r);
    rig_load(&r, list_source);
    char *annotations = read_text("lua/signalbox.d.lua"), *manual = read_text("docs/scripting.md");
    int n = 0;
    for (char *line = strtok(r.log, "\n"); line != NULL; line = strtok(NULL, "\n"), n++) {
        assert_has(annotations, "%s", strstr(line, "sb."));
        if (strstr(line, "stream") == NULL)
            assert_has(manual, "%s", strstr(line, "sb."));
    }
    assert_true(n > 20);
    free(annotations);
    free(manual);
    rig_finish(&r);
}

static void run_example(const char *text, size_t len, int number)
{
    static const char prefix[] = "local sb, json = require 'signalbox', require 'cjson.safe' ";
    script_rig r;
    rig_init(&r);
    char *source = calloc(1, sizeof(prefix) + len);
    strcpy(source, prefix);
    memcpy(source + sizeof(prefix) - 1, text, len);
    if (rig_try(&r, source, (sb_script_config){.phase = SB_SCRIPT_RUN}) != SB_OK)
        fail_msg("example %d: %s", number, r.err);
    rig_run(&r, 1000);
    sb_script_stats st;
    sb_script_get_stats(r.script, &st);
    if (st.errors != 0)
        fail_msg("example %d: %s", number, r.log);
    free(source);
    rig_finish(&r);
}

static int run_examples(const char *page)
{
    char *manual = read_text(page), *at = manual;
    int n = 0;
    while ((at = strstr(at, "```lua\n")) != NULL) {
        at += 7;
        char *end = strstr(at, "```");
        assert_non_null(end);
        run_example(at, (size_t)(end - at), ++n);
        at = end + 3;
    }
    free(manual);
    return n;
}

static void test_every_example_of_the_manual_runs(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "docs/balance.md", "docs/overload.md", "docs/pubsub.md", "docs/requests.md", "docs/resources.md"};
    assert_true(run_examples("docs/scripting.md") >= 10);
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        assert_true(run_examples(pages[i]) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_option_is_annotated_and_in_the_manual),
        cmocka_unit_test(test_every_method_is_annotated_and_in_the_manual),
        cmocka_unit_test(test_every_function_is_annotated_and_in_the_manual),
        cmocka_unit_test(test_every_example_of_the_manual_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
