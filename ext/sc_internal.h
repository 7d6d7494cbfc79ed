/* What the C files of this folder share with each other and with nobody else. */
#ifndef SC_INTERNAL_H
#define SC_INTERNAL_H

#include "php.h"
#include "SAPI.h"
#include "php_main.h"
#include "php_output.h"
#include "php_variables.h"
#include "ext/standard/basic_functions.h"
#include "ext/standard/head.h"
#include "zend_exceptions.h"
#include "zend_extensions.h"
#include "zend_observer.h"
#include "sc_shim.h"
#include <signal.h>

#ifndef ZTS
# error "supercharger needs a thread-safe PHP: configure it with --enable-zts"
#endif
#if PHP_VERSION_ID < 80400
# error "supercharger needs PHP 8.4 or newer"
#endif

/* Where a worker script stands. A script that serves one classic request never leaves SC_PHASE_SCRIPT. */
typedef enum sc_phase {
	SC_PHASE_SCRIPT,    /* boots, or is not a worker */
	SC_PHASE_HANDLER,   /* inside the request handler */
	SC_PHASE_AFTER,     /* the handler has returned; terminate code runs, then the boundary */
	SC_PHASE_ENDING     /* shutdown functions and destructors: no place to ask for another request */
} sc_phase;

typedef struct sc_baseline sc_baseline;
typedef struct sc_drift sc_drift;
typedef struct sc_modules sc_modules;
typedef struct sc_streams sc_streams;
typedef struct sc_signals sc_signals;

/* What a request has touched that only the functions for it can tell (sc_watch.c). */
typedef enum sc_touched {
	SC_TOUCHED_MBSTRING = 1,
	SC_TOUCHED_LIBXML = 2,
	SC_TOUCHED_SPL = 4,
	SC_TOUCHED_SOAP = 8,
	SC_TOUCHED_SIGNALS = 16,
	SC_TOUCHED_MYSQLI = 32
} sc_touched;

/* False only in the build of scripts/check-no-reset, which shows that the tests of the boundary can fail. */
#ifdef SC_TEST_NO_RESET
# define SC_RESETS false
#else
# define SC_RESETS true
#endif

/* A system call that a thread was seen in. */
typedef struct sc_seen {
	int state;                      /* sc_interrupt.c: who may touch the rest */
	int64_t number;
	uint64_t args[6];
	uint64_t sp;
	uint64_t pc;
} sc_seen;

/* What another thread needs to interrupt this one. */
struct sc_target {
	pid_t thread;
	zend_atomic_bool *vm_interrupt;
	int64_t asked_ms;               /* when the script was told to end, in monotonic milliseconds; 0: it was not */
	int64_t ended_ms;               /* when it was ended; 0: it was not */
	sc_seen seen;
	bool stack_asked;               /* another thread wants to know where the script is */
};

/* Longest name of a file that is kept of an error; one that is longer is in the message only. */
#define SC_ERROR_FILE_MAX 1024

/* The latest error that PHP has raised, whether it will log it or not. */
typedef struct sc_error {
	int type;                       /* 0: none */
	uint32_t line;
	size_t file_len;
	char file[SC_ERROR_FILE_MAX];
} sc_error;

/* A function of the application that the loop calls between two requests. */
typedef struct sc_callback {
	uint32_t references;            /* the list's, and one while it is called */
	zend_string *name;
	zend_fcall_info_cache function;
	double every;                   /* seconds between two calls of an idle callback */
	double due;                     /* monotonic seconds */
} sc_callback;

typedef struct sc_callbacks {
	sc_callback **list;
	uint32_t count;
} sc_callbacks;

/* State of one PHP thread. It lives in thread-local storage, because TSRM's own storage is emptied with the engine. */
typedef struct sc_thread {
	void *host;
	const sc_worker *worker;
	const sc_request *request;      /* the request being served, or NULL */
	sc_phase phase;
	bool open;                      /* request has no finished response yet */
	bool reached_loop;
	bool clock_stopped;             /* the time limit of the handler has been switched off */
	bool died;                      /* an error has been reported that ends a script */
	bool exited;                    /* exit was called */
	bool answered;                  /* when it was, there was something of a response already */
	bool uncaught;                  /* a throwable ended the script outside the handler */
	uint64_t requests;              /* served by this incarnation, this one included */
	double attached_at;             /* monotonic seconds */
	HashTable *boot_shutdown;       /* shutdown functions registered before the loop */
	bool resetting;                 /* a reset has begun and has not come to its end */
	bool astray;                    /* the script has gone past a reset */
	bool failed;                    /* the request has ended in an uncaught throwable */
	const zend_execute_data *turn;  /* frame of the sc_handle_request() that is in progress, or NULL */
	uint64_t peak;                  /* most bytes in use on the heap during the last request */
	sc_callbacks resetters;
	uint32_t resets;                /* resetters that have run at the last boundary, parts counted one by one */
	zend_long parts;                /* that the resetter which runs now has told of; negative: none yet */
	bool reporting;                 /* resetters run */
	sc_callbacks ticks;
	sc_callbacks checks;
	bool checking;                  /* one of them runs */
	sc_drift *drift;                /* NULL: nobody looks for what requests leave behind */
	sc_baseline *baseline;          /* what the boundary puts back, taken when the loop was entered */
	zend_long *kept_bodies;         /* request bodies that an open php://input handle still points into */
	size_t kept_count;
	HashTable env_changes;          /* putenv(): name -> value, or NULL for a name that was removed */
	HashTable env_boot;             /* the same as it was when the loop was entered */
	bool env_touched;               /* env_changes differs from env_boot */
	uint32_t touched;               /* sc_touched, since the boundary */
	uint64_t signals;               /* that this script has asked for; bit n - 1 is signal n */
	uint64_t caught;                /* those of them that a handler of it waits for; under the lock of sc_signals.c */
	uint64_t ignored;               /* those that it wants to be ignored; the same */
	pid_t wanting_id;               /* of this thread, while it wants anything about a signal */
	struct sc_thread *next_wanting;
	sigset_t signal_mask;           /* of this thread before any script */
	sc_target target;
	sc_error error;
} sc_thread;

