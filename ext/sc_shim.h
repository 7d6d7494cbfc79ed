/*
 * The whole contract between Rust and C. bindgen reads this file and nothing else.
 *
 * Directions and their rules:
 *   sc_*     Rust calls C. Returns a status. Every zend_try lives on the C side; no jump ever passes the caller.
 *   sc_on_*  C calls Rust. A leaf: it copies or moves bytes, may block on the worker's own mailbox, and returns a code.
 *            It never calls an sc_* function nor the engine. If the code asks for an abort, C performs it after
 *            the Rust frame has returned.
 *
 * Memory: every pointer is a view valid for the call, except where a longer life is stated. C frees nothing that
 * Rust gave, Rust nothing that C gave. No Zend type appears here.
 */
#ifndef SC_SHIM_H
#define SC_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Raised with every change of this file; sc_engine_start() refuses another number. */
#define SC_ABI 17

/* A byte string. Texts given by Rust are followed by a NUL byte that len does not count. */
typedef struct sc_text {
	const char *data;
	size_t len;
} sc_text;

typedef struct sc_pair {
	sc_text name;
	sc_text value;
} sc_pair;

/* ---- engine: once per process, start and stop on the same thread ---- */

typedef enum sc_start {
	SC_START_OK = 0,
	SC_START_ABI = 1,       /* sc_engine_config.abi is not SC_ABI */
	SC_START_TWICE = 2,     /* the engine runs already */
	SC_START_MODULES = 3    /* php_module_startup() failed; PHP has said why through sc_on_log() */
} sc_start;

typedef struct sc_engine_config {
	uint32_t abi;
	/* Lines "name=value", NUL-terminated; they win over every php.ini. Must live as long as the engine. */
	const char *ini_entries;
	/* The same, but a php.ini wins over them. */
	const sc_pair *ini_defaults;
	size_t ini_default_count;
	/* What getenv() and $_SERVER show: the process environment at start and the configured additions. Copied. */
	const sc_pair *env;
	size_t env_count;
	/* The configured ones among them: in $_SERVER they also win over what describes a request. Copied. */
	const sc_pair *app_env;
	size_t app_env_count;
	/* Classes that the binary carries: class name -> PHP source with its opening tag. Must live as long as the engine. */
	const sc_pair *classes;
	size_t class_count;
	/* Value of SERVER_SOFTWARE. Copied. */
	sc_text server_software;
	/* Path of this executable: PHP looks for a php.ini beside it. Must live as long as the engine. */
	const char *executable;
	/* PHP_BINARY and PHP_BINDIR; NULL leaves what PHP finds itself. Copied. */
	const char *php_binary;
	const char *php_bindir;
} sc_engine_config;

sc_start sc_engine_start(const sc_engine_config *config);
void sc_engine_stop(void);

/* What is linked; static texts. */
typedef struct sc_build {
	uint32_t abi;
	sc_text php_version;
	bool debug;
	bool opcache_static;
} sc_build;

sc_build sc_build_info(void);

/* Name and version of the loaded extensions, Zend extensions included, in order of start. Returns how many there are and fills at
 * most max entries; the texts live as long as the engine. */
size_t sc_extensions(sc_pair *into, size_t max);

/* ---- threads: one TSRM context per operating-system thread ---- */

typedef struct sc_worker {
	sc_text pool;           /* must live until sc_thread_detach() */
	uint32_t slot;
	uint64_t incarnation;
	bool loops;             /* true: the script may call supercharger_handle_request() */
	/* Added to the environment while the worker script boots, and to getenv() always. Must live until detach. */
	const sc_pair *boot_env;
	size_t boot_env_count;
	/* Every how many requests the drift detector looks; 0: never. */
	uint32_t drift_sample;
	/* Folder of the application's project, empty if there is none. Must live until detach. */
	sc_text project;
	bool traces;            /* requests are traced */
} sc_worker;

/* host is handed back to every sc_on_* call made by this thread. */
bool sc_thread_attach(void *host, const sc_worker *worker);
void sc_thread_detach(void);

/* Handle of the calling thread for sc_interrupt(); valid until sc_thread_detach(). */
typedef struct sc_target sc_target;
sc_target *sc_thread_target(void);
/* The one function for other threads: asks the script to end. A thread is asked until it does; calls may be repeated. Two calls for
 * the same target must not run at the same time, and the target must be valid until the call has returned. */
