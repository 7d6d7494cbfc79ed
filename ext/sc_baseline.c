/*
 * What the boundary puts back: pieces of process and thread state that a request may change and that PHP would restore at the
 * end of a script. Here the script does not end, so the state at the start of the loop is the measure.
 *
 * Two kinds of ini settings stay as the request left them. Those of ext/session: Symfony sets session.save_path once, when
 * the first session is opened, and never again. And what the application had set before the loop is put back to that
 * value, not to php.ini's.
 *
 * umask and locale belong to the process, not to the thread: they are put back, but requests that run at the same time see
 * each other's.
 */
#include "sc_internal.h"
#include "ext/standard/php_assert.h"
#include "ext/standard/url_scanner_ex.h"
#include <locale.h>
#include <sys/stat.h>

typedef struct sc_handlers {
	zval current;
	zval *stack;
	int depth;
} sc_handlers;

struct sc_baseline {
	HashTable ini;                  /* name -> value, of settings changed before the loop */
	sc_handlers errors;
	sc_handlers exceptions;
	int error_reporting;            /* mask of the current error handler */
	int *error_reportings;          /* masks of those below it */
	zend_string *timezone;
	char *cwd;
	char *locale;
	zend_string *ctype;
	bool locale_changed;
	size_t tick_functions;
	zval env;                       /* $_ENV, UNDEF if no code had named it */
	sc_modules *modules;
	sc_streams *streams;
};

/* ---- ini ---- */

static void sc_take_ini(sc_baseline *base)
{
	zend_string *name;
	zend_ini_entry *entry;

	zend_hash_init(&base->ini, 8, NULL, ZVAL_PTR_DTOR, 0);
	if (!EG(modified_ini_directives)) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_PTR(EG(modified_ini_directives), name, entry) {
		zval value;

		if (entry->value) {
			ZVAL_STR_COPY(&value, entry->value);
		} else {
			ZVAL_EMPTY_STRING(&value);
		}
		zend_hash_update(&base->ini, name, &value);
	} ZEND_HASH_FOREACH_END();
}

/*
 * The stage is that of the end of a script. A setting may not be loosened while one runs (open_basedir), or not be switched on again
 * (opcache.enable), and max_execution_time would start the clock.
 */
static void sc_restore_ini(sc_baseline *base)
{
	zend_string *name;
	zval *value;

	if (!EG(modified_ini_directives)) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY(EG(modified_ini_directives), name) {
		if (!zend_string_starts_with_literal(name, "session.") && !zend_hash_exists(&base->ini, name)) {
			zend_restore_ini_entry(name, ZEND_INI_STAGE_DEACTIVATE);
		}
	} ZEND_HASH_FOREACH_END();
	ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(&base->ini, name, value) {
		zend_ini_entry *entry = zend_hash_find_ptr(EG(ini_directives), name);

		if (entry && (!entry->value || !zend_string_equals(entry->value, Z_STR_P(value)))
				&& !zend_string_starts_with_literal(name, "session.")) {
			zend_alter_ini_entry_ex(name, Z_STR_P(value), ZEND_INI_USER, ZEND_INI_STAGE_DEACTIVATE, true);
		}
	} ZEND_HASH_FOREACH_END();
}

/* ---- error and exception handlers ---- */

static void sc_take_handlers(sc_handlers *into, const zval *current, const zend_stack *stack)
{
	const zval *elements = zend_stack_base(stack);
	int i;

	ZVAL_COPY(&into->current, current);
	into->depth = zend_stack_count(stack);
	into->stack = into->depth ? safe_emalloc((size_t)into->depth, sizeof(zval), 0) : NULL;
	for (i = 0; i < into->depth; i++) {
		ZVAL_COPY(&into->stack[i], &elements[i]);
	}
}

static bool sc_same_handler(const zval *a, const zval *b)
{
	return Z_TYPE_P(a) == Z_TYPE_P(b) && (!Z_REFCOUNTED_P(a) || Z_COUNTED_P(a) == Z_COUNTED_P(b));
}

