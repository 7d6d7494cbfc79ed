/*
 * Tells where a script is while it runs, because another thread has asked.
 *
 * The question is a flag beside EG(vm_interrupt); the VM comes by at its next jump or call (see sc_interrupt.c) and the answer is given there. The
 * script notices nothing: no signal is sent, no error raised, nothing allocated from its heap, and nothing of it is changed. One that
 * waits in a system call, or computes in a library, answers when it comes back; until then the kernel knows what it waits for.
 */
#include "sc_internal.h"
#include <sys/syscall.h>

/* Callers that are told; deeper ones are counted. */
#define SC_STACK_FRAMES 32
/* Bytes of an answer: it becomes a part of one log line. */
#define SC_STACK_BYTES 4096
/* Callers that are counted; a recursion that goes deeper is as good as one without end. */
#define SC_STACK_DEPTH 100000

typedef struct sc_text_buffer {
	char text[SC_STACK_BYTES];
	size_t len;
} sc_text_buffer;

static void sc_put(sc_text_buffer *into, const char *text, size_t len)
{
	len = MIN(len, sizeof(into->text) - into->len);
	memcpy(into->text + into->len, text, len);
	into->len += len;
}

static void sc_put_number(sc_text_buffer *into, uint32_t number)
{
	char digits[16];

	sc_put(into, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRIu32, number));
}

static void sc_put_string(sc_text_buffer *into, const zend_string *string)
{
	sc_put(into, ZSTR_VAL(string), ZSTR_LEN(string));
}

/* The instruction is saved wherever the VM may be interrupted, as for a backtrace (zend_fetch_debug_backtrace()). */
static uint32_t sc_line(const zend_execute_data *frame)
{
	const zend_op *opline = frame->opline;

	if (opline && opline->opcode == ZEND_HANDLE_EXCEPTION) {
		opline = EG(opline_before_exception);
	}
	return opline ? opline->lineno : 0;
}

/* "FILE:LINE CLASS::FUNCTION", without arguments: they hold secrets. */
static void sc_put_frame(sc_text_buffer *into, const zend_execute_data *frame)
{
	const zend_function *function = frame->func;

	if (ZEND_USER_CODE(function->type) && function->op_array.filename) {
		sc_put_string(into, function->op_array.filename);
		sc_put(into, ZEND_STRL(":"));
		sc_put_number(into, sc_line(frame));
	} else {
		sc_put(into, ZEND_STRL("[internal]"));
	}
	sc_put(into, ZEND_STRL(" "));
	if (!function->common.function_name) {
		sc_put(into, ZEND_STRL("{main}"));
		return;
	}
	if (function->common.scope) {
		sc_put_string(into, function->common.scope->name);
		sc_put(into, ZEND_STRL("::"));
	}
	sc_put_string(into, function->common.function_name);
}

static void sc_tell_stack(const zend_execute_data *frame)
{
	sc_text_buffer stack = {.len = 0};
	uint32_t told = 0, depth = 0;

	for (; frame && depth < SC_STACK_DEPTH; frame = frame->prev_execute_data, depth++) {
		/* One without a function holds the place of a generator's caller. */
		if (!frame->func || told >= SC_STACK_FRAMES) {
			continue;
		}
		if (told++ > 0) {
			sc_put(&stack, ZEND_STRL("\n"));
		}
		sc_put_frame(&stack, frame);
	}
	if (depth > told) {
		sc_put(&stack, ZEND_STRL("\n... "));
		sc_put_number(&stack, depth - told);
		sc_put(&stack, ZEND_STRL(" more"));
	}
	sc_on_stack(sc_self->host, (sc_text){stack.text, stack.len});
}

/* In the VM, where it may be interrupted. */
void sc_answer_stack(const zend_execute_data *frame)
{
	bool asked = true;

	if (sc_self && !sc_forked && __atomic_compare_exchange_n(&sc_self->target.stack_asked, &asked, false, false,
			__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		sc_tell_stack(frame);
	}
}

void sc_ask_stack(sc_target *target)
{
	__atomic_store_n(&target->stack_asked, true, __ATOMIC_RELEASE);
	zend_atomic_bool_store_ex(target->vm_interrupt, true);
}

/* System calls that scripts wait in; others are told by their number. */
static const struct { int64_t number; const char *name; } sc_waits[] = {
	{SYS_read, "read"}, {SYS_readv, "readv"}, {SYS_recvfrom, "recvfrom"}, {SYS_recvmsg, "recvmsg"},
	{SYS_write, "write"}, {SYS_writev, "writev"}, {SYS_sendto, "sendto"}, {SYS_sendmsg, "sendmsg"},
	{SYS_connect, "connect"}, {SYS_accept, "accept"}, {SYS_ppoll, "ppoll"}, {SYS_pselect6, "pselect6"},
	{SYS_epoll_pwait, "epoll_pwait"}, {SYS_nanosleep, "nanosleep"}, {SYS_clock_nanosleep, "clock_nanosleep"},
	{SYS_futex, "futex"}, {SYS_flock, "flock"}, {SYS_fcntl, "fcntl"}, {SYS_fsync, "fsync"}, {SYS_openat, "openat"},
	{SYS_wait4, "wait4"}, {SYS_waitid, "waitid"},
#ifdef SYS_poll
	{SYS_poll, "poll"},
#endif
#ifdef SYS_select
	{SYS_select, "select"},
#endif
#ifdef SYS_epoll_wait
	{SYS_epoll_wait, "epoll_wait"},
#endif
};

const char *sc_waits_in(const sc_target *target)
{
	sc_seen seen = {0};
	size_t i;

	if (!sc_see(target, &seen)) {
		return NULL;
	}
	for (i = 0; i < sizeof(sc_waits) / sizeof(sc_waits[0]); i++) {
		if (sc_waits[i].number == seen.number) {
			return sc_waits[i].name;
		}
	}
	return "another system call";
}
