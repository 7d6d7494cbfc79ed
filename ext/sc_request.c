/*
 * The life of a script on this thread: sc_request_begin() -> sc_request_run() -> sc_request_end(), and, within the run of a
 * worker script, one turn of its loop per request (sc_handle_request()).
 */
#include "sc_internal.h"
#include <unistd.h>

/* ---- begin, run, end ---- */

/* Basic auth allocates from the request heap, which php_request_startup() does not empty, and which has a limit. */
static bool sc_accept(const sc_request *request)
{
	volatile bool accepted = false;

	sc_self->requests++;
	zend_try {
		sc_fill_request_info(request);
		accepted = true;
	} zend_end_try();
	return accepted;
}

/* php_request_startup(); for a worker's boot without the session that session.auto_start is to give to clients. */
static bool sc_startup(void)
{
	bool was, done;

	if (!sc_self->worker->loops) {
		return php_request_startup() == SUCCESS;
	}
	was = sc_set_auto_start(false);
	done = php_request_startup() == SUCCESS;
	sc_set_auto_start(was);
	return done;
}

bool sc_request_begin(const sc_request *request)
{
	sc_thread *self = sc_self;
	bool accepted;

	self->request = request;
	self->open = request != NULL;
	self->phase = SC_PHASE_SCRIPT;
	self->reached_loop = false;
	self->exited = false;
	self->answered = false;
	self->clock_stopped = false;
	self->uncaught = false;
	self->died = false;
	self->touched = 0;
	self->resetting = false;
	self->astray = false;
	self->failed = false;
	self->turn = NULL;
	self->peak = 0;
	PG(last_error_type) = 0;
	memset(&SG(request_info), 0, sizeof(SG(request_info)));
	SG(server_context) = NULL;
	SG(sapi_headers).http_response_code = 200;
	accepted = !request || sc_accept(request);
	if (!accepted) {
		/* Started all the same, since what is not started cannot be ended; but nothing is run. */
		memset(&SG(request_info), 0, sizeof(SG(request_info)));
		SG(server_context) = NULL;
		CG(unclean_shutdown) = 0;
		self->uncaught = true;
	}
	return sc_startup() && accepted;
}

static bool sc_execute(const char *file)
{
	zend_file_handle handle;
	bool done;

	zend_stream_init_filename(&handle, file);
	handle.primary_script = 1;
	if (sc_self->worker->loops) {
		/* The clock of a boot is the server's (boot_timeout): PHP's is meant for requests, and a container may take longer to compile. */
		zend_unset_timeout();
		PG(max_input_time) = -1;
	}
	done = php_execute_script(&handle);
	zend_destroy_file_handle(&handle);
	return done;
}

static sc_run sc_outcome(void)
{
	if (CG(unclean_shutdown)) {
		/* exit in a shutdown function bails out as well. */
		return sc_died() ? SC_RUN_FATAL : SC_RUN_EXIT;
	}
	if (sc_self->exited) {
		return SC_RUN_EXIT;
	}
	return sc_self->uncaught ? SC_RUN_UNCAUGHT : SC_RUN_RETURNED;
}

/*
 * exit is a way to end a response that has begun (a redirect, a printed page); without anything given before, it is an
 * application that vanished. Must be asked while the headers are still there.
 */
static void sc_note_exit(void)
{
	size_t own = PG(expose_php) ? 1 : 0;

	sc_self->exited = true;
	sc_self->answered = SG(headers_sent) || SG(sapi_headers).http_response_code != 200
		|| zend_llist_count(&SG(sapi_headers).headers) > own;
}

/*
 * php_execute_script() says "false" for exit and for an uncaught throwable alike. Only the latter has been reported as an
 * error that ends a script, and no script survives such an error to reach this line otherwise.
 */
static void sc_note_early_end(void)
{
	if (sc_died()) {
		sc_self->uncaught = true;
	} else if (!sc_self->exited) {
		sc_note_exit();
	}
}

sc_run sc_request_run(const char *file)
{
	/* Set here and read after a possible jump. */
	volatile bool done = false;

	zend_try {
		if (sc_self->worker->loops) {
			sc_classes_activate();
		}
		done = sc_execute(file);
	} zend_end_try();
	if (!done && !CG(unclean_shutdown)) {
		sc_note_early_end();
	}
	return sc_outcome();
}

