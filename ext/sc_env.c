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

void sc_env_minit(const sc_engine_config *config)
{
	size_t i;

	sc_env_count = config->env_count;
	sc_env = pecalloc(sc_env_count ? sc_env_count : 1, sizeof(sc_env_entry), 1);
	for (i = 0; i < sc_env_count; i++) {
		const sc_pair *pair = &config->env[i];
		sc_env[i].name = zend_string_init_interned(pair->name.data, pair->name.len, 1);
		sc_env[i].value = zend_string_init_interned(pair->value.data, pair->value.len, 1);
	}
}

/* Fills $_SERVER or $_ENV. The boot additions belong to a worker script only while it boots. */
void sc_env_import(zval *array)
{
	HashTable *table = Z_ARRVAL_P(array);
	size_t i;
	zval value;

	for (i = 0; i < sc_env_count; i++) {
		ZVAL_INTERNED_STR(&value, sc_env[i].value);
		zend_symtable_update(table, sc_env[i].name, &value);
	}
	if (sc_self && !sc_self->request) {
		for (i = 0; i < sc_self->worker->boot_env_count; i++) {
			const sc_pair *pair = &sc_self->worker->boot_env[i];
			ZVAL_STRINGL(&value, pair->value.data, pair->value.len);
			zend_symtable_str_update(table, pair->name.data, pair->name.len, &value);
		}
	}
}

/*
 * getenv() of PHP for the names that exist only here. Whatever the C environment knows, putenv() included, is left to
 * PHP's own lookup. sapi_getenv() copies the result.
 */
char *sc_env_get(const char *name, size_t len)
{
	bool known;
	size_t i;

	tsrm_env_lock();
	known = getenv(name) != NULL;
	tsrm_env_unlock();
	if (known) {
		return NULL;
	}
	if (sc_self) {
		for (i = 0; i < sc_self->worker->boot_env_count; i++) {
			const sc_pair *pair = &sc_self->worker->boot_env[i];
			if (pair->name.len == len && memcmp(pair->name.data, name, len) == 0) {
				return (char *)pair->value.data;
			}
		}
	}
	for (i = 0; i < sc_env_count; i++) {
		if (zend_string_equals_cstr(sc_env[i].name, name, len)) {
			return ZSTR_VAL(sc_env[i].value);
		}
	}
	return NULL;
}
