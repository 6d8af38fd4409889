/* Monotonic and wall clock, with a fake for specs. */
#include "base/clock.h"

#include <time.h>

static int64_t fake_us;

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	if (fake_us)
		return fake_us;
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

uint64_t clock_us(void)
{
	return (uint64_t)read_us(CLOCK_MONOTONIC);
}

uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int64_t clock_wall(void)
{
	return clock_wall_us() / 1000000;
}

void clock_fake(int64_t wall_us)
{
	fake_us = wall_us;
}
