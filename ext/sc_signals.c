/*
 * pcntl_signal() in a process whose signals belong to the server. A script may catch those that the server leaves alone, until the
 * end of its request; the signal is then dealt with on the thread that asked for it, since pcntl's handler must not run
 * on a thread without PHP.
 *
 * What a process does about a signal is one thing for all its threads. So it follows from what all scripts together want: one that catches
 * it gets it, the one that has asked last if there are several; else it is ignored if one wants that; else the server has its way again.
 * pcntl's own calls for it (php_signal4, php_signal) are taken over when the executable is linked, so that there is no moment in between. A
 * libphp.so keeps them to itself: there the handler is replaced just after pcntl has installed it.
 */
#include "sc_internal.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Signals that fit into sc_thread.signals; Linux has 64. */
#define SC_SIGNALS 64

typedef void (*sc_signal_handler)(int, siginfo_t *, void *);

/* SIG_DFL and its like are handlers of the other type. */
#define SC_HANDLER(value) ((sc_signal_handler)(uintptr_t)(value))

/* What the process does about a signal when no script has a say; noted when the first script wants it. */
static struct sigaction sc_server_actions[SC_SIGNALS + 1];
static bool sc_noted[SC_SIGNALS + 1];
static pthread_mutex_t sc_noting = PTHREAD_MUTEX_INITIALIZER;

/* Thread that gets a signal, or 0. Read by signal handlers. */
static volatile pid_t sc_owner[SC_SIGNALS + 1];
static sc_signal_handler volatile sc_pcntl_handler;
static zif_handler sc_php_pcntl_signal;
static zif_handler sc_php_pcntl_sigprocmask;

/* Threads whose scripts want something about a signal, the one that has asked last first; and how it is to be caught. */
static sc_thread *sc_wanting;
static int sc_flags[SC_SIGNALS + 1];
static pthread_mutex_t sc_wants = PTHREAD_MUTEX_INITIALIZER;

static uint64_t sc_bit(zend_long signal)
{
	return UINT64_C(1) << (signal - 1);
}

static pid_t sc_thread_id(void)
{
	return (pid_t)syscall(SYS_gettid);
}

/* Returns whether scripts may have it. */
static bool sc_note_action(int signal)
{
	const struct sigaction *action = &sc_server_actions[signal];

	pthread_mutex_lock(&sc_noting);
	if (!sc_noted[signal]) {
		sc_noted[signal] = sigaction(signal, NULL, &sc_server_actions[signal]) == 0;
	}
	pthread_mutex_unlock(&sc_noting);
	return sc_noted[signal] && !(action->sa_flags & SA_SIGINFO)
		&& (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN);
}

static void sc_catch(int signal, siginfo_t *info, void *context)
{
	pid_t owner = sc_owner[signal];

	if (sc_forked || (sc_self && owner == sc_thread_id())) {
		sc_pcntl_handler(signal, info, context);
	} else if (owner != 0) {
		syscall(SYS_tgkill, getpid(), owner, signal);
	}
}

/* Has the process do what the scripts want together; under the lock. */
static bool sc_settle(int signal)
{
	struct sigaction action = {.sa_handler = SIG_IGN};
	const sc_thread *thread = sc_wanting;
	const sc_thread *ignores = NULL;

	while (thread && !(thread->caught & sc_bit(signal))) {
		ignores = thread->ignored & sc_bit(signal) ? thread : ignores;
		thread = thread->next_wanting;
	}
	if (thread) {
		sc_owner[signal] = thread->wanting_id;
		action.sa_sigaction = sc_catch;
		action.sa_flags = SA_SIGINFO | SA_ONSTACK | sc_flags[signal];
		sigfillset(&action.sa_mask);
		return sigaction(signal, &action, NULL) == 0;
	}
	sc_owner[signal] = 0;
	return sigaction(signal, ignores ? &action : &sc_server_actions[signal], NULL) == 0;
}

