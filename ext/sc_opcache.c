/*
 * Restarts of OPcache: opcache_reset(), memory or hash table full.
 *
 * A restart is only scheduled by the script that brings it about. It is carried out by whichever request starts next and finds that
 * nobody is executing cached code (accel_is_inactive()), and then all that was cached is overwritten. OPcache asks that by
 * means of fcntl() locks, which are per process: the other threads of this one are not seen. So the server takes part in the asking.
 * It holds the same lock, in a way that counts within the process as well, and gives it up only while no thread executes
 * PHP (src/php/opcache.rs). Here is what only C can do: to hear of a restart, and to hold the lock for forked children.
 */
#include "sc_internal.h"
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

/* The byte of the lock file on which OPcache's users hold a read lock (ZendAccelerator.c, accel_activate_add()). */
#define SC_USAGE_BYTE 1

/* Written by the thread that starts the engine, before there is any other. */
static int sc_bell = -1;
static int sc_lock_file = -1;
static zif_handler sc_php_reset;

/* Between the schedule and the restart. In a forked child it is a copy, and no use. */
static bool sc_pending;

/*
 * Called once for each restart, with OPcache's own lock held, possibly in a forked child, which shares the memory. Telling is all that may
 * be done here. The pipe cannot be full: nothing is scheduled until what was scheduled has been carried out.
 */
static void sc_restart_scheduled(int reason)
{
	char told = (char)('0' + reason);
	ssize_t written;

	__atomic_store_n(&sc_pending, true, __ATOMIC_RELEASE);
	do {
		written = write(sc_bell, &told, 1);
	} while (written == -1 && errno == EINTR);
}

/*
 * OPcache answers with false while a restart is pending already, since it is switched off until then. But what the caller asked for will
 * happen; false would say that it will not.
 */
static ZEND_NAMED_FUNCTION(sc_reset)
{
	sc_php_reset(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	if (Z_TYPE_P(return_value) == IS_FALSE && __atomic_load_n(&sc_pending, __ATOMIC_ACQUIRE) && !sc_forked
			&& !EG(exception) && INI_STR("opcache.restrict_api")[0] == '\0') {
		RETVAL_TRUE;
	}
}

bool sc_opcache_shares_memory(void)
{
	return zend_hash_str_exists(&module_registry, ZEND_STRL("zend opcache")) && INI_BOOL("opcache.enable")
		&& !INI_BOOL("opcache.file_cache_only");
}

void sc_opcache_watch(int bell, int lock_file)
{
	sc_bell = bell;
	sc_lock_file = lock_file;
	if (zend_hash_str_exists(CG(function_table), ZEND_STRL("opcache_reset"))) {
		sc_php_reset = sc_replace(ZEND_STRL("opcache_reset"), sc_reset);
	}
	zend_accel_schedule_restart_hook = sc_restart_scheduled;
}

void sc_opcache_restarting(void)
{
	__atomic_store_n(&sc_pending, false, __ATOMIC_RELEASE);
}

/*
 * A child of pcntl_fork() goes on with code in the shared memory, but has lost its parent's locks, and OPcache believes that it holds one.
 * fcntl() is safe here; a child that executes another program loses the lock with the file.
 */
void sc_opcache_forked(void)
{
	struct flock usage = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = SC_USAGE_BYTE, .l_len = 1};

	if (sc_lock_file != -1) {
		(void)fcntl(sc_lock_file, F_SETLK, &usage);
	}
}

/* ---- what it says of itself ---- */

/* A look costs a few microseconds: nobody scrapes more often. */
#define SC_LOOK_EVERY_MS 1000

/* Written by whichever thread has the turn, read by others: figure by figure. */
static sc_opcache_figures sc_look_seen;
static bool sc_look_done;
static int64_t sc_next_look_ms;

