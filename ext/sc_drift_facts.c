/*
 * Facts and what is learnt of them.
 *
 * Growth: a fact that reaches a size it never had. Caches that fill do so once for each route, so only growth on a route that has
 * been looked at before counts, and only the third time. Classes and files load longer; theirs counts from the tenth time on.
 *
 * Change: a fact has the value that it began with, and may have another one: a service made by the first request that needs
 * it, a flag that is set for good. A third one means that it goes with the requests. So does one that turns to and fro. A number
 * that grows by the same step each time is a counter, which is told of statics, as a note, and of nothing else.
 */
#include "sc_drift.h"

/* Times that a fact grows on a warm route before it is told. */
#define SC_GROWTHS 3
/* The same for what is loaded: code comes in until every branch has been taken. */
#define SC_LOADS 10
/* The same on routes that were never seen before. */
#define SC_COLD_GROWTHS 50
/* Changes between two values. */
#define SC_FLIPS 4
/* Findings that are written down, per worker; others are only counted. */
#define SC_MAX_TOLD 100

/* ---- tables ---- */

static uint32_t *sc_map_place(sc_map *map, uint64_t key)
{
	uint32_t at = (uint32_t)(key ^ (key >> 32)) & (map->size - 1);

	while (map->keys[at] != 0 && map->keys[at] != key) {
		at = (at + 1) & (map->size - 1);
	}
	return &map->values[at];
}

static bool sc_map_grow(sc_map *map)
{
	sc_map more = {NULL, NULL, map->size ? map->size * 2 : 256, map->count};
	uint32_t i;

	more.keys = calloc(more.size, sizeof(*more.keys));
	more.values = malloc(more.size * sizeof(*more.values));
	if (!more.keys || !more.values) {
		sc_map_free(&more);
		return false;
	}
	for (i = 0; i < map->size; i++) {
		if (map->keys[i] != 0) {
			uint32_t *place = sc_map_place(&more, map->keys[i]);
			more.keys[place - more.values] = map->keys[i];
			*place = map->values[i];
		}
	}
	sc_map_free(map);
	*map = more;
	return true;
}

/* The value of a key, which is not 0; SC_MAP_NEW if it was not there. NULL: no memory. */
uint32_t *sc_map_at(sc_map *map, uint64_t key)
{
	uint32_t *place;

	if (map->count * 2 >= map->size && !sc_map_grow(map)) {
		return NULL;
	}
	place = sc_map_place(map, key);
	if (map->keys[place - map->values] == 0) {
		map->keys[place - map->values] = key;
		*place = SC_MAP_NEW;
		map->count++;
	}
	return place;
}

/* The value of a key if it is there. */
static uint32_t *sc_map_find(sc_map *map, uint64_t key)
{
	uint32_t *place = map->size ? sc_map_place(map, key) : NULL;

	return place && map->keys[place - map->values] != 0 ? place : NULL;
}

void sc_map_free(sc_map *map)
{
	free(map->keys);
	free(map->values);
	memset(map, 0, sizeof(*map));
}

/* Room for one more. Returns the list, or NULL and leaves it as it is. */
void *sc_drift_room(void *list, uint32_t *room, uint32_t count, size_t size)
{
	uint32_t more;
	void *grown;

	if (count < *room) {
		return list;
	}
	more = *room ? *room * 2 : 64;
	grown = realloc(list, more * size);
	if (grown) {
		*room = more;
	}
	return grown;
}

/* ---- facts ---- */

/* So many in a row. Returns the first, or SC_MAP_NEW. */
uint32_t sc_drift_new_facts(sc_drift *drift, uint32_t count)
{
	uint32_t first = drift->fact_count;

	if (first + count > SC_DRIFT_MAX_FACTS) {
		sc_drift_limited(drift, SC_LIMIT_FACTS, SC_DRIFT_MAX_FACTS);
		return SC_MAP_NEW;
	}
	while (drift->fact_room < first + count) {
		sc_fact *grown = sc_drift_room(drift->facts, &drift->fact_room, drift->fact_room, sizeof(*grown));
		if (!grown) {
			return SC_MAP_NEW;
		}
		drift->facts = grown;
	}
	memset(drift->facts + first, 0, count * sizeof(sc_fact));
	drift->fact_count += count;
	return first;
}

/* The fact of that key; NULL if there is no room. Valid until the next one is made. */
sc_fact *sc_drift_fact(sc_drift *drift, uint64_t key, sc_drift_kind kind, sc_judged judged)
{
	/* With all facts taken no key is kept either: each request may bring others. */
	bool full = drift->fact_count >= SC_DRIFT_MAX_FACTS;
	uint32_t *place = full ? sc_map_find(&drift->index, key) : sc_map_at(&drift->index, key);
	uint32_t at;

	if (!place || (full && *place == SC_MAP_NEW)) {
		sc_drift_limited(drift, SC_LIMIT_FACTS, SC_DRIFT_MAX_FACTS);
		return NULL;
	}
	if (*place == SC_MAP_NEW) {
		at = sc_drift_new_facts(drift, 1);
		if (at == SC_MAP_NEW) {
			return NULL;
		}
		*place = at;
	}
	drift->facts[*place].kind = kind;
	drift->facts[*place].judged = judged;
	return &drift->facts[*place];
}

