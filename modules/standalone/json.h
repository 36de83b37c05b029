/* JSON, read into a tree. For `signalbox top`. */
#ifndef SIGNALBOX_JSON_H
#define SIGNALBOX_JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_type;

typedef struct json {
    json_type type;
    const char *name;         /* of a member, NULL elsewhere */
    double number;            /* also of a bool: 0 or 1 */
    const char *text;         /* of a string; UTF-8 */
    struct json *kids, *next; /* of arrays and objects, in order */
} json;

/* NULL when the text is no JSON, nests deeper than 32, or there is no memory. `text` is of `len` octets and a
 * NUL behind them; it is changed, and must live as long as the tree. */
json *json_read(char *text, size_t len);
void json_free(json *tree); /* NULL is allowed */

/* A member by a path of names: "queue.in.age". NULL when it is not there; a NULL tree has none. */
const json *json_at(const json *tree, const char *path);
double json_number(const json *tree, const char *path);    /* 0 when it is not there */
const char *json_text(const json *tree, const char *path); /* "" likewise */
const json *json_kids(const json *tree, const char *path); /* its first element or member; NULL: none */

#endif
