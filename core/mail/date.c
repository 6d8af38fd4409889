/* Reading and writing the dates of header fields. */
#include "mail/date.h"

#include <stdio.h>
#include <time.h>

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

void date_format(int64_t seconds, char out[DATE_SIZE])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(out, DATE_SIZE, "%s, %d %s %04u %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
	         months[tm.tm_mon], ((unsigned)tm.tm_year + 1900u) % 10000u, tm.tm_hour, tm.tm_min,
	         tm.tm_sec);
}

/* White space, folds and comments, which may stand between any two words (RFC 5322, 3.2.2). */
static void skip_cfws(struct slice *in)
{
	unsigned depth = 0;

	while (in->len) {
		char c = in->ptr[0];

		if (depth && c == '\\')
			*in = slice_skip(*in, 1);
		else if (c == '(')
			depth++;
		else if (depth && c == ')')
			depth--;
		else if (!depth && !strchr(" \t\r\n", c))
			return;
		else if (!depth && c == '\0')
			return;
		*in = slice_skip(*in, 1);
	}
}

/* A number of min to max digits; how many there were is in *digits. */
static bool number(struct slice *in, unsigned min, unsigned max, int *out, unsigned *digits)
{
	unsigned n = 0;

	skip_cfws(in);
	*out = 0;
	while (n < in->len && n < max && in->ptr[n] >= '0' && in->ptr[n] <= '9')
		*out = *out * 10 + (in->ptr[n++] - '0');
	*in = slice_skip(*in, n);
	if (digits)
		*digits = n;
	return n >= min && !(in->len && in->ptr[0] >= '0' && in->ptr[0] <= '9');
}

static bool literal(struct slice *in, char c)
{
	skip_cfws(in);
	if (in->len == 0 || in->ptr[0] != c)
		return false;
	*in = slice_skip(*in, 1);
	return true;
}

/* A word of three letters out of a table; -1 when it is none of them. */
static int word(struct slice *in, const char table[][4], int count)
{
	skip_cfws(in);
	for (int i = 0; i < count; i++) {
		if (slice_istarts(*in, slice_from(table[i]))) {
			*in = slice_skip(*in, 3);
			return i;
		}
	}
	return -1;
}

/* Obsolete years of two or three digits (RFC 5322, 4.3). */
static int full_year(int year, unsigned digits)
{
	if (digits == 2)
		return year + (year < 50 ? 2000 : 1900);
	return digits == 3 ? year + 1900 : year;
}

/* Seconds east of Greenwich.  Named zones: RFC 5322, 4.3; unknown ones mean -0000. */
static bool zone(struct slice *in, int *offset)
{
	static const struct { const char *name; int hours; } names[] = {
		{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
	};
	int hhmm;

	skip_cfws(in);
	*offset = 0;
	if (in->len && (in->ptr[0] == '+' || in->ptr[0] == '-')) {
		int sign = in->ptr[0] == '-' ? -1 : 1;

		*in = slice_skip(*in, 1);
		if (!number(in, 4, 4, &hhmm, NULL) || hhmm % 100 > 59)
			return false;
		*offset = sign * (hhmm / 100 * 3600 + hhmm % 100 * 60);
		return true;
	}
	size_t n = 0;

	while (n < in->len && ascii_lower(in->ptr[n]) >= 'a' && ascii_lower(in->ptr[n]) <= 'z')
		n++;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_ieq(slice_head(*in, n), slice_from(names[i].name)))
			*offset = names[i].hours * 3600;
	*in = slice_skip(*in, n);
	return n > 0;
}

static int days_in(int month, int year)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return lengths[month] + (month == 1 && leap);
}

static bool time_of_day(struct slice *in, struct tm *tm)
{
	if (!number(in, 1, 2, &tm->tm_hour, NULL) || !literal(in, ':') ||
	    !number(in, 1, 2, &tm->tm_min, NULL))
		return false;
	skip_cfws(in);
	if (in->len && in->ptr[0] == ':' && (!literal(in, ':') || !number(in, 1, 2, &tm->tm_sec, NULL)))
		return false;
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

enum status date_parse(struct slice in, int64_t *seconds)
{
	struct tm tm = { 0 };
	unsigned digits;
	int offset, year;

	if (word(&in, days, 7) >= 0 && !literal(&in, ','))
		return ST_SYNTAX;
	if (!number(&in, 1, 2, &tm.tm_mday, NULL) || (tm.tm_mon = word(&in, months, 12)) < 0 ||
	    !number(&in, 2, 4, &year, &digits))
		return ST_SYNTAX;
	year = full_year(year, digits);
	if (tm.tm_mday < 1 || tm.tm_mday > days_in(tm.tm_mon, year))
		return ST_SYNTAX;
	if (!time_of_day(&in, &tm) || !zone(&in, &offset))
		return ST_SYNTAX;
	skip_cfws(&in);
	if (in.len)
		return ST_SYNTAX;
	tm.tm_year = year - 1900;
	*seconds = (int64_t)timegm(&tm) - offset;
	return ST_OK;
}