/* Takes note of what this thread wants about a signal: to catch it with a handler, SIG_IGN, or SIG_DFL: nothing any more. */
static bool sc_want(int signal, sc_signal_handler handler, bool restart)
{
	sc_thread **link = &sc_wanting;
	sc_thread *self = sc_self;
	bool done;

	if (sc_forked) {
		/* The lock may be held by a thread that is not there. */
		return true;
	}
	pthread_mutex_lock(&sc_wants);
	while (*link && *link != self) {
		link = &(*link)->next_wanting;
	}
	if (*link) {
		*link = self->next_wanting;
	}
	self->caught &= ~sc_bit(signal);
	self->ignored &= ~sc_bit(signal);
	if (handler == SC_HANDLER(SIG_IGN)) {
		self->ignored |= sc_bit(signal);
	} else if (handler != SC_HANDLER(SIG_DFL)) {
		sc_pcntl_handler = handler;
		sc_flags[signal] = restart ? SA_RESTART : 0;
		self->caught |= sc_bit(signal);
	}
	if (self->caught | self->ignored) {
		self->wanting_id = sc_thread_id();
		self->next_wanting = sc_wanting;
		sc_wanting = self;
	}
	done = sc_settle(signal);
	pthread_mutex_unlock(&sc_wants);
	return done;
}

#ifdef SC_LIBPHP_SHARED
/* Puts sc_catch() in front of what pcntl has just installed. */
static void sc_take_over(int signal)
{
	struct sigaction action;

	if (sigaction(signal, NULL, &action) != 0) {
		return;
	}
	if (!(action.sa_flags & SA_SIGINFO) || action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
		sc_want(signal, SC_HANDLER(action.sa_handler), false);
	} else if (action.sa_sigaction != sc_catch) {
		sc_want(signal, action.sa_sigaction, action.sa_flags & SA_RESTART);
	}
}
#else
static void sc_take_over(int signal)
{
	(void)signal;
}

/* ext/pcntl/php_signal.c. Weak, since only the executable is linked so that they stand for it (build.rs). */
sc_signal_handler __real_php_signal4(int signal, sc_signal_handler handler, int restart, int mask_all) __attribute__((weak));
sc_signal_handler __wrap_php_signal4(int signal, sc_signal_handler handler, int restart, int mask_all);
sc_signal_handler __wrap_php_signal(int signal, sc_signal_handler handler, int restart);

sc_signal_handler __wrap_php_signal4(int signal, sc_signal_handler handler, int restart, int mask_all)
{
	if (!sc_self || sc_forked || signal < 1 || signal > SC_SIGNALS || !sc_noted[signal]) {
		return __real_php_signal4(signal, handler, restart, mask_all);
	}
	return sc_want(signal, handler, restart != 0) ? SC_HANDLER(SIG_DFL) : SC_HANDLER(SIG_ERR);
}

sc_signal_handler __wrap_php_signal(int signal, sc_signal_handler handler, int restart)
{
	return __wrap_php_signal4(signal, handler, restart, 0);
}
#endif

