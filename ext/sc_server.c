/*
 * $_SERVER of a request. Names that are always there, and those of the headers that clients usually send, are permanent
 * interned strings made once per process. One pass fills the array.
 */
#include "sc_internal.h"

/* Always present in a request, an empty string where there is nothing to say. */
#define SC_SERVER_VARS(X) \
	X(REMOTE_ADDR) X(REMOTE_HOST) X(REMOTE_PORT) X(DOCUMENT_ROOT) X(PATH_INFO) X(PHP_SELF) X(DOCUMENT_URI) \
	X(SCRIPT_FILENAME) X(SCRIPT_NAME) X(SERVER_NAME) X(SERVER_ADDR) X(SERVER_PORT) X(SERVER_PROTOCOL) \
	X(REQUEST_URI) X(GATEWAY_INTERFACE) X(SERVER_SOFTWARE) X(REQUEST_SCHEME) X(HTTPS) X(SSL_CIPHER) \
	X(SSL_PROTOCOL) X(AUTH_TYPE) X(REMOTE_IDENT) X(CONTENT_TYPE) X(CONTENT_LENGTH) X(QUERY_STRING) \
	X(REQUEST_METHOD) X(HTTP_X_REQUEST_ID)

/* There only if the request brings them. */
#define SC_REQUEST_VARS(X) \
	X(PATH_TRANSLATED) X(REMOTE_USER) X(PHP_AUTH_USER) X(PHP_AUTH_PW) X(PHP_AUTH_DIGEST)

typedef enum sc_var {
#define X(name) SC_VAR_##name,
	SC_SERVER_VARS(X)
	SC_REQUEST_VARS(X)
#undef X
	SC_VAR_COUNT
} sc_var;

static zend_string *sc_names[SC_VAR_COUNT];

/* Values that are the same for every request. */
static zend_string *sc_software, *sc_gateway, *sc_http, *sc_https, *sc_on, *sc_http10, *sc_http11, *sc_http2;

static zend_string *sc_permanent(const char *text)
{
	return zend_string_init_interned(text, strlen(text), 1);
}

static void sc_header_keys_init(void);

void sc_server_minit(const sc_engine_config *config)
{
	static const char *const names[SC_VAR_COUNT] = {
#define X(name) #name,
		SC_SERVER_VARS(X)
		SC_REQUEST_VARS(X)
#undef X
	};
	int i;

	for (i = 0; i < SC_VAR_COUNT; i++) {
		sc_names[i] = sc_permanent(names[i]);
	}
	sc_software = zend_string_init_interned(config->server_software.data, config->server_software.len, 1);
	sc_gateway = sc_permanent("CGI/1.1");
	sc_http = sc_permanent("http");
	sc_https = sc_permanent("https");
	sc_on = sc_permanent("on");
	sc_http10 = sc_permanent("HTTP/1.0");
	sc_http11 = sc_permanent("HTTP/1.1");
	sc_http2 = sc_permanent("HTTP/2.0");
	sc_header_keys_init();
}

/* Names that browsers, proxies and API clients send. Others cost an allocation each time, nothing more. */
static const char *const sc_known_headers[] = {
	"accept", "accept-charset", "accept-encoding", "accept-language", "access-control-request-headers",
	"access-control-request-method", "authorization", "baggage", "cache-control", "cf-connecting-ip", "cf-ray",
	"connection", "content-encoding", "content-length", "content-type", "cookie", "date", "dnt", "expect", "forwarded",
	"from", "host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive",
	"max-forwards", "origin", "pragma", "priority", "range", "referer", "save-data", "sec-ch-ua", "sec-ch-ua-mobile",
	"sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "sec-gpc", "te",
	"traceparent", "tracestate", "transfer-encoding", "upgrade", "upgrade-insecure-requests", "user-agent", "via",
	"x-amzn-trace-id", "x-api-key", "x-correlation-id", "x-csrf-token", "x-forwarded-for", "x-forwarded-host",
	"x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto", "x-http-method-override", "x-real-ip", "x-request-id",
	"x-requested-with", "x-xsrf-token",
};

/* "accept-language" -> permanent "HTTP_ACCEPT_LANGUAGE". Filled once, then only read, by any thread. */
static HashTable sc_header_keys;