void sc_interrupt(sc_target *target);
/* Also for other threads, under the same conditions: asks where the script is. The answer comes through sc_on_stack(), on the script's own
 * thread, when it is at a jump or a call next; the script is not disturbed. */
void sc_ask_stack(sc_target *target);
/* The same: which system call the thread waits in; NULL if it is in none, or the kernel does not say. A static text. */
const char *sc_waits_in(const sc_target *target);

/* ---- a script run: begin, run, end, in this order ---- */

/* A request of a client. Everything lives until sc_on_next() is called again or sc_request_end() has returned. */
typedef struct sc_request {
	sc_text method;
	sc_text uri;
	sc_text query;
	sc_text protocol;
	sc_text server_name;
	sc_text server_addr;
	sc_text remote_addr;
	sc_text content_type;
	sc_text cookie;
	sc_text authorization;
	sc_text request_id;
	sc_text document_root;
	sc_text script_name;
	sc_text script_filename;
	sc_text path_info;
	const sc_pair *headers;     /* names in lower case */
	size_t header_count;
	uint64_t content_length;    /* bytes of the body that sc_on_read_body() will give */
	double time;                /* seconds since the epoch */
	uint16_t server_port;
	uint16_t remote_port;
	bool https;
	bool has_body;
	bool sampled;               /* spans of it are wanted */
} sc_request;

typedef enum sc_run {
	SC_RUN_RETURNED = 0,    /* the script came to its end */
	SC_RUN_EXIT = 1,        /* exit or die */
	SC_RUN_UNCAUGHT = 2,    /* a throwable that nobody caught; PHP has reported it */
	SC_RUN_FATAL = 3,       /* a fatal error; PHP has reported it */
	SC_RUN_RESET_FAILED = 4,    /* any of these, in the middle of a reset */
	SC_RUN_RESET_MISSING = 5    /* the script went past the reset of a request */
} sc_run;

/* What a script has left behind when a request of it is over. */
typedef struct sc_boundary {
	uint64_t memory;        /* bytes in use on the Zend heap */
	uint64_t memory_peak;   /* most bytes in use since the boundary before */
	uint32_t resetters;     /* that have run at this boundary; one that stands for several may tell how many */
	uint32_t garbage;       /* roots that the cycle collector has noted */
	bool failed;            /* the request ended in a throwable that nobody caught, or in a fatal error */
	double tick;            /* seconds until the next idle callback is due; negative: there is none */
} sc_boundary;

/* request is NULL for a worker script, which gets its requests from sc_on_next(). */
bool sc_request_begin(const sc_request *request);
/* document_root and file: absolute, NUL-terminated. */
sc_run sc_request_run(const char *file);
/* Runs shutdown functions and destructors, flushes output. Returns what the whole run, including that, amounts to. */
sc_run sc_request_end(sc_boundary *boundary);

/* Whether a worker's script has reached its loop at least once since sc_request_begin(). */
bool sc_reached_loop(void);

/* ---- restarts of OPcache ---- */

/* Whether OPcache is loaded and keeps code in memory that all threads share. */
bool sc_opcache_shares_memory(void);
/* From now on each restart that OPcache schedules writes one byte to bell, without blocking for long: a digit, zend_accel_restart_reason
 * (0 out of memory, 1 hash table full, 2 opcache_reset()). A child made by fork() holds OPcache's usage lock on lock_file as long as
 * it lives. After sc_engine_start(), before any thread is attached; both descriptors must stay open as long as the engine. */
void sc_opcache_watch(int bell, int lock_file);
/* The next sc_request_begin() will carry out what was scheduled; no thread is between begin and end. */
void sc_opcache_restarting(void);

/* What opcache_get_status() says; sizes in bytes. */
typedef struct sc_opcache_figures {
	uint64_t memory_used, memory_free, memory_wasted;
	uint64_t strings_used, strings_free;
	uint64_t scripts, keys, max_keys;
	uint64_t hits, misses;
	uint64_t oom_restarts, hash_restarts, manual_restarts;
	uint64_t jit_size, jit_free;
} sc_opcache_figures;

/* As it was at the end of a request within the last second of those that had any. On any thread. Returns false if there was none yet, or
 * OPcache does not say. */
bool sc_opcache_seen(sc_opcache_figures *figures);

