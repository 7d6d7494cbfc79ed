/*
 * The store that all workers share: what PHP code sees of src/store.rs. Signatures and meaning: supercharger.stub.php.
 *
 * Values that are no strings are serialized here; Rust holds bytes. What may jump (allocating, unserializing, raising) happens before or
 * after a leaf, never inside one.
 */
#include "sc_internal.h"
#include "php_supercharger.h"
#include "ext/spl/spl_exceptions.h"
#include "ext/standard/basic_functions.h"
#include "ext/standard/php_var.h"
#include "zend_smart_str.h"
#include <math.h>
#include <time.h>

/* Times in seconds beyond this mean the same: longer than anything lives. */
#define SC_LONGEST 315360000.0

/* Time between two attempts to take a lock: at first, and at most. Short ones are for locks that are held for a moment; a hundred times
 * a second costs a thread nothing that could be measured. */
#define SC_FIRST_PAUSE 0.0005
#define SC_LONGEST_PAUSE 0.01

static void *sc_host(void)
{
	return sc_self ? sc_self->host : NULL;
}

static sc_text sc_of(const zend_string *string)
{
	return (sc_text){ZSTR_VAL(string), ZSTR_LEN(string)};
}

/* Whether the store can be used here with that key; if not, something has been thrown. */
static bool sc_takes_key(const zend_string *key)
{
	if (sc_forked) {
		zend_throw_exception(spl_ce_RuntimeException, "The store cannot be used in a forked process", 0);
		return false;
	}
	if (ZSTR_LEN(key) == 0 || ZSTR_LEN(key) > SC_MAX_KEY) {
		zend_argument_value_error(1, "must have 1 to %d bytes", SC_MAX_KEY);
		return false;
	}
	return true;
}

static bool sc_takes_seconds(uint32_t argument, double seconds, bool more_than_none)
{
	if (!(seconds >= 0.0) || (more_than_none && seconds <= 0.0)) {
		zend_argument_value_error(argument, more_than_none ? "must be more than 0 seconds" : "must not be less than 0 seconds");
		return false;
	}
	return true;
}

/* Throws what a status says that no caller can go on with. Returns whether it did. */
static bool sc_threw(sc_store status)
{
	switch (status) {
		case SC_STORE_FULL:
			zend_throw_exception(spl_ce_RuntimeException,
				"The store has no room for more that must be kept; store.max_memory or store.max_entries allow more", 0);
			return true;
		case SC_STORE_OVERFLOW:
			zend_throw_exception(spl_ce_OverflowException, "The counter would overflow", 0);
			return true;
		case SC_STORE_UNAVAILABLE:
			zend_throw_exception(spl_ce_RuntimeException, "The store is held by a process that does not let it go", 0);
			return true;
		case SC_STORE_OK:
		case SC_STORE_NO:
		case SC_STORE_TOO_LARGE:
			break;
	}
	return false;
}

static void sc_return_truth(zval *return_value, sc_store status)
{
	if (!sc_threw(status)) {
		ZVAL_BOOL(return_value, status == SC_STORE_OK);
	}
}

/* ---- values ---- */

/* Code of the application may run, and use the store: the bytes are a copy. The lock keeps them apart from what is being unserialized
 * around this call, by a method of Serializable: what they refer to by number is among them. */
static bool sc_unserialize(zval *into, zend_string *bytes)
{
	const unsigned char *at = (const unsigned char *)ZSTR_VAL(bytes);
	const unsigned char *end = at + ZSTR_LEN(bytes);
	php_unserialize_data_t seen;
	bool whole;

	BG(serialize_lock)++;
	PHP_VAR_UNSERIALIZE_INIT(seen);
	whole = php_var_unserialize(into, &at, end, &seen);
	PHP_VAR_UNSERIALIZE_DESTROY(seen);
	BG(serialize_lock)--;
	if (!whole) {
		zval_ptr_dtor(into);
		ZVAL_UNDEF(into);
	}
	return whole && !EG(exception);
}