/* ASCII only, whatever the locale says. */
static void sc_header_name(char *into, const char *name, size_t len)
{
	size_t i;

	memcpy(into, "HTTP_", sizeof("HTTP_") - 1);
	for (i = 0; i < len; i++) {
		char c = name[i];
		into[i + 5] = c == '-' ? '_' : (c >= 'a' && c <= 'z') ? (char)(c - 'a' + 'A') : c;
	}
	into[len + 5] = '\0';
}

static void sc_header_keys_init(void)
{
	char key[64];
	size_t i;

	zend_hash_init(&sc_header_keys, sizeof(sc_known_headers) / sizeof(sc_known_headers[0]), NULL, NULL, 1);
	for (i = 0; i < sizeof(sc_known_headers) / sizeof(sc_known_headers[0]); i++) {
		zval value;

		sc_header_name(key, sc_known_headers[i], strlen(sc_known_headers[i]));
		ZVAL_INTERNED_STR(&value, sc_permanent(key));
		zend_hash_str_update(&sc_header_keys, sc_known_headers[i], strlen(sc_known_headers[i]), &value);
	}
}

/* The caller owns one reference. */
static zend_string *sc_header_key(sc_text name)
{
	zval *known = zend_hash_str_find(&sc_header_keys, name.data, name.len);
	zend_string *key;

	if (known) {
		return Z_STR_P(known);
	}
	key = zend_string_alloc(name.len + sizeof("HTTP_") - 1, 0);
	sc_header_name(ZSTR_VAL(key), name.data, name.len);
	return key;
}

static void sc_put(HashTable *server, sc_var var, zend_string *value)
{
	zval item;

	ZVAL_STR(&item, value);
	zend_hash_update(server, sc_names[var], &item);
}

static void sc_put_text(HashTable *server, sc_var var, sc_text text)
{
	sc_put(server, var, text.len ? zend_string_init_fast(text.data, text.len) : ZSTR_EMPTY_ALLOC());
}

static void sc_put_number(HashTable *server, sc_var var, uint64_t number)
{
	char digits[MAX_LENGTH_OF_LONG + 1];
	char *start = zend_print_ulong_to_buf(digits + sizeof(digits) - 1, (zend_ulong)number);

	sc_put(server, var, zend_string_init_fast(start, (size_t)(digits + sizeof(digits) - 1 - start)));
}

static zend_string *sc_protocol(sc_text protocol)
{
	if (zend_string_equals_cstr(sc_http11, protocol.data, protocol.len)) {
		return sc_http11;
	}
	if (zend_string_equals_cstr(sc_http2, protocol.data, protocol.len)) {
		return sc_http2;
	}
	if (zend_string_equals_cstr(sc_http10, protocol.data, protocol.len)) {
		return sc_http10;
	}
	return zend_string_init(protocol.data, protocol.len, 0);
}

static void sc_put_path(HashTable *server, const sc_request *request)
{
	zend_string *self = zend_string_concat2(request->script_name.data, request->script_name.len,
		request->path_info.data, request->path_info.len);

	sc_put_text(server, SC_VAR_DOCUMENT_ROOT, request->document_root);
	sc_put_text(server, SC_VAR_SCRIPT_FILENAME, request->script_filename);
	sc_put_text(server, SC_VAR_SCRIPT_NAME, request->script_name);
	sc_put_text(server, SC_VAR_DOCUMENT_URI, request->script_name);
	sc_put_text(server, SC_VAR_PATH_INFO, request->path_info);
	sc_put(server, SC_VAR_PHP_SELF, self);
}

