/* Signalbox: the one header an embedder includes. */
#ifndef SIGNALBOX_H
#define SIGNALBOX_H

#include "engine/auth.h"
#include "engine/context.h"
#include "engine/error.h"
#include "engine/handler.h"
#include "engine/loop.h"
#include "engine/msg.h"
#include "engine/option.h"
#include "engine/route.h"
#include "engine/security.h"
#include "engine/session.h"
#include "engine/socket.h"
#include "engine/tap.h"

#endif