PHP_FUNCTION(supercharger_store_get)
{
	zend_string *key;
	zval *otherwise = NULL;
	sc_value value;
	sc_store status;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_ZVAL(otherwise)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key)) {
		RETURN_THROWS();
	}
	status = sc_on_store_get(sc_host(), sc_of(key), &value);
	if (sc_threw(status)) {
		RETURN_THROWS();
	}
	if (status == SC_STORE_OK) {
		zend_string *bytes = zend_string_init(value.bytes.data, value.bytes.len, 0);
		bool whole;
		zval object;

		if (!value.serialized) {
			RETURN_STR(bytes);
		}
		ZVAL_UNDEF(&object);
		whole = sc_unserialize(&object, bytes);
		zend_string_release(bytes);
		if (EG(exception)) {
			zval_ptr_dtor(&object);
			RETURN_THROWS();
		}
		if (whole) {
			RETURN_COPY_VALUE(&object);
		}
		/* Of a class that cannot read what it once wrote: as good as nothing. */
	}
	if (otherwise) {
		RETURN_COPY(otherwise);
	}
}

static void sc_store_set(INTERNAL_FUNCTION_PARAMETERS, bool only_new)
{
	zend_string *key;
	zval *value;
	double ttl = 0.0;
	bool keep = false;
	smart_str serialized = {0};
	sc_value stored = {.only_new = only_new};

	ZEND_PARSE_PARAMETERS_START(2, 4)
		Z_PARAM_STR(key)
		Z_PARAM_ZVAL(value)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE(ttl)
		Z_PARAM_BOOL(keep)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key) || !sc_takes_seconds(3, ttl, false)) {
		RETURN_THROWS();
	}
	if (Z_TYPE_P(value) == IS_STRING) {
		stored.bytes = sc_of(Z_STR_P(value));
	} else {
		php_serialize_data_t seen;

		BG(serialize_lock)++;
		PHP_VAR_SERIALIZE_INIT(seen);
		php_var_serialize(&serialized, value, &seen);
		PHP_VAR_SERIALIZE_DESTROY(seen);
		BG(serialize_lock)--;
		if (EG(exception)) {
			smart_str_free(&serialized);
			RETURN_THROWS();
		}
		smart_str_0(&serialized);
		stored.bytes = serialized.s ? sc_of(serialized.s) : (sc_text){"", 0};
		stored.serialized = true;
	}
	stored.ttl = MIN(ttl, SC_LONGEST);
	stored.keep = keep;
	{
		sc_store status = sc_on_store_set(sc_host(), sc_of(key), &stored);

		smart_str_free(&serialized);
		if (status == SC_STORE_FULL) {
			RETURN_FALSE;
		}
		sc_return_truth(return_value, status);
	}
}

PHP_FUNCTION(supercharger_store_set)
{
	sc_store_set(INTERNAL_FUNCTION_PARAM_PASSTHRU, false);
}

PHP_FUNCTION(supercharger_store_add)
{
	sc_store_set(INTERNAL_FUNCTION_PARAM_PASSTHRU, true);
}

/* Functions of one key that say yes or no. */
#define SC_TRUTH_OF_KEY(name, leaf) \
PHP_FUNCTION(name) \
{ \
	zend_string *key; \
\
	ZEND_PARSE_PARAMETERS_START(1, 1) \
		Z_PARAM_STR(key) \
	ZEND_PARSE_PARAMETERS_END(); \
\
	if (!sc_takes_key(key)) { \
		RETURN_THROWS(); \
	} \
	sc_return_truth(return_value, leaf(sc_host(), sc_of(key))); \
}

SC_TRUTH_OF_KEY(supercharger_store_has, sc_on_store_has)
SC_TRUTH_OF_KEY(supercharger_store_delete, sc_on_store_delete)
SC_TRUTH_OF_KEY(supercharger_counter_delete, sc_on_counter_delete)
SC_TRUTH_OF_KEY(supercharger_rate_limit_reset, sc_on_rate_forget)

PHP_FUNCTION(supercharger_store_clear)
{
	zend_string *prefix = ZSTR_EMPTY_ALLOC();
	uint64_t removed = 0;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR(prefix)
	ZEND_PARSE_PARAMETERS_END();

	if (ZSTR_LEN(prefix) > 0 && !sc_takes_key(prefix)) {
		RETURN_THROWS();
	}
	if (sc_forked) {
		zend_throw_exception(spl_ce_RuntimeException, "The store cannot be used in a forked process", 0);
		RETURN_THROWS();
	}
	if (sc_threw(sc_on_store_clear(sc_host(), sc_of(prefix), &removed))) {
		RETURN_THROWS();
	}
	RETURN_LONG((zend_long)removed);
}

