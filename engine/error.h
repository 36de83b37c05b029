/* Error codes, shared by every ring. Knows nothing else. */
#ifndef SB_ERROR_H
#define SB_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(code, errno-style name, text). Scripts see the name and the text: nil, "text", "ENAME". */
#define SB_ERRORS(X)                                                                                         \
    X(SB_OK, "OK", "success")                                                                                \
    X(SB_EAGAIN, "EAGAIN", "resource temporarily unavailable")                                               \
    X(SB_ENOMEM, "ENOMEM", "out of memory")                                                                  \
    X(SB_EINVAL, "EINVAL", "invalid argument")                                                               \
    X(SB_ENOTSUP, "ENOTSUP", "operation not supported by this socket type")                                  \
    X(SB_EFSM, "EFSM", "operation not possible in the socket's current state")                               \
    X(SB_EHOSTUNREACH, "EHOSTUNREACH", "no such peer")                                                       \
    X(SB_ETIMEDOUT, "ETIMEDOUT", "timeout")                                                                  \
    X(SB_ECLOSED, "ECLOSED", "closed")                                                                       \
    X(SB_ECANCELED, "ECANCELED", "canceled")                                                                 \
    X(SB_EADDRINUSE, "EADDRINUSE", "address already in use")                                                 \
    X(SB_EADDRNOTAVAIL, "EADDRNOTAVAIL", "address not available")                                            \
    X(SB_EACCES, "EACCES", "permission denied")                                                              \
    X(SB_ECONNREFUSED, "ECONNREFUSED", "connection refused")                                                 \
    X(SB_ECONNRESET, "ECONNRESET", "connection reset by peer")                                               \
    X(SB_ENETUNREACH, "ENETUNREACH", "network unreachable")                                                  \
    X(SB_ENOENT, "ENOENT", "no such file, name or entry")                                                    \
    X(SB_EMFILE, "EMFILE", "too many open files")                                                            \
    X(SB_EMSGSIZE, "EMSGSIZE", "message too large")                                                          \
    X(SB_EPROTO, "EPROTO", "protocol error")                                                                 \
    X(SB_EMECHANISM, "EMECHANISM", "security mechanism mismatch")                                            \
    X(SB_EPEERTYPE, "EPEERTYPE", "incompatible socket type")                                                 \
    X(SB_EREFUSED, "EREFUSED", "refused by peer")                                                            \
    X(SB_EEXIST, "EEXIST", "already exists")                                                                 \
    X(SB_ENAMETOOLONG, "ENAMETOOLONG", "name too long")                                                      \
    X(SB_ENOSYS, "ENOSYS", "not implemented by this kernel")                                                 \
    X(SB_EIO, "EIO", "input/output error")                                                                   \
    X(SB_ENOSPC, "ENOSPC", "no space left on the device")

typedef enum sb_err {
#define SB_ERROR_ENUM(code, name, text) code,
    SB_ERRORS(SB_ERROR_ENUM)
#undef SB_ERROR_ENUM
        SB_ERR_COUNT
} sb_err;

/* Text of an error ("timeout"); never NULL, static storage. Any thread. */
const char *sb_strerror(sb_err err);

/* errno-style name of an error ("ETIMEDOUT"); never NULL, static storage. Any thread. */
const char *sb_errname(sb_err err);

/* Nearest sb_err for a positive errno value; unknown values become SB_EIO. Any thread. */
sb_err sb_err_from_errno(int errnum);

#ifdef __cplusplus
}
#endif
#endif
