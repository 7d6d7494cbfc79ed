/*
 * Ends a script from another thread, whatever it is doing.
 *
 * What runs in the VM is ended by a flag that the VM looks at with every jump and call (EG(vm_interrupt)); set_time_limit() and
 * max_execution_time have no say in it. What waits in a system call is woken by a signal whose handler does nothing, installed without
 * SA_RESTART. Many libraries simply wait again; so the signal's handler, on the thread that waits, also shuts down the socket or ends the
 * process that is waited for. sqlite3 and a few functions of PHP's that would wait again regardless are told otherwise.
 *
 * What a thread waits for is read from the kernel (/proc), by the thread that interrupts, before it sends the signal. In the handler the
 * waiting thread stands still: if it stands at the same place with the same registers, and its system call has been broken off by this very
 * signal, then it is the call that was seen, and the descriptor is one that the thread itself was waiting for.
 */
#include "sc_internal.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#if defined(__has_include)
# if __has_include(<sqlite3.h>)
#  include <sqlite3.h>
#  include <dlfcn.h>
#  define SC_SQLITE 1
# endif
#endif

/* The first ones are glibc's own, PHP's timers use SIGRTMIN. */
#define SC_SIGNAL (SIGRTMIN + 3)
/* How long shutdown functions, destructors and output handlers may run after the script has been ended; then they are ended too. */
#define SC_LAST_WORDS_MS 1000
/* After this a child process that the script waits for is killed instead of asked. */
#define SC_CHILD_GRACE_MS 1000
/* Descriptors looked at in one poll(); a script that waits for more has some of them shut down. */
#define SC_POLLED_MAX 256

enum { SC_SEEN_NONE, SC_SEEN_SET, SC_SEEN_READING };

static int64_t sc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t sc_load(int64_t *number)
{
	return __atomic_load_n(number, __ATOMIC_RELAXED);
}

/* Whether the script of this thread is to end. */
bool sc_interrupted(void)
{
	return sc_self && sc_load(&sc_self->target.asked_ms) != 0;
}

/* ---- in the VM ---- */

static void (*sc_next_interrupt_function)(zend_execute_data *execute_data);

/* The key of the pool whose time is up. */
static const char *sc_exceeded(void)
{
	if (sc_self->worker->loops && !sc_self->reached_loop) {
		return "boot_timeout";
	}
	return sc_self->resetting || !sc_self->request ? "reset.timeout" : "request_timeout";
}

static void sc_end_script(void)
{
	int64_t since = sc_load(&sc_self->target.ended_ms);
	int64_t now = sc_now_ms();

	if (!EG(bailout)) {
		return;
	}
	if (since == 0) {
		__atomic_store_n(&sc_self->target.ended_ms, now, __ATOMIC_RELAXED);
		if (sc_self->checking) {
			zend_error_noreturn(E_ERROR, "Time is up: the time of a readiness check (health.check_timeout) has passed");
		}
		zend_error_noreturn(E_ERROR, "Time is up: pools.%s.%s has passed", sc_self->worker->pool.data, sc_exceeded());
	}
	if (now - since >= SC_LAST_WORDS_MS) {
		zend_bailout();
	}
}

static void sc_interrupt_function(zend_execute_data *execute_data)
{
	sc_answer_stack(execute_data);
	if (sc_interrupted() && !sc_forked) {
		sc_end_script();
	}
	if (sc_next_interrupt_function) {
		sc_next_interrupt_function(execute_data);
	}
}

/* ---- in the handler, on the thread that is interrupted ---- */

#if defined(__x86_64__)
# define SC_PC(context) ((uint64_t)(context)->uc_mcontext.gregs[REG_RIP])
# define SC_SP(context) ((uint64_t)(context)->uc_mcontext.gregs[REG_RSP])
# define SC_RESULT(context) ((int64_t)(context)->uc_mcontext.gregs[REG_RAX])
# define SC_SECOND(context) ((uint64_t)(context)->uc_mcontext.gregs[REG_RSI])
#elif defined(__aarch64__)
# define SC_PC(context) ((uint64_t)(context)->uc_mcontext.pc)
# define SC_SP(context) ((uint64_t)(context)->uc_mcontext.sp)
# define SC_RESULT(context) ((int64_t)(context)->uc_mcontext.regs[0])
# define SC_SECOND(context) ((uint64_t)(context)->uc_mcontext.regs[1])
#endif