static bool sc_same_handlers(const sc_handlers *base, const zval *current, const zend_stack *stack)
{
	const zval *elements = zend_stack_base(stack);
	int i;

	if (base->depth != zend_stack_count(stack) || !sc_same_handler(&base->current, current)) {
		return false;
	}
	for (i = 0; i < base->depth; i++) {
		if (!sc_same_handler(&base->stack[i], &elements[i])) {
			return false;
		}
	}
	return true;
}

static void sc_restore_handlers(const sc_handlers *base, zval *current, zend_stack *stack)
{
	zval old;
	int i;

	ZVAL_COPY_VALUE(&old, current);
	ZVAL_COPY(current, &base->current);
	zval_ptr_dtor(&old);
	zend_stack_clean(stack, (void (*)(void *))ZVAL_PTR_DTOR, true);
	for (i = 0; i < base->depth; i++) {
		Z_TRY_ADDREF(base->stack[i]);
		zend_stack_push(stack, &base->stack[i]);
	}
}

static void sc_take_error_masks(sc_baseline *base)
{
	const int *masks = zend_stack_base(&EG(user_error_handlers_error_reporting));
	size_t count = (size_t)zend_stack_count(&EG(user_error_handlers_error_reporting));

	base->error_reporting = EG(user_error_handler_error_reporting);
	base->error_reportings = count ? safe_emalloc(count, sizeof(int), 0) : NULL;
	if (count) {
		memcpy(base->error_reportings, masks, count * sizeof(int));
	}
}

static void sc_restore_all_handlers(sc_baseline *base)
{
	int i;

	EG(user_error_handler_error_reporting) = base->error_reporting;
	if (!sc_same_handlers(&base->errors, &EG(user_error_handler), &EG(user_error_handlers))) {
		sc_restore_handlers(&base->errors, &EG(user_error_handler), &EG(user_error_handlers));
		zend_stack_clean(&EG(user_error_handlers_error_reporting), NULL, true);
		for (i = 0; i < base->errors.depth; i++) {
			zend_stack_push(&EG(user_error_handlers_error_reporting), &base->error_reportings[i]);
		}
	}
	if (!sc_same_handlers(&base->exceptions, &EG(user_exception_handler), &EG(user_exception_handlers))) {
		sc_restore_handlers(&base->exceptions, &EG(user_exception_handler), &EG(user_exception_handlers));
	}
}

static void sc_free_handlers(sc_handlers *handlers)
{
	int i;

	zval_ptr_dtor(&handlers->current);
	for (i = 0; i < handlers->depth; i++) {
		zval_ptr_dtor(&handlers->stack[i]);
	}
	if (handlers->stack) {
		efree(handlers->stack);
	}
}

/* ---- the rest ---- */

static bool sc_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* ext/date keeps its globals to itself, so it is asked as a script would. Returns NULL if there is no such function. */
static zend_string *sc_timezone(void)
{
	zend_function *get = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("date_default_timezone_get"));
	zval zone;

	if (!get) {
		return NULL;
	}
	zend_call_known_function(get, NULL, NULL, &zone, 0, NULL, NULL);
	return Z_TYPE(zone) == IS_STRING ? Z_STR(zone) : NULL;
}

static void sc_restore_timezone(const sc_baseline *base)
{
	zend_string *now = sc_timezone();

	if (now && base->timezone && !zend_string_equals(now, base->timezone)) {
		zend_function *set = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("date_default_timezone_set"));
		zval argument, result;

		ZVAL_STR(&argument, base->timezone);
		zend_call_known_function(set, NULL, NULL, &result, 1, &argument, NULL);
	}
	if (now) {
		zend_string_release(now);
	}
}

static void sc_restore_locale(const sc_baseline *base)
{
	if (!BG(locale_changed)) {
		return;
	}
	setlocale(LC_ALL, base->locale);
	zend_update_current_locale();
	if (BG(ctype_string)) {
		zend_string_release_ex(BG(ctype_string), 0);
	}
	BG(ctype_string) = base->ctype ? zend_string_copy(base->ctype) : NULL;
	BG(locale_changed) = 0;
}

