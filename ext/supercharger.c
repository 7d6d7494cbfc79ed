/* The functions that PHP code sees. Signatures and meaning: supercharger.stub.php. */
#include "sc_internal.h"
#include "php_supercharger.h"
#include "ext/json/php_json.h"
#include "ext/spl/spl_exceptions.h"
#include "ext/standard/info.h"
#include "zend_smart_str.h"
#include "supercharger_arginfo.h"

/* Seconds between two calls of an idle callback. More often than ten times a second is a busy loop, less often than daily is nothing for
 * a worker's life. */
#define SC_LEAST_TICK 0.1
#define SC_MOST_TICK 86400.0

/* Longest name of a check: it is a label of metrics. */
#define SC_MAX_CHECK_NAME 100
/* Seconds: a check that takes an hour is none. */
#define SC_MOST_CHECK 3600.0

/* Whether a text has no control characters. */
static bool sc_is_plain(const zend_string *text)
{
	size_t i;

	for (i = 0; i < ZSTR_LEN(text); i++) {
		unsigned char c = (unsigned char)ZSTR_VAL(text)[i];
		if (c < 0x20 || c == 0x7f) {
			return false;
		}
	}
	return true;
}

/* Whether the code that runs was called by what has this frame. One whose Fiber is suspended is not among the callers. */
static bool sc_is_called_by(const zend_execute_data *frame)
{
	const zend_execute_data *caller = EG(current_execute_data);

	while (caller && caller != frame) {
		caller = caller->prev_execute_data;
	}
	return caller != NULL;
}

/* Whether the script may ask for a request now; if not, something has been thrown. */
static bool sc_may_ask(void)
{
	const sc_thread *self = sc_self;

	if (!self || !self->worker->loops || sc_forked) {
		zend_throw_exception(spl_ce_RuntimeException,
			"supercharger_handle_request() can be called in a worker script only", 0);
		return false;
	}
	if (self->turn && !sc_is_called_by(self->turn)) {
		sc_go_astray("supercharger_handle_request() was called while a request is suspended in a Fiber; the worker is replaced");
		return false;
	}
	if (self->turn || self->phase == SC_PHASE_ENDING) {
		zend_throw_exception(spl_ce_RuntimeException, self->phase == SC_PHASE_HANDLER
			? "supercharger_handle_request() cannot be called inside a request handler"
			: "supercharger_handle_request() cannot be called while a request or the script ends", 0);
		return false;
	}
	if (self->astray || self->exited) {
		sc_go_astray("supercharger_handle_request() was called although a request was left on the way; the worker is replaced");
		return false;
	}
	return true;
}

PHP_FUNCTION(supercharger_handle_request)
{
	zend_fcall_info fci;
	zend_fcall_info_cache fcc;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_FUNC(fci, fcc)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_may_ask()) {
		RETURN_THROWS();
	}
	RETVAL_BOOL(sc_handle_request(&fci, &fcc));
}

/* Outside of a worker's loop nothing outlives the script, so there is nothing to reset: code that registers runs everywhere. */
PHP_FUNCTION(supercharger_on_reset)
{
	zend_fcall_info fci;
	zend_fcall_info_cache fcc;
	zend_string *name = ZSTR_EMPTY_ALLOC();

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_FUNC_NO_TRAMPOLINE_FREE(fci, fcc)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR(name)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_self || !sc_self->worker->loops || sc_forked) {
		zend_release_fcall_info_cache(&fcc);
		return;
	}
	sc_add_callback(&sc_self->resetters, name, &fcc, 0.0);
}

PHP_FUNCTION(supercharger_reset_report)
{
	zend_long count;
	HashTable *failures = (HashTable *)&zend_empty_array;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_LONG(count)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT(failures)
	ZEND_PARSE_PARAMETERS_END();

	if (count < 0) {
		zend_argument_value_error(1, "must be greater than or equal to 0");
		RETURN_THROWS();
	}
	if (sc_self && !sc_forked) {
		sc_report_parts(count, failures);
	}
}

