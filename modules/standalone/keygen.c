/* signalbox keygen: a CURVE key pair, on stdout or into files. */
#include "modules/standalone/options.h"

#include "engine/security.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT 512

/* The form of czmq's certificates, which curve_keyfile and curve_allow read. */
static int format(char text[TEXT], const char *name, const sb_curve_pair *pair, bool secret)
{
    char pub[SB_CURVE_Z85 + 1], sec[SB_CURVE_Z85 + 1];
    sb_z85_encode(pair->public_key, SB_CURVE_KEY, pub);
    sb_z85_encode(pair->secret_key, SB_CURVE_KEY, sec);
    int len = snprintf(text, TEXT, "#   CURVE %s\nmetadata\n%s%s%scurve\n    public-key = \"%s\"\n",
        secret ? "key pair: keep it secret" : "public key", name != NULL ? "    name = \"" : "",
        name != NULL ? name : "", name != NULL ? "\"\n" : "", pub);
    if (secret)
        len += snprintf(text + len, (size_t)(TEXT - len), "    secret-key = \"%s\"\n", sec);
    sb_wipe(sec, sizeof sec);
    return len;
}

static bool complain(const char *path)
{
    fprintf(stderr, "signalbox: keygen: %s: %s\n", path, strerror(errno));
    return false;
}

/* A new file; one that is there is never overwritten. */
static bool write_file(const char *path, mode_t mode, const char *text, int len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return complain(path);
    bool good = write(fd, text, (size_t)len) == len;
    good = close(fd) == 0 && good;
    return good || complain(path);
}

static bool write_pair(const char *path, const char *name, const sb_curve_pair *pair)
{
    char text[TEXT], pub[4096];
    snprintf(pub, sizeof pub, "%s.pub", path);
    bool good = write_file(path, 0600, text, format(text, name, pair, true)) &&
                write_file(pub, 0644, text, format(text, name, pair, false));
    sb_wipe(text, sizeof text);
    return good;
}

static void print_pair(const char *name, const sb_curve_pair *pair)
{
    char text[TEXT];
    format(text, name, pair, true);
    fputs(text, stdout);
    sb_wipe(text, sizeof text);
}

static bool parse(const command *cmd, int argc, char **argv, const char **out, const char **name)
{
    for (int i = 1; i < argc; i += 2) {
        const char **slot = strcmp(argv[i], "--out") == 0    ? out
                            : strcmp(argv[i], "--name") == 0 ? name
                                                             : NULL;
        if (slot == NULL || i + 1 == argc) {
            fprintf(stderr, "signalbox: keygen: %s '%s'\n", slot != NULL ? "no value for" : "unknown option",
                argv[i]);
            command_usage(cmd);
            return false;
        }
        *slot = argv[i + 1];
    }
    if (*name != NULL && (strlen(*name) > 63 || strpbrk(*name, "\"\n") != NULL)) {
        fprintf(stderr, "signalbox: keygen: a name has at most 63 characters and no quotes\n");
        return false;
    }
    return true;
}

int keygen_main(const command *cmd, int argc, char **argv)
{
    const char *out = NULL, *name = NULL;
    sb_curve_pair pair;
    if (!parse(cmd, argc, argv, &out, &name))
        return 2;
    if (sb_curve_generate(&pair) != SB_OK) {
        fprintf(stderr, "signalbox: keygen: no random numbers\n");
        return 1;
    }
    bool good = true;
    if (out != NULL)
        good = write_pair(out, name, &pair);
    else
        print_pair(name, &pair);
    sb_wipe(&pair, sizeof pair);
    return good ? 0 : 1;
}
