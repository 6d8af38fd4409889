/* Where the files that come with moonpost are: lua/ and plugins/. */
#ifndef MOONPOST_BASE_PLACE_H
#define MOONPOST_BASE_PLACE_H

/* The directory that holds lua/ and plugins/: $MOONPOST_DATADIR, else the source tree around the
 * binary, else share/moonpost beside its bin/, else where `make install` put it.  Found once;
 * never NULL, but it may not exist. */
const char *place_data(void);

#endif
