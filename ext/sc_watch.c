/*
 * Functions that change a setting of an extension which PHP keeps out of sight. Each is called through here, so that the boundary
 * knows what a request has touched and leaves the rest alone: most requests touch none, and pay nothing.
 */
#include "sc_internal.h"

typedef struct sc_watched {
	const char *name;
	uint32_t touches;               /* sc_touched */
	bool asks_without_arguments;    /* a call without arguments only asks */
	size_t name_len;
	zif_handler original;           /* NULL if there is no such function */
} sc_watched;

static sc_watched sc_watches[] = {
	{"mb_internal_encoding", SC_TOUCHED_MBSTRING, true, 0, NULL},
	{"mb_http_output", SC_TOUCHED_MBSTRING, true, 0, NULL},
	{"mb_detect_order", SC_TOUCHED_MBSTRING, true, 0, NULL},
	{"mb_substitute_character", SC_TOUCHED_MBSTRING, true, 0, NULL},
	{"mb_regex_encoding", SC_TOUCHED_MBSTRING, true, 0, NULL},
	{"mb_regex_set_options", SC_TOUCHED_MBSTRING, true, 0, NULL},
	{"mb_ereg_search_init", SC_TOUCHED_MBSTRING, false, 0, NULL},
	{"mb_parse_str", SC_TOUCHED_MBSTRING, false, 0, NULL},
	{"libxml_use_internal_errors", SC_TOUCHED_LIBXML, true, 0, NULL},
	{"libxml_set_streams_context", SC_TOUCHED_LIBXML, false, 0, NULL},
	{"libxml_set_external_entity_loader", SC_TOUCHED_LIBXML, false, 0, NULL},
	{"libxml_disable_entity_loader", SC_TOUCHED_LIBXML, false, 0, NULL},
	{"spl_autoload_extensions", SC_TOUCHED_SPL, true, 0, NULL},
	{"mysqli_report", SC_TOUCHED_MYSQLI, false, 0, NULL},
	{"use_soap_error_handler", SC_TOUCHED_SOAP, false, 0, NULL},
	{"pcntl_async_signals", SC_TOUCHED_SIGNALS, true, 0, NULL},
	{"pcntl_sigprocmask", SC_TOUCHED_SIGNALS, false, 0, NULL},
};

/* By name, since OPcache moves the names and a closure of a function has a copy of it. */
static ZEND_NAMED_FUNCTION(sc_watched_call)
{
	const zend_string *name = EX(func)->common.function_name;
	size_t i;

	for (i = 0; i < sizeof(sc_watches) / sizeof(sc_watches[0]); i++) {
		const sc_watched *watch = &sc_watches[i];
		if (watch->original && zend_string_equals_cstr(name, watch->name, watch->name_len)) {
			if (sc_self && (!watch->asks_without_arguments || ZEND_NUM_ARGS() > 0)) {
				sc_self->touched |= watch->touches;
			}
			watch->original(INTERNAL_FUNCTION_PARAM_PASSTHRU);
			return;
		}
	}
}

/* Must run before the function table is copied for other threads. */
void sc_watch_functions(void)
{
	size_t i;

	for (i = 0; i < sizeof(sc_watches) / sizeof(sc_watches[0]); i++) {
		sc_watched *watch = &sc_watches[i];
		zend_internal_function *function;

		watch->name_len = strlen(watch->name);
		function = zend_hash_str_find_ptr(CG(function_table), watch->name, watch->name_len);
		if (function && function->type == ZEND_INTERNAL_FUNCTION) {
			watch->original = function->handler;
			function->handler = sc_watched_call;
		}
	}
}