PHP_FUNCTION(supercharger_store_info)
{
	sc_store_figures seen;

	ZEND_PARSE_PARAMETERS_NONE();

	if (sc_threw(sc_on_store_info(sc_host(), &seen))) {
		RETURN_THROWS();
	}
	array_init(return_value);
	add_assoc_string(return_value, "scope", seen.server ? "server" : "process");
	add_assoc_long(return_value, "max_memory_bytes", (zend_long)seen.max_memory);
	add_assoc_long(return_value, "max_entries", (zend_long)seen.max_entries);
	add_assoc_long(return_value, "max_value_bytes", (zend_long)seen.max_value);
	add_assoc_long(return_value, "memory_bytes", (zend_long)seen.memory);
	add_assoc_long(return_value, "entries", (zend_long)seen.entries);
	add_assoc_long(return_value, "kept_memory_bytes", (zend_long)seen.kept_memory);
	add_assoc_long(return_value, "kept_entries", (zend_long)seen.kept_entries);
	add_assoc_long(return_value, "hits", (zend_long)seen.hits);
	add_assoc_long(return_value, "misses", (zend_long)seen.misses);
	add_assoc_long(return_value, "evictions", (zend_long)seen.evictions);
	add_assoc_long(return_value, "expirations", (zend_long)seen.expirations);
	add_assoc_long(return_value, "refusals", (zend_long)seen.refusals);
	add_assoc_long(return_value, "lock_conflicts", (zend_long)seen.lock_conflicts);
	add_assoc_long(return_value, "wipes", (zend_long)seen.wipes);
}

/* ---- counters ---- */

PHP_FUNCTION(supercharger_counter_add)
{
	zend_string *key;
	zend_long by = 1;
	double ttl = 0.0;
	int64_t now = 0;

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(by)
		Z_PARAM_DOUBLE(ttl)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key) || !sc_takes_seconds(3, ttl, false)) {
		RETURN_THROWS();
	}
	if (sc_threw(sc_on_counter_add(sc_host(), sc_of(key), by, MIN(ttl, SC_LONGEST), &now))) {
		RETURN_THROWS();
	}
	RETURN_LONG((zend_long)now);
}

PHP_FUNCTION(supercharger_counter_get)
{
	zend_string *key;
	zend_long otherwise = 0;
	int64_t now = 0;
	sc_store status;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(otherwise)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key)) {
		RETURN_THROWS();
	}
	status = sc_on_counter_get(sc_host(), sc_of(key), &now);
	if (sc_threw(status)) {
		RETURN_THROWS();
	}
	RETURN_LONG(status == SC_STORE_OK ? (zend_long)now : otherwise);
}

/* ---- locks ---- */

static bool sc_takes_token(const zend_string *token)
{
	if (ZSTR_LEN(token) == 0 || ZSTR_LEN(token) > SC_MAX_TOKEN) {
		zend_argument_value_error(2, "must have 1 to %d bytes", SC_MAX_TOKEN);
		return false;
	}
	return true;
}

/* Does what the VM does at its next jump or call: a deadline must not wait for a lock. May jump, and may throw. */
static void sc_look_up(void)
{
	if (!zend_atomic_bool_load_ex(&EG(vm_interrupt))) {
		return;
	}
	zend_atomic_bool_store_ex(&EG(vm_interrupt), false);
	if (zend_atomic_bool_load_ex(&EG(timed_out))) {
		zend_timeout();
	} else if (zend_interrupt_function) {
		zend_interrupt_function(EG(current_execute_data));
	}
}

static void sc_pause(double seconds)
{
	struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	/* A signal may end it early: whoever sent it wants to be heard. */
	nanosleep(&time, NULL);
}

