/* http_endpoints.h - the HTTP endpoints of the admin listener. */
#ifndef FR_HTTP_ENDPOINTS_H
#define FR_HTTP_ENDPOINTS_H

#include "admin/http_admin.h"

/* The table for fr_http_admin_new(), whose ctx is the daemon (struct fr_daemon). */
extern const struct fr_http_endpoint fr_daemon_http_endpoints[];

/* The table of the listener for load balancers (`status` in the configuration). */
extern const struct fr_http_endpoint fr_daemon_status_endpoints[];

#endif
