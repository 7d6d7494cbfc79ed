/*
 * The environment that PHP sees: a snapshot of the process environment and the configured additions, made once, as
 * permanent interned strings, so that threads share it without locks and without touching the C environment.
 */
#include "sc_internal.h"

typedef struct sc_env_entry {
	zend_string *name;
	zend_string *value;
} sc_env_entry;

static sc_env_entry *sc_env;
static size_t sc_env_count;

/* The part of it that configuration has added. */
static sc_env_entry *sc_app_env;
static size_t sc_app_env_count;

/* The same until the engine can make strings: php.ini is read before that, and may name variables. */
static const sc_pair *sc_env_given;
static size_t sc_env_given_count;

void sc_env_starting(const sc_engine_config *config)
{
	sc_env_given = config->env;
	sc_env_given_count = config->env_count;
}

static sc_env_entry *sc_env_entries(const sc_pair *pairs, size_t count)
{
	sc_env_entry *entries = pecalloc(count ? count : 1, sizeof(sc_env_entry), 1);
	size_t i;

	for (i = 0; i < count; i++) {
		entries[i].name = zend_string_init_interned(pairs[i].name.data, pairs[i].name.len, 1);
		entries[i].value = zend_string_init_interned(pairs[i].value.data, pairs[i].value.len, 1);
	}
	return entries;
}

void sc_env_minit(const sc_engine_config *config)
{
	sc_env_given_count = 0;
	sc_env_count = config->env_count;
	sc_env = sc_env_entries(config->env, config->env_count);
	sc_app_env_count = config->app_env_count;
	sc_app_env = sc_env_entries(config->app_env, config->app_env_count);
}

/* ---- what putenv() has changed on this thread ---- */

static void sc_env_change_free(zval *change)
{
	if (Z_TYPE_P(change) == IS_STRING) {
		zend_string_release_ex(Z_STR_P(change), 1);
	}
}

void sc_env_thread_init(sc_thread *self)
{
	zend_hash_init(&self->env_changes, 8, NULL, sc_env_change_free, 1);
	zend_hash_init(&self->env_boot, 8, NULL, sc_env_change_free, 1);
}

void sc_env_thread_free(sc_thread *self)
{
	zend_hash_destroy(&self->env_changes);
	zend_hash_destroy(&self->env_boot);
}

static void sc_env_copy(HashTable *from, HashTable *to)
{
	zend_string *name;
	zval *change;

	zend_hash_clean(to);
	ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(from, name, change) {
		if (Z_TYPE_P(change) == IS_STRING) {
			Z_ADDREF_P(change);
		}
		zend_hash_update(to, name, change);
	} ZEND_HASH_FOREACH_END();
}

/* What the boot has put into the environment stays there for every request. */
void sc_env_take(void)
{
	sc_env_copy(&sc_self->env_changes, &sc_self->env_boot);
	sc_self->env_touched = false;
}

/* Names that a request has set, changed or removed. */
void sc_env_compare(void *to, sc_changed changed)
{
	zend_string *name;
	zval *change;

	if (!sc_self->env_touched) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(&sc_self->env_changes, name, change) {
		const zval *was = zend_hash_find(&sc_self->env_boot, name);
		if (!was || Z_TYPE_P(was) != Z_TYPE_P(change)
				|| (Z_TYPE_P(was) == IS_STRING && !zend_string_equals(Z_STR_P(was), Z_STR_P(change)))) {
			changed(to, SC_DRIFT_ENV, ZSTR_VAL(name));
		}
	} ZEND_HASH_FOREACH_END();
}

void sc_env_restore(void)
{
	if (sc_self->env_touched) {
		sc_env_copy(&sc_self->env_boot, &sc_self->env_changes);
		sc_self->env_touched = false;
	}
}

/* The script has ended. */
void sc_env_forget(void)
{
	zend_hash_clean(&sc_self->env_changes);
	zend_hash_clean(&sc_self->env_boot);
	sc_self->env_touched = false;
}

/* ---- what a script sees ---- */

static const char *sc_env_find_pair(const sc_pair *pairs, size_t count, const char *name, size_t len, size_t *value_len)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (pairs[i].name.len == len && memcmp(pairs[i].name.data, name, len) == 0) {
			*value_len = pairs[i].value.len;
			return pairs[i].value.data;
		}
	}
	return NULL;
}

static const char *sc_env_find(const char *name, size_t len, size_t *value_len)
{
	const char *value = NULL;
	size_t i;

	if (sc_self) {
		value = sc_env_find_pair(sc_self->worker->boot_env, sc_self->worker->boot_env_count, name, len, value_len);
	}
	if (!value) {
		value = sc_env_find_pair(sc_env_given, sc_env_given_count, name, len, value_len);
	}
	if (value) {
		return value;
	}
	for (i = 0; i < sc_env_count; i++) {
		if (zend_string_equals_cstr(sc_env[i].name, name, len)) {
			*value_len = ZSTR_LEN(sc_env[i].value);
			return ZSTR_VAL(sc_env[i].value);
		}
	}
	return NULL;
}

