/*
 * Where the walk begins: what outlives a request by itself. Static properties, static variables of functions and methods, globals, and the
 * objects of those who called the loop: the runner, the handler and all that they hold, which is the application.
 *
 * PHP's tables of classes and functions only grow while a script runs, so each look reads what has been added since the last one. The
 * variables of callers are left alone: compiled code may keep them elsewhere than where they lie.
 */
#include "sc_drift.h"
#include "ext/standard/file.h"
#include "zend_closures.h"

/* ---- what has static state ---- */

static void sc_note_function(sc_drift *drift, zend_function *function)
{
	zend_op_array **more;

	if (function->type != ZEND_USER_FUNCTION || !function->op_array.static_variables) {
		return;
	}
	more = sc_drift_room(drift->functions, &drift->function_room, drift->function_count, sizeof(*more));
	if (more) {
		drift->functions = more;
		drift->functions[drift->function_count++] = &function->op_array;
	}
}

static void sc_note_static(sc_drift *drift, zend_class_entry *ce, zend_property_info *info)
{
	sc_drift_static *more = sc_drift_room(drift->statics, &drift->static_room, drift->static_count, sizeof(*more));

	if (more) {
		drift->statics = more;
		drift->statics[drift->static_count++] = (sc_drift_static){ce, info};
	}
}

static void sc_note_class(sc_drift *drift, zend_class_entry *ce)
{
	zend_property_info *info;
	zend_function *method;

	/* Inherited ones are those of the parent. */
	ZEND_HASH_MAP_FOREACH_PTR(&ce->properties_info, info) {
		if ((info->flags & ZEND_ACC_STATIC) && info->ce == ce) {
			sc_note_static(drift, ce, info);
		}
	} ZEND_HASH_FOREACH_END();
	ZEND_HASH_MAP_FOREACH_PTR(&ce->function_table, method) {
		if (method->common.scope == ce) {
			sc_note_function(drift, method);
		}
	} ZEND_HASH_FOREACH_END();
}

/* The class at that place of PHP's table, if it is one of a script. An alias is no class; a name with a NUL in front is one to come. */
static zend_class_entry *sc_class_at(uint32_t place)
{
	const Bucket *bucket = &EG(class_table)->arData[place];
	zend_class_entry *ce = Z_TYPE(bucket->val) == IS_PTR ? Z_PTR(bucket->val) : NULL;

	if (!ce || ce->type != ZEND_USER_CLASS || !bucket->key) {
		return NULL;
	}
	return ZSTR_VAL(bucket->key)[0] == 0 || zend_string_equals_ci(bucket->key, ce->name) ? ce : NULL;
}

/* Whether what stands at that place is still waiting for its parent. Names are not compared: it has been found to be a class. */
static bool sc_is_waiting(uint32_t place)
{
	const zval *value = &EG(class_table)->arData[place].val;

	return Z_TYPE_P(value) == IS_PTR && !(((const zend_class_entry *)Z_PTR_P(value))->ce_flags & ZEND_ACC_LINKED);
}

/* One that waits for its parent: the place has another entry when it is linked. Many never are. */
static void sc_note_unlinked(sc_drift *drift, uint32_t place)
{
	uint32_t *more = sc_drift_room(drift->unlinked, &drift->unlinked_room, drift->unlinked_count, sizeof(*more));

	if (more) {
		drift->unlinked = more;
		drift->unlinked[drift->unlinked_count++] = place;
	}
}