static sc_ending sc_ending_of(sc_run run)
{
	if (sc_self->astray) {
		/* Its handler has been torn down on the way: whatever it has written is not the whole of it. */
		return SC_ENDING_FATAL;
	}
	switch (run) {
		case SC_RUN_FATAL: return SC_ENDING_FATAL;
		case SC_RUN_UNCAUGHT: return SC_ENDING_UNCAUGHT;
		/* For a script that serves one request exit is an ordinary end, as it is under FPM. */
		case SC_RUN_EXIT: return sc_self->worker->loops && !sc_self->answered ? SC_ENDING_EXIT : SC_ENDING_WHOLE;
		case SC_RUN_RETURNED: case SC_RUN_RESET_FAILED: case SC_RUN_RESET_MISSING: break;
	}
	/* A worker script that comes to its end inside a request has left it by exit. */
	return sc_self->phase == SC_PHASE_HANDLER ? SC_ENDING_EXIT : SC_ENDING_WHOLE;
}

/* Functions registered while the application booted run after those of the request that ended the script. */
static void sc_restore_boot_shutdown(void)
{
	sc_thread *self = sc_self;

	if (!self->reached_loop) {
		return;
	}
	php_call_shutdown_functions();
	php_free_shutdown_functions();
	BG(user_shutdown_function_names) = self->boot_shutdown;
	self->boot_shutdown = NULL;
}

/* What is known of the request that is over, and of what the script keeps. */
static void sc_fill_boundary(sc_boundary *boundary)
{
	zend_gc_status gc;

	zend_gc_get_status(&gc);
	boundary->memory = zend_memory_usage(false);
	boundary->memory_peak = sc_self->peak;
	boundary->resetters = sc_self->resets;
	boundary->garbage = gc.num_roots;
	boundary->failed = sc_self->failed;
	boundary->tick = sc_next_tick();
}

/* Where the script has ended: in the middle of a reset, or past one. */
static sc_run sc_end_of(sc_run run)
{
	if (sc_self->astray) {
		return SC_RUN_RESET_MISSING;
	}
	return sc_self->resetting ? SC_RUN_RESET_FAILED : run;
}

sc_run sc_request_end(sc_boundary *boundary)
{
	sc_thread *self = sc_self;
	sc_phase phase = self->phase;
	int exit_status = EG(exit_status);
	sc_run run;

	self->phase = SC_PHASE_ENDING;
	self->turn = NULL;
	zend_try {
		sc_restore_boot_shutdown();
		if (!CG(unclean_shutdown)) {
			sc_free_callbacks(&self->resetters);
			sc_free_callbacks(&self->ticks);
			sc_free_callbacks(&self->checks);
			sc_opcache_look();
		}
	} zend_end_try();
	if (self->baseline && !CG(unclean_shutdown)) {
		sc_baseline_free(self->baseline);
		if (self->kept_bodies) {
			efree(self->kept_bodies);
		}
	}
	/* After a bailout the request's heap is dropped whole. */
	self->baseline = NULL;
	sc_drift_stop();
	self->kept_bodies = NULL;
	self->kept_count = 0;
	self->resetters = (sc_callbacks){NULL, 0};
	self->resets = 0;
	self->reporting = false;
	self->ticks = (sc_callbacks){NULL, 0};
	self->checks = (sc_callbacks){NULL, 0};
	self->checking = false;
	self->peak = zend_memory_peak_usage(false);
	php_request_shutdown(NULL);
	sc_env_forget();
	sc_signals_forget();
	if (sc_forked) {
		/* The child of pcntl_fork(): Rust's threads and locks are not there, so it must not return to Rust. */
		_exit(exit_status);
	}
	run = sc_outcome();
	CG(unclean_shutdown) = 0;
	self->phase = phase;
	sc_finish(sc_ending_of(run));
	self->failed = run == SC_RUN_UNCAUGHT || run == SC_RUN_FATAL;
	sc_fill_boundary(boundary);
	self->request = NULL;
	self->open = false;
	self->phase = SC_PHASE_SCRIPT;
	SG(server_context) = NULL;
	memset(&SG(request_info), 0, sizeof(SG(request_info)));
	return sc_end_of(run);
}

bool sc_reached_loop(void)
{
	return sc_self->reached_loop;
}

/* ---- one turn of the loop ---- */

/* The boot is over: its output is flushed to the log, and what it registered for shutdown is put aside. */
static void sc_enter_loop(void)
{
	sc_self->reached_loop = true;
	PG(max_input_time) = INI_INT("max_input_time");
	sc_self->boot_shutdown = BG(user_shutdown_function_names);
	BG(user_shutdown_function_names) = NULL;
	sc_self->baseline = sc_baseline_take();
	sc_drift_start();
}