static bool sc_still_there(const sc_seen *seen, const ucontext_t *context)
{
#ifdef SC_PC
	return SC_PC(context) == seen->pc && SC_SP(context) == seen->sp && SC_RESULT(context) == -EINTR
		&& SC_SECOND(context) == seen->args[1];
#else
	return false;
#endif
}

/* Only sockets: shutdown() refuses everything else. A listener would stop listening for every process that shares it. */
static void sc_shut_down(int descriptor)
{
	int listens = 1;
	socklen_t size = sizeof(listens);

	if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && !listens) {
		shutdown(descriptor, SHUT_RDWR);
	}
}

static void sc_shut_down_polled(const struct pollfd *polled, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count && i < SC_POLLED_MAX; i++) {
		if (polled[i].fd >= 0) {
			sc_shut_down(polled[i].fd);
		}
	}
}

static void sc_shut_down_selected(const sc_seen *seen)
{
	int set, descriptor;

	for (set = 1; set <= 2; set++) {
		const fd_set *descriptors = (const fd_set *)(uintptr_t)seen->args[set];
		for (descriptor = 0; descriptors && descriptor < (int)seen->args[0] && descriptor < FD_SETSIZE; descriptor++) {
			if (FD_ISSET(descriptor, descriptors)) {
				sc_shut_down(descriptor);
			}
		}
	}
}

static void sc_end_child(int64_t child, int64_t asked_ms)
{
	if (child > 1) {
		kill((pid_t)child, sc_now_ms() - asked_ms < SC_CHILD_GRACE_MS ? SIGTERM : SIGKILL);
	}
}

/* The arguments of the call are still what they were: it is about to return to its caller. */
static void sc_break_wait(const sc_seen *seen, int64_t asked_ms)
{
	switch (seen->number) {
		case SYS_read: case SYS_readv: case SYS_recvfrom: case SYS_recvmsg:
		case SYS_write: case SYS_writev: case SYS_sendto: case SYS_sendmsg: case SYS_connect:
			sc_shut_down((int)seen->args[0]);
			break;
#ifdef SYS_poll
		case SYS_poll:
#endif
		case SYS_ppoll:
			sc_shut_down_polled((const struct pollfd *)(uintptr_t)seen->args[0], seen->args[1]);
			break;
#ifdef SYS_select
		case SYS_select:
#endif
		case SYS_pselect6:
			sc_shut_down_selected(seen);
			break;
		case SYS_wait4:
			sc_end_child((int32_t)seen->args[0], asked_ms);
			break;
	}
}

/* Async-signal-safe throughout. */
static void sc_on_signal(int signal, siginfo_t *info, void *context)
{
	int error = errno;
	int expected = SC_SEEN_SET;
	sc_target *target = sc_self ? &sc_self->target : NULL;

	(void)signal;
	(void)info;
	if (target && !sc_forked && __atomic_compare_exchange_n(&target->seen.state, &expected, SC_SEEN_READING, false,
			__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (sc_still_there(&target->seen, context)) {
			sc_break_wait(&target->seen, sc_load(&target->asked_ms));
		}
		__atomic_store_n(&target->seen.state, SC_SEEN_NONE, __ATOMIC_RELEASE);
	}
	errno = error;
}

/* ---- on the thread that interrupts ---- */

/* "NUMBER 0xARG x 6 0xSP 0xPC" of a thread that is in a system call, "running" of one that is not. */
bool sc_see(const sc_target *target, sc_seen *seen)
{
	char path[64], text[256];
	ssize_t length;
	int file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)target->thread);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		return false;
	}
	length = read(file, text, sizeof(text) - 1);
	close(file);
	text[MAX(length, 0)] = '\0';
	return sscanf(text, "%" SCNd64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		&seen->number, &seen->args[0], &seen->args[1], &seen->args[2], &seen->args[3], &seen->args[4], &seen->args[5],
		&seen->sp, &seen->pc) == 9 && seen->number >= 0;
}

