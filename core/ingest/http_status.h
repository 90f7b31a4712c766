/*
 * The texts of HTTP status codes (RFC 9110, section 15). Any thread.
 */
#ifndef FR_HTTP_STATUS_H
#define FR_HTTP_STATUS_H

/* Returns the reason phrase of a status that the listeners of vehicles and of TeslaMate answer with: a
 * static text. Any other status: "Internal Server Error". */
const char *fr_http_status_reason(int status);

#endif
