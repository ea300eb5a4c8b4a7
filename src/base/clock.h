/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_BASE_CLOCK_H
#define W_BASE_CLOCK_H

/* Seconds of the monotonic clock. */
double w_clock_seconds(void);
/* Processor seconds of the calling thread: what others do on a busy machine is not in them. */
double w_clock_thread_seconds(void);

#endif
