/* Numbers of sockets and scripts as samples: one row per family. Before: hosts. After: engine/socket.h,
 * lua/script.h. */
#include "modules/library/samples.h"

#include "engine/socket.h"

#include <stdio.h>
#include <string.h>

typedef struct family family;

typedef struct walk {
    sb_board *board;
    sb_sample_fn *fn;
    void *arg;
    const family *family;
} walk;

/* Either socket or script tells the family's samples of one socket or script. */
struct family {
    const char *name, *help;
    sb_sample_kind kind;
    void (*socket)(const walk *w, const char *name, const sb_stats *stats);
    void (*script)(const walk *w, const char *name, const sb_script_stats *stats);
};

static void tell(const walk *w, const char *suffix, const char *of, const char *name, const char *label,
    const char *text, double value)
{
    const family *f = w->family;
    sb_sample sample = {
        .family = f->name, .suffix = suffix, .help = f->help, .kind = f->kind, .value = value};
    sample.labels[0].name = of;
    sample.labels[0].value = name;
    sample.labels[1].name = label;
    sample.labels[1].value = text;
    w->fn(w->arg, &sample);
}

static void tell_socket(const walk *w, const char *name, const char *label, const char *text, uint64_t value)
{
    tell(w, "", "socket", name, label, text, (double)value);
}

static void tell_script(const walk *w, const char *name, double value)
{
    tell(w, "", "script", name, NULL, NULL, value);
}

bool sb_sample_label(sb_sample *sample, const char *name, const char *value)
{
    int i = 0;
    while (i < SB_SAMPLE_LABELS && sample->labels[i].name != NULL)
        i++;
    if (i == SB_SAMPLE_LABELS)
        return false;
    sample->labels[i].name = name;
    sample->labels[i].value = value;
    return true;
}

/* ---- of sockets ---- */

static void messages(const walk *w, const char *name, const sb_stats *s)
{
    tell_socket(w, name, "dir", "in", s->msgs_in);
    tell_socket(w, name, "dir", "out", s->msgs_out);
}

static void octets(const walk *w, const char *name, const sb_stats *s)
{
    tell_socket(w, name, "dir", "in", s->bytes_in);
    tell_socket(w, name, "dir", "out", s->bytes_out);
}

static void peers(const walk *w, const char *name, const sb_stats *s)
{
    tell_socket(w, name, NULL, NULL, s->peers);
}

static void queue_messages(const walk *w, const char *name, const sb_stats *s)
{
    tell_socket(w, name, "dir", "in", s->queued_in_msgs);
    tell_socket(w, name, "dir", "out", s->queued_out_msgs);
}

static void queue_octets(const walk *w, const char *name, const sb_stats *s)
{
    tell_socket(w, name, "dir", "in", s->queued_in_bytes);
    tell_socket(w, name, "dir", "out", s->queued_out_bytes);
}

static void queue_ages(const walk *w, const char *name, const sb_stats *s)
{
    tell(w, "", "socket", name, "dir", "in", (double)s->age_in / SB_NS_PER_S);
    tell(w, "", "socket", name, "dir", "out", (double)s->age_out / SB_NS_PER_S);
}

static void dropped(const walk *w, const char *name, const sb_stats *s)
{
    for (int i = 0; i < SB_DROP_COUNT; i++)
        tell_socket(w, name, "reason", sb_drop_name((sb_drop)i), s->dropped[i]);
}

static void handshake_failures(const walk *w, const char *name, const sb_stats *s)
{
    for (int i = SB_CAUSE_NONE + 1; i < SB_CAUSE_COUNT; i++)
        tell_socket(w, name, "reason", sb_session_cause_name((sb_session_cause)i), s->handshake_failures[i]);
}

static void handshakes_delayed(const walk *w, const char *name, const sb_stats *s)
{
    tell_socket(w, name, NULL, NULL, s->handshakes_delayed);
}

static void subscriptions(const walk *w, const char *name, const sb_stats *s)
{
    tell_socket(w, name, NULL, NULL, s->subscriptions);
}

/* ---- of scripts ---- */

static void script_errors(const walk *w, const char *name, const sb_script_stats *s)
{
    tell_script(w, name, (double)s->errors);
}

static void script_memory(const walk *w, const char *name, const sb_script_stats *s)
{
    tell_script(w, name, (double)s->memory);
}

static void script_tasks(const walk *w, const char *name, const sb_script_stats *s)
{
    tell_script(w, name, (double)s->tasks);
}

static void script_seconds(const walk *w, const char *name, const sb_script_stats *s)
{
    static const char *const bounds[] = {"1e-06", "1e-05", "0.0001", "0.001", "0.01", "0.1", "1", "+Inf"};
    uint64_t so_far = 0;
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        so_far += s->seconds_bucket[i];
        tell(w, "_bucket", "script", name, "le", bounds[i], (double)so_far);
    }
    tell(w, "_sum", "script", name, NULL, NULL, (double)s->time_ns / SB_NS_PER_S);
    tell(w, "_count", "script", name, NULL, NULL, (double)so_far);
}