/* Adds to what this look has seen of the fact. */
void sc_drift_measure(sc_drift *drift, sc_fact *fact, uint64_t size, uint64_t value, const zval *only)
{
	if (fact->look != drift->look) {
		uint32_t *more = sc_drift_room(drift->measured, &drift->measured_room, drift->measured_count, sizeof(*more));
		if (!more) {
			return;
		}
		drift->measured = more;
		drift->measured[drift->measured_count++] = (uint32_t)(fact - drift->facts);
		fact->look = drift->look;
		fact->size = size;
		fact->value = value;
		fact->only = only;
		return;
	}
	fact->size += size;
	fact->value += value;
	fact->only = NULL;
}

/* ---- what is told ---- */

static sc_text sc_text_of_string(const zend_string *string)
{
	return string ? (sc_text){ZSTR_VAL(string), ZSTR_LEN(string)} : (sc_text){"", 0};
}

/* A name as it stands in the source: PHP keeps those of private properties with their class before a NUL. */
static sc_text sc_plain_name(const zend_string *name)
{
	const char *last = name ? zend_memrchr(ZSTR_VAL(name), 0, ZSTR_LEN(name)) : NULL;

	return last && name ? (sc_text){last + 1, (size_t)(ZSTR_VAL(name) + ZSTR_LEN(name) - last - 1)} : sc_text_of_string(name);
}

static void sc_send(sc_drift *drift, sc_drift_found *found, bool *told)
{
	found->repeated = *told;
	if (!*told) {
		*told = true;
		if (drift->told >= SC_MAX_TOLD) {
			found->repeated = true;
		}
		drift->told++;
	}
	sc_on_drift(sc_self->host, found);
}

/* Something that is no measure. Under one id it is told once. */
void sc_drift_send(sc_drift *drift, sc_drift_found *found, uint64_t id)
{
	sc_fact *fact = sc_drift_fact(drift, sc_mix(sc_mix((uint64_t)found->kind + 1, id), 7), found->kind, SC_JUDGED_VALUE);

	if (fact) {
		sc_send(drift, found, &fact->told);
	}
}

/* There is more than is looked at. Said once. */
void sc_drift_limited(sc_drift *drift, sc_drift_limit limit, uint64_t most)
{
	if (!(drift->limits & (1u << limit))) {
		drift->limits |= 1u << limit;
		sc_on_drift_limit(sc_self->host, limit, most);
	}
}

/* A piece of the state of process or thread. */
void sc_drift_tell(sc_drift *drift, sc_drift_kind kind, sc_drift_why why, const char *key, uint64_t id)
{
	sc_drift_found found = {.kind = kind, .why = why, .member = {key, strlen(key)}};

	sc_drift_send(drift, &found, id);
}

static void sc_tell_fact(sc_drift *drift, sc_fact *fact, sc_drift_why why)
{
	sc_drift_found found = {.kind = fact->kind, .why = why, .before = fact->last_size, .after = fact->size};

	found.member = fact->kind == SC_DRIFT_CLASS ? sc_text_of_string(fact->name) : sc_plain_name(fact->name);
	if (fact->ce) {
		found.class_name = sc_text_of_string(fact->ce->name);
		if (fact->ce->type == ZEND_USER_CLASS) {
			found.file = sc_text_of_string(fact->ce->info.user.filename);
			found.line = fact->ce->info.user.line_start;
		}
	}
	if (fact->code) {
		found.function = sc_text_of_string(fact->code->function_name);
		found.file = sc_text_of_string(fact->code->filename);
		found.line = fact->code->line_start;
		if (fact->code->scope) {
			found.class_name = sc_text_of_string(fact->code->scope->name);
		}
	}
	sc_send(drift, &found, &fact->told);
}

/* ---- what is learnt ---- */

static bool sc_is_static(const sc_fact *fact)
{
	return fact->kind == SC_DRIFT_STATIC || fact->kind == SC_DRIFT_FUNCTION_STATIC || fact->kind == SC_DRIFT_GLOBAL
		|| fact->kind == SC_DRIFT_CONSTANT;
}

static void sc_learn(const sc_drift *drift, sc_fact *fact)
{
	fact->first = fact->second = fact->last_value = fact->value;
	fact->max_size = fact->last_size = fact->size;
	fact->known = true;
	if (fact->only && Z_TYPE_P(fact->only) == IS_LONG) {
		fact->is_long = true;
		fact->last_long = Z_LVAL_P(fact->only);
		fact->last_request = drift->requests;
	}
}

