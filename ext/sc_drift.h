/*
 * What the files of the drift detector share. docs/drift.md says what it reports and why.
 *
 * A look is taken at a boundary, after the resetters and before the engine puts anything back. It measures everything that outlives a
 * request and can be reached, as facts: a size and a fingerprint of the value. What a fact does from look to look decides whether it
 * is told. Nothing here runs code of the application, and nothing is allocated on its heap but what PHP's own garbage
 * collector would allocate there to see the same objects.
 */
#ifndef SC_DRIFT_H
#define SC_DRIFT_H

#include "sc_internal.h"

/* Facts that are kept at most, per worker: an application with ten thousand classes has about half as many. */
#define SC_DRIFT_MAX_FACTS 65536
/* Values that one look visits at most among statics and globals, and as many again in objects. */
#define SC_DRIFT_MAX_NODES 200000
/* Elements of one array that are visited. */
#define SC_DRIFT_MAX_ELEMENTS 4096
/* Of those, the ones that go into the fingerprint; more are visited only where objects are followed. */
#define SC_DRIFT_MAX_HASHED 64
/* Arrays within arrays. */
#define SC_DRIFT_MAX_DEPTH 6
/* Callers of the loop that are looked at: their objects. */
#define SC_DRIFT_MAX_FRAMES 32

/* A table of numbers. Lives outside of PHP's heap. */
typedef struct sc_map {
	uint64_t *keys;                 /* 0: free */
	uint32_t *values;
	uint32_t size;                  /* a power of two, or 0 */
	uint32_t count;
} sc_map;

#define SC_MAP_NEW UINT32_MAX

/* How a fact is judged. */
typedef enum sc_judged {
	SC_JUDGED_VALUE,                /* growth and changes of the value */
	SC_JUDGED_ALONE,                /* the same, as long as there is one of it */
	SC_JUDGED_GROWTH,               /* growth alone */
	SC_JUDGED_LOADED                /* growth that is usual for a while: classes, files */
} sc_judged;

typedef struct sc_fact {
	sc_drift_kind kind;
	sc_judged judged;
	/* Valid in the look that has measured the fact. */
	const zend_class_entry *ce;
	const zend_op_array *code;
	zend_string *name;
	const zval *only;               /* the value, if it is one alone */
	uint64_t look;                  /* that has measured it last */
	uint64_t size, value;           /* now */
	uint64_t max_size, last_size, last_value;
	uint64_t first, second;         /* values that it may go back to */
	zend_long last_long, step;      /* of a number, and by how much it grows with each request */
	uint64_t last_request;          /* when the number was that */
	uint16_t grown, grown_cold, distinct, flips;
	bool known, told, is_long;
	bool judged_values;             /* declared by the application */
} sc_fact;

/* A class that has instances within reach. */
typedef struct sc_drift_class {
	const zend_class_entry *ce;
	uint32_t facts;                 /* the first of one a property, one for the rest, and one for the number of instances */
	uint32_t slots;
	uint64_t look;
	uint64_t instances;             /* a sum over those that there are */
	uint64_t last_instances;
} sc_drift_class;

/* A static property. */
typedef struct sc_drift_static {
	zend_class_entry *ce;
	zend_property_info *info;
} sc_drift_static;

/* Processor time that looks may take, in nanoseconds: what requests have earned for them, and what they cost. */
typedef struct sc_drift_budget {
	int64_t since;                  /* the thread's time after the last look */
	int64_t credit, deep_credit;    /* for statics and the process; for objects */
	int64_t cost, deep_cost;        /* of a look; what objects add to that */
	int64_t given;                  /* to the first ones */
} sc_drift_budget;

struct sc_drift {
	uint64_t look;                  /* number of the one in progress, or of the next one, from 1 */
	uint64_t requests;              /* boundaries of requests */
	bool judging;                   /* the look is one to report from */
	bool deep;                      /* and follows objects */
	bool blind;                     /* the last one that did has found too much to follow */
	uint32_t nodes;                 /* visited by this look, among roots or in objects */
	sc_map index;                   /* key -> fact */
	sc_fact *facts;
	uint32_t fact_count, fact_room;
	uint32_t *measured;             /* facts that the look in progress has measured */
	uint32_t measured_count, measured_room;
	sc_map class_index;
	sc_drift_class *classes;
	uint32_t class_count, class_room;
	sc_drift_static *statics;
	uint32_t static_count, static_room;
	zend_op_array **functions;
	uint32_t function_count, function_room;
	uint32_t classes_seen, functions_seen;  /* of PHP's tables */
	const void *last_class;         /* the last of those */
	uint32_t *unlinked;             /* places of classes whose parent was not there yet */
	uint32_t unlinked_count, unlinked_room;
	zend_object **queue;
	uint32_t queue_count, queue_room;
	uint8_t *visited;               /* a bit for each object handle */
	size_t visited_size;
	sc_map routes;                  /* how often one has been looked at */
	uint64_t route;                 /* that the application has named */
	int output_level, output_base;
	uint32_t constants;             /* of PHP's table, seen */
	uint32_t classes_named;         /* of PHP's table, when the last one was asked for its name */
	uint64_t autoloaders;           /* registered, when the look began */
	sc_drift_budget budget;
	bool paused;                    /* nobody has looked at the boundary before */
	bool pair;                      /* the look before the sampled one has followed objects */
	uint32_t told;                  /* findings so far */
	uint32_t limits;                /* that have been told, a bit each */
};

/* Two numbers in one, never 0. A product of 128 bits, folded, depends on every bit of both. */
static inline uint64_t sc_mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15ULL) * (b ^ 0xbf58476d1ce4e5b9ULL);
	uint64_t x = (uint64_t)product ^ (uint64_t)(product >> 64);

	return x ? x : 1;
}

/* sc_drift_budget.c */
void sc_drift_earn(sc_drift *drift);
bool sc_drift_affords(const sc_drift *drift, int64_t looks);
bool sc_drift_affords_objects(const sc_drift *drift, int64_t looks);
void sc_drift_pay(sc_drift *drift);

/* sc_drift_facts.c */
uint32_t *sc_map_at(sc_map *map, uint64_t key);
void sc_map_free(sc_map *map);
void *sc_drift_room(void *list, uint32_t *room, uint32_t count, size_t size);
sc_fact *sc_drift_fact(sc_drift *drift, uint64_t key, sc_drift_kind kind, sc_judged judged);
uint32_t sc_drift_new_facts(sc_drift *drift, uint32_t count);
void sc_drift_measure(sc_drift *drift, sc_fact *fact, uint64_t size, uint64_t value, const zval *only);
void sc_drift_judge(sc_drift *drift);
void sc_drift_send(sc_drift *drift, sc_drift_found *found, uint64_t id);
void sc_drift_limited(sc_drift *drift, sc_drift_limit limit, uint64_t most);
void sc_drift_tell(sc_drift *drift, sc_drift_kind kind, sc_drift_why why, const char *key, uint64_t id);

/* sc_drift_walk.c */
uint64_t sc_drift_weigh(sc_drift *drift, zval *value, int depth, uint64_t *size);
void sc_drift_follow(sc_drift *drift);
void sc_drift_begin_walk(sc_drift *drift);
void sc_drift_meet(sc_drift *drift, zend_object *object);

/* sc_drift_roots.c */
void sc_drift_roots(sc_drift *drift);
void sc_drift_tables(sc_drift *drift);
uint64_t sc_drift_autoloaders(void);

/* sc_drift_process.c */
void sc_drift_process(sc_drift *drift);
bool sc_drift_is_of_request(const zval *value);

#endif