PHP_FUNCTION(supercharger_lock_acquire)
{
	zend_string *key, *token;
	double ttl, wait = 0.0, pause = SC_FIRST_PAUSE, until;
	bool shared = false, bound = true;
	sc_claim claim;
	sc_store status;

	ZEND_PARSE_PARAMETERS_START(3, 6)
		Z_PARAM_STR(key)
		Z_PARAM_STR(token)
		Z_PARAM_DOUBLE(ttl)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE(wait)
		Z_PARAM_BOOL(shared)
		Z_PARAM_BOOL(bound)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key) || !sc_takes_token(token) || !sc_takes_seconds(3, ttl, true) || !sc_takes_seconds(4, wait, false)) {
		RETURN_THROWS();
	}
	claim = (sc_claim){.key = sc_of(key), .token = sc_of(token), .ttl = MIN(ttl, SC_LONGEST), .shared = shared, .bound = bound};
	until = sc_monotonic() + wait;
	while ((status = sc_on_lock_take(sc_host(), &claim)) == SC_STORE_NO) {
		double left = until - sc_monotonic();

		if (left <= 0.0) {
			break;
		}
		sc_pause(MIN(pause, left));
		pause = MIN(pause * 2.0, SC_LONGEST_PAUSE);
		sc_look_up();
		if (EG(exception)) {
			RETURN_THROWS();
		}
	}
	sc_return_truth(return_value, status);
}

/* Functions of a key and a token that say yes or no. */
static void sc_lock_call(INTERNAL_FUNCTION_PARAMETERS, sc_store (*leaf)(void *, const sc_claim *))
{
	zend_string *key, *token;
	sc_claim claim;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_STR(key)
		Z_PARAM_STR(token)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key) || !sc_takes_token(token)) {
		RETURN_THROWS();
	}
	claim = (sc_claim){.key = sc_of(key), .token = sc_of(token)};
	sc_return_truth(return_value, leaf(sc_host(), &claim));
}

PHP_FUNCTION(supercharger_lock_release)
{
	sc_lock_call(INTERNAL_FUNCTION_PARAM_PASSTHRU, sc_on_lock_release);
}

PHP_FUNCTION(supercharger_lock_held)
{
	sc_lock_call(INTERNAL_FUNCTION_PARAM_PASSTHRU, sc_on_lock_held);
}

PHP_FUNCTION(supercharger_lock_extend)
{
	zend_string *key, *token;
	double ttl;
	sc_claim claim;

	ZEND_PARSE_PARAMETERS_START(3, 3)
		Z_PARAM_STR(key)
		Z_PARAM_STR(token)
		Z_PARAM_DOUBLE(ttl)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key) || !sc_takes_token(token) || !sc_takes_seconds(3, ttl, true)) {
		RETURN_THROWS();
	}
	claim = (sc_claim){.key = sc_of(key), .token = sc_of(token), .ttl = MIN(ttl, SC_LONGEST)};
	sc_return_truth(return_value, sc_on_lock_extend(sc_host(), &claim));
}

/* ---- rate limits ---- */

static bool sc_read_policy(zval *given, sc_policy *policy)
{
	static const struct { const char *name; sc_policy policy; } policies[] = {
		{"fixed_window", SC_POLICY_FIXED_WINDOW},
		{"sliding_window", SC_POLICY_SLIDING_WINDOW},
		{"token_bucket", SC_POLICY_TOKEN_BUCKET},
	};
	size_t i;

	for (i = 0; given && Z_TYPE_P(given) == IS_STRING && i < sizeof(policies) / sizeof(policies[0]); i++) {
		if (zend_string_equals_cstr(Z_STR_P(given), policies[i].name, strlen(policies[i].name))) {
			*policy = policies[i].policy;
			return true;
		}
	}
	zend_argument_value_error(2, "must give each limit a \"policy\": fixed_window, sliding_window or token_bucket");
	return false;
}

static bool sc_read_number(HashTable *from, const char *name, zend_long otherwise, uint64_t *into)
{
	zval *given = zend_hash_str_find_deref(from, name, strlen(name));
	zend_long number = given && Z_TYPE_P(given) == IS_LONG ? Z_LVAL_P(given) : given ? 0 : otherwise;

	if (number < 1 || (uint64_t)number > SC_MAX_RATE) {
		zend_argument_value_error(2, "must give each limit a number from 1 to %" PRIu64 " as \"%s\"", (uint64_t)SC_MAX_RATE, name);
		return false;
	}
	*into = (uint64_t)number;
	return true;
}