/* ---- the PHP command line, where the linked build carries it ---- */

typedef struct sc_cli_call {
	/* argv[0] is the program's name, then everything that is for php; argv[argc] is NULL. */
	int argc;
	char **argv;
	/* As in sc_engine_config. */
	const char *executable;
	const char *php_binary;
	const char *php_bindir;
	/* NULL, or the name of a variable that is set to 1 in the environment of child processes. */
	const char *mark;
} sc_cli_call;

bool sc_cli_available(void);
/* php's main(). Ends the process, or returns the exit code. Must be called before any thread is made; everything lives as long as
 * the process. */
int sc_cli_main(const sc_cli_call *call);

/* Longest template of a route, in bytes. */
#define SC_MAX_ROUTE 200

/* ---- the store that all workers share (src/store.rs) ---- */

/* Longest key and longest token of a lock, in bytes; most limits of one key; largest number of a limit. */
#define SC_MAX_KEY 1024
#define SC_MAX_TOKEN 255
#define SC_MAX_LIMITS 8
#define SC_MAX_RATE 4294967295

typedef enum sc_store {
	SC_STORE_OK = 0,
	SC_STORE_NO = 1,            /* there is none, there is one already, or somebody else has it */
	SC_STORE_TOO_LARGE = 2,
	SC_STORE_FULL = 3,          /* no room for more of what must be kept */
	SC_STORE_OVERFLOW = 4,
	SC_STORE_UNAVAILABLE = 5    /* a process holds it that stands still */
} sc_store;

/* Times to live are in seconds; 0: none. */
typedef struct sc_value {
	sc_text bytes;
	double ttl;
	bool serialized;
	bool keep;
	bool only_new;
} sc_value;

typedef struct sc_claim {
	sc_text key;
	sc_text token;
	double ttl;
	bool shared;
	bool bound;             /* ends when the worker or its process dies in disorder */
} sc_claim;

typedef enum sc_policy {
	SC_POLICY_FIXED_WINDOW = 0,
	SC_POLICY_SLIDING_WINDOW = 1,
	SC_POLICY_TOKEN_BUCKET = 2
} sc_policy;

typedef struct sc_limit {
	sc_policy policy;
	uint64_t limit;
	uint64_t amount;        /* tokens that come back in an interval */
	double interval;        /* seconds */
} sc_limit;

typedef struct sc_rate {
	sc_text key;
	sc_text rule;           /* name for metrics */
	const sc_limit *limits;
	size_t limit_count;     /* 1 to SC_MAX_LIMITS */
	uint64_t cost;
	double wait;            /* seconds; under token buckets only */
} sc_rate;

typedef struct sc_verdict {
	bool allowed;
	uint32_t index;
	uint64_t limit;
	uint64_t remaining;
	double retry_after;
	double reset_after;
} sc_verdict;

typedef struct sc_store_figures {
	bool server;            /* shared by all workers of a server, not of this process only */
	uint64_t max_memory, max_entries, max_value;
	uint64_t memory, entries, kept_memory, kept_entries;
	uint64_t hits, misses, evictions, expirations, refusals, lock_conflicts, wipes;
} sc_store_figures;

/* ---- leaves implemented in Rust (src/php/callbacks.rs) ---- */

typedef enum sc_io {
	SC_IO_OK = 0,
	SC_IO_CLIENT_GONE = 1
} sc_io;

typedef enum sc_next {
	SC_NEXT_REQUEST = 0,
	SC_NEXT_STOP = 1,
	SC_NEXT_CARE = 2        /* nobody asks for anything: do what sc_given says, then ask again */
} sc_next;

typedef struct sc_given {
	const sc_request *request;
	bool collect;           /* collect garbage cycles */
	bool tick;              /* call the idle callbacks that are due */
	bool check;             /* run the checks that are due */
} sc_given;

/* A resetter or an idle callback has thrown. */
typedef struct sc_callback_error {
	sc_text name;           /* of the resetter or callback */
	sc_text thrown;         /* class of the throwable; empty if it was exit */
	sc_text message;
	sc_text file;
	uint32_t line;
	bool idle;              /* an idle callback, not a resetter */
} sc_callback_error;

/* What a readiness check has come to. */
typedef struct sc_check_result {
	bool passed;
	sc_text thrown;         /* class of the throwable; empty if there was none */
	sc_text message;        /* its message, or what the check has to say */
} sc_check_result;

