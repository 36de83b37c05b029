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
    .status_page = sb_status_page,
    .mesh_box_open = sb_mesh_box_open,
    .mesh_box_close = sb_mesh_box_close,
    .mesh_dial = sb_mesh_dial,
    .mesh_create = sb_mesh_create,
    .mesh_destroy = sb_mesh_destroy,
    .use_check = sb_use_check,
    .gate_create = sb_gate_create,
    .gate_destroy = sb_gate_destroy,
    .gateway_create = sb_gateway_create,
    .gateway_destroy = sb_gateway_destroy,
    .gateway_stats = sb_gateway_get_stats,
    .gateway_call = sb_gateway_call,
    .gateway_cancel = sb_gateway_cancel,
    .gateway_follow = sb_gateway_follow,
    .gateway_unfollow = sb_gateway_unfollow,
    .engine_release_connects = sb_engine_release_connects,
};

const sb_api *sb_api_get(uint32_t version)
{
    return version == SB_API_VERSION ? &api : NULL;
}