static void sc_put_peer(HashTable *server, const sc_request *request)
{
	sc_put_text(server, SC_VAR_REMOTE_ADDR, request->remote_addr);
	sc_put_text(server, SC_VAR_REMOTE_HOST, request->remote_addr);
	/* A client over a unix socket has no port. */
	if (request->remote_port) {
		sc_put_number(server, SC_VAR_REMOTE_PORT, request->remote_port);
	} else {
		sc_put(server, SC_VAR_REMOTE_PORT, ZSTR_EMPTY_ALLOC());
	}
	sc_put_text(server, SC_VAR_SERVER_NAME, request->server_name);
	sc_put_text(server, SC_VAR_SERVER_ADDR, request->server_addr);
	sc_put_number(server, SC_VAR_SERVER_PORT, request->server_port);
	sc_put(server, SC_VAR_REQUEST_SCHEME, request->https ? sc_https : sc_http);
	sc_put(server, SC_VAR_HTTPS, request->https ? sc_on : ZSTR_EMPTY_ALLOC());
	sc_put(server, SC_VAR_SSL_CIPHER, ZSTR_EMPTY_ALLOC());
	sc_put(server, SC_VAR_SSL_PROTOCOL, ZSTR_EMPTY_ALLOC());
}

static void sc_put_headers(HashTable *server, const sc_request *request)
{
	size_t i;

	for (i = 0; i < request->header_count; i++) {
		const sc_pair *header = &request->headers[i];
		zend_string *key = sc_header_key(header->name);
		zval value;

		ZVAL_STR(&value, header->value.len
			? zend_string_init_fast(header->value.data, header->value.len) : ZSTR_EMPTY_ALLOC());
		zend_hash_update(server, key, &value);
		zend_string_release(key);
	}
}

static void sc_put_body(HashTable *server, const sc_request *request)
{
	if (request->has_body) {
		sc_put_number(server, SC_VAR_CONTENT_LENGTH, request->content_length);
	} else {
		sc_put(server, SC_VAR_CONTENT_LENGTH, ZSTR_EMPTY_ALLOC());
	}
}

/* A variable of the process must not pose as a user that this request has named, or as a path of it. */
static void sc_drop_request_vars(HashTable *server)
{
	static const sc_var names[] = {
#define X(name) SC_VAR_##name,
		SC_REQUEST_VARS(X)
#undef X
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		zend_hash_del(server, sc_names[names[i]]);
	}
}

/* What PHP itself goes by. Nothing may stand in for it: neither a header of the client nor a configured variable. */
static void sc_put_request_info(HashTable *server, const sc_request *request)
{
	sc_put_text(server, SC_VAR_REQUEST_METHOD, request->method);
	sc_put_text(server, SC_VAR_QUERY_STRING, request->query);
	sc_put_text(server, SC_VAR_CONTENT_TYPE, request->content_type);
	if (request->path_info.len > 0) {
		sc_put(server, SC_VAR_PATH_TRANSLATED, zend_string_concat2(request->document_root.data,
			request->document_root.len, request->path_info.data, request->path_info.len));
	}
	if (SG(request_info).auth_user) {
		sc_put(server, SC_VAR_REMOTE_USER, zend_string_init(SG(request_info).auth_user,
			strlen(SG(request_info).auth_user), 0));
	}
}

/*
 * Later layers win: the environment of the process, what describes the connection and the request, the client's headers, the
 * configured variables, what PHP goes by. PHP_AUTH_* are added by PHP after this.
 */
void sc_register_server_variables(zval *track_vars_array)
{
	HashTable *server = Z_ARRVAL_P(track_vars_array);
	const sc_request *request = sc_self ? sc_self->request : NULL;

	zend_hash_extend(server, 64, 0);
	sc_env_import(track_vars_array);
	if (!request) {
		return;
	}
	sc_drop_request_vars(server);
	sc_put_peer(server, request);
	sc_put_path(server, request);
	sc_put_body(server, request);
	sc_put(server, SC_VAR_SERVER_PROTOCOL, sc_protocol(request->protocol));
	sc_put(server, SC_VAR_SERVER_SOFTWARE, sc_software);
	sc_put(server, SC_VAR_GATEWAY_INTERFACE, sc_gateway);
	sc_put(server, SC_VAR_AUTH_TYPE, ZSTR_EMPTY_ALLOC());
	sc_put(server, SC_VAR_REMOTE_IDENT, ZSTR_EMPTY_ALLOC());
	sc_put_text(server, SC_VAR_REQUEST_URI, request->uri);
	sc_put_headers(server, request);
	sc_put_text(server, SC_VAR_HTTP_X_REQUEST_ID, request->request_id);
	sc_env_configured(server);
	sc_put_request_info(server, request);
}