PHP_FUNCTION(supercharger_on_idle)
{
	zend_fcall_info fci;
	zend_fcall_info_cache fcc;
	double seconds;
	zend_string *name = ZSTR_EMPTY_ALLOC();

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_FUNC_NO_TRAMPOLINE_FREE(fci, fcc)
		Z_PARAM_DOUBLE(seconds)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR(name)
	ZEND_PARSE_PARAMETERS_END();

	if (!(seconds >= SC_LEAST_TICK && seconds <= SC_MOST_TICK)) {
		zend_release_fcall_info_cache(&fcc);
		zend_argument_value_error(2, "must be from 0.1 to 86400 seconds");
		RETURN_THROWS();
	}
	if (!sc_self || !sc_self->worker->loops || sc_forked) {
		zend_release_fcall_info_cache(&fcc);
		return;
	}
	sc_add_callback(&sc_self->ticks, name, &fcc, seconds);
}

PHP_FUNCTION(supercharger_on_check)
{
	zend_fcall_info fci;
	zend_fcall_info_cache fcc;
	zend_string *name;
	bool required = true;
	double timeout = 0.0;
	const sc_callback *check;

	ZEND_PARSE_PARAMETERS_START(2, 4)
		Z_PARAM_FUNC_NO_TRAMPOLINE_FREE(fci, fcc)
		Z_PARAM_STR(name)
		Z_PARAM_OPTIONAL
		Z_PARAM_BOOL(required)
		Z_PARAM_DOUBLE(timeout)
	ZEND_PARSE_PARAMETERS_END();

	if (ZSTR_LEN(name) == 0 || ZSTR_LEN(name) > SC_MAX_CHECK_NAME || !sc_is_plain(name)) {
		zend_release_fcall_info_cache(&fcc);
		zend_argument_value_error(2, "must be 1 to %d bytes without control characters", SC_MAX_CHECK_NAME);
		RETURN_THROWS();
	}
	if (!(timeout >= 0.0 && timeout <= SC_MOST_CHECK)) {
		zend_release_fcall_info_cache(&fcc);
		zend_argument_value_error(4, "must be from 0 to 3600 seconds");
		RETURN_THROWS();
	}
	if (!sc_self || !sc_self->worker->loops || sc_forked) {
		zend_release_fcall_info_cache(&fcc);
		return;
	}
	check = sc_add_callback(&sc_self->checks, name, &fcc, 0.0);
	if (check) {
		sc_on_check(sc_self->host, (sc_text){ZSTR_VAL(check->name), ZSTR_LEN(check->name)}, required, timeout);
	}
}

PHP_FUNCTION(supercharger_warmed)
{
	zend_long count, failed = 0;
	double ms = 0.0;

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_LONG(count)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(failed)
		Z_PARAM_DOUBLE(ms)
	ZEND_PARSE_PARAMETERS_END();

	if (count < 0 || count > INT32_MAX) {
		zend_argument_value_error(1, "must be from 0 to 2147483647");
		RETURN_THROWS();
	}
	if (failed < 0 || failed > count) {
		zend_argument_value_error(2, "must be from 0 to $count");
		RETURN_THROWS();
	}
	if (!(ms >= 0.0 && ms < 1e12)) {
		zend_argument_value_error(3, "must be a number of milliseconds");
		RETURN_THROWS();
	}
	if (sc_self && sc_self->worker->loops && !sc_forked && !sc_self->reached_loop) {
		sc_on_warmed(sc_self->host, (uint32_t)count, (uint32_t)failed, ms / 1000.0);
	}
}

PHP_FUNCTION(supercharger_recycle)
{
	zend_string *reason = NULL;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR(reason)
	ZEND_PARSE_PARAMETERS_END();

	if (sc_self && !sc_forked) {
		sc_on_recycle(sc_self->host, reason ? (sc_text){ZSTR_VAL(reason), ZSTR_LEN(reason)}
			: (sc_text){"app_request", sizeof("app_request") - 1});
	}
}

PHP_FUNCTION(supercharger_finish_request)
{
	ZEND_PARSE_PARAMETERS_NONE();

	if (!sc_self || !sc_self->open || sc_forked) {
		RETURN_FALSE;
	}
	php_output_end_all();
	php_header();
	if (sc_finish(SC_ENDING_WHOLE) == SC_IO_CLIENT_GONE) {
		/* Told, but no reason to end the script: what follows needs no client. */
		PG(connection_status) = PHP_CONNECTION_ABORTED;
	}
	RETURN_TRUE;
}

