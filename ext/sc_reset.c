/*
 * What one request must not leave to the next, in a script that never ends. sc_reset_end() takes the old request's
 * state down, sc_reset_begin() builds the new one's. Both run inside the worker script's own zend_try: a bailout in here
 * ends the incarnation, which is what a failed reset must do.
 *
 * The order is that of php_request_shutdown() and php_request_startup(), less everything that would throw the booted
 * application away.
 */
#include "sc_internal.h"

#if defined(HAVE_PHP_SESSION) && !defined(COMPILE_DL_SESSION)
# include "ext/session/php_session.h"
# define SC_SESSION 1
#endif

/* Writes and closes an open session, as session_write_close() does. */
void sc_save_session(void)
{
#ifdef SC_SESSION
	if (PS(session_status) == php_session_active) {
		php_session_flush(1);
	}
#endif
}

/* ext/session, RSHUTDOWN without the part that forgets user save handlers: those may have been set before the loop. */
static void sc_reset_session(void)
{
	/* Code that ran after the response may have opened it again. */
	sc_save_session();
#ifdef SC_SESSION
	if (!Z_ISUNDEF(PS(http_session_vars))) {
		zval_ptr_dtor(&PS(http_session_vars));
		ZVAL_UNDEF(&PS(http_session_vars));
	}
	if (PS(mod_data) || PS(mod_user_implemented)) {
		PS(mod)->s_close(&PS(mod_data));
	}
	if (PS(id)) {
		zend_string_release_ex(PS(id), 0);
		PS(id) = NULL;
	}
	if (PS(session_vars)) {
		zend_string_release_ex(PS(session_vars), 0);
		PS(session_vars) = NULL;
	}
	if (PS(session_started_filename)) {
		zend_string_release(PS(session_started_filename));
		PS(session_started_filename) = NULL;
		PS(session_started_lineno) = 0;
	}
	PS(session_status) = php_session_none;
	PS(in_save_handler) = 0;
	PS(set_handler) = 0;
	PS(mod_data) = NULL;
	PS(mod_user_is_open) = 0;
	PS(define_sid) = 1;
#endif
	zend_hash_str_del(&EG(symbol_table), "_SESSION", sizeof("_SESSION") - 1);
}

/*
 * Extensions whose own request functions are run for each request: ext/filter keeps the raw input of a request in its globals, ext/zlib
 * the encoding its client accepts, and it starts zlib.output_compression.
 */
static void sc_module(const char *name, bool start)
{
	zend_module_entry *module = zend_hash_str_find_ptr(&module_registry, name, strlen(name));

	if (!module) {
		return;
	}
	if (start && module->request_startup_func) {
		module->request_startup_func(module->type, module->module_number);
	} else if (!start && module->request_shutdown_func) {
		module->request_shutdown_func(module->type, module->module_number);
	}
}

/* After superglobals: zlib reads Accept-Encoding from $_SERVER, a session its cookie. */
static void sc_modules_begin(bool has_client)
{
	sc_module("filter", true);
	sc_module("zlib", true);
#ifdef SC_SESSION
	if (has_client && PS(auto_start)) {
		php_session_start();
	}
#endif
}

/* session.auto_start is for requests; the boot of a worker has no client. Returns what it was. */
bool sc_set_auto_start(bool on)
{
#ifdef SC_SESSION
	bool was = PS(auto_start);

	PS(auto_start) = on;
	return was;
#else
	return on;
#endif
}

/* error_get_last() of the former request. */
static void sc_clear_last_error(void)
{
	if (PG(last_error_message)) {
		zend_string_release(PG(last_error_message));
		PG(last_error_message) = NULL;
	}
	if (PG(last_error_file)) {
		zend_string_release(PG(last_error_file));
		PG(last_error_file) = NULL;
	}
	PG(last_error_type) = 0;
	PG(last_error_lineno) = 0;
}

/* An open php://input handle points into the body's stream without holding a reference to it. */
static bool sc_input_is_open(void)
{
	zend_resource *resource;

	ZEND_HASH_FOREACH_PTR(&EG(regular_list), resource) {
		if (resource && resource->type == php_file_le_stream() && resource->ptr
				&& strcmp(((php_stream *)resource->ptr)->ops->label, "Input") == 0) {
			return true;
		}
	} ZEND_HASH_FOREACH_END();
	return false;
}

/* Bodies that could not be freed with their request, by resource handle: those are not used twice by one script. */
static void sc_keep_body(const php_stream *body)
{
	sc_thread *self = sc_self;

	self->kept_bodies = safe_erealloc(self->kept_bodies, self->kept_count + 1, sizeof(zend_long), 0);
	self->kept_bodies[self->kept_count++] = body->res->handle;
}

static void sc_free_kept_bodies(void)
{
	sc_thread *self = sc_self;

	while (self->kept_count > 0) {
		zval *resource = zend_hash_index_find(&EG(regular_list), (zend_ulong)self->kept_bodies[--self->kept_count]);
		if (resource) {
			zend_list_delete(Z_RES_P(resource));
		}
	}
	if (self->kept_bodies) {
		efree(self->kept_bodies);
		self->kept_bodies = NULL;
	}
}

/*
 * The stream behind php://input would stay in the resource list until the script ends, that is for ever. It is freed unless
 * PHP code has kept a handle on php://input, of this request or an earlier one: freeing the body under it would corrupt the
 * heap. Then it goes with the first request that ends without such a handle.
 */
