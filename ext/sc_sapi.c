/*
 * The SAPI module: how PHP writes, reads and logs. Each callback is a thin bridge to one sc_on_* leaf; whatever may jump
 * (an aborted connection) happens here, in C, after the leaf has returned.
 */
#include "sc_internal.h"
#include <syslog.h>
#include <time.h>

__thread sc_thread *sc_self = NULL;
bool sc_forked = false;

double sc_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Ends the response once. The leaf itself ignores later calls, but the flag keeps them from being made. */
sc_io sc_finish(sc_ending ending)
{
	if (sc_self && sc_self->open && !sc_forked) {
		sc_self->open = false;
		return sc_on_finish(sc_self->host, ending);
	}
	return SC_IO_OK;
}

/* A message without anything else. */
void sc_log_text(int32_t level, const char *message, size_t len)
{
	sc_log log = {.level = level, .message = {message, len}, .context = {"", 0}, .kind = {"", 0}, .file = {"", 0}};

	sc_log_record(&log);
}

void sc_log_record(const sc_log *log)
{
	if (!sc_forked) {
		sc_on_log(sc_self ? sc_self->host : NULL, log);
	}
}

static size_t sc_sapi_ub_write(const char *data, size_t len)
{
	if (!sc_self || sc_forked) {
		return len;
	}
	if (!sc_self->request) {
		/* A worker script that prints while it boots has no client to print to. */
		sc_log_text(0, data, len);
		return len;
	}
	if (sc_self->open && sc_on_write(sc_self->host, data, len) == SC_IO_CLIENT_GONE) {
		php_handle_aborted_connection();
	}
	return len;
}

static void sc_sapi_flush(void *server_context)
{
	(void)server_context;
	if (!sc_self || !sc_self->open || sc_forked) {
		return;
	}
	/* Headers leave with the first flush, also when no byte of the body exists yet. */
	if (!SG(headers_sent)) {
		sapi_send_headers();
	}
	if (sc_on_flush(sc_self->host) == SC_IO_CLIENT_GONE) {
		php_handle_aborted_connection();
	}
}

/* Errors that no handler can take: whatever comes later, this script has died of one. */
#define SC_DEADLY (E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR)
/* Errors that end a script unless a user's handler deals with them; then they are not recorded as the last error. */
#define SC_DEADLY_IF_UNHANDLED (E_USER_ERROR | E_RECOVERABLE_ERROR)

/* The last error alone does not tell: warnings raised while the request is shut down overwrite it. */
void sc_note_error(int type, zend_string *file, uint32_t line, zend_string *message)
{
	(void)message;
	if (!sc_self) {
		return;
	}
	if (type & SC_DEADLY) {
		sc_self->died = true;
	}
	/* A copy: PHP may log the error right after this, or never. A name that finds no room is not one. */
	sc_self->error.type = file && ZSTR_LEN(file) < sizeof(sc_self->error.file) ? type & E_ALL : 0;
	if (sc_self->error.type) {
		memcpy(sc_self->error.file, ZSTR_VAL(file), ZSTR_LEN(file) + 1);
		sc_self->error.file_len = ZSTR_LEN(file);
		sc_self->error.line = line;
	}
}

static const char *sc_kind(int type)
{
	switch (type) {
		case E_ERROR: case E_CORE_ERROR: case E_COMPILE_ERROR: case E_USER_ERROR: return "fatal";
		case E_RECOVERABLE_ERROR: return "recoverable";
		case E_WARNING: case E_CORE_WARNING: case E_COMPILE_WARNING: case E_USER_WARNING: return "warning";
		case E_PARSE: return "parse";
		case E_NOTICE: case E_USER_NOTICE: return "notice";
		case E_DEPRECATED: case E_USER_DEPRECATED: return "deprecated";
		default: return "unknown";
	}
}

/* Whether the message is that of the error noted last: "PHP KIND:  WORDS in FILE on line LINE" (php_error_cb() in main/main.c). */
static bool sc_is_noted(const char *message, size_t len)
{
	char line[32];
	size_t line_len, tail;
	const char *end = message + len;

	if (!sc_self || !sc_self->error.type || strncmp(message, "PHP ", 4) != 0) {
		return false;
	}
	line_len = (size_t)snprintf(line, sizeof(line), " on line %" PRIu32, sc_self->error.line);
	tail = sizeof(" in ") - 1 + sc_self->error.file_len + line_len;
	return len > tail && memcmp(end - line_len, line, line_len) == 0
		&& memcmp(end - line_len - sc_self->error.file_len, sc_self->error.file, sc_self->error.file_len) == 0
		&& memcmp(end - tail, " in ", sizeof(" in ") - 1) == 0;
}

