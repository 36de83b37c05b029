/* Any text as a script, under tight limits: it may fail, it may not hold the loop, escape or leak. The seeds
 * are scripts that use the whole interface. */
#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "lua/script.h"
#include "tests/fuzz/fuzz.h"

/* The top level of a script may take its time; a task may not. */
static char *script_of(const uint8_t *data, size_t size, size_t *len)
{
    static const char before[] = "local f = load([====[\n",
                      after[] = "]====], 'f', 't')\n"
                                "if f then require('signalbox').spawn(f) end\n";
    char *text = malloc(sizeof before + size + sizeof after);
    FUZZ_CHECK(text != NULL);
    memcpy(text, before, sizeof before - 1);
    if (size > 0)
        memcpy(text + sizeof before - 1, data, size);
    memcpy(text + sizeof before - 1 + size, after, sizeof after);
    *len = sizeof before - 1 + size + sizeof after - 1;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_loop *loop;
    sb_engine *engine;
    sb_script *script = NULL;
    char err[256] = "";
    size_t len;
    char *text = script_of(data, size, &len);
    FUZZ_CHECK(sb_fake_create(&loop) == SB_OK);
    sb_engine_config cfg = {.loop = loop};
    FUZZ_CHECK(sb_engine_create(&cfg, NULL, 0, &engine) == SB_OK);
    sb_script_config sc = {
        .name = "f.lua",
        .source = text,
        .source_len = len,
        .phase = SB_SCRIPT_RUN,
        .memory = 2 * 1024 * 1024,
        .handler_time = 20 * SB_NS_PER_MS,
        .max_tasks = 20,
    };
    sb_err code = sb_script_load(engine, &sc, err, sizeof err, &script);
    FUZZ_CHECK(code == SB_OK || err[0] != '\0');
    for (int i = 0; code == SB_OK && i < 4; i++) {
        sb_fake_advance(loop, 50 * SB_NS_PER_MS);
        sb_fake_settle(loop, 20);
    }
    sb_script_destroy(script);
    sb_engine_destroy(engine);
    sb_loop_destroy(loop);
    free(text);
    return 0;
}
