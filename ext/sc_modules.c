/*
 * What PHP's extensions keep for themselves between two requests, put back as their own RSHUTDOWN and RINIT would, but to
 * what the application had set before the loop. docs/worker-mode.md lists it module by module.
 *
 * Most extensions hide their globals, so their settings are asked for and put back as a script would: by calling their functions.
 * That is done for what a request has touched (sc_watch.c); what any function may leave behind, such as the last error of
 * libxml, is cleared each time.
 */
#include "sc_internal.h"
#include "ext/json/php_json.h"
#include "ext/pcre/php_pcre.h"
#include "ext/random/php_random.h"

#ifndef SC_LIBPHP_SHARED
# include "ext/date/php_date.h"
# if defined(HAVE_MBSTRING) && !defined(COMPILE_DL_MBSTRING)
#  include "ext/mbstring/mbstring.h"
#  define SC_MBSTRING 1
ZEND_EXTERN_MODULE_GLOBALS(mbstring)
# endif
ZEND_EXTERN_MODULE_GLOBALS(date)
#endif

/* Errors that OpenSSL's extension keeps at most; it is a ring of 16. */
#define SC_OPENSSL_ERRORS 16

/* Settings whose function gives the value without arguments and takes it back as its only argument. */
typedef struct sc_setting {
	const char *function;
	uint32_t touched_by;
} sc_setting;

static const sc_setting sc_settings[] = {
	{"mb_internal_encoding", SC_TOUCHED_MBSTRING},
	{"mb_http_output", SC_TOUCHED_MBSTRING},
	{"mb_detect_order", SC_TOUCHED_MBSTRING},
	{"mb_substitute_character", SC_TOUCHED_MBSTRING},
	{"mb_regex_encoding", SC_TOUCHED_MBSTRING},
	{"mb_regex_set_options", SC_TOUCHED_MBSTRING},
	{"libxml_use_internal_errors", SC_TOUCHED_LIBXML},
	{"spl_autoload_extensions", SC_TOUCHED_SPL},
	{"pcntl_async_signals", SC_TOUCHED_SIGNALS},
};

#define SC_SETTINGS (sizeof(sc_settings) / sizeof(sc_settings[0]))

struct sc_modules {
	zval settings[SC_SETTINGS];     /* UNDEF where there is no such function */
	zval entity_loader;
	zval libxml_context;
	zval mysqli_report;
	bool soap_error_handler;
	sc_signals *signals;
	/* NULL where the extension is not there. */
	zend_module_entry *mbstring, *libxml, *gmp, *intl, *mysqli;
	zend_function *clear_libxml_errors, *intl_error, *openssl_error, *clear_socket_error, *mysqli_connect_errno;
};

static zend_module_entry *sc_module(const char *name)
{
	return zend_hash_str_find_ptr(&module_registry, name, strlen(name));
}

static void sc_module_begins(zend_module_entry *module)
{
	if (module && module->request_startup_func) {
		module->request_startup_func(module->type, module->module_number);
	}
}

static void sc_module_ends(zend_module_entry *module)
{
	if (module && module->request_shutdown_func) {
		module->request_shutdown_func(module->type, module->module_number);
	}
}

static zend_function *sc_function(const char *name)
{
	return zend_hash_str_find_ptr(CG(function_table), name, strlen(name));
}

/* Calls a function if there is one; result is NULL otherwise, and must be freed. */
static void sc_call(zend_function *function, zval *result, uint32_t count, zval *arguments)
{
	ZVAL_NULL(result);
	if (function) {
		zend_call_known_function(function, NULL, NULL, result, count, arguments, NULL);
	}
}

static void sc_do(zend_function *function, uint32_t count, zval *arguments)
{
	zval result;

	sc_call(function, &result, count, arguments);
	zval_ptr_dtor(&result);
}

/* ---- libxml ---- */

#if defined(HAVE_LIBXML) && !defined(SC_LIBPHP_SHARED)
/* Of php_libxml.h, which cannot be included without the headers of libxml itself. */
void php_libxml_switch_context(zval *context, zval *oldcontext);
#else
static void php_libxml_switch_context(zval *context, zval *oldcontext)
{
	(void)context;
	(void)oldcontext;
}
#endif

/* The end of a request drops the streams context without letting go of it, because all resources go then. */
static void sc_restore_libxml(sc_modules *base)
{
	zval old;

	if (!base->libxml) {
		return;
	}
	ZVAL_UNDEF(&old);
	php_libxml_switch_context(NULL, &old);
	base->libxml->post_deactivate_func();
	/* Turns the entity loader on and sets the error functions of this thread again. */
	sc_module_begins(base->libxml);
	Z_TRY_ADDREF(base->libxml_context);
	php_libxml_switch_context(&base->libxml_context, NULL);
	zval_ptr_dtor(&old);
	sc_do(sc_function("libxml_set_external_entity_loader"), 1, &base->entity_loader);
}

/* ---- mysqli ---- */

static void sc_mysqli_report(sc_modules *base)
{
	zend_class_entry *driver = zend_hash_str_find_ptr(CG(class_table), ZEND_STRL("mysqli_driver"));
	zval object, value;

	ZVAL_UNDEF(&base->mysqli_report);
	if (driver && object_init_ex(&object, driver) == SUCCESS) {
		ZVAL_COPY(&base->mysqli_report,
			zend_read_property(driver, Z_OBJ(object), ZEND_STRL("report_mode"), true, &value));
		zval_ptr_dtor(&object);
	}
}