static void sc_note_classes(sc_drift *drift)
{
	HashTable *classes = EG(class_table);
	uint32_t i, kept = 0;

	if (classes->nNumUsed < drift->classes_seen
			|| (drift->classes_seen > 0 && Z_PTR(classes->arData[drift->classes_seen - 1].val) != drift->last_class)) {
		/* The table has been put in order: places are other ones. */
		drift->classes_seen = drift->static_count = drift->function_count = drift->unlinked_count = 0;
		drift->functions_seen = 0;
	}
	for (i = 0; i < drift->unlinked_count; i++) {
		bool waiting = sc_is_waiting(drift->unlinked[i]);
		zend_class_entry *ce = waiting ? NULL : sc_class_at(drift->unlinked[i]);
		if (waiting) {
			drift->unlinked[kept++] = drift->unlinked[i];
		} else if (ce) {
			sc_note_class(drift, ce);
		}
	}
	drift->unlinked_count = kept;
	for (i = drift->classes_seen; i < classes->nNumUsed; i++) {
		zend_class_entry *ce = sc_class_at(i);
		if (ce && (ce->ce_flags & ZEND_ACC_LINKED)) {
			sc_note_class(drift, ce);
		} else if (ce) {
			sc_note_unlinked(drift, i);
		}
	}
	drift->classes_seen = classes->nNumUsed;
	drift->last_class = i > 0 ? Z_PTR(classes->arData[i - 1].val) : NULL;
}

/* What PHP's tables have got since the last look. */
static void sc_note_code(sc_drift *drift)
{
	HashTable *functions = EG(function_table);
	uint32_t i;

	sc_note_classes(drift);
	for (i = drift->functions_seen; i < functions->nNumUsed; i++) {
		zval *value = &functions->arData[i].val;
		if (Z_TYPE_P(value) == IS_PTR) {
			sc_note_function(drift, Z_PTR_P(value));
		}
	}
	drift->functions_seen = functions->nNumUsed;
}

/* ---- their values ---- */

static uint64_t sc_key(const void *of, uint64_t part, sc_drift_kind kind)
{
	return sc_mix(sc_mix((uint64_t)(uintptr_t)of, part + 1), (uint64_t)kind + 1);
}

/* A fact with a beginning: what it is before any code has run, so that the first value counts as a change. */
static sc_fact *sc_root(sc_drift *drift, uint64_t key, sc_drift_kind kind, sc_judged judged, zval *value, zval *initial)
{
	sc_fact *fact = sc_drift_fact(drift, key, kind, judged);
	bool deep = drift->deep;
	uint64_t size = 0;
	uint64_t hash;

	if (!fact) {
		return NULL;
	}
	if (!fact->known && initial) {
		drift->deep = false;
		fact->value = sc_drift_weigh(drift, initial, 0, &size);
		drift->deep = deep;
		fact->first = fact->second = fact->last_value = fact->value;
		fact->max_size = fact->last_size = size;
		fact->known = true;
		size = 0;
	}
	hash = sc_drift_weigh(drift, value, 0, &size);
	/* Weighing makes no facts: the pointer is good. */
	ZVAL_DEREF(value);
	if (drift->nodes >= SC_DRIFT_MAX_NODES) {
		/* How much of it was seen depends on what came before it. */
		size = Z_TYPE_P(value) == IS_ARRAY ? zend_hash_num_elements(Z_ARR_P(value)) : 0;
		hash = fact->last_value;
		sc_drift_limited(drift, SC_LIMIT_STATICS, SC_DRIFT_MAX_NODES);
	}
	sc_drift_measure(drift, fact, size, hash, value);
	return fact;
}

static void sc_static_properties(sc_drift *drift)
{
	uint32_t i;

	for (i = 0; i < drift->static_count; i++) {
		sc_drift_static *at = &drift->statics[i];
		zval *members = CE_STATIC_MEMBERS(at->ce);
		zval *initial = at->ce->default_static_members_table;
		sc_fact *fact;
		zval *value;

		if (!members) {
			continue;
		}
		value = &members[at->info->offset];
		initial = initial ? &initial[at->info->offset] : NULL;
		if (Z_TYPE_P(value) == IS_INDIRECT) {
			value = Z_INDIRECT_P(value);
		}
		fact = sc_root(drift, sc_key(at->ce, at->info->offset, SC_DRIFT_STATIC), SC_DRIFT_STATIC, SC_JUDGED_VALUE, value,
			initial && Z_TYPE_P(initial) != IS_CONSTANT_AST ? initial : NULL);
		if (fact) {
			fact->ce = at->ce;
			fact->name = at->info->name;
		}
	}
}