static void sc_restore_umask(void)
{
	if (BG(umask) != -1) {
		umask((mode_t)BG(umask));
		BG(umask) = -1;
	}
}

static size_t sc_tick_functions(void)
{
	return BG(user_tick_functions) ? zend_llist_count(BG(user_tick_functions)) : 0;
}

/*
 * Those of the boot stay. The list does as well, even if it is empty: PHP puts it among its own tick functions when it makes
 * it, so that a second list would be run twice.
 */
static void sc_drop_tick_functions(const sc_baseline *base)
{
	while (sc_tick_functions() > base->tick_functions) {
		zend_llist_remove_tail(BG(user_tick_functions));
	}
}

/* What strtok() has left of its string. */
static void sc_drop_strtok(void)
{
	if (BG(strtok_string)) {
		zend_string_release(BG(strtok_string));
		BG(strtok_string) = NULL;
		BG(strtok_last) = NULL;
		BG(strtok_len) = 0;
	}
}

/* output_add_rewrite_var(): names and values of the former request, and an output handler that thinks it still runs. */
static void sc_drop_rewrite_vars(void)
{
#ifndef SC_LIBPHP_SHARED
	PHP_RSHUTDOWN(url_scanner_ex)(MODULE_PERSISTENT, 0);
#endif
}

/* assert_options(ASSERT_CALLBACK), which is not an ini setting; assert.callback is, and takes its place again. */
static void sc_drop_assert_callback(void)
{
#ifndef SC_LIBPHP_SHARED
	PHP_RSHUTDOWN(assert)(MODULE_PERSISTENT, 0);
#endif
}

/* ---- $_ENV ---- */

/* Written once, when some code first names it. What the boot has added is the application's own. */
static void sc_take_env_array(sc_baseline *base)
{
	zval *env = zend_hash_str_find_deref(&EG(symbol_table), ZEND_STRL("_ENV"));

	ZVAL_UNDEF(&base->env);
	if (env) {
		ZVAL_COPY(&base->env, env);
	}
}

static void sc_restore_env_array(const sc_baseline *base)
{
	const zval *was = Z_ISUNDEF(base->env) ? &PG(http_globals)[TRACK_VARS_ENV] : &base->env;
	zval *now = zend_hash_str_find_deref(&EG(symbol_table), ZEND_STRL("_ENV"));
	zval copy;

	if (Z_TYPE_P(was) != IS_ARRAY || (!now && Z_ISUNDEF(base->env))) {
		return;
	}
	if (!now || Z_TYPE_P(now) != IS_ARRAY || Z_ARR_P(now) != Z_ARR_P(was)) {
		ZVAL_COPY(&copy, was);
		zend_hash_str_update(&EG(symbol_table), ZEND_STRL("_ENV"), &copy);
	}
}

sc_baseline *sc_baseline_take(void)
{
	sc_baseline *base = ecalloc(1, sizeof(*base));

	sc_take_ini(base);
	sc_take_handlers(&base->errors, &EG(user_error_handler), &EG(user_error_handlers));
	sc_take_handlers(&base->exceptions, &EG(user_exception_handler), &EG(user_exception_handlers));
	sc_take_error_masks(base);
	base->timezone = sc_timezone();
	base->cwd = estrdup(CWDG(cwd).cwd ? CWDG(cwd).cwd : "");
	base->locale = estrdup(setlocale(LC_ALL, NULL));
	base->ctype = BG(ctype_string) ? zend_string_copy(BG(ctype_string)) : NULL;
	base->locale_changed = BG(locale_changed);
	/* From here on the flag and the mask tell what requests do. What the boot has set is the application's own. */
	BG(locale_changed) = 0;
	BG(umask) = -1;
	base->tick_functions = sc_tick_functions();
	sc_take_env_array(base);
	sc_env_take();
	base->streams = sc_streams_take();
	base->modules = sc_modules_take();
	return base;
}

/* ---- what has changed, before it is put back ---- */

