/*
 * What a request has changed in the state of its thread and process. The engine puts all of it back after this look; it is told
 * so that what works only because of that can be found, and would not work under another server.
 */
#include "sc_drift.h"

/* Of a text that could stand anywhere nothing can be said. */
#define SC_LEAST_OF_REQUEST 2

/* ---- data of the request ---- */

static bool sc_same_as(const zval *value, const char *data, size_t len)
{
	char number[MAX_LENGTH_OF_LONG + 1];

	if (Z_TYPE_P(value) == IS_STRING) {
		return Z_STRLEN_P(value) == len && memcmp(Z_STRVAL_P(value), data, len) == 0;
	}
	return (size_t)snprintf(number, sizeof(number), ZEND_LONG_FMT, Z_LVAL_P(value)) == len && memcmp(number, data, len) == 0;
}

static bool sc_is_in(const zval *value, const zval *input, int depth)
{
	zval *element;

	if (Z_TYPE_P(input) != IS_ARRAY || depth > SC_DRIFT_MAX_DEPTH) {
		return false;
	}
	ZEND_HASH_FOREACH_VAL(Z_ARR_P(input), element) {
		ZVAL_DEREF(element);
		if (Z_TYPE_P(element) == IS_STRING && Z_STRLEN_P(element) >= SC_LEAST_OF_REQUEST
				&& sc_same_as(value, Z_STRVAL_P(element), Z_STRLEN_P(element))) {
			return true;
		}
		if (sc_is_in(value, element, depth + 1)) {
			return true;
		}
	} ZEND_HASH_FOREACH_END();
	return false;
}

/* Whether it is the request's id, or a value of its query, form or cookies. */
bool sc_drift_is_of_request(const zval *value)
{
	static const int inputs[] = {TRACK_VARS_GET, TRACK_VARS_POST, TRACK_VARS_COOKIE};
	const sc_request *request = sc_self->request;
	size_t i;

	if (!request || (Z_TYPE_P(value) != IS_LONG && (Z_TYPE_P(value) != IS_STRING || Z_STRLEN_P(value) < SC_LEAST_OF_REQUEST))) {
		return false;
	}
	if (sc_same_as(value, request->request_id.data, request->request_id.len)) {
		return true;
	}
	for (i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		if (sc_is_in(value, &PG(http_globals)[inputs[i]], 0)) {
			return true;
		}
	}
	return false;
}

/* ---- superglobals ---- */

/* One that is kept by reference goes on to be written to by every request. */
static void sc_superglobals(sc_drift *drift)
{
	static const char *const names[] = {"_GET", "_POST", "_COOKIE", "_SERVER", "_FILES", "_REQUEST", "_SESSION"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		zval *array = zend_hash_str_find(&EG(symbol_table), names[i], strlen(names[i]));
		bool kept = array && Z_ISREF_P(array) && Z_REFCOUNT_P(array) > 1;
		zval *element;

		if (!array) {
			continue;
		}
		ZVAL_DEREF(array);
		if (Z_TYPE_P(array) != IS_ARRAY) {
			continue;
		}
		ZEND_HASH_FOREACH_VAL(Z_ARR_P(array), element) {
			if (Z_ISREF_P(element) && Z_REFCOUNT_P(element) > 1) {
				kept = true;
				break;
			}
		} ZEND_HASH_FOREACH_END();
		/* A session's own values are references by nature. */
		if (kept && strcmp(names[i], "_SESSION") != 0) {
			sc_drift_tell(drift, SC_DRIFT_SUPERGLOBAL, SC_WHY_REFERENCE, names[i], i + 1);
		}
	}
}

/* ---- the rest ---- */

static void sc_put_back(void *drift, sc_drift_kind kind, const char *key)
{
	sc_drift_tell(drift, kind, SC_WHY_PUT_BACK, key, zend_hash_func(key, strlen(key)));
}

void sc_drift_process(sc_drift *drift)
{
	sc_baseline_compare(sc_self->baseline, drift, sc_put_back);
	sc_env_compare(drift, sc_put_back);
	if (sc_self->touched & SC_TOUCHED_SIGNALS) {
		sc_put_back(drift, SC_DRIFT_SIGNAL, "signals");
	}
	if (drift->output_level > drift->output_base) {
		sc_put_back(drift, SC_DRIFT_OUTPUT, "output buffer");
	}
	sc_superglobals(drift);
}