static void sc_function_statics(sc_drift *drift)
{
	zend_string *name;
	zval *value;
	uint32_t i;

	for (i = 0; i < drift->function_count; i++) {
		zend_op_array *code = drift->functions[i];
		HashTable *variables = ZEND_MAP_PTR_GET(code->static_variables_ptr);

		if (!variables) {
			continue;
		}
		ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(variables, name, value) {
			zval *initial = zend_hash_find(code->static_variables, name);
			zval none;
			sc_fact *fact;

			ZVAL_NULL(&none);
			if (!initial || Z_TYPE_P(initial) >= IS_CONSTANT_AST) {
				initial = &none;
			}
			fact = sc_root(drift, sc_key(code, ZSTR_H(name), SC_DRIFT_FUNCTION_STATIC), SC_DRIFT_FUNCTION_STATIC,
				SC_JUDGED_VALUE, value, initial);
			if (fact) {
				fact->code = code;
				fact->name = name;
			}
		} ZEND_HASH_FOREACH_END();
	}
}

static bool sc_is_superglobal(zend_string *name)
{
	return zend_hash_exists(CG(auto_globals), name) || zend_string_equals_literal(name, "argv")
		|| zend_string_equals_literal(name, "argc");
}

/* Variables that the worker script itself names are its own: a counter of its loop is no finding. */
static void sc_globals(sc_drift *drift)
{
	zend_string *name;
	zval none;
	zval *value;

	ZVAL_NULL(&none);
	ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(&EG(symbol_table), name, value) {
		bool own = name && Z_TYPE_P(value) == IS_INDIRECT;
		sc_fact *fact;

		if (!name || sc_is_superglobal(name)) {
			continue;
		}
		fact = sc_root(drift, sc_key(&EG(symbol_table), ZSTR_H(name), SC_DRIFT_GLOBAL), SC_DRIFT_GLOBAL,
			own ? SC_JUDGED_GROWTH : SC_JUDGED_VALUE, own ? Z_INDIRECT_P(value) : value, &none);
		if (fact) {
			fact->name = name;
		}
	} ZEND_HASH_FOREACH_END();
}

/* The objects of those who wait for the loop to come back, and the handler. */
static void sc_callers(sc_drift *drift)
{
	zend_execute_data *frame = EG(current_execute_data);
	uint64_t size = 0;
	int left = SC_DRIFT_MAX_FRAMES;
	uint32_t i;

	for (; frame && left-- > 0; frame = frame->prev_execute_data) {
		if (!frame->func) {
			continue;
		}
		if (Z_TYPE(frame->This) == IS_OBJECT) {
			sc_drift_meet(drift, Z_OBJ(frame->This));
		}
		if (frame->func->common.fn_flags & ZEND_ACC_CLOSURE) {
			sc_drift_meet(drift, ZEND_CLOSURE_OBJECT(frame->func));
		}
		if (!ZEND_USER_CODE(frame->func->type)) {
			for (i = 0; i < ZEND_CALL_NUM_ARGS(frame); i++) {
				sc_drift_weigh(drift, ZEND_CALL_VAR_NUM(frame, i), 1, &size);
			}
		}
	}
}

void sc_drift_roots(sc_drift *drift)
{
	sc_note_code(drift);
	sc_static_properties(drift);
	sc_function_statics(drift);
	sc_globals(drift);
	if (drift->deep) {
		sc_callers(drift);
	}
}

/* ---- tables of PHP that only grow ---- */

static void sc_count(sc_drift *drift, sc_drift_kind kind, sc_judged judged, uint64_t count, zend_string *name)
{
	sc_fact *fact = sc_drift_fact(drift, sc_mix((uint64_t)kind + 1, 13), kind, judged);

	if (fact) {
		sc_drift_measure(drift, fact, count, 0, NULL);
		fact->name = name;
	}
}

/* The name of what was put into a table last. */
static zend_string *sc_last_key(const HashTable *table)
{
	uint32_t i = table->nNumUsed;

	while (i > 0 && Z_ISUNDEF(table->arData[i - 1].val)) {
		i--;
	}
	return i > 0 ? table->arData[i - 1].key : NULL;
}

