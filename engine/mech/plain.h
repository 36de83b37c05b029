/* The tables of PLAIN's two sides. Place: engine/mech/registry.c. */
#ifndef SB_MECH_PLAIN_H
#define SB_MECH_PLAIN_H

#include "engine/mech/mech.h"

extern const sb__mech_impl sb__mech_plain_client, sb__mech_plain_server;

#endif