/* Tells the handler what the thread was seen waiting for. */
static void sc_tell(sc_target *target)
{
	int expected = SC_SEEN_SET;
	sc_seen seen = {0};

	__atomic_compare_exchange_n(&target->seen.state, &expected, SC_SEEN_NONE, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
	if (__atomic_load_n(&target->seen.state, __ATOMIC_ACQUIRE) != SC_SEEN_NONE || !sc_see(target, &seen)) {
		return;
	}
	seen.state = SC_SEEN_NONE;
	target->seen = seen;
	__atomic_store_n(&target->seen.state, SC_SEEN_SET, __ATOMIC_RELEASE);
}

void sc_interrupt(sc_target *target)
{
	int64_t now = sc_now_ms();
	int64_t ended = sc_load(&target->ended_ms);
	int64_t never = 0;

	if (ended != 0 && now - ended < SC_LAST_WORDS_MS) {
		return;
	}
	__atomic_compare_exchange_n(&target->asked_ms, &never, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	zend_atomic_bool_store_ex(target->vm_interrupt, true);
	sc_tell(target);
	syscall(SYS_tgkill, getpid(), target->thread, SC_SIGNAL);
}

/* ---- those that would wait again ---- */

/*
 * build.rs has the linker send what libphp calls here. flock() of ext/session, nanosleep() of time_sleep_until() and waitpid() of
 * proc_close() begin again after a signal; here they get another error.
 */
#ifndef SC_LIBPHP_SHARED
static int sc_final(int result)
{
	if (result == -1 && errno == EINTR && sc_interrupted()) {
		errno = ECANCELED;
	}
	return result;
}

int __real_flock(int descriptor, int operation);
int __wrap_flock(int descriptor, int operation);
int __wrap_flock(int descriptor, int operation)
{
	return sc_final(__real_flock(descriptor, operation));
}

int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	return sc_final(__real_nanosleep(time, left));
}
#endif

#ifdef SC_SQLITE
static int (*sc_sqlite_sleep)(sqlite3_vfs *, int);

/* A script that is to end does not sleep between its attempts at a lock: the busy timeout passes in no time. */
static int sc_sleep(sqlite3_vfs *vfs, int microseconds)
{
	return sc_interrupted() ? microseconds : sc_sqlite_sleep(vfs, microseconds);
}
#endif

static void sc_interrupt_sqlite(void)
{
#ifdef SC_SQLITE
	sqlite3_vfs *(*find)(const char *) = (sqlite3_vfs *(*)(const char *))dlsym(RTLD_DEFAULT, "sqlite3_vfs_find");
	sqlite3_vfs *vfs = find ? find(NULL) : NULL;

	if (vfs && vfs->xSleep != sc_sleep) {
		sc_sqlite_sleep = vfs->xSleep;
		vfs->xSleep = sc_sleep;
	}
#endif
}

/* ---- start ---- */

/* While modules are registered: later the JIT has compiled the call of the VM's interrupt function, or its absence. */
void sc_interrupt_minit(void)
{
	struct sigaction action = {0};

	sc_next_interrupt_function = zend_interrupt_function;
	zend_interrupt_function = sc_interrupt_function;
	action.sa_sigaction = sc_on_signal;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigemptyset(&action.sa_mask);
	sigaction(SC_SIGNAL, &action, NULL);
	sc_interrupt_sqlite();
}

/* pcntl_sigprocmask() and the mask a thread is born with must not keep the signal away. */
void sc_interrupt_unblock(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SC_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void sc_interrupt_thread_init(sc_thread *self)
{
	self->target.thread = (pid_t)syscall(SYS_gettid);
	self->target.vm_interrupt = &EG(vm_interrupt);
	sc_interrupt_unblock();
}

sc_target *sc_thread_target(void)
{
	return &sc_self->target;
}
