/* The NULL mechanism's table. Place: engine/mech/registry.c. */
#ifndef SB_MECH_NULL_H
#define SB_MECH_NULL_H

#include "engine/mech/mech.h"

extern const sb__mech_impl sb__mech_null;

#endif