/*
 * zend_user_exception_handler() for a script that goes on: what the handler itself throws, exit included, is left in
 * EG(exception) instead of being dropped.
 */
static void sc_call_exception_handler(void)
{
	zend_object *thrown = EG(exception);
	zval handler, argument, result;

	EG(exception) = NULL;
	ZVAL_OBJ(&argument, thrown);
	ZVAL_COPY_VALUE(&handler, &EG(user_exception_handler));
	zend_stack_push(&EG(user_exception_handlers), &handler);
	ZVAL_UNDEF(&EG(user_exception_handler));
	if (call_user_function(NULL, NULL, &handler, &result, 1, &argument) == SUCCESS) {
		zval_ptr_dtor(&result);
	}
	OBJ_RELEASE(thrown);
	if (Z_TYPE(EG(user_exception_handler)) == IS_UNDEF) {
		zval *below = zend_stack_top(&EG(user_exception_handlers));
		if (below) {
			ZVAL_COPY_VALUE(&EG(user_exception_handler), below);
			zend_stack_del_top(&EG(user_exception_handlers));
		}
	}
}

bool sc_is_exit(const zend_object *thrown)
{
	return zend_is_unwind_exit(thrown) || zend_is_graceful_exit(thrown);
}

/*
 * A throwable nobody caught. The user's handler answers for it if there is one; else PHP reports it. Returns whether the
 * response is to count as a failure.
 */
static bool sc_report_uncaught(void)
{
	if (Z_TYPE(EG(user_exception_handler)) == IS_UNDEF) {
		zend_exception_error(EG(exception), E_ERROR);
		return true;
	}
	/* The handler may choose another status; one that says nothing has not made a success of it. */
	if (!SG(headers_sent) && SG(sapi_headers).http_response_code == 200) {
		SG(sapi_headers).http_response_code = 500;
	}
	sc_call_exception_handler();
	if (EG(exception) && !sc_is_exit(EG(exception))) {
		zend_exception_error(EG(exception), E_ERROR);
		return true;
	}
	return !SG(headers_sent) && SG(sapi_headers).http_response_code == 500;
}

/*
 * Deals with a throwable that is on its way out of code called by the loop. Returns false if the script is being unwound by
 * exit; then nothing may be done but to return to the VM.
 */
static bool sc_settle_exception(sc_ending *ending)
{
	if (!EG(exception)) {
		return true;
	}
	if (!sc_is_exit(EG(exception))) {
		if (sc_report_uncaught()) {
			*ending = SC_ENDING_UNCAUGHT;
			sc_self->failed = true;
		}
		if (!EG(exception)) {
			return true;
		}
	}
	if (zend_is_graceful_exit(EG(exception))) {
		/* Nothing but the end of a Fiber that was suspended in here makes one. */
		sc_self->astray = true;
	}
	sc_note_exit();
	return false;
}

/* Functions registered during this request run at its end, once. They were not there when the loop was entered. */
static bool sc_run_shutdown_functions(sc_ending *ending)
{
	sc_phase phase = sc_self->phase;

	if (!BG(user_shutdown_function_names)) {
		return true;
	}
	sc_self->phase = SC_PHASE_ENDING;
	php_call_shutdown_functions();
	php_free_shutdown_functions();
	BG(user_shutdown_function_names) = NULL;
	sc_self->phase = phase;
	if (CG(unclean_shutdown)) {
		/* php_call_shutdown_functions() swallows a bailout; the incarnation must not go on after one. */
		zend_bailout();
	}
	return sc_settle_exception(ending);
}

static void sc_call_handler(zend_fcall_info *fci, zend_fcall_info_cache *fcc)
{
	zval result;

	ZVAL_UNDEF(&result);
	fci->retval = &result;
	fci->param_count = 0;
	fci->params = NULL;
	zend_call_function(fci, fcc);
	zval_ptr_dtor(&result);
}

/*
 * Takes the state of a request down, or of what ran between two of them. Returns false if the script is being unwound by exit; then
 * this incarnation serves no other request.
 */