/* A message of PHP or of the application. */
typedef struct sc_log {
	int32_t level;          /* -4 debug, 0 info, 4 warning, 8 error */
	sc_text message;
	sc_text context;        /* a JSON object, or empty */
	/* If it is an error of PHP's; kind is empty if not. */
	sc_text kind;
	sc_text file;
	uint32_t line;
} sc_log;

/* Attributes that one call takes. */
#define SC_MAX_ATTRIBUTES 16
/* Length of the text of a W3C traceparent. */
#define SC_TRACEPARENT 55

typedef enum sc_attribute_kind {
	SC_ATTRIBUTE_TEXT = 0,
	SC_ATTRIBUTE_INTEGER = 1,
	SC_ATTRIBUTE_NUMBER = 2,
	SC_ATTRIBUTE_TRUTH = 3      /* integer is not 0 */
} sc_attribute_kind;

/* Something that is said of a span. */
typedef struct sc_attribute {
	sc_text name;
	sc_attribute_kind kind;
	sc_text text;
	int64_t integer;
	double number;
} sc_attribute;

typedef enum sc_span_kind {
	SC_SPAN_INTERNAL = 0,
	SC_SPAN_CLIENT = 1,         /* asks somebody else and waits */
	SC_SPAN_PRODUCER = 2,
	SC_SPAN_CONSUMER = 3
} sc_span_kind;

/* A span of the application that begins. */
typedef struct sc_span {
	sc_text name;
	sc_span_kind kind;
	const sc_attribute *attributes;
	size_t attribute_count;
} sc_span;

/* One that ends. */
typedef struct sc_span_end {
	uint64_t number;
	bool failed;
	sc_text error;              /* what went wrong, if it has failed; may be empty */
	const sc_attribute *attributes;
	size_t attribute_count;
} sc_span_end;

/* What has drifted. */
typedef enum sc_drift_kind {
	SC_DRIFT_STATIC = 0,
	SC_DRIFT_FUNCTION_STATIC,
	SC_DRIFT_PROPERTY,      /* of an object that outlives requests */
	SC_DRIFT_INSTANCES,     /* number of objects of a class */
	SC_DRIFT_GLOBAL,
	SC_DRIFT_SUPERGLOBAL,
	SC_DRIFT_CONSTANT,
	SC_DRIFT_CLASS,
	SC_DRIFT_FUNCTION,
	SC_DRIFT_FILE,
	SC_DRIFT_RESOURCE,
	SC_DRIFT_AUTOLOADER,
	SC_DRIFT_STREAM_WRAPPER,
	SC_DRIFT_STREAM_FILTER,
	SC_DRIFT_INI,
	SC_DRIFT_TIMEZONE,
	SC_DRIFT_LOCALE,
	SC_DRIFT_CWD,
	SC_DRIFT_UMASK,
	SC_DRIFT_OUTPUT,
	SC_DRIFT_ERROR_HANDLER,
	SC_DRIFT_EXCEPTION_HANDLER,
	SC_DRIFT_ENV,
	SC_DRIFT_SIGNAL,
	SC_DRIFT_APP            /* the application has said so */
} sc_drift_kind;

/* What is the matter with it. */
typedef enum sc_drift_why {
	SC_WHY_GROWS = 0,
	SC_WHY_CHANGES,
	SC_WHY_REQUEST,         /* holds data of the request */
	SC_WHY_REFERENCE,       /* is kept by reference */
	SC_WHY_COUNTS,          /* a number that grows by the same step each time */
	SC_WHY_PUT_BACK,        /* by the engine */
	SC_WHY_TOLD             /* by the application */
} sc_drift_why;

/* Of what there is more than the drift detector looks at. */
typedef enum sc_drift_limit {
	SC_LIMIT_STATICS = 0,
	SC_LIMIT_OBJECTS,
	SC_LIMIT_FACTS
} sc_drift_limit;

/* Something that a request has changed and not put back. */
typedef struct sc_drift_found {
	sc_drift_kind kind;
	sc_drift_why why;
	sc_text class_name;     /* empty if there is none; of what the application tells, its kind */
	sc_text function;       /* whose static variable it is */
	sc_text member;         /* property, variable, setting, ... */
	sc_text file;           /* that declares class or function */
	uint32_t line;          /* the first one of that */
	uint64_t before, after; /* elements or bytes */
	sc_text detail;
	bool repeated;          /* this worker has told it before */
} sc_drift_found;

