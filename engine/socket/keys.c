/* Keys in files: a socket's own secret ones, and the public ones it lets in. Read when the option is set, so
 * that a reload reads them again. Before: values.c. After: engine/mech/keyfile.c; auth.c. */
#include "engine/socket/internal.h"
#include "engine/base/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)
#define KEYS_MAX 100000 /* that a socket lets in */

/* A file's text, to be wiped and freed. */
typedef struct text {
    char *data;
    size_t len;
    mode_t mode;
} text;

static void text_finish(text *t)
{
    if (t->data != NULL)
        sb_wipe(t->data, t->len);
    free(t->data);
}

static sb_err fail(sb_err code, const char *path, const char *why, char *err, size_t cap)
{
    if (err != NULL && cap > 0)
        snprintf(err, cap, "%s: %s", path, why);
    return code;
}

static sb_err fail_errno(const char *path, char *err, size_t cap)
{
    return fail(sb_err_from_errno(errno), path, strerror(errno), err, cap);
}

static sb_err read_all(int fd, const char *path, text *out, char *err, size_t cap)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(path, err, cap);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return fail(SB_EINVAL, path, "no key file: not a file, or larger than 1 MiB", err, cap);
    *out = (text){.data = malloc((size_t)st.st_size + 1), .mode = st.st_mode};
    if (out->data == NULL)
        return SB_ENOMEM;
    ssize_t got = read(fd, out->data, (size_t)st.st_size);
    out->len = got > 0 ? (size_t)got : 0;
    return got >= 0 ? SB_OK : fail_errno(path, err, cap);
}

/* The entries of a file; `out` is the caller's to wipe and free. */
static sb_err read_keys(const char *path, sb_key_entry **out, size_t *n, mode_t *mode, char *err, size_t cap)
{
    text t = {NULL, 0, 0};
    size_t line = 0, room;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(path, err, cap);
    sb_err code = read_all(fd, path, &t, err, cap);
    close(fd);
    room = t.len / SB_CURVE_Z85 + 1;
    *out = code == SB_OK ? calloc(room, sizeof **out) : NULL;
    if (code == SB_OK && *out == NULL)
        code = SB_ENOMEM;
    if (code == SB_OK && (code = sb_keyfile_read(t.data, t.len, *out, room, n, &line)) != SB_OK) {
        char why[64];
        snprintf(why, sizeof why, "line %zu is no key", line);
        fail(code, path, why, err, cap);
    }
    *mode = t.mode;
    text_finish(&t);
    return code;
}

static void entries_free(sb_key_entry *entries, size_t n)
{
    if (entries != NULL)
        sb_wipe(entries, n * sizeof *entries);
    free(entries);
}

/* ---- our own ---- */

sb_err sb__keys_pack(sb_curve_pair *pairs, uint32_t n, sb__blob *out)
{
    for (uint32_t i = 0; i < n; i++)
        sb_curve_public(pairs[i].secret_key, pairs[i].public_key);
    *out = (sb__blob){
        sb__secret_alloc(n * sizeof *pairs + 1), n * sizeof *pairs}; /* as any option's: one octet more */
    if (out->data != NULL)
        memcpy(out->data, pairs, out->len);
    sb_wipe(pairs, n * sizeof *pairs);
    return out->data != NULL ? SB_OK : SB_ENOMEM;
}

static uint32_t pick_secrets(const sb_key_entry *entries, size_t n, sb_curve_pair pairs[SB_CURVE_KEYS])
{
    uint32_t found = 0;
    for (size_t i = 0; i < n && found < SB_CURVE_KEYS; i++)
        if (entries[i].secret)
            memcpy(pairs[found++].secret_key, entries[i].key, SB_CURVE_KEY);
    return found;
}

sb_err sb__keys_load(sb_socket *sock, const char *path, sb__blob *out, char *err, size_t cap)
{
    sb_curve_pair pairs[SB_CURVE_KEYS];
    sb_key_entry *entries = NULL;
    size_t n = 0;
    mode_t mode = 0;
    sb_err code = read_keys(path, &entries, &n, &mode, err, cap);
    uint32_t found = code == SB_OK ? pick_secrets(entries, n, pairs) : 0;
    entries_free(entries, n);
    if (code != SB_OK)
        return code;
    if (found == 0)
        return fail(SB_EINVAL, path, "has no secret-key", err, cap);
    if ((mode & (S_IRWXG | S_IRWXO)) != 0)
        sb_socket_log(sock, NULL, SB_LOG_WARN, "%s: others may read this secret key; chmod 600", path);
    return sb__keys_pack(pairs, found, out);
}

/* ---- those of others ---- */

/* A list that grows while files are read. */
typedef struct list {
    sb_key_entry *entries;
    size_t n;
} list;

static int by_key(const void *a, const void *b)
{
    return memcmp(((const sb_key_entry *)a)->key, ((const sb_key_entry *)b)->key, SB_CURVE_KEY);
}

static sb_err add_file(list *l, const char *path, char *err, size_t cap)
{
    sb_key_entry *entries = NULL, *more;
    size_t n = 0;
    mode_t mode;
    sb_err code = read_keys(path, &entries, &n, &mode, err, cap);
    if (code == SB_OK && l->n + n > KEYS_MAX)
        code = fail(SB_EMSGSIZE, path, "more than 100000 keys", err, cap);
    more = code == SB_OK && n > 0 ? realloc(l->entries, (l->n + n) * sizeof *more) : NULL;
    if (code == SB_OK && n > 0 && more == NULL)
        code = SB_ENOMEM;
    l->entries = more != NULL ? more : l->entries;
    for (size_t i = 0; code == SB_OK && i < n; i++)
        if (!entries[i].secret)
            l->entries[l->n++] = entries[i];
    entries_free(entries, n);
    return code;
}

static sb_err add_directory(list *l, DIR *dir, const char *path, char *err, size_t cap)
{
    sb_err code = SB_OK;
    for (struct dirent *e; code == SB_OK && (e = readdir(dir)) != NULL;) {
        char file[4096 + 256];
        struct stat st;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && stat(file, &st) == 0 && S_ISREG(st.st_mode))
            code = add_file(l, file, err, cap);
    }
    return code;
}

sb_err sb__keys_allow(sb_socket *sock, const char *path, char *err, size_t cap)
{
    list l = {malloc(sizeof *l.entries), 0}; /* not NULL: an empty list lets nobody in */
    DIR *dir = opendir(path);
    sb_err code = l.entries == NULL ? SB_ENOMEM
                  : dir != NULL     ? add_directory(&l, dir, path, err, cap)
                                    : add_file(&l, path, err, cap);
    if (dir != NULL)
        closedir(dir);
    if (code != SB_OK) {
        free(l.entries);
        return code;
    }
    qsort(l.entries, l.n, sizeof *l.entries, by_key);
    free(sock->allowed);
    sock->allowed = l.entries;
    sock->nallowed = l.n;
    return SB_OK;
}

const sb_key_entry *sb__keys_find(const sb_socket *sock, const uint8_t key[SB_CURVE_KEY])
{
    sb_key_entry wanted;
    memcpy(wanted.key, key, SB_CURVE_KEY);
    return bsearch(&wanted, sock->allowed, sock->nallowed, sizeof wanted, by_key);
}