static bool sc_take_down(bool resetters)
{
	sc_thread *self = sc_self;
	sc_ending ending = SC_ENDING_WHOLE;

	self->phase = SC_PHASE_ENDING;
	if (resetters && self->resetters.count > 0 && !sc_run_resetters()) {
		sc_note_exit();
		return false;
	}
	if (!sc_run_shutdown_functions(&ending)) {
		return false;
	}
	if (self->drift) {
		sc_drift_look();
	}
	sc_reset_end();
	self->peak = zend_memory_peak_usage(false);
	sc_baseline_restore(self->baseline);
	if (EG(exception)) {
		/* The state of a request that throws while it is taken down is not known. */
		if (sc_settle_exception(&ending)) {
			zend_throw_unwind_exit();
			sc_note_exit();
		}
		return false;
	}
	self->request = NULL;
	self->phase = SC_PHASE_SCRIPT;
	self->resetting = false;
	return true;
}

/* What an idle worker does for itself. Returns false if the script is being unwound by exit. */
static bool sc_take_care(const sc_given *given)
{
	sc_self->phase = SC_PHASE_ENDING;
	sc_self->resetting = true;
	sc_self->failed = false;
	sc_reset_begin(NULL);
	if (given->collect) {
		gc_collect_cycles();
	}
	if (!sc_report_callback(ZEND_STRL("garbage collection"), true) || (given->tick && !sc_run_ticks())
			|| (given->check && !sc_run_checks())) {
		sc_note_exit();
		return false;
	}
	return sc_take_down(given->tick || given->check);
}

/* The boundary of two requests. Returns false if the script is being unwound by exit. */
static bool sc_pass_boundary(void)
{
	sc_thread *self = sc_self;
	sc_ending ending = SC_ENDING_WHOLE;

	if (!self->reached_loop) {
		sc_enter_loop();
		return sc_take_down(false);
	}
	if (!sc_run_shutdown_functions(&ending)) {
		return false;
	}
	sc_opcache_look();
	self->resetting = true;
	sc_on_resetting(self->host);
	return sc_take_down(true);
}

/* Waits for a request. Returns false if there is none: the loop should be left, or the script is being unwound. */
static bool sc_await_request(void)
{
	sc_thread *self = sc_self;
	sc_boundary boundary;
	sc_given given;
	sc_next next;

	do {
		given = (sc_given){NULL, false, false, false};
		sc_fill_boundary(&boundary);
		next = sc_on_next(self->host, &boundary, &given);
		if (next == SC_NEXT_CARE && !sc_take_care(&given)) {
			return false;
		}
	} while (next == SC_NEXT_CARE);
	if (next == SC_NEXT_REQUEST) {
		self->request = given.request;
		return true;
	}
	/* What the script still prints on its way out goes to the log, as at boot. */
	php_output_activate();
	sapi_activate();
	return false;
}

/* From the handler to the end of the response. Returns if the script is being unwound, too. */
static void sc_serve(zend_fcall_info *fci, zend_fcall_info_cache *fcc)
{
	sc_thread *self = sc_self;
	sc_ending ending = SC_ENDING_WHOLE;

	self->open = true;
	self->requests++;
	self->failed = false;
	self->phase = SC_PHASE_HANDLER;
	sc_reset_begin(self->request);
	if (self->drift) {
		sc_drift_output(true);
	}
	sc_on_script(self->host);

	sc_call_handler(fci, fcc);
	if (!sc_settle_exception(&ending) || !sc_run_shutdown_functions(&ending)) {
		return;
	}
	zend_unset_timeout();
	self->clock_stopped = true;
	/* Before the client can come back with the same session. */
	sc_save_session();
	if (!sc_settle_exception(&ending)) {
		return;
	}
	if (self->drift) {
		sc_drift_output(false);
	}
	php_output_end_all();
	php_header();
	if (!sc_settle_exception(&ending)) {
		return;
	}
	self->phase = SC_PHASE_AFTER;
	sc_finish(ending);
}

/*
 * Serves one request. Returns false if the loop should be left, true otherwise; with EG(exception) set the script is
 * being unwound by exit and the response is finished by sc_request_end().
 */
bool sc_handle_request(zend_fcall_info *fci, zend_fcall_info_cache *fcc)
{
	bool serves;

	sc_self->turn = EG(current_execute_data);
	serves = sc_pass_boundary() && sc_await_request();
	if (serves) {
		sc_serve(fci, fcc);
	}
	sc_self->turn = NULL;
	return serves || EG(exception);
}

/* The script has found a way past the reset of a request: nothing that it does from here on may reach a client. */
void sc_go_astray(const char *why)
{
	sc_self->astray = true;
	sc_log_text(8, why, strlen(why));
	zend_throw_unwind_exit();
}
