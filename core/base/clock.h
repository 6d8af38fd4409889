/* Time.  A monotonic clock for intervals, the wall clock for headers and logs.
 * Specs can put both on a fake time, so that no spec has to wait. */
#ifndef MOONPOST_BASE_CLOCK_H
#define MOONPOST_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);              /* monotonic milliseconds */
uint64_t clock_us(void);              /* monotonic microseconds */
uint64_t clock_ns(void);              /* monotonic nanoseconds, never faked: to measure with */
int64_t  clock_wall(void);            /* seconds since 1970 */
int64_t  clock_wall_us(void);         /* microseconds since 1970 */

/* From now on both clocks stand at the given wall time until set again; 0 returns to the real
 * ones.  For specs alone. */
void clock_fake(int64_t wall_us);

#endif
