/*
 * Functions of the application that the loop calls between two requests: resetters, at every boundary, and idle callbacks, while
 * nobody asks for anything. Each stands for itself: what one throws is reported, and the others run all the same.
 *
 * They live as long as the incarnation, also those that a request has registered: a service that is made by the first request that
 * needs it stays, and so must what resets it.
 */
#include "sc_internal.h"
#include "ext/spl/spl_exceptions.h"

/* More than any application has; one that registers a new closure with each request is told so before it has eaten the memory. */
#define SC_MAX_CALLBACKS 1024
/* Each has a place in status pages and series of metrics. */
#define SC_MAX_CHECKS 64
/* Longest name that is shown, in bytes. */
#define SC_MAX_CALLBACK_NAME 128
/* More than any application has services; what is said in one report is cut there. */
#define SC_MAX_PARTS 1000000

/* The application's name for it, or its own: "App\Cache::clear", "{closure:App\boot():12}". */
static zend_string *sc_callback_name(zend_string *given, const zend_fcall_info_cache *function)
{
	const zend_function *handler = function->function_handler;

	if (ZSTR_LEN(given) > 0) {
		return zend_string_init(ZSTR_VAL(given), MIN(ZSTR_LEN(given), SC_MAX_CALLBACK_NAME), 0);
	}
	if (!handler->common.scope || (handler->common.fn_flags & ZEND_ACC_CLOSURE)) {
		return zend_string_copy(handler->common.function_name);
	}
	return zend_string_concat3(ZSTR_VAL(handler->common.scope->name), ZSTR_LEN(handler->common.scope->name),
		ZEND_STRL("::"), ZSTR_VAL(handler->common.function_name), ZSTR_LEN(handler->common.function_name));
}

/* The place of one that is there already: under the same name if the application gave one, else the very same function. */
static sc_callback **sc_find_callback(sc_callbacks *in, zend_string *given, zend_string *name,
	const zend_fcall_info_cache *function)
{
	uint32_t i;

	for (i = 0; i < in->count; i++) {
		if (ZSTR_LEN(given) > 0 ? zend_string_equals(in->list[i]->name, name)
				: zend_fcc_equals(&in->list[i]->function, function)) {
			return &in->list[i];
		}
	}
	return NULL;
}

/* May run a destructor that registers or throws. */
void sc_release_callback(sc_callback *callback)
{
	if (--callback->references == 0) {
		zend_string_release(callback->name);
		zend_fcc_dtor(&callback->function);
		efree(callback);
	}
}

/* Takes over what the parameter parser has left of a trampoline. Throws and returns NULL if there are too many. */
sc_callback *sc_add_callback(sc_callbacks *to, zend_string *given, zend_fcall_info_cache *function, double every)
{
	zend_string *name = sc_callback_name(given, function);
	sc_callback **place = sc_find_callback(to, given, name, function);
	sc_callback *old = NULL;
	sc_callback *callback;
	uint32_t most = to == &sc_self->checks ? SC_MAX_CHECKS : SC_MAX_CALLBACKS;

	if (!place && to->count == most) {
		zend_string_release(name);
		zend_release_fcall_info_cache(function);
		zend_throw_exception_ex(spl_ce_RuntimeException, 0, "%d are registered already; register each once, or under a name",
			(int)most);
		return NULL;
	}
	callback = emalloc(sizeof(*callback));
	callback->references = 1;
	callback->name = name;
	zend_fcc_dup(&callback->function, function);
	callback->every = every;
	callback->due = every > 0.0 ? sc_monotonic() + every : 0.0;
	if (place) {
		old = *place;
	} else {
		to->list = safe_erealloc(to->list, to->count + 1, sizeof(*to->list), 0);
		place = &to->list[to->count++];
	}
	*place = callback;
	if (old) {
		sc_release_callback(old);
	}
	return callback;
}

static sc_text sc_text_of(const zval *value)
{
	return Z_TYPE_P(value) == IS_STRING ? (sc_text){Z_STRVAL_P(value), Z_STRLEN_P(value)} : (sc_text){"", 0};
}

/* Hands what was thrown to the log. */
static void sc_tell_thrown(zend_object *thrown, const char *name, size_t len, bool idle)
{
	sc_callback_error error = {.name = {name, len}, .thrown = {"", 0}, .message = {"", 0}, .file = {"", 0}, .idle = idle};
	zend_class_entry *base = zend_get_exception_base(thrown);
	zval message, file, line;

	error.thrown = (sc_text){ZSTR_VAL(thrown->ce->name), ZSTR_LEN(thrown->ce->name)};
	error.message = sc_text_of(zend_read_property_ex(base, thrown, ZSTR_KNOWN(ZEND_STR_MESSAGE), true, &message));
	error.file = sc_text_of(zend_read_property_ex(base, thrown, ZSTR_KNOWN(ZEND_STR_FILE), true, &file));
	error.line = (uint32_t)zval_get_long(zend_read_property_ex(base, thrown, ZSTR_KNOWN(ZEND_STR_LINE), true, &line));
	sc_on_callback_error(sc_self->host, &error);
}