/* Access to TSRM's per-thread storage: libphp.a brings the variable along, libphp.so hides its own. */
ZEND_TSRMLS_CACHE_EXTERN()

extern __thread sc_thread *sc_self;

/* True in a child made by fork(): it must touch neither the server's sockets nor Rust. */
extern bool sc_forked;

extern zend_module_entry supercharger_module_entry;
extern zend_module_entry supercharger_cli_module_entry;
extern sapi_module_struct sc_sapi_module;

/* sc_sapi.c */
bool sc_died(void);
void sc_log_text(int32_t level, const char *message, size_t len);
void sc_log_record(const sc_log *log);
bool sc_split_header(const sapi_header_struct *header, sc_pair *pair);
void sc_note_error(int type, zend_string *file, uint32_t line, zend_string *message);
sc_io sc_finish(sc_ending ending);
bool sc_send_interim(uint16_t status);
bool sc_send_head(uint16_t status);
double sc_monotonic(void);

/* sc_server.c */
void sc_server_minit(const sc_engine_config *config);
void sc_register_server_variables(zval *server);

/* Told of a piece of state that is not as it was when the loop was entered. */
typedef void (*sc_changed)(void *to, sc_drift_kind kind, const char *key);

/* sc_env.c */
void sc_env_minit(const sc_engine_config *config);
void sc_env_functions(void);
zif_handler sc_replace(const char *name, size_t len, zif_handler handler);
void sc_env_thread_init(sc_thread *self);
void sc_env_thread_free(sc_thread *self);
void sc_env_import(zval *array);
void sc_env_configured(HashTable *server);
void sc_env_starting(const sc_engine_config *config);
char *sc_env_get(const char *name, size_t len);
void sc_env_take(void);
void sc_env_compare(void *to, sc_changed changed);
void sc_env_restore(void);
void sc_env_forget(void);

/* sc_baseline.c */
sc_baseline *sc_baseline_take(void);
void sc_baseline_compare(const sc_baseline *base, void *to, sc_changed changed);
void sc_baseline_restore(sc_baseline *base);
void sc_baseline_free(sc_baseline *base);

/* sc_modules.c */
sc_modules *sc_modules_take(void);
void sc_modules_restore(sc_modules *base);
void sc_modules_free(sc_modules *base);

/* sc_streams.c */
sc_streams *sc_streams_take(void);
void sc_streams_restore(sc_streams *base);
void sc_streams_free(sc_streams *base);

/* sc_signals.c */
void sc_signals_functions(void);
void sc_signals_thread_init(sc_thread *self);
void sc_signals_forget(void);
sc_signals *sc_signals_take(void);
void sc_signals_restore(const sc_signals *base);
void sc_signals_free(sc_signals *base);

/* sc_interrupt.c */
bool sc_interrupted(void);
void sc_interrupt_minit(void);
void sc_interrupt_unblock(void);
void sc_interrupt_thread_init(sc_thread *self);
bool sc_see(const sc_target *target, sc_seen *seen);

/* sc_stack.c */
void sc_answer_stack(const zend_execute_data *frame);

/* sc_watch.c */
void sc_watch_functions(void);

/* sc_classes.c */
void sc_classes_init(const sc_pair *classes, size_t count);
void sc_classes_activate(void);

/* sc_engine.c */
#ifdef SC_OPCACHE_STATIC
void sc_register_opcache(void);
#endif

/* sc_drift.c: every function but start and stop may be called only with sc_self->drift set, or asks itself. */
void sc_drift_start(void);
void sc_drift_stop(void);
void sc_drift_look(void);
void sc_drift_route(const zend_string *route);
void sc_drift_output(bool begins);
void sc_drift_told(const zend_string *kind, const zend_string *key, const zend_string *detail, bool put_back);

/* sc_opcache.c */
void sc_opcache_forked(void);
/* Between requests: has a look at what OPcache says of itself, now and then. May bail out. */
void sc_opcache_look(void);

/* sc_cli.c */
void sc_program_constants(const char *binary, const char *bindir);

/* sc_reset.c */
void sc_save_session(void);
bool sc_set_auto_start(bool on);
void sc_reset_end(void);
void sc_reset_begin(const sc_request *request);
void sc_fill_request_info(const sc_request *request);

/* sc_callbacks.c */
sc_callback *sc_add_callback(sc_callbacks *to, zend_string *name, zend_fcall_info_cache *function, double every);
bool sc_run_resetters(void);
void sc_report_parts(zend_long count, HashTable *failures);
bool sc_run_ticks(void);
double sc_next_tick(void);
void sc_free_callbacks(sc_callbacks *callbacks);
void sc_release_callback(sc_callback *callback);
bool sc_report_callback(const char *name, size_t len, bool idle);

/* sc_checks.c */
bool sc_run_checks(void);

/* sc_request.c */
bool sc_handle_request(zend_fcall_info *fci, zend_fcall_info_cache *fcc);
bool sc_is_exit(const zend_object *thrown);
void sc_go_astray(const char *why);

#endif