/* Something that this worker has told of. The texts live until this thread calls a leaf again. */
typedef struct sc_drift_known {
	sc_text kind;
	sc_text why;
	sc_text what;           /* as its source would call it */
	sc_text file;
	uint32_t line;
	sc_text detail;
	sc_text route;
	sc_text request_id;     /* that has left it first */
	bool leaks;
} sc_drift_known;

typedef enum sc_ending {
	SC_ENDING_WHOLE = 0,
	SC_ENDING_UNCAUGHT = 1,
	SC_ENDING_FATAL = 2,
	SC_ENDING_EXIT = 3
} sc_ending;

typedef struct sc_head {
	uint16_t status;
	sc_text reason;         /* the script's own words for the status; empty: the usual ones */
	const sc_pair *headers;
	size_t header_count;
} sc_head;

/* Waits for the next request of this worker. Calling it says: the former request's state is gone. */
typedef sc_next (*sc_on_next_fn)(void *host, const sc_boundary *boundary, sc_given *given);
/* The handler of the request that sc_on_next() gave is about to be called. */
typedef void (*sc_on_script_fn)(void *host);
/* The script has come back to its loop; resetters and the reset of the engine begin. */
typedef void (*sc_on_resetting_fn)(void *host);
/* A resetter or an idle callback has failed. */
typedef void (*sc_on_callback_error_fn)(void *host, const sc_callback_error *error);
/* The application has a readiness check; timeout in seconds, 0 for the usual one. */
typedef void (*sc_on_check_fn)(void *host, sc_text name, bool required, double timeout);
/* Whether that check is to be run now; if so sc_on_check_end() is owed. */
typedef bool (*sc_on_check_begin_fn)(void *host, sc_text name);
typedef void (*sc_on_check_end_fn)(void *host, const sc_check_result *result);
/* The application has been warmed up: warmers that ran, those that failed, seconds. */
typedef void (*sc_on_warmed_fn)(void *host, uint32_t count, uint32_t failed, double seconds);
/* The application wants its worker to be replaced. */
typedef void (*sc_on_recycle_fn)(void *host, sc_text reason);
/* The application names the route of its request: at most SC_MAX_ROUTE bytes. */
typedef void (*sc_on_route_fn)(void *host, sc_text route);
/* The drift detector has found something, in the request that is over. */
typedef void (*sc_on_drift_fn)(void *host, const sc_drift_found *found);
/* What has been found so far: fills in the one at that place, the first one is 0. Returns false if there is none. */
typedef bool (*sc_on_drift_known_fn)(void *host, size_t place, sc_drift_known *into);
/* The application begins a span in a request that is sampled. Returns its number, or 0 if there are too many. */
typedef uint64_t (*sc_on_span_start_fn)(void *host, const sc_span *span);
/* Ends one. Returns false if no span of that number is open. */
typedef bool (*sc_on_span_end_fn)(void *host, const sc_span_end *end);
/* The context of the innermost open span: SC_TRACEPARENT bytes. Returns false if there is none. */
typedef bool (*sc_on_traceparent_fn)(void *host, char *into);
/* It does not look at everything: there is more than so many. Once each. */
typedef void (*sc_on_drift_limit_fn)(void *host, sc_drift_limit limit, uint64_t most);
/* Status and headers are final. */
typedef void (*sc_on_head_fn)(void *host, const sc_head *head);
/* A head before the final one: 1xx. Returns whether it will leave; HTTP/1.0 and HTTP/2 clients get none. */
typedef bool (*sc_on_interim_fn)(void *host, const sc_head *head);
/* Body bytes. */
typedef sc_io (*sc_on_write_fn)(void *host, const char *data, size_t len);
/* Everything written so far should leave now. */
typedef sc_io (*sc_on_flush_fn)(void *host);
/* The response has ended. Later writes are dropped. */
typedef sc_io (*sc_on_finish_fn)(void *host, sc_ending ending);
/* Next bytes of the request body; 0 at its end. */
typedef size_t (*sc_on_read_body_fn)(void *host, char *into, size_t len);
/* host may be NULL. */
typedef void (*sc_on_log_fn)(void *host, const sc_log *log);

/* Where the script is: one caller a line, the innermost first. */
typedef void (*sc_on_stack_fn)(void *host, sc_text stack);