/* The extension begins a request with the report mode of PHP; there is no other way to forget the last connection error. */
static void sc_restore_mysqli(sc_modules *base)
{
	sc_module_ends(base->mysqli);
	sc_module_begins(base->mysqli);
	sc_do(sc_function("mysqli_report"), 1, &base->mysqli_report);
}

/* ---- soap ---- */

static bool sc_soap_error_handler(bool set)
{
	zval argument, result;

	ZVAL_BOOL(&argument, set);
	sc_call(sc_function("use_soap_error_handler"), &result, 1, &argument);
	return Z_TYPE(result) == IS_TRUE;
}

/* ---- what any function may leave ---- */

static void sc_forget_date_errors(void)
{
#ifndef SC_LIBPHP_SHARED
	if (DATEG(last_errors)) {
		timelib_error_container_dtor(DATEG(last_errors));
		DATEG(last_errors) = NULL;
	}
#endif
}

static void sc_forget_openssl_errors(sc_modules *base)
{
	zval result;
	int i;

	for (i = 0; base->openssl_error && i < SC_OPENSSL_ERRORS; i++) {
		sc_call(base->openssl_error, &result, 0, NULL);
		if (Z_TYPE(result) != IS_STRING) {
			return;
		}
		zval_ptr_dtor(&result);
	}
}

static void sc_forget_errors(sc_modules *base)
{
	zval result;

	JSON_G(error_code) = PHP_JSON_ERROR_NONE;
	PCRE_G(error_code) = 0;
	sc_forget_date_errors();
	sc_do(base->clear_libxml_errors, 0, NULL);
	sc_do(base->clear_socket_error, 0, NULL);
	sc_forget_openssl_errors(base);
	sc_call(base->intl_error, &result, 0, NULL);
	if (Z_TYPE(result) == IS_LONG && Z_LVAL(result) != 0) {
		sc_module_ends(base->intl);
	}
	sc_call(base->mysqli_connect_errno, &result, 0, NULL);
	if (Z_TYPE(result) == IS_LONG && Z_LVAL(result) != 0) {
		sc_self->touched |= SC_TOUCHED_MYSQLI;
	}
#ifdef SC_MBSTRING
	MBSTRG(illegalchars) = 0;
#endif
}

/* ---- all ---- */

sc_modules *sc_modules_take(void)
{
	sc_modules *base = ecalloc(1, sizeof(*base));
	size_t i;

	for (i = 0; i < SC_SETTINGS; i++) {
		zend_function *function = sc_function(sc_settings[i].function);
		if (function) {
			sc_call(function, &base->settings[i], 0, NULL);
		}
	}
	sc_call(sc_function("libxml_get_external_entity_loader"), &base->entity_loader, 0, NULL);
	php_libxml_switch_context(NULL, &base->libxml_context);
	Z_TRY_ADDREF(base->libxml_context);
	sc_mysqli_report(base);
	base->soap_error_handler = sc_soap_error_handler(true);
	sc_soap_error_handler(base->soap_error_handler);
	base->mbstring = sc_module("mbstring");
	base->libxml = sc_module("libxml");
	base->gmp = sc_module("gmp");
	base->intl = sc_module("intl");
	base->mysqli = sc_module("mysqli");
	base->clear_libxml_errors = sc_function("libxml_clear_errors");
	base->intl_error = sc_function("intl_get_error_code");
	base->openssl_error = sc_function("openssl_error_string");
	base->clear_socket_error = sc_function("socket_clear_error");
	base->mysqli_connect_errno = sc_function("mysqli_connect_errno");
	base->signals = sc_signals_take();
	sc_self->touched = 0;
	return base;
}

void sc_modules_restore(sc_modules *base)
{
	uint32_t touched;
	size_t i;

	/* A request that seeds a generator must not make the next one predictable. */
	RANDOM_G(mt19937_seeded) = false;
	sc_module_ends(base->gmp);
	sc_forget_errors(base);
	touched = sc_self->touched;
	if (touched == 0) {
		return;
	}
	if (touched & SC_TOUCHED_MBSTRING) {
		sc_module_ends(base->mbstring);
		sc_module_begins(base->mbstring);
	}
	if (touched & SC_TOUCHED_LIBXML) {
		sc_restore_libxml(base);
	}
	for (i = 0; i < SC_SETTINGS; i++) {
		if ((touched & sc_settings[i].touched_by) && !Z_ISUNDEF(base->settings[i])) {
			sc_do(sc_function(sc_settings[i].function), 1, &base->settings[i]);
		}
	}
	if (touched & SC_TOUCHED_SIGNALS) {
		sc_signals_restore(base->signals);
	}
	if (touched & SC_TOUCHED_MYSQLI) {
		sc_restore_mysqli(base);
	}
	if (touched & SC_TOUCHED_SOAP) {
		sc_soap_error_handler(base->soap_error_handler);
	}
	sc_self->touched = 0;
}

void sc_modules_free(sc_modules *base)
{
	size_t i;

	for (i = 0; i < SC_SETTINGS; i++) {
		zval_ptr_dtor(&base->settings[i]);
	}
	zval_ptr_dtor(&base->entity_loader);
	zval_ptr_dtor(&base->libxml_context);
	zval_ptr_dtor(&base->mysqli_report);
	sc_signals_free(base->signals);
	efree(base);
}
