/* The PHP extension "supercharger". */
#ifndef PHP_SUPERCHARGER_H
#define PHP_SUPERCHARGER_H

#include "php.h"

/* Set by build.rs from Cargo.toml. */
#ifndef SC_VERSION
# define SC_VERSION "0.0.0"
#endif

extern zend_module_entry supercharger_module_entry;
#define phpext_supercharger_ptr &supercharger_module_entry

#endif
