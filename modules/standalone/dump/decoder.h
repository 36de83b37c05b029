/* One direction of a ZMTP connection as lines: greetings, commands, messages, of every version, in whatever
 * pieces they come. Sans I/O; holds a bounded part of what it has not told yet. A direction depends on the
 * other one: what they speak is the older version of both. */
#ifndef SIGNALBOX_DUMP_DECODER_H
#define SIGNALBOX_DUMP_DECODER_H

#include "modules/standalone/dump/line.h"

#include <stdbool.h>

#define DECODER_HEAD   64   /* octets of the longest thing that is gathered: a greeting */
#define DECODER_BODY   1024 /* octets of a frame that are kept to be shown */
#define DECODER_FRAMES 16   /* frames of a message that are shown */
#define DECODER_TYPE   16

/* Where what is told goes. */
typedef struct decoder_sink {
    void (*say)(void *user, const char *text);
    void *user;
    size_t shown; /* octets of each frame that are shown, at most DECODER_BODY */
} decoder_sink;

typedef enum decoder_state {
    DECODER_START,
    DECODER_SIGNATURE,
    DECODER_VERSION,
    DECODER_AFTER_VERSION,
    DECODER_GREETING,
    DECODER_OLD_TYPE,
    DECODER_FRAME,
    DECODER_IN_BODY,
    DECODER_DEAF,
    DECODER_STATES
} decoder_state;

typedef struct decoder {
    /* read-only */
    decoder_state state;
    unsigned version; /* 1, 2, 3; 0 while it is not known */
    char type[DECODER_TYPE];
    /* private */
    const struct decoder *other;
    const decoder_sink *sink;
    bool curve;
    bool named; /* 1.0 and 2.0: the identity frame has passed */
    uint8_t head[DECODER_HEAD];
    size_t have;
    unsigned flags; /* of the frame in hand */
    uint64_t size, left;
    uint8_t body[DECODER_BODY];
    size_t kept;
    uint64_t frames, octets; /* of the message in hand */
    line parts;
} decoder;

/* `other` is the decoder of the other direction; `sink` stays the caller's. */
void decoder_init(decoder *d, const decoder *other, const decoder_sink *sink);
void decoder_feed(decoder *d, const uint8_t *octets, size_t len);
/* Some octets were not captured: tells so, and is deaf from here on. */
void decoder_lost(decoder *d, const char *why);
/* The direction ended: tells what remained unfinished. */
void decoder_end(decoder *d);

#endif