static ZEND_NAMED_FUNCTION(sc_pcntl_signal)
{
	zval *number = ZEND_NUM_ARGS() > 0 ? ZEND_CALL_ARG(execute_data, 1) : NULL;
	zend_long signal = number && Z_TYPE_P(number) == IS_LONG ? Z_LVAL_P(number) : 0;

	if (!sc_self || sc_forked || signal < 1 || signal > SC_SIGNALS) {
		sc_php_pcntl_signal(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	if (!sc_note_action((int)signal)) {
		php_error_docref(NULL, E_WARNING, "Signal " ZEND_LONG_FMT " belongs to the server", signal);
		RETURN_FALSE;
	}
	sc_self->signals |= sc_bit(signal);
	sc_self->touched |= SC_TOUCHED_SIGNALS;
	sc_php_pcntl_signal(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	sc_take_over((int)signal);
}

static ZEND_NAMED_FUNCTION(sc_pcntl_sigprocmask)
{
	sc_php_pcntl_sigprocmask(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	sc_interrupt_unblock();
}

/* Must run before the function table is copied for other threads. */
void sc_signals_functions(void)
{
	if (zend_hash_str_exists(CG(function_table), ZEND_STRL("pcntl_sigprocmask"))) {
		sc_php_pcntl_sigprocmask = sc_replace(ZEND_STRL("pcntl_sigprocmask"), sc_pcntl_sigprocmask);
	}
	if (zend_hash_str_exists(CG(function_table), ZEND_STRL("pcntl_signal"))) {
		sc_php_pcntl_signal = sc_replace(ZEND_STRL("pcntl_signal"), sc_pcntl_signal);
	}
}

static void sc_give_back(int signal)
{
	sc_want(signal, SC_HANDLER(SIG_DFL), false);
}

void sc_signals_thread_init(sc_thread *self)
{
	pthread_sigmask(SIG_SETMASK, NULL, &self->signal_mask);
}

/* The script has ended, and pcntl has set every signal of it to what is the default of a process. */
void sc_signals_forget(void)
{
	int signal;

	for (signal = 1; signal <= SC_SIGNALS && sc_self->signals; signal++) {
		if (sc_self->signals & sc_bit(signal)) {
			sc_give_back(signal);
		}
	}
	sc_self->signals = 0;
	if (sc_self->touched & SC_TOUCHED_SIGNALS) {
		pthread_sigmask(SIG_SETMASK, &sc_self->signal_mask, NULL);
	}
}

/* ---- between two requests of a worker ---- */

struct sc_signals {
	uint64_t caught;                /* by the boot */
	HashTable handlers;             /* signal -> handler, of those */
	sigset_t mask;
};

static void sc_ask_handler(zend_long signal, zval *handler)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("pcntl_signal_get_handler"));
	zval argument;

	ZVAL_LONG(&argument, signal);
	zend_call_known_function(function, NULL, NULL, handler, 1, &argument, NULL);
}

static void sc_set_handler(zend_long signal, const zval *handler)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("pcntl_signal"));
	zval arguments[2], result;

	ZVAL_LONG(&arguments[0], signal);
	ZVAL_COPY_VALUE(&arguments[1], handler);
	zend_call_known_function(function, NULL, NULL, &result, 2, arguments, NULL);
}

sc_signals *sc_signals_take(void)
{
	sc_signals *base = ecalloc(1, sizeof(*base));
	zend_long signal;

	base->caught = sc_self->signals;
	pthread_sigmask(SIG_SETMASK, NULL, &base->mask);
	zend_hash_init(&base->handlers, 0, NULL, ZVAL_PTR_DTOR, 0);
	for (signal = 1; signal <= SC_SIGNALS && base->caught; signal++) {
		if (base->caught & sc_bit(signal)) {
			zval handler;
			sc_ask_handler(signal, &handler);
			zend_hash_index_update(&base->handlers, (zend_ulong)signal, &handler);
		}
	}
	return base;
}

void sc_signals_restore(const sc_signals *base)
{
	zval none;
	int signal;

	ZVAL_LONG(&none, (zend_long)SIG_DFL);
	for (signal = 1; signal <= SC_SIGNALS && sc_self->signals; signal++) {
		if (!(sc_self->signals & sc_bit(signal))) {
			continue;
		}
		if (base->caught & sc_bit(signal)) {
			sc_set_handler(signal, zend_hash_index_find(&base->handlers, (zend_ulong)signal));
		} else {
			sc_set_handler(signal, &none);
			sc_give_back(signal);
		}
	}
	sc_self->signals = base->caught;
	pthread_sigmask(SIG_SETMASK, &base->mask, NULL);
}

void sc_signals_free(sc_signals *base)
{
	zend_hash_destroy(&base->handlers);
	efree(base);
}
