/*
 * The drift detector: when it looks, and what a look costs.
 *
 * Following objects is the dear part. It may take no more than a share of the processor time that requests take, so it pauses until
 * that has been earned; statics and the state of the process are looked at each time. The first looks of a worker, in which there is
 * most to find and a developer waits for it, are not counted. With sampling, the boundary before the sampled request is looked at as
 * well, in silence: only so can be told what that one request has left.
 */
#include "sc_drift.h"
#include <time.h>

/* Looks that follow objects whatever it costs. */
#define SC_DRIFT_FREE_LOOKS 32
/* Later on, one part in so many of the processor time: 4 %. */
#define SC_DRIFT_SHARE 25
/* The same with sampling: 0.4 %. */
#define SC_DRIFT_SAMPLE_SHARE 250

static int64_t sc_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void sc_drift_start(void)
{
	if (sc_self->worker->drift_sample > 0) {
		sc_self->drift = calloc(1, sizeof(sc_drift));
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

/* Whether this look may follow objects. */
static bool sc_may_follow(sc_drift *drift, int64_t now)
{
	int64_t share = sc_self->worker->drift_sample > 1 ? SC_DRIFT_SAMPLE_SHARE : SC_DRIFT_SHARE;

	if (drift->blind) {
		return false;
	}
	drift->credit += (now - drift->since) / share;
	if (drift->look <= SC_DRIFT_FREE_LOOKS) {
		return true;
	}
	if (drift->credit < drift->deep_cost) {
		return false;
	}
	drift->credit = 0;
	return true;
}

static void sc_look(sc_drift *drift)
{
	int64_t begun = sc_cpu_ns();

	drift->look++;
	drift->measured_count = 0;
	drift->deep = sc_may_follow(drift, begun);
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
	drift->since = sc_cpu_ns();
	if (drift->deep) {
		drift->deep_cost = drift->since - begun;
	}
}

/* At a boundary, or when the loop is entered; before anything is put back. */
void sc_drift_look(void)
{
	sc_drift *drift = sc_self->drift;
	uint32_t sample = sc_self->worker->drift_sample;
	uint32_t turn;

	drift->judging = false;
	if (!sc_self->request) {
		if (sample == 1 || drift->requests == 0) {
			sc_look(drift);
		}
		return;
	}
	turn = (uint32_t)(drift->requests++ % sample);
	drift->judging = turn == sample - 1;
	if (drift->judging || turn == sample - 2) {
		sc_look(drift);
	}
	if (drift->judging) {
		sc_drift_process(drift);
	}
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