PHP_FUNCTION(headers_send)
{
	zend_long status = 200;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(status)
	ZEND_PARSE_PARAMETERS_END();

	if (status < 100 || status > 999 || status == 101) {
		/* 101 would end HTTP on the connection. */
		zend_argument_value_error(1, "must be a status code from 100 to 999, but not 101");
		RETURN_THROWS();
	}
	RETURN_LONG(status < 200 ? sc_send_interim((uint16_t)status) : sc_send_head((uint16_t)status));
}

static void sc_add_text(zval *array, const char *key, sc_text text)
{
	add_assoc_stringl(array, key, text.data, text.len);
}

PHP_FUNCTION(supercharger_worker)
{
	sc_text none = {"", 0};

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	sc_add_text(return_value, "pool", sc_self ? sc_self->worker->pool : none);
	add_assoc_long(return_value, "slot", sc_self ? (zend_long)sc_self->worker->slot : 0);
	add_assoc_long(return_value, "incarnation", sc_self ? (zend_long)sc_self->worker->incarnation : 0);
	add_assoc_long(return_value, "requests", sc_self ? (zend_long)sc_self->requests : 0);
	add_assoc_double(return_value, "uptime_seconds", sc_self ? sc_monotonic() - sc_self->attached_at : 0.0);
	add_assoc_long(return_value, "memory_bytes", (zend_long)zend_memory_usage(false));
	add_assoc_long(return_value, "memory_peak_bytes", (zend_long)zend_memory_peak_usage(false));
	sc_add_text(return_value, "request_id", sc_self && sc_self->request ? sc_self->request->request_id : none);
	add_assoc_string(return_value, "mode", !sc_self ? "cli" : sc_self->worker->loops ? "worker" : "classic");
}

PHP_FUNCTION(supercharger_route)
{
	zend_string *route;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(route)
	ZEND_PARSE_PARAMETERS_END();

	if (ZSTR_LEN(route) > SC_MAX_ROUTE) {
		zend_argument_value_error(1, "must not be longer than %d bytes", SC_MAX_ROUTE);
		RETURN_THROWS();
	}
	if (!sc_is_plain(route)) {
		zend_argument_value_error(1, "must not contain control characters");
		RETURN_THROWS();
	}
	if (sc_self && !sc_forked) {
		sc_drift_route(route);
		sc_on_route(sc_self->host, (sc_text){ZSTR_VAL(route), ZSTR_LEN(route)});
	}
}

PHP_FUNCTION(supercharger_drift)
{
	zend_string *kind, *key;
	zend_string *detail = ZSTR_EMPTY_ALLOC();
	bool put_back = false;

	ZEND_PARSE_PARAMETERS_START(2, 4)
		Z_PARAM_STR(kind)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR(detail)
		Z_PARAM_BOOL(put_back)
	ZEND_PARSE_PARAMETERS_END();

	if (sc_self && !sc_forked) {
		sc_drift_told(kind, key, detail, put_back);
	}
}

PHP_FUNCTION(supercharger_drift_found)
{
	sc_drift_known known;
	size_t count = 0;
	zval found;

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	array_init(&found);
	while (sc_self && !sc_forked && sc_on_drift_known(sc_self->host, count, &known)) {
		zval one;

		array_init(&one);
		sc_add_text(&one, "kind", known.kind);
		sc_add_text(&one, "why", known.why);
		sc_add_text(&one, "what", known.what);
		sc_add_text(&one, "file", known.file);
		add_assoc_long(&one, "line", (zend_long)known.line);
		sc_add_text(&one, "detail", known.detail);
		sc_add_text(&one, "route", known.route);
		sc_add_text(&one, "request_id", known.request_id);
		add_assoc_bool(&one, "leaks", known.leaks);
		add_next_index_zval(&found, &one);
		count++;
	}
	add_assoc_long(return_value, "every", sc_self ? (zend_long)sc_self->worker->drift_sample : 0);
	add_assoc_zval(return_value, "found", &found);
}

