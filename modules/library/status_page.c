/* The status page, which the build puts into the library (cmake/embed.cmake). Before: hosts. */
#include "modules/library/board.h"

extern const unsigned char sb__status_html[];
extern const size_t sb__status_html_size;

const char *sb_status_page(size_t *len)
{
    *len = sb__status_html_size;
    return (const char *)sb__status_html;
}