static void sc_compare_ini(const sc_baseline *base, void *to, sc_changed changed)
{
	zend_string *name;
	zend_ini_entry *entry;

	if (!EG(modified_ini_directives)) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_PTR(EG(modified_ini_directives), name, entry) {
		const zval *was = zend_hash_find(&base->ini, name);
		const zend_string *before = was ? Z_STR_P(was) : entry->orig_value;
		bool same = before && entry->value ? zend_string_equals(before, entry->value)
			: (!before || ZSTR_LEN(before) == 0) && (!entry->value || ZSTR_LEN(entry->value) == 0);

		if (!same && !zend_string_starts_with_literal(name, "session.")) {
			changed(to, SC_DRIFT_INI, ZSTR_VAL(name));
		}
	} ZEND_HASH_FOREACH_END();
}

/* PHP notes the first mask that it sees, also if a script only asks; so the kernel is asked what it is now. Linux 4.7. */
static bool sc_umask_changed(void)
{
	char line[256];
	unsigned int now = 0;
	bool changed = false;
	FILE *status;

	if (BG(umask) == -1) {
		return false;
	}
	status = fopen("/proc/thread-self/status", "re");
	while (status && fgets(line, sizeof(line), status)) {
		if (sscanf(line, "Umask: %o", &now) == 1) {
			changed = now != (unsigned int)BG(umask);
			break;
		}
	}
	if (status) {
		fclose(status);
	}
	return changed;
}

void sc_baseline_compare(const sc_baseline *base, void *to, sc_changed changed)
{
	zend_string *zone = sc_timezone();

	sc_compare_ini(base, to, changed);
	if (zone && base->timezone && !zend_string_equals(zone, base->timezone)) {
		changed(to, SC_DRIFT_TIMEZONE, "default timezone");
	}
	if (zone) {
		zend_string_release(zone);
	}
	if (BG(locale_changed) && !sc_same_text(setlocale(LC_ALL, NULL), base->locale)) {
		changed(to, SC_DRIFT_LOCALE, "locale");
	}
	if (!sc_same_text(CWDG(cwd).cwd, base->cwd)) {
		changed(to, SC_DRIFT_CWD, "working directory");
	}
	if (sc_umask_changed()) {
		changed(to, SC_DRIFT_UMASK, "umask");
	}
	if (!sc_same_handlers(&base->errors, &EG(user_error_handler), &EG(user_error_handlers))) {
		changed(to, SC_DRIFT_ERROR_HANDLER, "error handler");
	}
	if (!sc_same_handlers(&base->exceptions, &EG(user_exception_handler), &EG(user_exception_handlers))) {
		changed(to, SC_DRIFT_EXCEPTION_HANDLER, "exception handler");
	}
}

void sc_baseline_restore(sc_baseline *base)
{
	if (!SC_RESETS) {
		return;
	}
	sc_restore_ini(base);
	sc_restore_all_handlers(base);
	sc_restore_timezone(base);
	if (!sc_same_text(CWDG(cwd).cwd, base->cwd)) {
		VCWD_CHDIR(base->cwd);
	}
	sc_restore_locale(base);
	sc_restore_umask();
	sc_drop_tick_functions(base);
	sc_env_restore();
	sc_restore_env_array(base);
	sc_drop_strtok();
	sc_drop_rewrite_vars();
	sc_drop_assert_callback();
	sc_streams_restore(base->streams);
	sc_modules_restore(base->modules);
	zend_memory_reset_peak_usage();
}

void sc_baseline_free(sc_baseline *base)
{
	/* The end of the script resets the locale if the boot had changed it. */
	BG(locale_changed) = BG(locale_changed) || base->locale_changed;
	zend_hash_destroy(&base->ini);
	sc_free_handlers(&base->errors);
	sc_free_handlers(&base->exceptions);
	if (base->error_reportings) {
		efree(base->error_reportings);
	}
	if (base->timezone) {
		zend_string_release(base->timezone);
	}
	if (base->ctype) {
		zend_string_release_ex(base->ctype, 0);
	}
	zval_ptr_dtor(&base->env);
	sc_streams_free(base->streams);
	sc_modules_free(base->modules);
	efree(base->cwd);
	efree(base->locale);
	efree(base);
}
