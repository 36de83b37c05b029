/* How peer.c answers who wants to come in: everybody alike, except that PLAIN's password must be "secret". */
#ifndef TEST_PEER_AUTH_H
#define TEST_PEER_AUTH_H

#include "engine/signalbox.h"

#include <string.h>

typedef struct peer_auth {
    sb_authenticator base; /* first member */
    sb_engine *engine;
    unsigned status; /* 0: no answer */
} peer_auth;

static inline void peer_auth_on_request(sb_authenticator *self, const sb_auth_request *request)
{
    peer_auth *auth = (peer_auth *)self;
    bool wrong = strcmp(request->mechanism, "PLAIN") == 0 && strcmp(request->password, "secret") != 0;
    const char *user = request->username[0] != '\0' ? request->username : request->key;
    sb_session_verdict v = {
        .status = wrong ? 400 : auth->status, .user_id = user, .text = "the peer said so"};
    if (auth->status != 0)
        sb_auth_answer(auth->engine, request->id, &v);
}

static inline void peer_auth_start(peer_auth *auth, sb_engine *engine, unsigned status)
{
    *auth = (peer_auth){.base.on_request = peer_auth_on_request, .engine = engine, .status = status};
    sb_engine_set_authenticator(engine, &auth->base);
}

#endif