/* Whether the script has died of an error: a fatal one, or a throwable that nobody caught. */
bool sc_died(void)
{
	return sc_self && (sc_self->died || (CG(unclean_shutdown) && (PG(last_error_type) & SC_DEADLY_IF_UNHANDLED)));
}

/* A status and the words after it, as in "404 Not here". */
static int sc_parse_status(const char *text, sc_text *reason)
{
	char *end;
	long status;

	while (*text == ' ' || *text == '\t') {
		text++;
	}
	status = strtol(text, &end, 10);
	while (*end == ' ' || *end == '\t') {
		end++;
	}
	*reason = (sc_text){end, strlen(end)};
	return status < 0 || status > INT_MAX ? 0 : (int)status;
}

/*
 * The status as a CGI program gives it: with header("HTTP/1.1 404 Not here"), else with header("Status: 404 Not here"), else by its
 * number alone. See sapi_cgi_send_headers() in php-src, sapi/fpm/fpm/fpm_main.c.
 */
static int sc_given_status(const sapi_headers_struct *headers, sc_text *reason)
{
	zend_llist_position position;
	sapi_header_struct *header;
	const char *words = headers->http_status_line ? strchr(headers->http_status_line, ' ') : NULL;

	if (words) {
		/* What http_response_code() has been told since counts, and the words belong to another status. */
		if (sc_parse_status(words, reason) != headers->http_response_code) {
			*reason = (sc_text){"", 0};
		}
		return headers->http_response_code;
	}
	for (header = zend_llist_get_first_ex((zend_llist *)&headers->headers, &position); header;
			header = zend_llist_get_next_ex((zend_llist *)&headers->headers, &position)) {
		if (strncasecmp(header->header, ZEND_STRL("Status:")) == 0) {
			return sc_parse_status(header->header + sizeof("Status:") - 1, reason);
		}
	}
	return headers->http_response_code;
}

/* PHP leaves the status alone if it shows the error to the client; to a client a page of errors is an error all the same. */
static uint16_t sc_status(const sapi_headers_struct *headers, sc_text *reason)
{
	int status = sc_given_status(headers, reason);

	if (status < 200 || status > 999) {
		char message[128];
		snprintf(message, sizeof(message), "the script set status %d, which no response can end with; 500 is sent", status);
		sc_log_text(4, message, strlen(message));
		status = 500;
		*reason = (sc_text){"", 0};
	}
	if (status < 500 && sc_died()) {
		status = 500;
		*reason = (sc_text){"", 0};
	}
	return (uint16_t)status;
}

/* Splits "Name: value" as PHP stores it. */
bool sc_split_header(const sapi_header_struct *header, sc_pair *pair)
{
	const char *colon = memchr(header->header, ':', header->header_len);
	const char *end = header->header + header->header_len;
	const char *value;

	if (!colon) {
		return false;
	}
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t')) {
		value++;
	}
	pair->name = (sc_text){header->header, (size_t)(colon - header->header)};
	pair->value = (sc_text){value, (size_t)(end - value)};
	return true;
}

/* Calls one of the leaves that take a head with the headers set so far; status 0: the final head, with the script's own. */
static bool sc_hand_over_head(const sapi_headers_struct *headers, uint16_t interim)
{
	sc_pair few[32];
	sc_pair *pairs = few;
	sc_head head = {.status = interim, .reason = {"", 0}};
	size_t count = zend_llist_count((zend_llist *)&headers->headers);
	zend_llist_position position;
	sapi_header_struct *header;
	bool taken = true;

	if (count > sizeof(few) / sizeof(few[0])) {
		pairs = safe_emalloc(count, sizeof(sc_pair), 0);
	}
	for (header = zend_llist_get_first_ex((zend_llist *)&headers->headers, &position); header;
			header = zend_llist_get_next_ex((zend_llist *)&headers->headers, &position)) {
		if (sc_split_header(header, &pairs[head.header_count])) {
			head.header_count++;
		}
	}
	head.headers = pairs;
	if (interim) {
		taken = sc_on_interim(sc_self->host, &head);
	} else {
		head.status = sc_status(headers, &head.reason);
		sc_on_head(sc_self->host, &head);
	}
	if (pairs != few) {
		efree(pairs);
	}
	return taken;
}

