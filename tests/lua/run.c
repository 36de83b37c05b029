/* Runs one Lua test file on one backend: lua_run BACKEND FILE.lua [EXAMPLE.lua key=value ...]. The file's
 * tests are declared with test(name, fn) of prelude.lua; every one must pass, and every error in the log must
 * have been announced with expect(text). */
#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "lua/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT (40 * SB_NS_PER_S)

typedef struct rig {
    sb_host host; /* first */
    sb_timer limit;
    sb_engine *engine;
    int declared, passed, bad;
    bool done;
    char expected[16][128];
    int nexpected;
} rig;

static bool starts(const char **line, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(*line, prefix, n) != 0)
        return false;
    *line += n;
    return true;
}

static bool is_expected(const rig *r, const char *line)
{
    for (int i = 0; i < r->nexpected; i++)
        if (strstr(line, r->expected[i]) != NULL)
            return true;
    return r->nexpected > 0 &&
           (line[0] == '\t' || strstr(line, "stack traceback") != NULL || strstr(line, ": \t") != NULL);
}

static void on_log(sb_host *self, sb_log_level level, const char *line)
{
    rig *r = (rig *)self;
    const char *text = strstr(line, ": ");
    text = text != NULL ? text + 2 : line;
    if (level == SB_LOG_ERROR && (strncmp(text, "FAILED ", 7) == 0 || !is_expected(r, line))) {
        r->bad++;
        fprintf(stderr, "ERROR %s\n", line);
    } else if (starts(&text, "TEST ")) {
        r->declared++;
    } else if (starts(&text, "PASS ")) {
        r->passed++;
        fprintf(stderr, "passed %s\n", text);
    } else if (starts(&text, "EXPECT ") && r->nexpected < 16) {
        snprintf(r->expected[r->nexpected++], sizeof(r->expected[0]), "%s", text);
    } else if (starts(&text, "DONE")) {
        r->done = true;
        sb_engine_stop(r->engine);
    } else {
        fprintf(stderr, "%s\n", line);
    }
}

static void on_limit(sb_timer *timer)
{
    rig *r = (rig *)((char *)timer - offsetof(rig, limit));
    fprintf(stderr, "out of time\n");
    sb_engine_stop(r->engine);
}

static char *read_all(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    char *text = malloc(1 << 20);
    *len = fread(text, 1, 1 << 20, f);
    fclose(f);
    return text;
}

/* The prelude goes into the first line, so that line numbers stay those of the file. */
static char *with_prelude(const char *path, size_t *len)
{
    size_t plen, flen;
    char *prelude = read_all(SB_LUA_TESTS "/prelude.lua", &plen), *file = read_all(path, &flen);
    if (prelude == NULL || file == NULL)
        return NULL;
    for (size_t i = 0; i < plen; i++)
        if (prelude[i] == '\n')
            prelude[i] = ' ';
    char *all = malloc(plen + flen + 16);
    memcpy(all, prelude, plen);
    memcpy(all + plen, file, flen);
    memcpy(all + plen + flen, "\nrun_tests()", 12);
    *len = plen + flen + 12;
    free(prelude);
    free(file);
    return all;
}

static int run(rig *r, const char *path)
{
    char err[512] = "";
    size_t len;
    char *source = with_prelude(path, &len);
    if (source == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        return 1;
    }
    const char *name = strrchr(path, '/');
    sb_script *script = NULL;
    sb_script_config cfg = {.name = name != NULL ? name + 1 : path,
        .source = source,
        .source_len = len,
        .phase = SB_SCRIPT_RUN,
        .memory = 16 << 20,
        .zone_size = 64 << 10,
        .max_tasks = 500,
        .handler_time = 100 * SB_NS_PER_MS};
    if (sb_script_load(r->engine, &cfg, err, sizeof(err), &script) != SB_OK) {
        fprintf(stderr, "%s\n", err);
        free(source);
        return 1;
    }
    sb_loop *loop = sb_engine_loop(r->engine);
    sb_timer_init(&r->limit, on_limit);
    sb_timer_start(loop, &r->limit, sb_loop_now(loop) + LIMIT);
    sb_engine_run(r->engine);
    sb_timer_stop(loop, &r->limit);
    sb_script_destroy(script);
    free(source);
    fprintf(stderr, "%s: %d of %d tests passed, %d unexpected errors\n", cfg.name, r->passed, r->declared,
        r->bad);
    return !(r->done && r->declared > 0 && r->passed == r->declared && r->bad == 0);
}

int main(int argc, char **argv)
{
    rig r = {.host = {.log = on_log}};
    char err[256] = "";
    if (argc < 3)
        return 2;
    sb_loop *loop = NULL;
    bool fake = strcmp(argv[1], "fake") == 0;
    if ((fake ? sb_fake_create(&loop) : sb_loop_open(argv[1], err, sizeof(err), &loop)) != SB_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], err);
        return 77; /* this backend cannot be had here */
    }
    sb_engine_config cfg = {.loop = loop, .host = &r.host};
    if (sb_engine_create(&cfg, err, sizeof(err), &r.engine) != SB_OK) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    sb_script *example = NULL;
    if (argc > 3 && sb_engine_load(r.engine, argv[3], (const char *const *)argv + 4, (size_t)argc - 4, err,
                        sizeof(err), &example) != SB_OK) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    int status = run(&r, argv[2]);
    sb_script_destroy(example);
    sb_engine_destroy(r.engine);
    sb_loop_destroy(loop);
    return status;
}
