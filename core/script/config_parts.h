/* The parts of the configuration that are more than one value: listeners, certificates, plugins,
 * users, networks.  Internal to the configuration loader. */
#ifndef MOONPOST_SCRIPT_CONFIG_PARTS_H
#define MOONPOST_SCRIPT_CONFIG_PARTS_H

#include "script/config_read.h"

/* All defaults; arena initialised. */
void config_parts_defaults(struct config *c);

/* What only the whole can tell: names, certificates for TLS, things that fit together. */
void config_parts_finish(struct config_reader *r);
void config_parts_find_plugins(struct config_reader *r);

config_read_fn config_parts_domains, config_parts_delimiter, config_parts_proxy_trusted,
               config_parts_xclient_trusted, config_parts_certificates, config_parts_tls_version,
               config_parts_listeners, config_parts_aliases, config_parts_catch_all,
               config_parts_users, config_parts_mechanisms, config_parts_expire,
               config_parts_plugins, config_parts_options;

#endif