static bool sc_read_limit(zval *given, sc_limit *limit)
{
	zval *interval;

	ZVAL_DEREF(given);
	if (Z_TYPE_P(given) != IS_ARRAY) {
		zend_argument_value_error(2, "must be a list of arrays");
		return false;
	}
	if (!sc_read_policy(zend_hash_str_find_deref(Z_ARRVAL_P(given), "policy", 6), &limit->policy)
			|| !sc_read_number(Z_ARRVAL_P(given), "limit", 0, &limit->limit)
			|| !sc_read_number(Z_ARRVAL_P(given), "amount", 1, &limit->amount)) {
		return false;
	}
	interval = zend_hash_str_find_deref(Z_ARRVAL_P(given), "interval", 8);
	limit->interval = interval && (Z_TYPE_P(interval) == IS_DOUBLE || Z_TYPE_P(interval) == IS_LONG) ? zval_get_double(interval) : 0.0;
	if (!(limit->interval >= 0.001 && limit->interval <= SC_LONGEST)) {
		zend_argument_value_error(2, "must give each limit an \"interval\" of 0.001 seconds or more");
		return false;
	}
	return true;
}

/* Reads the limits; returns how many, or 0 if something has been thrown. */
static size_t sc_read_limits(HashTable *given, sc_limit *into, zend_long cost, double wait)
{
	size_t count = 0;
	zval *item;

	if (zend_hash_num_elements(given) == 0 || zend_hash_num_elements(given) > SC_MAX_LIMITS) {
		zend_argument_value_error(2, "must have 1 to %d limits", SC_MAX_LIMITS);
		return 0;
	}
	ZEND_HASH_FOREACH_VAL(given, item) {
		if (!sc_read_limit(item, &into[count])) {
			return 0;
		}
		if ((uint64_t)cost > into[count].limit) {
			zend_argument_value_error(3, "must not be more than a limit allows at all");
			return 0;
		}
		if (wait > 0.0 && into[count].policy != SC_POLICY_TOKEN_BUCKET) {
			zend_argument_value_error(4, "must be 0 but for token buckets: a window cannot be drawn on before it begins");
			return 0;
		}
		count++;
	} ZEND_HASH_FOREACH_END();
	return count;
}

PHP_FUNCTION(supercharger_rate_limit)
{
	zend_string *key, *rule = ZSTR_EMPTY_ALLOC();
	HashTable *given;
	zend_long cost = 1;
	double wait = 0.0;
	sc_limit limits[SC_MAX_LIMITS];
	sc_rate rate;
	sc_verdict verdict;

	ZEND_PARSE_PARAMETERS_START(2, 5)
		Z_PARAM_STR(key)
		Z_PARAM_ARRAY_HT(given)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(cost)
		Z_PARAM_DOUBLE(wait)
		Z_PARAM_STR(rule)
	ZEND_PARSE_PARAMETERS_END();

	if (!sc_takes_key(key) || !sc_takes_seconds(4, wait, false)) {
		RETURN_THROWS();
	}
	if (cost < 0) {
		zend_argument_value_error(3, "must not be negative");
		RETURN_THROWS();
	}
	rate = (sc_rate){.key = sc_of(key), .rule = sc_of(rule), .limits = limits, .cost = (uint64_t)cost, .wait = MIN(wait, SC_LONGEST)};
	rate.limit_count = sc_read_limits(given, limits, cost, wait);
	if (rate.limit_count == 0 || sc_threw(sc_on_rate(sc_host(), &rate, &verdict))) {
		RETURN_THROWS();
	}
	array_init(return_value);
	add_assoc_bool(return_value, "allowed", verdict.allowed);
	add_assoc_long(return_value, "index", (zend_long)verdict.index);
	add_assoc_long(return_value, "limit", (zend_long)verdict.limit);
	add_assoc_long(return_value, "remaining", (zend_long)verdict.remaining);
	add_assoc_double(return_value, "retry_after", verdict.retry_after);
	add_assoc_double(return_value, "reset_after", verdict.reset_after);
}
