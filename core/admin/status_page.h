/*
 * status_page.h - the files of the status page as arrays of lines, each with its line feed; the
 * last element is NULL. The Makefile generates status_page.c with status_page.awk.
 */
#ifndef FR_STATUS_PAGE_H
#define FR_STATUS_PAGE_H

extern const char *const fr_status_page_html[];
extern const char *const fr_status_page_css[];
extern const char *const fr_status_page_js[];

#endif
