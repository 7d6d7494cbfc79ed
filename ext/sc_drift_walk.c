/*
 * From the roots to what they reach. Objects are visited once each, breadth first; what a property holds is added up over all
 * instances of its class, so that the number of facts is that of declared properties and not that of objects.
 *
 * Properties are read where they lie. Objects that keep things elsewhere (closures, generators, ArrayObject) are asked as the garbage
 * collector asks them. Lazy objects are left as they are.
 */
#include "sc_drift.h"
#include "zend_closures.h"
#include "zend_generators.h"
#include "zend_lazy_objects.h"
#include "zend_weakrefs.h"

/* Bytes of a long text that go into its fingerprint, at either end. */
#define SC_TEXT_ENDS 32
/* Texts of this size are hashed whole. */
#define SC_TEXT_WHOLE 256
/* From this size on a text that grows counts as growth: a log, not a name. */
#define SC_TEXT_LOG 512

/* PHP keeps the hash of a text with it and drops it when the text is changed, so what stays is hashed once. */
static uint64_t sc_text_hash(zend_string *text)
{
	size_t len = ZSTR_LEN(text);

	if (len <= SC_TEXT_WHOLE) {
		return zend_string_hash_val(text);
	}
	return sc_mix(sc_mix(zend_hash_func(ZSTR_VAL(text), SC_TEXT_ENDS),
		zend_hash_func(ZSTR_VAL(text) + len - SC_TEXT_ENDS, SC_TEXT_ENDS)), len);
}

void sc_drift_begin_walk(sc_drift *drift)
{
	size_t bytes = (EG(objects_store).top + 7) / 8;

	drift->nodes = 0;
	drift->queue_count = 0;
	if (!drift->deep) {
		return;
	}
	if (bytes > drift->visited_size) {
		uint8_t *more = realloc(drift->visited, bytes * 2);
		if (!more) {
			drift->blind = true;
			drift->deep = false;
			return;
		}
		drift->visited = more;
		drift->visited_size = bytes * 2;
	}
	memset(drift->visited, 0, bytes);
}

/* Puts an object on the list of those to look into, once. */
void sc_drift_meet(sc_drift *drift, zend_object *object)
{
	zend_object **more;

	if (!drift->deep || object->handle / 8 >= drift->visited_size
			|| (drift->visited[object->handle / 8] & (1 << (object->handle % 8)))
			|| (object->ce->ce_flags & ZEND_ACC_ENUM)
			|| (OBJ_FLAGS(object) & IS_OBJ_FREE_CALLED)) {
		return;
	}
	drift->visited[object->handle / 8] |= (uint8_t)(1 << (object->handle % 8));
	more = sc_drift_room(drift->queue, &drift->queue_room, drift->queue_count, sizeof(*more));
	if (more) {
		drift->queue = more;
		drift->queue[drift->queue_count++] = object;
	}
}

static uint64_t sc_weigh_array(sc_drift *drift, HashTable *array, int depth, uint64_t *size)
{
	uint64_t hash = zend_hash_num_elements(array);
	uint32_t most = drift->deep ? SC_DRIFT_MAX_ELEMENTS : SC_DRIFT_MAX_HASHED;
	uint32_t at = 0;
	zend_string *key;
	zend_ulong index;
	zval *element;

	*size += hash;
	/* What OPcache keeps for all cannot change. */
	if ((GC_FLAGS(array) & GC_IMMUTABLE) || depth >= SC_DRIFT_MAX_DEPTH) {
		return sc_mix(hash, (uint64_t)(uintptr_t)array);
	}
	ZEND_HASH_FOREACH_KEY_VAL(array, index, key, element) {
		uint64_t of_element;

		if (at++ == most || drift->nodes++ >= SC_DRIFT_MAX_NODES) {
			break;
		}
		of_element = sc_drift_weigh(drift, element, depth + 1, size);
		if (at <= SC_DRIFT_MAX_HASHED) {
			hash += sc_mix(key ? ZSTR_H(key) : index, of_element);
		}
	} ZEND_HASH_FOREACH_END();
	return hash;
}

