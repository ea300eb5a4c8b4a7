/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_REPORT_HTML_STYLE_H
#define W_REPORT_HTML_STYLE_H

/* The style sheet of the page: light, dark and printed. */
extern const char w_html_style[];

#endif
