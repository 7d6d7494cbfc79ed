/* Start and stop of the engine, and of the threads that use it. */
#include "sc_internal.h"
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include "ext/standard/php_standard.h"
#include "zend_strtod.h"

/* An OPcache built as a part of libphp (php-src-pin/patch-source). build.rs says whether there is one. */
#ifdef SC_OPCACHE_STATIC
extern zend_extension zend_extension_entry;

void sc_register_opcache(void)
{
	zend_register_extension(&zend_extension_entry, NULL);
}
#endif

#ifdef SC_LIBPHP_SHARED
ZEND_TSRMLS_CACHE_DEFINE()
#endif

static const sc_engine_config *sc_config;
static bool sc_running;
static int (*sc_register_internal_extensions)(void);

static void sc_ini_defaults(HashTable *configuration)
{
	size_t i;

	for (i = 0; i < sc_config->ini_default_count; i++) {
		const sc_pair *pair = &sc_config->ini_defaults[i];
		zval value;

		ZVAL_NEW_STR(&value, zend_string_init(pair->value.data, pair->value.len, 1));
		zend_hash_str_update(configuration, pair->name.data, pair->name.len, &value);
	}
}

/*
 * Runs where php_module_startup() registers the static extensions: late enough that the list of Zend extensions exists,
 * early enough that they are started afterwards.
 *
 * OPcache looks at the SAPI's name once, when it starts, and switches itself off unless it is on a fixed list. Nothing else
 * looks at it in that moment, so a listed name is shown for as long as the modules start.
 */
static int sc_register_extensions(void)
{
	if (sc_register_internal_extensions() == FAILURE) {
		return FAILURE;
	}
	if (!zend_register_internal_module(&supercharger_module_entry)) {
		return FAILURE;
	}
	zend_observer_error_register(sc_note_error);
	sc_server_minit(sc_config);
	sc_env_minit(sc_config);
	sc_env_functions();
	sc_watch_functions();
	sc_signals_functions();
	sc_interrupt_minit();
	sc_program_constants(sc_config->php_binary, sc_config->php_bindir);
	sapi_module.name = "fpm-fcgi";
#ifdef SC_OPCACHE_STATIC
	sc_register_opcache();
#endif
	return SUCCESS;
}

/*
 * OPcache asks for huge pages at an address that it has rounded up, and so for up to 2 MiB beyond what it had found free (create_segments() in
 * shared_alloc_mmap.c). Where the kernel has no such pages to give, what lay there is unmapped all the same. An executable at a fixed
 * address may have its heap there, by chance, right above: so what is free below the heap is kept apart from it.
 */
static void sc_keep_heap_apart(void)
{
	const uintptr_t gap = 2 * 1024 * 1024;
	char line[512];
	uintptr_t start, end;
	FILE *maps = fopen("/proc/self/maps", "re");

	if (!maps) {
		return;
	}
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, "[heap]") && sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2 && start > gap) {
			/* Where something is already, OPcache's memory will not be. */
			mmap((void *)(start - gap), gap, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
			break;
		}
	}
	fclose(maps);
}

static void sc_after_fork_in_child(void)
{
	sc_forked = true;
	sc_opcache_forked();
}

sc_start sc_engine_start(const sc_engine_config *config)
{
	if (config->abi != SC_ABI) {
		return SC_START_ABI;
	}
	if (sc_running) {
		return SC_START_TWICE;
	}
	sc_config = config;
	sc_env_starting(config);
	sc_classes_init(config->classes, config->class_count);
	sc_keep_heap_apart();
	signal(SIGPIPE, SIG_IGN);
	pthread_atfork(NULL, NULL, sc_after_fork_in_child);

	php_tsrm_startup();
	ZEND_TSRMLS_CACHE_UPDATE();
	zend_signal_startup();
	sapi_startup(&sc_sapi_module);
	sc_sapi_module.ini_entries = config->ini_entries;
	sc_sapi_module.ini_defaults = sc_ini_defaults;
	sc_sapi_module.executable_location = (char *)config->executable;
	sc_register_internal_extensions = php_register_internal_extensions_func;
	php_register_internal_extensions_func = sc_register_extensions;
	if (sc_sapi_module.startup(&sc_sapi_module) == FAILURE) {
		sapi_shutdown();
		tsrm_shutdown();
		return SC_START_MODULES;
	}
	sapi_module.name = sc_sapi_module.name;
	/* Rust's structure is gone after this call; what it pointed to and is still needed has been kept elsewhere. */
	sc_config = NULL;
	sc_running = true;
	return SC_START_OK;
}

void sc_engine_stop(void)
{
	if (!sc_running) {
		return;
	}
	sc_running = false;
	php_module_shutdown();
	sapi_shutdown();
	tsrm_shutdown();
}

sc_build sc_build_info(void)
{
	sc_build build = {
		.abi = SC_ABI,
		.php_version = {PHP_VERSION, sizeof(PHP_VERSION) - 1},
		.debug = ZEND_DEBUG,
#if defined(SC_OPCACHE_STATIC) || PHP_VERSION_ID >= 80500
		.opcache_static = true,
#endif
	};

	return build;
}

static size_t sc_list(sc_pair *into, size_t max, size_t count, const char *name, const char *version)
{
	if (count < max) {
		into[count].name = (sc_text){name, strlen(name)};
		into[count].value = version ? (sc_text){version, strlen(version)} : (sc_text){"", 0};
	}
	return count + 1;
}

size_t sc_extensions(sc_pair *into, size_t max)
{
	zend_llist_position position;
	zend_extension *extension;
	zend_module_entry *module;
	size_t count = 0;

	ZEND_HASH_MAP_FOREACH_PTR(&module_registry, module) {
		count = sc_list(into, max, count, module->name, module->version);
	} ZEND_HASH_FOREACH_END();
	for (extension = zend_llist_get_first_ex(&zend_extensions, &position); extension;
			extension = zend_llist_get_next_ex(&zend_extensions, &position)) {
		bool listed = false;

		/* OPcache and Xdebug are both at once. */
		ZEND_HASH_MAP_FOREACH_PTR(&module_registry, module) {
			listed = listed || strcasecmp(module->name, extension->name) == 0;
		} ZEND_HASH_FOREACH_END();
		if (!listed) {
			count = sc_list(into, max, count, extension->name, extension->version);
		}
	}
	return count;
}

bool sc_thread_attach(void *host, const sc_worker *worker)
{
	sc_thread *self = calloc(1, sizeof(*self));

	if (!self) {
		return false;
	}
	(void)ts_resource(0);
	ZEND_TSRMLS_CACHE_UPDATE();
	self->host = host;
	self->worker = worker;
	self->attached_at = sc_monotonic();
	sc_env_thread_init(self);
	sc_interrupt_thread_init(self);
	sc_signals_thread_init(self);
	sc_self = self;
	return true;
}

void sc_thread_detach(void)
{
	sc_thread *self = sc_self;

	if (!self) {
		return;
	}
	sc_self = NULL;
	sc_env_thread_free(self);
	free(self);
	/* Number conversion keeps free lists per thread; the engine empties those of its main thread only. */
	zend_shutdown_strtod();
	ts_free_thread();
}