/* The fingerprint of a value; its size is added. Objects within are put on the list. */
uint64_t sc_drift_weigh(sc_drift *drift, zval *value, int depth, uint64_t *size)
{
	if (Z_TYPE_P(value) == IS_INDIRECT) {
		value = Z_INDIRECT_P(value);
	}
	ZVAL_DEREF(value);
	switch (Z_TYPE_P(value)) {
		case IS_LONG: return sc_mix((uint64_t)Z_LVAL_P(value), IS_LONG);
		case IS_DOUBLE: {
			uint64_t bits;
			memcpy(&bits, &Z_DVAL_P(value), sizeof(bits));
			return sc_mix(bits, IS_DOUBLE);
		}
		case IS_STRING:
			if (depth == 0 && Z_STRLEN_P(value) >= SC_TEXT_LOG) {
				*size += Z_STRLEN_P(value);
			}
			return sc_mix(sc_text_hash(Z_STR_P(value)), IS_STRING);
		case IS_ARRAY: return sc_weigh_array(drift, Z_ARR_P(value), depth, size);
		case IS_OBJECT:
			sc_drift_meet(drift, Z_OBJ_P(value));
			return sc_mix(Z_OBJ_HANDLE_P(value), (uint64_t)(uintptr_t)Z_OBJCE_P(value));
		case IS_RESOURCE: return sc_mix((uint64_t)Z_RES_HANDLE_P(value), IS_RESOURCE);
		case IS_UNDEF: case IS_NULL: return IS_NULL;
		default: return Z_TYPE_P(value) + 1;
	}
}

/* ---- objects ---- */

/* A file of the application: it lies in the project, and not among its libraries or compiled code. */
static bool sc_is_own(const zend_string *name)
{
	sc_text root = sc_self->worker->project;
	const char *file = name ? ZSTR_VAL(name) : "";

	if (!name || root.len == 0) {
		return name != NULL;
	}
	return ZSTR_LEN(name) > root.len && memcmp(file, root.data, root.len) == 0
		&& (root.data[root.len - 1] == '/' || file[root.len] == '/')
		&& strncmp(file + root.len, "/vendor/", 8) != 0 && strncmp(file + root.len, "/var/", 5) != 0;
}

static sc_drift_class *sc_class_of(sc_drift *drift, const zend_class_entry *ce)
{
	uint32_t *place = sc_map_at(&drift->class_index, sc_mix((uint64_t)(uintptr_t)ce, 11));
	uint32_t slots = (uint32_t)ce->default_properties_count;
	sc_drift_class *more;
	sc_drift_class *made;

	if (!place) {
		return NULL;
	}
	if (*place != SC_MAP_NEW) {
		return &drift->classes[*place];
	}
	more = sc_drift_room(drift->classes, &drift->class_room, drift->class_count, sizeof(*more));
	if (!more) {
		return NULL;
	}
	drift->classes = more;
	made = &more[drift->class_count];
	memset(made, 0, sizeof(*made));
	made->ce = ce;
	made->slots = slots;
	made->facts = sc_drift_new_facts(drift, slots + 2);
	if (made->facts == SC_MAP_NEW) {
		return NULL;
	}
	*place = drift->class_count++;
	return made;
}

static sc_fact *sc_slot(sc_drift *drift, const sc_drift_class *class, uint32_t slot, sc_drift_kind kind)
{
	sc_fact *fact = &drift->facts[class->facts + slot];

	fact->kind = kind;
	fact->judged = SC_JUDGED_GROWTH;
	fact->ce = class->ce;
	return fact;
}

/* A property of the class that declares it: what a library declares is the library's, also in the application's own class. */
static sc_fact *sc_property(sc_drift *drift, const sc_drift_class *class, uint32_t slot, const zend_property_info *info)
{
	sc_fact *fact = sc_slot(drift, class, slot, SC_DRIFT_PROPERTY);

	if (!fact->known) {
		fact->judged_values = info->ce->type == ZEND_USER_CLASS && sc_is_own(info->ce->info.user.filename);
	}
	fact->judged = fact->judged_values ? SC_JUDGED_VALUE : SC_JUDGED_GROWTH;
	fact->ce = info->ce;
	fact->name = info->name;
	return fact;
}

static void sc_weigh_slots(sc_drift *drift, zend_object *object, const sc_drift_class *class)
{
	uint32_t i;

	for (i = 0; i < class->slots; i++) {
		zval *value = &object->properties_table[i];
		zend_property_info *info = class->ce->properties_info_table ? class->ce->properties_info_table[i] : NULL;
		sc_fact *fact;
		uint64_t size = 0;
		uint64_t hash;

		if (!info) {
			continue;
		}
		drift->nodes++;
		hash = sc_drift_weigh(drift, value, 0, &size);
		fact = sc_property(drift, class, i, info);
		ZVAL_DEREF(value);
		sc_drift_measure(drift, fact, size, sc_mix(hash, object->handle), value);
	}
}