/* Where a figure stands in the answer of opcache_get_status(). */
static const struct {
	const char *group, *name;
	size_t offset;
} sc_figures[] = {
	{"memory_usage", "used_memory", offsetof(sc_opcache_figures, memory_used)},
	{"memory_usage", "free_memory", offsetof(sc_opcache_figures, memory_free)},
	{"memory_usage", "wasted_memory", offsetof(sc_opcache_figures, memory_wasted)},
	{"interned_strings_usage", "used_memory", offsetof(sc_opcache_figures, strings_used)},
	{"interned_strings_usage", "free_memory", offsetof(sc_opcache_figures, strings_free)},
	{"opcache_statistics", "num_cached_scripts", offsetof(sc_opcache_figures, scripts)},
	{"opcache_statistics", "num_cached_keys", offsetof(sc_opcache_figures, keys)},
	{"opcache_statistics", "max_cached_keys", offsetof(sc_opcache_figures, max_keys)},
	{"opcache_statistics", "hits", offsetof(sc_opcache_figures, hits)},
	{"opcache_statistics", "misses", offsetof(sc_opcache_figures, misses)},
	{"opcache_statistics", "oom_restarts", offsetof(sc_opcache_figures, oom_restarts)},
	{"opcache_statistics", "hash_restarts", offsetof(sc_opcache_figures, hash_restarts)},
	{"opcache_statistics", "manual_restarts", offsetof(sc_opcache_figures, manual_restarts)},
	{"jit", "buffer_size", offsetof(sc_opcache_figures, jit_size)},
	{"jit", "buffer_free", offsetof(sc_opcache_figures, jit_free)},
};

static uint64_t *sc_figure(sc_opcache_figures *figures, size_t index)
{
	return (uint64_t *)((char *)figures + sc_figures[index].offset);
}

static uint64_t sc_figure_of(const zval *status, size_t index)
{
	zval *group = zend_hash_str_find(Z_ARRVAL_P(status), sc_figures[index].group, strlen(sc_figures[index].group));
	zval *value = group && Z_TYPE_P(group) == IS_ARRAY
		? zend_hash_str_find(Z_ARRVAL_P(group), sc_figures[index].name, strlen(sc_figures[index].name)) : NULL;

	return value && Z_TYPE_P(value) == IS_LONG && Z_LVAL_P(value) > 0 ? (uint64_t)Z_LVAL_P(value) : 0;
}

/* Whether this thread has the turn. */
static bool sc_look_is_due(void)
{
	struct timespec clock;
	int64_t now, due = __atomic_load_n(&sc_next_look_ms, __ATOMIC_RELAXED);

	clock_gettime(CLOCK_MONOTONIC_COARSE, &clock);
	now = (int64_t)clock.tv_sec * 1000 + clock.tv_nsec / 1000000;
	return now >= due && __atomic_compare_exchange_n(&sc_next_look_ms, &due, now + SC_LOOK_EVERY_MS, false,
		__ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void sc_opcache_look(void)
{
	zend_function *status_of;
	zval status, with_scripts;

	/* A restricted one would warn, and say nothing. */
	if (sc_bell == -1 || sc_forked || EG(exception) || !sc_look_is_due() || INI_STR("opcache.restrict_api")[0] != '\0') {
		return;
	}
	status_of = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("opcache_get_status"));
	if (!status_of || status_of->type != ZEND_INTERNAL_FUNCTION) {
		return;
	}
	ZVAL_UNDEF(&status);
	ZVAL_FALSE(&with_scripts);
	zend_call_known_function(status_of, NULL, NULL, &status, 1, &with_scripts, NULL);
	if (Z_TYPE(status) == IS_ARRAY) {
		for (size_t i = 0; i < sizeof(sc_figures) / sizeof(*sc_figures); i++) {
			__atomic_store_n(sc_figure(&sc_look_seen, i), sc_figure_of(&status, i), __ATOMIC_RELAXED);
		}
		__atomic_store_n(&sc_look_done, true, __ATOMIC_RELEASE);
	}
	zval_ptr_dtor(&status);
}

bool sc_opcache_seen(sc_opcache_figures *figures)
{
	if (!__atomic_load_n(&sc_look_done, __ATOMIC_ACQUIRE)) {
		return false;
	}
	for (size_t i = 0; i < sizeof(sc_figures) / sizeof(*sc_figures); i++) {
		*sc_figure(figures, i) = __atomic_load_n(sc_figure(&sc_look_seen, i), __ATOMIC_RELAXED);
	}
	return true;
}