static void sc_free_request_body(void)
{
	php_stream *body = SG(request_info).request_body;

	if (!body && sc_self->kept_count == 0) {
		return;
	}
	if (sc_input_is_open()) {
		if (body && body->res) {
			sc_keep_body(body);
		}
		return;
	}
	sc_free_kept_bodies();
	if (body && body->res && GC_REFCOUNT(body->res) == 1) {
		SG(request_info).request_body = NULL;
		zend_list_delete(body->res);
		/* sapi_deactivate() reads what is left of the body if it sees none taken. */
		SG(post_read) = 1;
	}
}

static void sc_free_files(void)
{
	zval *files = &PG(http_globals)[TRACK_VARS_FILES];

	zval_ptr_dtor_nogc(files);
	ZVAL_UNDEF(files);
}

/* set_time_limit() and ini_set() start the clock; both leave their mark here, until the boundary takes it away. */
static bool sc_time_limit_was_set(void)
{
	return EG(modified_ini_directives)
		&& zend_hash_str_exists(EG(modified_ini_directives), ZEND_STRL("max_execution_time"));
}

void sc_reset_end(void)
{
	/* The clock was stopped after the handler; code that ran since can have started it through this setting only. */
	if (!sc_self->clock_stopped || sc_time_limit_was_set()) {
		zend_unset_timeout();
	}
	php_output_end_all();
	if (SC_RESETS) {
		sc_reset_session();
	}
	php_output_deactivate();
	if (SC_RESETS) {
		sc_module("zlib", false);
		sc_module("filter", false);
		sc_free_files();
		sc_clear_last_error();
	}
	sc_free_request_body();
	sapi_deactivate();
	sc_self->died = false;
	SG(server_context) = NULL;
	memset(&SG(request_info), 0, sizeof(SG(request_info)));
	/* A request may have lowered or raised it; the ini value is what counts for the next. */
	zend_set_memory_limit(PG(memory_limit));
}

void sc_fill_request_info(const sc_request *request)
{
	SG(server_context) = sc_self;
	SG(request_info).request_method = request->method.data;
	SG(request_info).query_string = (char *)request->query.data;
	SG(request_info).request_uri = (char *)request->uri.data;
	SG(request_info).path_translated = (char *)request->script_filename.data;
	SG(request_info).content_type = request->content_type.len ? request->content_type.data : NULL;
	SG(request_info).content_length = (zend_long)request->content_length;
	if (request->authorization.len > 0) {
		php_handle_auth_data(request->authorization.data);
	}
}

/* $_REQUEST exists only if some code has named it (auto_globals_jit); $_ENV is the application's own. */
static void sc_import_superglobals(void)
{
	zend_auto_global *global;

	ZEND_HASH_MAP_FOREACH_PTR(CG(auto_globals), global) {
		if (zend_string_equals_literal(global->name, "_ENV")) {
			continue;
		}
		if (global->jit && global->armed) {
			continue;
		}
		if (!SC_RESETS && !zend_string_equals_literal(global->name, "_SERVER")
				&& !zend_string_equals_literal(global->name, "_COOKIE")) {
			/* Those two are needed to serve anything at all. */
			continue;
		}
		if (zend_string_equals_literal(global->name, "_REQUEST") && !zend_hash_exists(&EG(symbol_table), global->name)) {
			continue;
		}
		if (global->auto_global_callback) {
			global->armed = global->auto_global_callback(global->name);
		}
	} ZEND_HASH_FOREACH_END();
}

static void sc_start_output(void)
{
	if (PG(output_handler) && PG(output_handler)[0]) {
		zval handler;

		ZVAL_STRING(&handler, PG(output_handler));
		php_output_start_user(&handler, 0, PHP_OUTPUT_HANDLER_STDFLAGS);
		zval_ptr_dtor(&handler);
	} else if (PG(output_buffering)) {
		php_output_start_user(NULL, PG(output_buffering) > 1 ? (size_t)PG(output_buffering) : 0,
			PHP_OUTPUT_HANDLER_STDFLAGS);
	} else if (PG(implicit_flush)) {
		php_output_set_implicit_flush(1);
	}
}

/* Without a request: for code that runs between two of them and belongs to none, as at boot. */
void sc_reset_begin(const sc_request *request)
{
	php_output_activate();
	PG(header_is_being_sent) = 0;
	PG(connection_status) = PHP_CONNECTION_NORMAL;
	/* A client that leaves must not tear a booted application down. */
	PG(ignore_user_abort) = 1;
	if (request) {
		sc_fill_request_info(request);
		if (PG(max_input_time) != -1) {
			zend_set_timeout(PG(max_input_time), 1);
		}
	}
	sapi_activate();
	if (SC_RESETS) {
		/* Zend never resets it. */
		SG(sapi_headers).http_response_code = 200;
	}
	SG(sapi_started) = 1;
	if (request) {
		if (PG(expose_php)) {
			sapi_add_header(SAPI_PHP_VERSION_HEADER, sizeof(SAPI_PHP_VERSION_HEADER) - 1, 1);
		}
		sc_start_output();
	}
	sc_import_superglobals();
	if (SC_RESETS) {
		sc_modules_begin(request != NULL);
	}
	if (request) {
		sc_self->clock_stopped = false;
		zend_set_timeout(INI_INT("max_execution_time"), 0);
	}
}
