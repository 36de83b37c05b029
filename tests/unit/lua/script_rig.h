/* A script on an engine on the fake loop, and what it logged. For the tests of this folder. */
#ifndef SB_TEST_SCRIPT_RIG_H
#define SB_TEST_SCRIPT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/fake/fake.h"
#include "engine/signalbox.h"
#include "lua/script.h"

#include <stdio.h>
#include <string.h>

typedef struct script_rig {
    sb_host host; /* first */
    sb_loop *loop;
    sb_engine *engine;
    sb_script *script;
    char log[16384];
    size_t log_len;
    char err[512];
} script_rig;

static void rig_log(sb_host *self, sb_log_level level, const char *line)
{
    script_rig *r = (script_rig *)self;
    (void)level;
    if (r->log_len < sizeof(r->log) - 256)
        r->log_len += (size_t)snprintf(r->log + r->log_len, 256, "%s\n", line);
}

static inline void rig_init(script_rig *r)
{
    memset(r, 0, sizeof(*r));
    r->host.log = rig_log;
    assert_int_equal(sb_fake_create(&r->loop), SB_OK);
    sb_engine_config cfg = {.loop = r->loop, .host = &r->host};
    assert_int_equal(sb_engine_create(&cfg, r->err, sizeof(r->err), &r->engine), SB_OK);
}

static inline sb_err rig_try(script_rig *r, const char *source, sb_script_config cfg)
{
    cfg.zone_size = 64 * 1024;
    cfg.name = "t.lua";
    cfg.source = source;
    cfg.source_len = strlen(source);
    return sb_script_load(r->engine, &cfg, r->err, sizeof(r->err), &r->script);
}

static inline void rig_load(script_rig *r, const char *source)
{
    sb_err err = rig_try(r, source, (sb_script_config){.phase = SB_SCRIPT_RUN});
    if (err != SB_OK)
        fail_msg("%s", r->err);
}

/* Works everything off, with `ms` of time passing. */
static inline void rig_run(script_rig *r, unsigned ms)
{
    sb_fake_settle(r->loop, 10000);
    for (unsigned i = 0; i < ms; i++) {
        sb_fake_advance(r->loop, SB_NS_PER_MS);
        sb_fake_settle(r->loop, 10000);
    }
}

static inline bool rig_logged(const script_rig *r, const char *text)
{
    return strstr(r->log, text) != NULL;
}

static inline void rig_finish(script_rig *r)
{
    sb_script_destroy(r->script);
    sb_engine_destroy(r->engine);
    sb_loop_destroy(r->loop);
}

#endif
