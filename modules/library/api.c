/* The table behind SB_API_SYMBOL. */
#include "modules/library/api.h"

static const sb_api api = {
    .version = SB_API_VERSION,
    .size = sizeof api,
    .release = SB_VERSION,
    .strerror = sb_strerror,
    .plan_create = sb_plan_create,
    .plan_destroy = sb_plan_destroy,
    .plan_binds = sb_plan_binds,
    .plan_unlink_stale = sb_plan_unlink_stale,
    .board_create = sb_board_create,
    .board_destroy = sb_board_destroy,
    .board_engine = sb_board_engine,
    .board_script = sb_board_script,
    .board_drain = sb_board_drain,
    .board_unsent = sb_board_unsent,
    .engine_fd = sb_engine_fd,
    .engine_timeout = sb_engine_timeout,
    .engine_step = sb_engine_step,
    .engine_backend = sb_engine_backend,
    .engine_notice = sb_engine_notice,
    .engine_sockets = sb_engine_sockets,
    .board_status = sb_board_status,
    .board_metrics = sb_board_metrics,
    .board_each_sample = sb_board_each_sample,
    .exposition_add = sb_exposition_add,
    .text_finish = sb_text_finish,
};

const sb_api *sb_api_get(uint32_t version)
{
    return version == SB_API_VERSION ? &api : NULL;
}
