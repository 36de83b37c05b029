/* What the service manager is told (systemd's sd_notify protocol: datagrams to $NOTIFY_SOCKET). Nothing of it
 * where nobody listens. */
#ifndef SIGNALBOX_SERVICE_H
#define SIGNALBOX_SERVICE_H

#include "engine/loop.h"

typedef struct service {
    int fd;         /* -1: nobody wants to know */
    uint64_t pulse; /* ns between signs of life, 0: none are wanted */
    sb_timer timer;
    sb_loop *loop; /* where the timer runs, NULL: nowhere */
} service;

/* Says on stderr what is wrong with $NOTIFY_SOCKET; that is no reason not to run. */
void service_init(service *s);
void service_finish(service *s);

/* The service is up, or up again after a reload that went well or not; `status` is for people. */
void service_ready(service *s, const char *status);
void service_reloading(service *s);
void service_stopping(service *s);

/* Signs of life come out of this loop from now on, twice as often as $WATCHDOG_USEC wants them; NULL: none.
 */
void service_watch(service *s, sb_loop *loop);

#endif