/* Whether the fact is a number that grows by the same step with each request. Some may have passed without a look. */
static bool sc_counts(const sc_drift *drift, sc_fact *fact)
{
	bool is_long = fact->only && Z_TYPE_P(fact->only) == IS_LONG;
	zend_long requests = (zend_long)MAX(drift->requests - fact->last_request, 1);
	zend_long grown = is_long && fact->is_long ? Z_LVAL_P(fact->only) - fact->last_long : 0;
	zend_long step = grown > 0 && grown % requests == 0 ? grown / requests : 0;
	bool counts = step > 0 && (fact->step == 0 || fact->step == step);

	fact->step = step;
	fact->is_long = is_long;
	fact->last_long = is_long ? Z_LVAL_P(fact->only) : 0;
	fact->last_request = drift->requests;
	return counts;
}

/* Whether the value has become one that it was not before, after having been another. */
static bool sc_changes(sc_fact *fact)
{
	if (fact->value != fact->first && fact->value != fact->second) {
		fact->distinct++;
		if (fact->second == fact->first) {
			fact->second = fact->value;
		}
	}
	fact->flips++;
	return fact->distinct >= 2 || fact->flips >= SC_FLIPS;
}

static bool sc_grows(sc_fact *fact, bool warm)
{
	uint16_t *times = warm ? &fact->grown : &fact->grown_cold;
	uint16_t limit = !warm ? SC_COLD_GROWTHS : fact->judged == SC_JUDGED_LOADED ? SC_LOADS : SC_GROWTHS;

	if (*times < UINT16_MAX) {
		(*times)++;
	}
	return *times >= limit;
}

static bool sc_has_value(const sc_fact *fact)
{
	return fact->judged == SC_JUDGED_VALUE || (fact->judged == SC_JUDGED_ALONE && fact->only);
}

/* Looks at one fact. Returns whether it has grown, told or not. */
static bool sc_judge_fact(sc_drift *drift, sc_fact *fact, bool warm)
{
	bool grown = fact->size > fact->max_size;
	bool changed = fact->value != fact->last_value;
	bool told = false;

	if (!grown && !changed) {
		fact->last_size = fact->size;
		return false;
	}
	if (!sc_self->request) {
		/* The boot has done it, or an idle callback: that is how it begins. */
		sc_learn(drift, fact);
		return grown;
	}
	if (grown) {
		fact->max_size = fact->size;
		told = sc_grows(fact, warm) && drift->judging;
		if (told) {
			sc_tell_fact(drift, fact, SC_WHY_GROWS);
		}
	}
	if (changed && sc_has_value(fact) && (!grown || !fact->only || Z_TYPE_P(fact->only) != IS_ARRAY)) {
		bool counts = sc_counts(drift, fact);
		bool changes = sc_changes(fact);
		bool of_request = fact->only && sc_is_static(fact) && drift->judging && sc_drift_is_of_request(fact->only);

		if (!told && drift->judging && of_request) {
			sc_tell_fact(drift, fact, SC_WHY_REQUEST);
		} else if (!told && drift->judging && changes && !counts) {
			sc_tell_fact(drift, fact, SC_WHY_CHANGES);
		} else if (!told && drift->judging && changes && sc_is_static(fact)) {
			sc_tell_fact(drift, fact, SC_WHY_COUNTS);
		}
	}
	fact->last_value = fact->value;
	fact->last_size = fact->size;
	return grown;
}

/* Whether the route of the request has been looked at before. */
static bool sc_is_warm(sc_drift *drift)
{
	const sc_request *request = sc_self->request;
	uint64_t route = drift->route;
	uint32_t *looks;
	size_t i;

	if (!request) {
		return false;
	}
	for (i = 0; drift->route == 0 && i < request->uri.len && request->uri.data[i] != '?'; i++) {
		route = route * 31 + (unsigned char)request->uri.data[i];
	}
	/* Beyond the bound all are one. */
	route = drift->routes.count >= 1024 ? 1 : sc_mix(route, 3);
	looks = sc_map_at(&drift->routes, route);
	if (!looks) {
		return false;
	}
	*looks = *looks == SC_MAP_NEW ? 1 : *looks + 1;
	return *looks > 2;
}

void sc_drift_judge(sc_drift *drift)
{
	bool warm = sc_is_warm(drift);
	bool grown = false;
	uint32_t i;

	for (i = 0; i < drift->measured_count; i++) {
		sc_fact *fact = &drift->facts[drift->measured[i]];
		if (fact->kind == SC_DRIFT_INSTANCES) {
			continue;
		}
		if (!fact->known) {
			sc_learn(drift, fact);
		} else {
			grown |= sc_judge_fact(drift, fact, warm);
		}
	}
	/* More objects of a class are told if nothing is seen to hold them. */
	for (i = 0; drift->deep && i < drift->measured_count; i++) {
		sc_fact *fact = &drift->facts[drift->measured[i]];
		if (fact->kind != SC_DRIFT_INSTANCES) {
			continue;
		}
		if (!fact->known) {
			sc_learn(drift, fact);
		} else if (grown) {
			fact->max_size = MAX(fact->max_size, fact->size);
			fact->last_size = fact->size;
		} else {
			sc_judge_fact(drift, fact, warm);
		}
	}
}
