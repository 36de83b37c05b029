/* Access logs: a line per message that a socket's route table or handler decided about, in a format of its
 * own. Hosts make a tap of it and write the lines. */
#ifndef SB_ACCESS_H
#define SB_ACCESS_H

#include "engine/tap.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_ACCESS_LINE 4096 /* octets of the longest line, with its newline; longer ones are cut */
#define SB_ACCESS_FORMAT                                                                                     \
    "$time_iso8601 $signalbox_peer $signalbox_socket \"$signalbox_topic\" $signalbox_size "                  \
    "$signalbox_route $signalbox_action $signalbox_target"

typedef struct sb_access sb_access;

/* Strings are borrowed for the call. */
typedef struct sb_access_config {
    const char *format;  /* text with $variables or ${variables}; NULL: SB_ACCESS_FORMAT */
    const char *escape;  /* "default" (NULL): as nginx does it; "json"; "none" */
    const char *actions; /* only of these deeds: "drop,dead"; NULL: all */
    uint32_t sample;     /* one of so many, of those; 0 is 1 */
} sb_access_config;

/* SB_EINVAL: `err` gets one line that tells what is wrong and what there is. SB_ENOMEM. */
sb_err sb_access_create(const sb_access_config *cfg, char *err, size_t cap, sb_access **out);
void sb_access_destroy(sb_access *access); /* NULL is allowed */

/* The line of one message, with its newline, in out[SB_ACCESS_LINE]; its length, 0: none is wanted. */
size_t sb_access_line(sb_access *access, const sb_passage *passage, char *out);

#ifdef __cplusplus
}
#endif
#endif