static int sc_sapi_send_headers(sapi_headers_struct *headers)
{
	if (sc_self && sc_self->open && !sc_forked) {
		sc_hand_over_head(headers, 0);
	}
	return SAPI_HEADER_SENT_SUCCESSFULLY;
}

static bool sc_head_can_leave(void)
{
	return sc_self && sc_self->open && !sc_forked && !SG(headers_sent);
}

/* A head with the headers set so far, before the final one. They stay set. Returns whether it will leave. */
bool sc_send_interim(uint16_t status)
{
	return sc_head_can_leave() && sc_hand_over_head(&SG(sapi_headers), status);
}

/* The final head, now. May jump: header callbacks run, and the client may have gone. Returns whether it has left. */
bool sc_send_head(uint16_t status)
{
	if (!sc_head_can_leave()) {
		return false;
	}
	sapi_header_op(SAPI_HEADER_SET_STATUS, (void *)(uintptr_t)status);
	sapi_flush();
	return true;
}

static size_t sc_sapi_read_post(char *into, size_t len)
{
	size_t total = 0;

	if (!sc_self || !sc_self->request || sc_forked) {
		return 0;
	}
	/* PHP takes a short read for the end of the body. */
	while (total < len) {
		size_t got = sc_on_read_body(sc_self->host, into + total, len - total);
		if (got == 0) {
			break;
		}
		total += got;
	}
	return total;
}

static char *sc_sapi_read_cookies(void)
{
	/* PHP parses a copy of this text and never frees it. */
	if (sc_self && sc_self->request && sc_self->request->cookie.len > 0) {
		return (char *)sc_self->request->cookie.data;
	}
	return NULL;
}

static char *sc_sapi_getenv(const char *name, size_t len)
{
	return sc_env_get(name, len);
}

static void sc_sapi_log_message(const char *message, int syslog_type)
{
	int32_t level;

	switch (syslog_type) {
		case LOG_EMERG: case LOG_ALERT: case LOG_CRIT: case LOG_ERR: level = 8; break;
		case LOG_WARNING: level = 4; break;
		case LOG_DEBUG: level = -4; break;
		default: level = 0; break;
	}
	if (sc_is_noted(message, strlen(message))) {
		const char *kind = sc_kind(sc_self->error.type);
		sc_log log = {
			.level = level,
			.message = {message, strlen(message)},
			.context = {"", 0},
			.kind = {kind, strlen(kind)},
			.file = {sc_self->error.file, sc_self->error.file_len},
			.line = sc_self->error.line,
		};
		sc_self->error.type = 0;
		sc_log_record(&log);
		return;
	}
	sc_log_text(level, message, strlen(message));
}

static zend_result sc_sapi_get_request_time(double *request_time)
{
	if (sc_self && sc_self->request) {
		*request_time = sc_self->request->time;
		return SUCCESS;
	}
	return FAILURE;
}

static int sc_sapi_startup(sapi_module_struct *module)
{
	return php_module_startup(module, NULL);
}

sapi_module_struct sc_sapi_module = {
	.name = "supercharger",
	.pretty_name = "supercharger application server",
	/* As on the command line: a php.ini that happens to lie where the server was started is nobody's decision. */
	.php_ini_ignore_cwd = 1,
	.startup = sc_sapi_startup,
	.shutdown = php_module_shutdown_wrapper,
	.ub_write = sc_sapi_ub_write,
	.flush = sc_sapi_flush,
	.getenv = sc_sapi_getenv,
	.sapi_error = php_error,
	.send_headers = sc_sapi_send_headers,
	.read_post = sc_sapi_read_post,
	.read_cookies = sc_sapi_read_cookies,
	.register_server_variables = sc_register_server_variables,
	.log_message = sc_sapi_log_message,
	.get_request_time = sc_sapi_get_request_time,
};
