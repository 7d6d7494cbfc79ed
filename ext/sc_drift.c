/*
 * The drift detector: when it looks.
 *
 * At each boundary that is paid for (sc_drift_budget.c), or with sampling at one in so many. What is told is what one request has
 * left, so there has to be a look before it as well: with sampling, and after a pause, the first one is silent.
 */
#include "sc_drift.h"

void sc_drift_start(void)
{
	if (sc_self->worker->drift_sample > 0) {
		sc_self->drift = calloc(1, sizeof(sc_drift));
		if (sc_self->drift) {
			sc_self->drift->look = 1;
			sc_self->drift->paused = sc_self->worker->drift_sample > 1;
		}
	}
}

void sc_drift_stop(void)
{
	sc_drift *drift = sc_self->drift;

	if (!drift) {
		return;
	}
	sc_self->drift = NULL;
	sc_map_free(&drift->index);
	sc_map_free(&drift->class_index);
	sc_map_free(&drift->routes);
	free(drift->facts);
	free(drift->measured);
	free(drift->classes);
	free(drift->statics);
	free(drift->functions);
	free(drift->unlinked);
	free(drift->queue);
	free(drift->visited);
	free(drift);
}

static void sc_look(sc_drift *drift, bool deep)
{
	drift->measured_count = 0;
	drift->deep = deep;
	/* What the look itself takes of PHP's heap must not end the worker; the limit is set anew when the request is taken down. */
	zend_set_memory_limit((size_t)ZEND_LONG_MAX);
	drift->autoloaders = sc_drift_autoloaders();
	sc_drift_begin_walk(drift);
	sc_drift_roots(drift);
	if (drift->deep) {
		sc_drift_follow(drift);
	}
	sc_drift_tables(drift);
	sc_drift_judge(drift);
	if (drift->judging) {
		sc_drift_process(drift);
	}
	sc_drift_pay(drift);
	drift->look++;
}

/* What the boot or an idle callback has done is nobody's; it must not be told of the next request. */
static void sc_look_between(sc_drift *drift)
{
	if (drift->paused && drift->look > 1) {
		return;
	}
	sc_drift_earn(drift);
	if (sc_drift_affords(drift, 1)) {
		sc_look(drift, sc_drift_affords_objects(drift, 1));
	} else {
		drift->paused = true;
	}
}

/* Every request; after a pause the first look is silent. */
static void sc_look_at_each(sc_drift *drift)
{
	sc_drift_earn(drift);
	drift->judging = !drift->paused;
	drift->paused = !sc_drift_affords(drift, drift->paused ? 2 : 1);
	if (!drift->paused) {
		sc_look(drift, sc_drift_affords_objects(drift, 1));
	}
}

/* One request in so many, and the boundary before it in silence. */
static void sc_look_at_sample(sc_drift *drift, uint32_t sample)
{
	uint32_t turn = (uint32_t)(drift->requests % sample);
	bool last = turn == sample - 1;

	if (turn < sample - 2 || (last && drift->paused)) {
		return;
	}
	sc_drift_earn(drift);
	drift->judging = last;
	drift->pair = last ? drift->pair : sc_drift_affords_objects(drift, 2);
	drift->paused = last;
	if (last || sc_drift_affords(drift, 2)) {
		sc_look(drift, drift->pair);
	} else {
		drift->paused = true;
	}
}

/* At a boundary, or when the loop is entered; before anything is put back. */
void sc_drift_look(void)
{
	sc_drift *drift = sc_self->drift;
	uint32_t sample = sc_self->worker->drift_sample;

	drift->judging = false;
	if (!sc_self->request) {
		sc_look_between(drift);
		return;
	}
	if (sample == 1) {
		sc_look_at_each(drift);
	} else {
		sc_look_at_sample(drift, sample);
	}
	drift->requests++;
	drift->route = 0;
}

/* The application names its route. */
void sc_drift_route(const zend_string *route)
{
	if (sc_self->drift) {
		sc_self->drift->route = sc_mix(zend_hash_func(ZSTR_VAL(route), ZSTR_LEN(route)), 17);
	}
}

/* How deep the output buffers are when a request begins, and when its handler has come back. */
void sc_drift_output(bool begins)
{
	sc_drift *drift = sc_self->drift;
	int level = php_output_get_level();

	if (!drift) {
		return;
	}
	drift->output_level = level;
	if (begins) {
		drift->output_base = level;
	}
}

/* The application tells of something that only it can know. */
void sc_drift_told(const zend_string *kind, const zend_string *key, const zend_string *detail, bool put_back)
{
	sc_drift *drift = sc_self->drift;
	sc_drift_found found = {.kind = SC_DRIFT_APP, .why = put_back ? SC_WHY_PUT_BACK : SC_WHY_TOLD,
		.class_name = {ZSTR_VAL(kind), ZSTR_LEN(kind)}, .member = {ZSTR_VAL(key), ZSTR_LEN(key)},
		.detail = {ZSTR_VAL(detail), ZSTR_LEN(detail)}};
	uint64_t id = sc_mix(zend_hash_func(ZSTR_VAL(kind), ZSTR_LEN(kind)), zend_hash_func(ZSTR_VAL(key), ZSTR_LEN(key)));

	if (drift) {
		sc_drift_send(drift, &found, id);
	}
}