/* As its source writes it; keys are in lower case. */
static zend_string *sc_last_class(void)
{
	uint32_t i = EG(class_table)->nNumUsed;

	for (; i > 0; i--) {
		const zend_class_entry *ce = sc_class_at(i - 1);
		if (ce) {
			return ce->name;
		}
	}
	return NULL;
}

static uint64_t sc_open_resources(void)
{
	zend_resource *resource;
	uint64_t count = 0;

	ZEND_HASH_FOREACH_PTR(&EG(regular_list), resource) {
		/* The body of the request goes with it, and contexts belong to streams. */
		if (resource && resource->type >= 0 && resource->ptr != SG(request_info).request_body
				&& resource->type != php_le_stream_context()) {
			count++;
		}
	} ZEND_HASH_FOREACH_END();
	return count;
}

/* Runs a function of PHP's and frees what it gives, by which garbage may be collected: not while facts point into what is looked at. */
uint64_t sc_drift_autoloaders(void)
{
	zend_function *get = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("spl_autoload_functions"));
	uint64_t count = 0;
	zval list;

	ZVAL_UNDEF(&list);
	if (get) {
		zend_call_known_function(get, NULL, NULL, &list, 0, NULL, NULL);
		count = Z_TYPE(list) == IS_ARRAY ? zend_hash_num_elements(Z_ARR(list)) : 0;
		zval_ptr_dtor(&list);
	}
	return count;
}

/* A constant that is there since this request, with data of it. */
static void sc_constants(sc_drift *drift)
{
	const HashTable *constants = EG(zend_constants);
	uint32_t i = drift->constants;

	if (i > constants->nNumUsed) {
		i = constants->nNumUsed;
	}
	for (; drift->judging && i < constants->nNumUsed; i++) {
		zend_constant *constant = Z_TYPE(constants->arData[i].val) == IS_PTR ? Z_PTR(constants->arData[i].val) : NULL;
		if (constant && constant->name && sc_drift_is_of_request(&constant->value)) {
			sc_drift_tell(drift, SC_DRIFT_CONSTANT, SC_WHY_REQUEST, ZSTR_VAL(constant->name), i + 1);
		}
	}
	drift->constants = constants->nNumUsed;
	sc_count(drift, SC_DRIFT_CONSTANT, SC_JUDGED_GROWTH, zend_hash_num_elements(constants), sc_last_key(constants));
}

void sc_drift_tables(sc_drift *drift)
{
	uint32_t classes = zend_hash_num_elements(EG(class_table));

	sc_constants(drift);
	/* With no more of them than before the name is not told. */
	sc_count(drift, SC_DRIFT_CLASS, SC_JUDGED_LOADED, classes, classes != drift->classes_named ? sc_last_class() : NULL);
	drift->classes_named = classes;
	sc_count(drift, SC_DRIFT_FUNCTION, SC_JUDGED_LOADED, zend_hash_num_elements(EG(function_table)),
		sc_last_key(EG(function_table)));
	sc_count(drift, SC_DRIFT_FILE, SC_JUDGED_LOADED, zend_hash_num_elements(&EG(included_files)), sc_last_key(&EG(included_files)));
	sc_count(drift, SC_DRIFT_RESOURCE, SC_JUDGED_GROWTH, sc_open_resources(), NULL);
	sc_count(drift, SC_DRIFT_AUTOLOADER, SC_JUDGED_GROWTH, drift->autoloaders, NULL);
	sc_count(drift, SC_DRIFT_STREAM_WRAPPER, SC_JUDGED_GROWTH,
		FG(stream_wrappers) ? zend_hash_num_elements(FG(stream_wrappers)) : 0,
		FG(stream_wrappers) ? sc_last_key(FG(stream_wrappers)) : NULL);
	sc_count(drift, SC_DRIFT_STREAM_FILTER, SC_JUDGED_GROWTH,
		BG(user_filter_map) ? zend_hash_num_elements(BG(user_filter_map)) : 0,
		BG(user_filter_map) ? sc_last_key(BG(user_filter_map)) : NULL);
}