/* Hands what was thrown to the log, and forgets it. Returns false if it was exit, which cannot be held up. */
bool sc_report_callback(const char *name, size_t len, bool idle)
{
	if (!EG(exception)) {
		return true;
	}
	if (sc_is_exit(EG(exception))) {
		sc_callback_error error = {.name = {name, len}, .thrown = {"", 0}, .message = {"", 0}, .file = {"", 0}, .idle = idle};

		sc_on_callback_error(sc_self->host, &error);
		return false;
	}
	sc_tell_thrown(EG(exception), name, len, idle);
	zend_clear_exception();
	return true;
}

/* What the resetter that runs now says of those it stands for. Anywhere else nobody has asked. */
void sc_report_parts(zend_long count, HashTable *failures)
{
	zend_string *name;
	zval *failure;

	if (!sc_self->reporting) {
		return;
	}
	sc_self->parts = MAX(sc_self->parts, 0) + MIN(count, SC_MAX_PARTS);
	ZEND_HASH_FOREACH_STR_KEY_VAL(failures, name, failure) {
		ZVAL_DEREF(failure);
		if (Z_TYPE_P(failure) == IS_OBJECT && instanceof_function(Z_OBJCE_P(failure), zend_ce_throwable)) {
			sc_tell_thrown(Z_OBJ_P(failure), name ? ZSTR_VAL(name) : "", name ? MIN(ZSTR_LEN(name), SC_MAX_CALLBACK_NAME) : 0, false);
		}
	} ZEND_HASH_FOREACH_END();
}

/* What is called may register others, or another one in its own place. Returns false if it has called exit. */
static bool sc_call(sc_callback *callback, bool idle)
{
	zval result;
	bool goes_on;

	callback->references++;
	ZVAL_UNDEF(&result);
	zend_call_known_fcc(&callback->function, &result, 0, NULL, NULL);
	zval_ptr_dtor(&result);
	goes_on = sc_report_callback(ZSTR_VAL(callback->name), ZSTR_LEN(callback->name), idle);
	sc_release_callback(callback);
	return goes_on && sc_report_callback(ZEND_STRL("destructor"), idle);
}

/* Those that are registered meanwhile have their turn at the next boundary. */
bool sc_run_resetters(void)
{
	uint32_t count = sc_self->resetters.count;
	uint32_t i;
	bool goes_on = true;

	sc_self->resets = 0;
	sc_self->reporting = true;
	for (i = 0; goes_on && i < count && i < sc_self->resetters.count; i++) {
		sc_self->parts = -1;
		goes_on = sc_call(sc_self->resetters.list[i], false);
		sc_self->resets += sc_self->parts < 0 ? 1 : (uint32_t)sc_self->parts;
	}
	sc_self->reporting = false;
	return goes_on;
}

bool sc_run_ticks(void)
{
	uint32_t count = sc_self->ticks.count;
	uint32_t i;

	for (i = 0; i < count && i < sc_self->ticks.count; i++) {
		sc_callback *tick = sc_self->ticks.list[i];
		double now = sc_monotonic();

		if (tick->due > now) {
			continue;
		}
		tick->due = now + tick->every;
		if (!sc_call(tick, true)) {
			return false;
		}
	}
	return true;
}

/* Seconds until the next idle callback is due, 0 if one is; negative if there is none. */
double sc_next_tick(void)
{
	double next = -1.0;
	double now = 0.0;
	uint32_t i;

	if (sc_self->ticks.count > 0) {
		now = sc_monotonic();
	}
	for (i = 0; i < sc_self->ticks.count; i++) {
		double left = sc_self->ticks.list[i]->due - now;
		left = left > 0.0 ? left : 0.0;
		next = next < 0.0 || left < next ? left : next;
	}
	return next;
}

void sc_free_callbacks(sc_callbacks *callbacks)
{
	sc_callbacks gone = *callbacks;
	uint32_t i;

	*callbacks = (sc_callbacks){NULL, 0};
	for (i = 0; i < gone.count; i++) {
		sc_release_callback(gone.list[i]);
	}
	if (gone.list) {
		efree(gone.list);
	}
}