/* Fills $_SERVER, $_ENV or the array of getenv(). The boot additions belong to a worker script only while it boots. */
void sc_env_import(zval *array)
{
	HashTable *table = Z_ARRVAL_P(array);
	zend_string *name;
	zval *change;
	zval value;
	size_t i;

	for (i = 0; i < sc_env_count; i++) {
		ZVAL_INTERNED_STR(&value, sc_env[i].value);
		zend_symtable_update(table, sc_env[i].name, &value);
	}
	if (!sc_self) {
		return;
	}
	for (i = 0; !sc_self->request && i < sc_self->worker->boot_env_count; i++) {
		const sc_pair *pair = &sc_self->worker->boot_env[i];
		ZVAL_STRINGL(&value, pair->value.data, pair->value.len);
		zend_symtable_str_update(table, pair->name.data, pair->name.len, &value);
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(&sc_self->env_changes, name, change) {
		if (Z_TYPE_P(change) == IS_STRING) {
			ZVAL_STRINGL(&value, Z_STRVAL_P(change), Z_STRLEN_P(change));
			zend_symtable_str_update(table, ZSTR_VAL(name), ZSTR_LEN(name), &value);
		} else {
			zend_symtable_str_del(table, ZSTR_VAL(name), ZSTR_LEN(name));
		}
	} ZEND_HASH_FOREACH_END();
}

/* What the operator has configured wins over what the client and the connection say, whatever putenv() has done. */
void sc_env_configured(HashTable *server)
{
	zval value;
	size_t i;

	for (i = 0; i < sc_app_env_count; i++) {
		ZVAL_INTERNED_STR(&value, sc_app_env[i].value);
		zend_symtable_update(server, sc_app_env[i].name, &value);
	}
}

/* For the engine's own look-ups, such as ${NAME} in a php.ini, before any thread is there. sapi_getenv() copies the result. */
char *sc_env_get(const char *name, size_t len)
{
	size_t value_len;

	return (char *)sc_env_find(name, len, &value_len);
}

/* ---- getenv() and putenv() ---- */

/*
 * PHP's own functions change the environment of the process, which all threads share and which C libraries read without a
 * lock. Ours keep the changes to the thread. A process that PHP starts gets the environment of the server, unless
 * proc_open() is given another one, as Symfony's Process does.
 */
static zif_handler sc_php_getenv, sc_php_putenv;

static ZEND_NAMED_FUNCTION(sc_getenv)
{
	zend_string *name = NULL;
	bool local_only = false;
	const char *value;
	size_t len;
	zval *change;

	if (!sc_self || sc_forked) {
		sc_php_getenv(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	ZEND_PARSE_PARAMETERS_START(0, 2)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(name)
		Z_PARAM_BOOL(local_only)
	ZEND_PARSE_PARAMETERS_END();
	(void)local_only;

	if (!name) {
		array_init(return_value);
		sc_env_import(return_value);
		return;
	}
	change = zend_hash_find(&sc_self->env_changes, name);
	if (change) {
		if (Z_TYPE_P(change) == IS_STRING) {
			RETURN_STRINGL(Z_STRVAL_P(change), Z_STRLEN_P(change));
		}
		RETURN_FALSE;
	}
	value = sc_env_find(ZSTR_VAL(name), ZSTR_LEN(name), &len);
	if (value) {
		RETURN_STRINGL(value, len);
	}
	RETURN_FALSE;
}

static ZEND_NAMED_FUNCTION(sc_putenv)
{
	char *setting, *equals;
	size_t len, name_len;
	zend_string *name;
	zval change;

	if (!sc_self || sc_forked) {
		sc_php_putenv(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STRING(setting, len)
	ZEND_PARSE_PARAMETERS_END();

	if (len == 0 || setting[0] == '=') {
		zend_argument_value_error(1, "must have a valid syntax");
		RETURN_THROWS();
	}
	/* As in C, a NUL byte ends the setting. */
	len = strlen(setting);
	equals = memchr(setting, '=', len);
	name_len = equals ? (size_t)(equals - setting) : len;
	name = zend_string_init(setting, name_len, 1);
	GC_MAKE_PERSISTENT_LOCAL(name);
	if (equals) {
		ZVAL_NEW_STR(&change, zend_string_init(equals + 1, len - name_len - 1, 1));
		GC_MAKE_PERSISTENT_LOCAL(Z_STR(change));
	} else {
		ZVAL_NULL(&change);
	}
	zend_hash_update(&sc_self->env_changes, name, &change);
	zend_string_release_ex(name, 1);
	sc_self->env_touched = true;
	RETURN_TRUE;
}

/* Puts ours in the place of a function of PHP's, which is returned. It must exist. */
zif_handler sc_replace(const char *name, size_t len, zif_handler handler)
{
	zend_internal_function *function = zend_hash_str_find_ptr(CG(function_table), name, len);
	zif_handler before = function->handler;

	function->handler = handler;
	return before;
}

/* Must run before the function table is copied for other threads. */
void sc_env_functions(void)
{
	sc_php_getenv = sc_replace(ZEND_STRL("getenv"), sc_getenv);
	sc_php_putenv = sc_replace(ZEND_STRL("putenv"), sc_putenv);
	php_import_environment_variables = sc_env_import;
}