/* The store; for all of them host may be NULL. */
/* The value's bytes are valid until this thread calls a leaf of the store again. */
typedef sc_store (*sc_on_store_get_fn)(void *host, sc_text key, sc_value *into);
typedef sc_store (*sc_on_store_has_fn)(void *host, sc_text key);
typedef sc_store (*sc_on_store_set_fn)(void *host, sc_text key, const sc_value *value);
typedef sc_store (*sc_on_store_delete_fn)(void *host, sc_text key);
typedef sc_store (*sc_on_store_clear_fn)(void *host, sc_text prefix, uint64_t *removed);
typedef sc_store (*sc_on_store_info_fn)(void *host, sc_store_figures *into);
typedef sc_store (*sc_on_counter_add_fn)(void *host, sc_text key, int64_t by, double ttl, int64_t *now);
typedef sc_store (*sc_on_counter_get_fn)(void *host, sc_text key, int64_t *now);
typedef sc_store (*sc_on_counter_delete_fn)(void *host, sc_text key);
/* Does not wait. */
typedef sc_store (*sc_on_lock_take_fn)(void *host, const sc_claim *claim);
typedef sc_store (*sc_on_lock_extend_fn)(void *host, const sc_claim *claim);
typedef sc_store (*sc_on_lock_release_fn)(void *host, const sc_claim *claim);
typedef sc_store (*sc_on_lock_held_fn)(void *host, const sc_claim *claim);
typedef sc_store (*sc_on_rate_fn)(void *host, const sc_rate *rate, sc_verdict *verdict);
typedef sc_store (*sc_on_rate_forget_fn)(void *host, sc_text key);

sc_next sc_on_next(void *host, const sc_boundary *boundary, sc_given *given);
void sc_on_script(void *host);
void sc_on_resetting(void *host);
void sc_on_callback_error(void *host, const sc_callback_error *error);
void sc_on_check(void *host, sc_text name, bool required, double timeout);
bool sc_on_check_begin(void *host, sc_text name);
void sc_on_check_end(void *host, const sc_check_result *result);
void sc_on_warmed(void *host, uint32_t count, uint32_t failed, double seconds);
void sc_on_recycle(void *host, sc_text reason);
void sc_on_route(void *host, sc_text route);
void sc_on_drift(void *host, const sc_drift_found *found);
bool sc_on_drift_known(void *host, size_t place, sc_drift_known *into);
uint64_t sc_on_span_start(void *host, const sc_span *span);
bool sc_on_span_end(void *host, const sc_span_end *end);
bool sc_on_traceparent(void *host, char *into);
void sc_on_drift_limit(void *host, sc_drift_limit limit, uint64_t most);
void sc_on_head(void *host, const sc_head *head);
bool sc_on_interim(void *host, const sc_head *head);
sc_io sc_on_write(void *host, const char *data, size_t len);
sc_io sc_on_flush(void *host);
sc_io sc_on_finish(void *host, sc_ending ending);
size_t sc_on_read_body(void *host, char *into, size_t len);
void sc_on_log(void *host, const sc_log *log);
void sc_on_stack(void *host, sc_text stack);
sc_store sc_on_store_get(void *host, sc_text key, sc_value *into);
sc_store sc_on_store_has(void *host, sc_text key);
sc_store sc_on_store_set(void *host, sc_text key, const sc_value *value);
sc_store sc_on_store_delete(void *host, sc_text key);
sc_store sc_on_store_clear(void *host, sc_text prefix, uint64_t *removed);
sc_store sc_on_store_info(void *host, sc_store_figures *into);
sc_store sc_on_counter_add(void *host, sc_text key, int64_t by, double ttl, int64_t *now);
sc_store sc_on_counter_get(void *host, sc_text key, int64_t *now);
sc_store sc_on_counter_delete(void *host, sc_text key);
sc_store sc_on_lock_take(void *host, const sc_claim *claim);
sc_store sc_on_lock_extend(void *host, const sc_claim *claim);
sc_store sc_on_lock_release(void *host, const sc_claim *claim);
sc_store sc_on_lock_held(void *host, const sc_claim *claim);
sc_store sc_on_rate(void *host, const sc_rate *rate, sc_verdict *verdict);
sc_store sc_on_rate_forget(void *host, sc_text key);

#endif
