/* The head of an HTTP/1.1 request or response, as the WebSocket handshake needs it (RFC 9112, RFC 6455
 * section 4): strict, bounded. Pure. */
#ifndef SB_HTTP_H
#define SB_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define SB__HTTP_HEAD_MAX 8192 /* octets, the empty line included */
#define SB__HTTP_FIELDS   64

typedef struct sb__http {
    /* Into the text given to parse. Request: method, target, version. Response: version, status, reason. */
    const char *first, *second, *third;
    struct {
        const char *name, *value;
    } fields[SB__HTTP_FIELDS];
    size_t n;
} sb__http;

/* Octets of the head up to and with the empty line; 0 when it is not there yet. `seen` octets were looked at
 * before. */
size_t sb__http_end(const char *text, size_t len, size_t seen);

/* Takes a whole head apart, in place: `text` of `len` octets is cut into strings. False when it is not one:
 * bare CR or LF, folded lines, control octets, spaces in names, too many fields. */
bool sb__http_parse(char *text, size_t len, sb__http *out);

/* A field's value, NULL when it is missing or there more than once. */
const char *sb__http_field(const sb__http *h, const char *name);

/* Whether a comma-separated field holds the token, in any case. */
bool sb__http_has(const sb__http *h, const char *name, const char *token);

/* Goes through a comma-separated list: the next item, *len octets long, or NULL. *list begins as the field's
 * value. */
const char *sb__http_item(const char **list, size_t *len);

#endif
