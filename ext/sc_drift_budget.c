/*
 * What looks may cost: a share of the processor time that requests take. Where that does not pay for a look, the boundary is passed
 * without one.
 *
 * There are two accounts. The first pays for statics and the state of the process, which are cheap; of what it has too much a part goes to
 * the second, which pays for following objects and has a share of its own, so that an application with large statics is followed as well.
 * The first looks of a worker are a present, of bounded size: there is most to find, and a developer waits for it.
 */
#include "sc_drift.h"
#include <time.h>

/* The share of statics and process, one part in so many: 6.25 %; with sampling by less, down to 0.4 %. */
#define SC_SHARE 16
#define SC_LEAST_SHARE 250
/* The share of objects: 2 %; with sampling down to 0.2 %. */
#define SC_DEEP_SHARE 50
#define SC_LEAST_DEEP_SHARE 500
/* Of what the first account does not need, one part in so many goes to objects. */
#define SC_PASSED_ON 3
/* Looks that are given, and of these the ones that follow objects. With sampling nobody waits: that of the boot has to do. */
#define SC_GIVEN_LOOKS 256
#define SC_GIVEN_DEEP_LOOKS 32
/* What they may take together, in nanoseconds. */
#define SC_GIVEN_NS 500000000
/* Looks that may be saved for: a burst of them would be felt. */
#define SC_SAVED_LOOKS 4
/* An application that is too large to be followed is tried again, but that costs so many times as much. */
#define SC_BLIND_PRICE 16

static int64_t sc_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Two of so many boundaries are looked at, so the share may be that much smaller. */
static int64_t sc_share(int64_t share, int64_t least)
{
	int64_t sample = sc_self->worker->drift_sample;

	return MIN(MAX(sample * share / 2, share), least);
}

static bool sc_is_given(const sc_drift *drift)
{
	return drift->look <= SC_GIVEN_LOOKS && drift->budget.given < SC_GIVEN_NS;
}

static bool sc_is_deep_given(const sc_drift *drift)
{
	uint64_t looks = sc_self->worker->drift_sample > 1 ? 1 : SC_GIVEN_DEEP_LOOKS;

	return drift->look <= looks && drift->budget.given < SC_GIVEN_NS;
}

static int64_t sc_deep_price(const sc_drift *drift)
{
	return drift->budget.deep_cost * (drift->blind ? SC_BLIND_PRICE : 1);
}

/* At a boundary: puts what has been worked since the last look into the accounts. */
void sc_drift_earn(sc_drift *drift)
{
	sc_drift_budget *budget = &drift->budget;
	int64_t now = sc_cpu_ns();
	int64_t worked = now - budget->since;
	int64_t over;

	budget->since = now;
	budget->credit += worked / sc_share(SC_SHARE, SC_LEAST_SHARE);
	over = MAX(budget->credit - SC_SAVED_LOOKS * budget->cost, 0);
	budget->credit -= over;
	budget->deep_credit += over / SC_PASSED_ON + worked / sc_share(SC_DEEP_SHARE, SC_LEAST_DEEP_SHARE);
	budget->deep_credit = MIN(budget->deep_credit, SC_SAVED_LOOKS * sc_deep_price(drift));
}

/* Whether so many looks are paid for. */
bool sc_drift_affords(const sc_drift *drift, int64_t looks)
{
	return sc_is_given(drift) || drift->budget.credit >= looks * drift->budget.cost;
}

/* The same of what it costs to follow objects with them. */
bool sc_drift_affords_objects(const sc_drift *drift, int64_t looks)
{
	return sc_is_deep_given(drift) || drift->budget.deep_credit >= looks * sc_deep_price(drift);
}

static int64_t sc_average(int64_t before, int64_t now)
{
	return before > 0 ? (before * 3 + now) / 4 : now;
}

/* After a look that sc_drift_earn() has preceded, before it is counted. */
void sc_drift_pay(sc_drift *drift)
{
	sc_drift_budget *budget = &drift->budget;
	int64_t now = sc_cpu_ns();
	int64_t cost = now - budget->since;
	int64_t shallow = drift->deep ? MIN(cost, budget->cost) : cost;
	int64_t deep = cost - shallow;

	budget->since = now;
	if (sc_is_given(drift)) {
		budget->given += shallow;
	} else {
		budget->credit -= shallow;
	}
	if (sc_is_deep_given(drift)) {
		budget->given += deep;
	} else {
		budget->deep_credit -= deep;
	}
	if (drift->deep) {
		budget->deep_cost = sc_average(budget->deep_cost, deep);
	} else {
		budget->cost = sc_average(budget->cost, shallow);
	}
}
