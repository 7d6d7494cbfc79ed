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
