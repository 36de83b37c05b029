/* Signalbox beside libzmq: the rows of docs/compat.md, and which test proves an option. What there is comes
 * out of the engine's own tables; the words about it are here, in one place. */
#ifndef SIGNALBOX_COMPAT_H
#define SIGNALBOX_COMPAT_H

#include <stdbool.h>
#include <stddef.h>

/* `tests`: names of ctest with blanks between, "" where there is nothing to prove. */
typedef struct compat_row {
    const char *feature, *libzmq, *us, *tests;
} compat_row;

typedef struct compat_section {
    const char *title, *intro;
    /* The names of the engine's table this section is about, NULL behind the last: each has one row that
     * begins with it. NULL: there is no such table. */
    const char *(*name)(size_t i);
    const compat_row *rows; /* the last one has no feature */
} compat_section;

extern const compat_section compat_sections[]; /* the last one has no title */
const char *compat_transport(size_t i);
const char *compat_type(size_t i);
const char *compat_version(size_t i);
const char *compat_mechanism(size_t i);
const char *compat_event(size_t i);

/* The test of an option; NULL: there is no row for it. */
const char *compat_option_test(const char *option);
/* "unit.a unit.b" as "`unit.a`, `unit.b`". */
void compat_print_tests(const char *tests);

#endif
