/* status_page.h - the files of the status page, made into text by the Makefile: lines, NULL. */
#ifndef FR_STATUS_PAGE_H
#define FR_STATUS_PAGE_H

extern const char *const fr_status_page_html[];
extern const char *const fr_status_page_css[];
extern const char *const fr_status_page_js[];

#endif
