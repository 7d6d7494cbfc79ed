/*
 * What the stream layer and the file functions keep between two requests: the default context, the wrappers that PHP brings, the last
 * answer of an HTTP server, the stat cache, the folder that readdir() without arguments reads.
 *
 * Wrappers and filters that a request registers under new names stay, as the classes do that they name.
 */
#include "sc_internal.h"
#include "ext/standard/file.h"
#include "ext/standard/php_filestat.h"

struct sc_streams {
	php_stream_context *context;    /* of the boot; its resource is held */
	zval options;
	HashTable replaced;             /* names of PHP's own wrappers that the boot had taken away or replaced */
};

/* ---- the default context ---- */

static void sc_take_context(sc_streams *base)
{
	base->context = FG(default_context);
	ZVAL_UNDEF(&base->options);
	if (base->context) {
		GC_ADDREF(base->context->res);
		ZVAL_COPY(&base->options, &base->context->options);
	}
}

/* A script may hold the context that is let go here; it is a resource like any other. */
static void sc_restore_context(sc_streams *base)
{
	php_stream_context *now = FG(default_context);

	if (now != base->context) {
		FG(default_context) = base->context;
		if (base->context) {
			GC_ADDREF(base->context->res);
		}
		if (now) {
			zend_list_delete(now->res);
		}
	}
	if (base->context && Z_ARR(base->context->options) != Z_ARR(base->options)) {
		zval_ptr_dtor(&base->context->options);
		ZVAL_COPY(&base->context->options, &base->options);
	}
}

/* ---- wrappers ---- */

static void sc_take_wrappers(sc_streams *base)
{
	zend_string *name;
	void *wrapper;

	zend_hash_init(&base->replaced, 0, NULL, NULL, 0);
	if (!FG(stream_wrappers)) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_PTR(php_stream_get_url_stream_wrappers_hash_global(), name, wrapper) {
		if (zend_hash_find_ptr(FG(stream_wrappers), name) != wrapper) {
			zend_hash_add_empty_element(&base->replaced, name);
		}
	} ZEND_HASH_FOREACH_END();
}

/* A wrapper of a script owns a resource, which only stream_wrapper_unregister() knows how to let go. */
static void sc_unregister_wrapper(zend_string *name)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("stream_wrapper_unregister"));
	zval argument, result;

	ZVAL_STR(&argument, name);
	zend_call_known_function(function, NULL, NULL, &result, 1, &argument, NULL);
}

static void sc_restore_wrappers(const sc_streams *base)
{
	zend_string *name;
	php_stream_wrapper *wrapper;

	if (!FG(stream_wrappers)) {
		return;
	}
	ZEND_HASH_MAP_FOREACH_STR_KEY_PTR(php_stream_get_url_stream_wrappers_hash_global(), name, wrapper) {
		void *now = zend_hash_find_ptr(FG(stream_wrappers), name);
		if (now == wrapper || zend_hash_exists(&base->replaced, name)) {
			continue;
		}
		if (now) {
			sc_unregister_wrapper(name);
		}
		php_register_url_stream_wrapper_volatile(name, wrapper);
	} ZEND_HASH_FOREACH_END();
}

/* ---- files ---- */

static void sc_forget_http_answer(void)
{
	if (!Z_ISUNDEF(BG(last_http_headers))) {
		zval_ptr_dtor(&BG(last_http_headers));
		ZVAL_UNDEF(&BG(last_http_headers));
	}
}

#ifndef SC_LIBPHP_SHARED
/* ext/standard/dir.c, which shares neither its globals nor the type of them. */
typedef struct sc_dir_globals {
	zend_resource *default_dir;
} sc_dir_globals;

extern int dir_globals_id;
#endif

/* What opendir() has opened last stays open for readdir() without arguments. */
static void sc_forget_folder(void)
{
#ifndef SC_LIBPHP_SHARED
	sc_dir_globals *dir = TSRMG_BULK_STATIC(dir_globals_id, sc_dir_globals *);

	if (dir->default_dir) {
		zend_resource *folder = dir->default_dir;
		dir->default_dir = NULL;
		zend_list_delete(folder);
	}
#endif
}

/* ---- all ---- */

sc_streams *sc_streams_take(void)
{
	sc_streams *base = ecalloc(1, sizeof(*base));

	sc_take_context(base);
	sc_take_wrappers(base);
	return base;
}

void sc_streams_restore(sc_streams *base)
{
	sc_restore_context(base);
	sc_restore_wrappers(base);
	sc_forget_http_answer();
	sc_forget_folder();
	/* A file that another process has changed since is not told by what the former request saw. */
	php_clear_stat_cache(false, NULL, 0);
}

void sc_streams_free(sc_streams *base)
{
	if (base->context) {
		zend_list_delete(base->context->res);
	}
	zval_ptr_dtor(&base->options);
	zend_hash_destroy(&base->replaced);
	efree(base);
}
