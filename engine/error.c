/* Names and texts of the error codes, and the way from errno to them. */
#include "engine/error.h"

#include <errno.h>
#include <stddef.h>

static const char *const names[SB_ERR_COUNT] = {
#define ERROR_NAME(code, name, text) [code] = name,
    SB_ERRORS(ERROR_NAME)
#undef ERROR_NAME
};

static const char *const texts[SB_ERR_COUNT] = {
#define ERROR_TEXT(code, name, text) [code] = text,
    SB_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
};

/* EAGAIN is EWOULDBLOCK and EOPNOTSUPP is ENOTSUP on Linux. */
static const struct {
    int errnum;
    sb_err err;
} from_errno[] = {
    {0, SB_OK},
    {EAGAIN, SB_EAGAIN},
    {EINPROGRESS, SB_EAGAIN},
    {EALREADY, SB_EAGAIN},
    {ENOMEM, SB_ENOMEM},
    {ENOBUFS, SB_ENOMEM},
    {EINVAL, SB_EINVAL},
    {EBADF, SB_EINVAL},
    {EFAULT, SB_EINVAL},
    {ENOTSOCK, SB_EINVAL},
    {EOPNOTSUPP, SB_ENOTSUP},
    {EAFNOSUPPORT, SB_ENOTSUP},
    {EPROTONOSUPPORT, SB_ENOTSUP},
    {EHOSTUNREACH, SB_EHOSTUNREACH},
    {EHOSTDOWN, SB_EHOSTUNREACH},
    {ETIMEDOUT, SB_ETIMEDOUT},
    {ETIME, SB_ETIMEDOUT},
    {EPIPE, SB_ECLOSED},
    {ESHUTDOWN, SB_ECLOSED},
    {ENOTCONN, SB_ECLOSED},
    {ECANCELED, SB_ECANCELED},
    {EADDRINUSE, SB_EADDRINUSE},
    {EADDRNOTAVAIL, SB_EADDRNOTAVAIL},
    {ENODEV, SB_EADDRNOTAVAIL},
    {EACCES, SB_EACCES},
    {EPERM, SB_EACCES},
    {EROFS, SB_EACCES},
    {ECONNREFUSED, SB_ECONNREFUSED},
    {ECONNRESET, SB_ECONNRESET},
    {ECONNABORTED, SB_ECONNRESET},
    {ENETUNREACH, SB_ENETUNREACH},
    {ENETDOWN, SB_ENETUNREACH},
    {ENOENT, SB_ENOENT},
    {ENOTDIR, SB_ENOENT},
    {ENXIO, SB_ENOENT},
    {EMFILE, SB_EMFILE},
    {ENFILE, SB_EMFILE},
    {EMSGSIZE, SB_EMSGSIZE},
    {EPROTO, SB_EPROTO},
    {EEXIST, SB_EEXIST},
    {ENAMETOOLONG, SB_ENAMETOOLONG},
    {ENOSYS, SB_ENOSYS},
    {ENOSPC, SB_ENOSPC},
    {EDQUOT, SB_ENOSPC},
};

const char *sb_strerror(sb_err err)
{
    if ((unsigned)err >= SB_ERR_COUNT)
        return "unknown error";
    return texts[err];
}

const char *sb_errname(sb_err err)
{
    if ((unsigned)err >= SB_ERR_COUNT)
        return "EUNKNOWN";
    return names[err];
}

sb_err sb_err_from_errno(int errnum)
{
    for (size_t i = 0; i < sizeof from_errno / sizeof *from_errno; i++)
        if (from_errno[i].errnum == errnum)
            return from_errno[i].err;
    return SB_EIO;
}