/* What a closure has bound, variable by variable: those of one closure have the same code, whatever its object. */
static void sc_weigh_closure(sc_drift *drift, zend_object *object)
{
	const zend_function *function = zend_get_closure_method_def(object);
	zval *holder = NULL;
	HashTable *variables;
	zend_string *name;
	zval *value;
	int count = 0;

	variables = object->handlers->get_gc(object, &holder, &count);
	if (count == 1 && Z_TYPE_P(holder) == IS_OBJECT) {
		sc_drift_meet(drift, Z_OBJ_P(holder));
	}
	if (!variables || function->type != ZEND_USER_FUNCTION) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_VAL(variables, name, value) {
		uint64_t key = sc_mix(sc_mix((uint64_t)(uintptr_t)function->op_array.opcodes, ZSTR_H(name)), 19);
		sc_judged judged = sc_is_own(function->op_array.filename) ? SC_JUDGED_ALONE : SC_JUDGED_GROWTH;
		uint64_t size = 0;
		uint64_t hash = sc_drift_weigh(drift, value, 0, &size);
		sc_fact *fact = sc_drift_fact(drift, key, SC_DRIFT_FUNCTION_STATIC, judged);

		drift->nodes++;
		if (fact) {
			fact->code = &function->op_array;
			fact->name = name;
			ZVAL_DEREF(value);
			sc_drift_measure(drift, fact, size, hash, value);
		}
	} ZEND_HASH_FOREACH_END();
}

/* Dynamic properties, and what objects keep that have a place of their own for it. */
static void sc_weigh_rest(sc_drift *drift, zend_object *object, const sc_drift_class *class)
{
	HashTable *table = object->properties;
	zval *list = NULL;
	uint64_t size = 0;
	uint64_t hash = 1;
	zval *value;
	int count = 0;
	int i;

	if (object->handlers->get_gc != zend_std_get_gc) {
		table = object->handlers->get_gc(object, &list, &count);
		for (i = 0; i < count && drift->nodes++ < SC_DRIFT_MAX_NODES; i++) {
			hash += sc_drift_weigh(drift, &list[i], 1, &size);
		}
		/* A generator's variables come and go. */
		size += object->ce == zend_ce_generator ? 0 : (uint64_t)count;
	}
	if (table) {
		ZEND_HASH_FOREACH_VAL(table, value) {
			if (Z_TYPE_P(value) != IS_INDIRECT) {
				size++;
				hash += sc_drift_weigh(drift, value, 1, &size);
			}
			if (drift->nodes++ >= SC_DRIFT_MAX_NODES) {
				break;
			}
		} ZEND_HASH_FOREACH_END();
	}
	if (table || count > 0) {
		sc_drift_measure(drift, sc_slot(drift, class, class->slots, SC_DRIFT_PROPERTY), size, hash, NULL);
	}
}

static void sc_look_into(sc_drift *drift, zend_object *object)
{
	sc_drift_class *class;
	sc_fact *instances;

	if (zend_object_is_lazy(object)) {
		if (zend_object_is_lazy_proxy(object) && zend_lazy_object_initialized(object)) {
			sc_drift_meet(drift, zend_lazy_object_get_instance(object));
		}
		return;
	}
	if (object->ce == zend_ce_closure) {
		sc_weigh_closure(drift, object);
		return;
	}
	class = sc_class_of(drift, object->ce);
	if (!class) {
		return;
	}
	if (class->look != drift->look) {
		class->look = drift->look;
		class->last_instances = class->instances;
		class->instances = 0;
	}
	class->instances += sc_mix(object->handle, 5);
	instances = sc_slot(drift, class, class->slots + 1, SC_DRIFT_INSTANCES);
	sc_drift_measure(drift, instances, 1, 0, NULL);
	sc_weigh_slots(drift, object, class);
	sc_weigh_rest(drift, object, class);
}

/* With other instances than before, what has become of a value means nothing: it is taken as it is. */
static void sc_forgive_other_instances(sc_drift *drift)
{
	uint32_t i, slot;

	for (i = 0; i < drift->class_count; i++) {
		sc_drift_class *class = &drift->classes[i];
		if (class->look != drift->look || class->instances == class->last_instances) {
			continue;
		}
		for (slot = 0; slot <= class->slots; slot++) {
			sc_fact *fact = &drift->facts[class->facts + slot];
			if (fact->look == drift->look && fact->known) {
				fact->last_value = fact->first = fact->second = fact->value;
				fact->max_size = MAX(fact->max_size, fact->size);
			}
		}
	}
}

/*
 * Looks into all objects that the roots have led to. If they are too many, which of them have been seen is chance, and nothing is
 * concluded from it.
 */
void sc_drift_follow(sc_drift *drift)
{
	uint32_t of_roots = drift->measured_count;
	uint32_t i;

	drift->nodes = 0;
	for (i = 0; i < drift->queue_count && drift->nodes < SC_DRIFT_MAX_NODES; i++) {
		sc_look_into(drift, drift->queue[i]);
	}
	drift->blind = drift->nodes >= SC_DRIFT_MAX_NODES;
	if (drift->blind) {
		drift->measured_count = of_roots;
		sc_drift_limited(drift, SC_LIMIT_OBJECTS, SC_DRIFT_MAX_NODES);
	} else {
		sc_forgive_other_instances(drift);
	}
}