static const family families[] = {
    {"signalbox_messages_total", "Messages from peers (in) and to peers (out).", SB_SAMPLE_COUNTER,
        .socket = messages},
    {"signalbox_bytes_total", "Octets of those messages, with their framing.", SB_SAMPLE_COUNTER,
        .socket = octets},
    {"signalbox_peers", "Peers connected now.", SB_SAMPLE_GAUGE, .socket = peers},
    {"signalbox_queue_messages", "Messages queued now.", SB_SAMPLE_GAUGE, .socket = queue_messages},
    {"signalbox_queue_bytes", "Octets queued now.", SB_SAMPLE_GAUGE, .socket = queue_octets},
    {"signalbox_queue_age_seconds", "How long the oldest queued message has waited.", SB_SAMPLE_GAUGE,
        .socket = queue_ages},
    {"signalbox_dropped_total", "Messages that were not delivered, by reason.", SB_SAMPLE_COUNTER,
        .socket = dropped},
    {"signalbox_handshake_failures_total", "Connections that ended before their handshake, by reason.",
        SB_SAMPLE_COUNTER, .socket = handshake_failures},
    {"signalbox_handshakes_delayed_total", "Connections that waited for their turn to shake hands.",
        SB_SAMPLE_COUNTER, .socket = handshakes_delayed},
    {"signalbox_subscriptions", "Distinct topics subscribed now.", SB_SAMPLE_GAUGE, .socket = subscriptions},
    {"signalbox_script_errors_total", "Errors of scripts.", SB_SAMPLE_COUNTER, .script = script_errors},
    {"signalbox_script_seconds", "Time of handlers.", SB_SAMPLE_HISTOGRAM, .script = script_seconds},
    {"signalbox_script_memory_bytes", "Memory of the Lua state.", SB_SAMPLE_GAUGE, .script = script_memory},
    {"signalbox_script_tasks", "Tasks open now.", SB_SAMPLE_GAUGE, .script = script_tasks},
};

/* ---- walking ---- */

static bool walk_socket(void *arg, sb_socket *sock)
{
    const walk *w = arg;
    sb_stats stats;
    sb_socket_stats(sock, &stats);
    w->family->socket(w, sb_socket_name(sock), &stats);
    return true;
}

static void walk_scripts(const walk *w)
{
    sb_script_stats stats;
    sb_script *script;
    for (size_t i = 0; (script = sb_board_script(w->board, i)) != NULL; i++) {
        sb_script_get_stats(script, &stats);
        w->family->script(w, sb_board_script_name(w->board, i), &stats);
    }
}

static void walk_loop(const walk *w)
{
    const sb_sample sample = {
        .family = "signalbox_loop_info",
        .suffix = "",
        .help = "The backend in use.",
        .kind = SB_SAMPLE_GAUGE,
        .labels = {{"backend", sb_engine_backend(sb_board_engine(w->board))}},
        .value = 1,
    };
    w->fn(w->arg, &sample);
}

/* ---- the scripts' own: the same name in several scripts is one family ---- */

typedef struct own {
    const walk *w;
    size_t script;
    const char *name; /* looked for */
    bool found;
} own;

static void own_find(void *arg, const char *name, const char *help, bool counter, double value)
{
    own *o = arg;
    (void)help, (void)counter, (void)value;
    o->found |= strcmp(name, o->name) == 0;
}

static bool own_is_earlier(const walk *w, size_t script, const char *name)
{
    own o = {.name = name};
    for (size_t i = 0; i < script && !o.found; i++)
        sb_script_each_metric(sb_board_script(w->board, i), own_find, &o);
    return o.found;
}

static void own_tell(void *arg, const char *name, const char *help, bool counter, double value)
{
    const own *o = arg;
    if (strcmp(name, o->name) != 0)
        return;
    const sb_sample sample = {
        .family = name,
        .suffix = "",
        .help = *help != '\0' ? help : "A number of the script's own.",
        .kind = counter ? SB_SAMPLE_COUNTER : SB_SAMPLE_GAUGE,
        .labels = {{"script", sb_board_script_name(o->w->board, o->script)}},
        .value = value,
    };
    o->w->fn(o->w->arg, &sample);
}

static void own_family(void *arg, const char *name, const char *help, bool counter, double value)
{
    const own *first = arg;
    sb_script *script;
    (void)help, (void)counter, (void)value;
    if (own_is_earlier(first->w, first->script, name))
        return;
    for (size_t i = first->script; (script = sb_board_script(first->w->board, i)) != NULL; i++) {
        own o = {.w = first->w, .script = i, .name = name};
        sb_script_each_metric(script, own_tell, &o);
    }
}

static void walk_own(const walk *w)
{
    sb_script *script;
    for (size_t i = 0; (script = sb_board_script(w->board, i)) != NULL; i++) {
        own o = {.w = w, .script = i};
        sb_script_each_metric(script, own_family, &o);
    }
}

void sb_board_each_sample(sb_board *board, sb_sample_fn *fn, void *arg)
{
    walk w = {.board = board, .fn = fn, .arg = arg};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        w.family = &families[i];
        if (w.family->socket != NULL)
            sb_engine_each_socket(sb_board_engine(board), walk_socket, &w);
        else
            walk_scripts(&w);
    }
    walk_loop(&w);
    walk_own(&w);
}
