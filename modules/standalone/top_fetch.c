/* The status of a server over HTTP, from this side: one connection, one GET, bounded in time and size.
 * Before: top.c. */
#include "modules/standalone/top.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 5          /* seconds for a connection, and between two pieces of an answer */
#define BIGGEST  (64 << 20) /* octets of an answer */

/* ---- addresses ---- */

static bool copy(char *out, size_t cap, const char *from, size_t len)
{
    if (len >= cap)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return len > 0;
}

/* The path, and the format it has to be in. */
static bool set_target(source *out, const char *path)
{
    bool has = strstr(path, "format=") != NULL;
    int n = snprintf(out->target, sizeof out->target, "%s%s%s", *path != '\0' ? path : "/",
        has                         ? ""
        : strchr(path, '?') != NULL ? "&"
                                    : "?",
        has ? "" : "format=json");
    return n < (int)sizeof out->target && strcspn(out->target, " \r\n") == (size_t)n;
}

static bool parse_unix(const char *text, source *out)
{
    const char *path = text + strlen("unix:"), *colon = strchr(path, ':');
    size_t len = colon != NULL ? (size_t)(colon - path) : strlen(path);
    return *path == '/' && copy(out->host, sizeof out->host, path, len) &&
           set_target(out, colon != NULL ? colon + 1 : "/");
}

/* "[::1]:80" too. */
static bool parse_host(const char *text, bool port_needed, source *out)
{
    size_t whole = strcspn(text, "/?");
    const char *end = text + whole, *host = text, *bracket = *text == '[' ? memchr(text, ']', whole) : NULL;
    const char *colon =
        memchr(bracket != NULL ? bracket : text, ':', (size_t)(end - (bracket ? bracket : text)));
    const char *host_end = colon != NULL ? colon : end;
    if (bracket != NULL) {
        host++;
        host_end = bracket;
    }
    if ((colon == NULL && port_needed) || !copy(out->host, sizeof out->host, host, (size_t)(host_end - host)))
        return false;
    const char *port = colon != NULL ? colon + 1 : "80";
    size_t port_len = colon != NULL ? (size_t)(end - port) : 2;
    return copy(out->port, sizeof out->port, port, port_len) && strspn(out->port, "0123456789") == port_len &&
           set_target(out, *end == '/' ? end : "/");
}

bool source_parse(const char *text, source *out, char *err, size_t cap)
{
    *out = (source){.port = ""};
    const char *unix_at = strncmp(text, "http://unix:", 12) == 0 ? text + 7 : text;
    bool ok;
    if (strncmp(unix_at, "unix:", 5) == 0)
        ok = parse_unix(unix_at, out);
    else if (strncmp(text, "http://", 7) == 0)
        ok = parse_host(text + 7, false, out);
    else
        ok = strstr(text, "://") == NULL && parse_host(text, true, out);
    if (!ok)
        snprintf(err, cap,
            "'%s' is no address: http://HOST[:PORT]/PATH of a signalbox_status location, or HOST:PORT or "
            "unix:/PATH of a program with --status",
            text);
    return ok;
}

/* ---- connections ---- */

static void set_patience(int fd)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static int open_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(un.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

static int open_one(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
    if (fd < 0)
        return -1;
    set_patience(fd);
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
        return fd;
    int saved = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    errno = saved;
    return -1;
}

static int open_tcp(const source *src, char *err, size_t cap)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int fd = -1, failed = getaddrinfo(src->host, src->port, &hints, &found);
    if (failed != 0) {
        snprintf(err, cap, "%s: %s", src->host, gai_strerror(failed));
        return -1;
    }
    for (const struct addrinfo *ai = found; ai != NULL && fd < 0; ai = ai->ai_next)
        fd = open_one(ai);
    freeaddrinfo(found);
    return fd;
}

static int open_source(const source *src, char *err, size_t cap)
{
    *err = '\0';
    int fd = *src->port == '\0' ? open_unix(src->host) : open_tcp(src, err, cap);
    if (fd >= 0)
        set_patience(fd);
    else if (*err == '\0')
        snprintf(err, cap, "cannot connect to %s%s%s: %s", src->host, *src->port != '\0' ? ":" : "",
            src->port, strerror(errno));
    return fd;
}

/* ---- answers ---- */

static bool ask(int fd, const source *src)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.0\r\nHost: %s\r\nAccept: application/json\r\n\r\n",
        src->target, *src->port != '\0' ? src->host : "localhost");
    return n < (int)sizeof text && send(fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool read_all(int fd, char **text, size_t *len)
{
    size_t cap = 65536;
    ssize_t n = -1;
    *len = 0;
    *text = malloc(cap);
    while (*text != NULL && *len < BIGGEST && (n = recv(fd, *text + *len, cap - *len - 1, 0)) > 0) {
        *len += (size_t)n;
        if (cap - *len > 1024)
            continue;
        char *more = realloc(*text, cap *= 2);
        if (more == NULL)
            return false;
        *text = more;
    }
    if (*text == NULL || n != 0)
        return false;
    (*text)[*len] = '\0';
    return true;
}

/* What is no status: the first line of it, or of its HTTP. */
static void say_what_it_is(const char *head, const char *body, char *err, size_t cap)
{
    int status = 0;
    sscanf(head, "HTTP/1.%*d %d", &status);
    if (status == 0)
        snprintf(err, cap, "what answers speaks no HTTP");
    else if (status != 200)
        snprintf(err, cap, "the server answers %.*s: the path of a signalbox_status location is wanted",
            (int)strcspn(head + 9, "\r\n"), head + 9);
    else
        snprintf(err, cap,
            "the answer is no status but begins with \"%.*s\": the path of a signalbox_status location is "
            "wanted",
            (int)(strcspn(body, "\r\n") < 40 ? strcspn(body, "\r\n") : 40), body);
}

static json *parse(char *text, size_t len, char *err, size_t cap)
{
    char *body = strstr(text, "\r\n\r\n");
    size_t head = body != NULL ? (size_t)(body - text) + 4 : len;
    bool is_json = body != NULL && text[head] == '{';
    json *tree = is_json ? json_read(text + head, len - head) : NULL;
    if (json_at(tree, "sockets") != NULL)
        return tree;
    json_free(tree);
    if (is_json)
        snprintf(err, cap, "the answer is JSON, but no status of a Signalbox, or not all of it came");
    else
        say_what_it_is(text, text + head, err, cap);
    return NULL;
}

json *source_fetch(const source *src, char **text, char *err, size_t cap)
{
    size_t len;
    json *tree = NULL;
    *text = NULL;
    int fd = open_source(src, err, cap);
    if (fd < 0)
        return NULL;
    if (ask(fd, src) && read_all(fd, text, &len))
        tree = parse(*text, len, err, cap);
    else
        snprintf(err, cap, "%s%s%s does not answer: %s", src->host, *src->port != '\0' ? ":" : "", src->port,
            errno == EAGAIN ? "nothing came in time" : strerror(errno));
    close(fd);
    if (tree != NULL)
        return tree;
    free(*text);
    *text = NULL;
    return NULL;
}