PHP_FUNCTION(supercharger_request_id)
{
	ZEND_PARSE_PARAMETERS_NONE();

	if (sc_self && sc_self->request) {
		RETURN_STRINGL(sc_self->request->request_id.data, sc_self->request->request_id.len);
	}
	RETURN_EMPTY_STRING();
}

PHP_FUNCTION(supercharger_log)
{
	zend_string *message;
	zend_long level = 0;
	zval *context = NULL;
	smart_str json = {0};
	sc_log log = {.context = {"", 0}, .kind = {"", 0}, .file = {"", 0}};

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_STR(message)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(level)
		Z_PARAM_ARRAY(context)
	ZEND_PARSE_PARAMETERS_END();

	if (context && zend_hash_num_elements(Z_ARRVAL_P(context)) > 0) {
		/* A value that JSON cannot carry must not cost the record. */
		php_json_encode(&json, context,
			PHP_JSON_PARTIAL_OUTPUT_ON_ERROR | PHP_JSON_INVALID_UTF8_SUBSTITUTE | PHP_JSON_FORCE_OBJECT);
		if (EG(exception)) {
			smart_str_free(&json);
			RETURN_THROWS();
		}
		smart_str_0(&json);
		if (json.s) {
			log.context = (sc_text){ZSTR_VAL(json.s), ZSTR_LEN(json.s)};
		}
	}
	log.message = (sc_text){ZSTR_VAL(message), ZSTR_LEN(message)};
	log.level = level < -4 ? -4 : level > 8 ? 8 : (int32_t)level;
	sc_log_record(&log);
	smart_str_free(&json);
}

/* "accept-language" -> "Accept-Language", the spelling that web servers have always shown to PHP. */
static zend_string *sc_canonical_name(sc_text name)
{
	zend_string *result = zend_string_init(name.data, name.len, 0);
	bool start = true;
	size_t i;

	for (i = 0; i < ZSTR_LEN(result); i++) {
		char *c = &ZSTR_VAL(result)[i];
		if (start && *c >= 'a' && *c <= 'z') {
			*c = (char)(*c - 'a' + 'A');
		}
		start = *c == '-';
	}
	return result;
}

PHP_FUNCTION(frankenphp_request_headers)
{
	size_t i;

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	if (!sc_self || !sc_self->request) {
		return;
	}
	for (i = 0; i < sc_self->request->header_count; i++) {
		const sc_pair *header = &sc_self->request->headers[i];
		zend_string *name = sc_canonical_name(header->name);
		zval value;

		ZVAL_STRINGL(&value, header->value.data, header->value.len);
		zend_symtable_update(Z_ARRVAL_P(return_value), name, &value);
		zend_string_release(name);
	}
}

PHP_FUNCTION(frankenphp_response_headers)
{
	zend_llist_position position;
	sapi_header_struct *header;

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	for (header = zend_llist_get_first_ex(&SG(sapi_headers).headers, &position); header;
			header = zend_llist_get_next_ex(&SG(sapi_headers).headers, &position)) {
		sc_pair pair;
		zval item;

		if (sc_split_header(header, &pair)) {
			ZVAL_STRINGL(&item, pair.value.data, pair.value.len);
			zend_symtable_str_update(Z_ARRVAL_P(return_value), pair.name.data, pair.name.len, &item);
		}
	}
}

PHP_MINFO_FUNCTION(supercharger)
{
	(void)zend_module;
	php_info_print_table_start();
	php_info_print_table_row(2, "supercharger", "enabled");
	php_info_print_table_row(2, "version", SC_VERSION);
	php_info_print_table_end();
}

zend_module_entry supercharger_module_entry = {
	STANDARD_MODULE_HEADER,
	"supercharger",
	supercharger_functions,
	NULL, /* MINIT: sc_engine.c does what must be done once */
	NULL,
	NULL,
	NULL,
	PHP_MINFO(supercharger),
	SC_VERSION,
	STANDARD_MODULE_PROPERTIES
};

zend_module_entry supercharger_cli_module_entry = {
	STANDARD_MODULE_HEADER,
	"supercharger",
	supercharger_cli_functions,
	NULL,
	NULL,
	NULL,
	NULL,
	PHP_MINFO(supercharger),
	SC_VERSION,
	STANDARD_MODULE_PROPERTIES
};
