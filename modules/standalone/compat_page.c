/* signalbox compat: the page that puts Signalbox beside libzmq. docs/compat.md is what this prints. After:
 * compat_rows.c. */
#include "modules/standalone/compat.h"

#include "engine/signalbox.h"
#include "modules/standalone/options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char head[] =
    "# Beside libzmq\n\n"
    "What libzmq 4.3.6 has and what Signalbox does with it, each with the tests that prove it (names of "
    "`ctest`), as `signalbox compat`\n"
    "prints it: types, transports, versions, mechanisms and events out of the engine's own tables. Socket "
    "options have a page of their own\n"
    "([options.md](options.md)); [interop.md](interop.md) tells who has met whom over what, "
    "[decisions.md](decisions.md) where and why\n"
    "Signalbox differs from libzmq on purpose. \"draft\" is what libzmq has only where it was built so.\n";

const char *compat_type(size_t i)
{
    return i < SB_TYPE_COUNT ? sb_type_name((sb_type)i) : NULL;
}

const char *compat_transport(size_t i)
{
    return sb_transport_scheme(i);
}

const char *compat_mechanism(size_t i)
{
    return sb_mechanism_name((sb_mechanism)i);
}

/* The versions that zmtp_min may name. */
const char *compat_version(size_t i)
{
    static const char *const names[] = {"ZMTP/1", "ZMTP/2", "ZMTP/3"};
    const sb_opt_row *row = sb_option_get(SB_OPT_ZMTP_MIN);
    return i <= (size_t)(row->max - row->min) && i < 3 ? names[row->min - 1 + (int64_t)i] : NULL;
}

const char *compat_event(size_t i)
{
    for (unsigned bit = 0; bit < 31; bit++) {
        const char *name = sb_event_name((sb_event_kind)(1u << bit));
        if (strcmp(name, "unknown") != 0 && i-- == 0)
            return name;
    }
    return NULL;
}

void compat_print_tests(const char *tests)
{
    const char *comma = "";
    while (*tests != '\0') {
        size_t len = strcspn(tests, " ");
        printf("%s`%.*s`", comma, (int)len, tests);
        comma = ", ";
        tests += len + (tests[len] == ' ');
    }
}

static bool begins(const compat_row *row, const char *name)
{
    size_t len = strlen(name);
    char after = row->feature[strncmp(row->feature, name, len) == 0 ? len : 0];
    return strncmp(row->feature, name, len) == 0 && !isalnum((unsigned char)after) && after != '_';
}

/* A name without a row is told, and the exit code says so. */
static int missing(const compat_section *section)
{
    int bad = 0;
    const char *name;
    for (size_t i = 0; section->name != NULL && (name = section->name(i)) != NULL; i++) {
        int found = 0;
        for (const compat_row *row = section->rows; row->feature != NULL; row++)
            found += begins(row, name);
        if (found == 1)
            continue;
        fprintf(stderr, "signalbox: compat: %d rows of \"%s\" begin with %s, expected one\n", found,
            section->title, name);
        bad = 1;
    }
    return bad;
}

static void print_section(const compat_section *section)
{
    printf("\n## %s\n\n%s%s", section->title, section->intro, section->intro[0] != '\0' ? "\n\n" : "");
    fputs("| feature | libzmq | Signalbox | test |\n|---|---|---|---|\n", stdout);
    for (const compat_row *row = section->rows; row->feature != NULL; row++) {
        printf("| %s | %s | %s | ", row->feature, row->libzmq, row->us);
        compat_print_tests(row->tests);
        fputs(" |\n", stdout);
    }
}

int compat_main(const command *cmd, int argc, char **argv)
{
    int bad = 0;
    (void)argv;
    if (argc > 1)
        return command_usage(cmd);
    fputs(head, stdout);
    for (const compat_section *section = compat_sections; section->title != NULL; section++) {
        print_section(section);
        bad |= missing(section);
    }
    return bad;
}
