/* PHP's own command line, where the linked build carries it (libphpcli.a), and the names under which PHP code finds php. */
#include "sc_internal.h"
#include <signal.h>
#include <stdlib.h>

static void sc_replace_constant(const char *name, const char *value)
{
	zend_constant *constant = zend_hash_str_find_ptr(EG(zend_constants), name, strlen(name));

	if (constant && Z_TYPE(constant->value) == IS_STRING) {
		zval_ptr_dtor_str(&constant->value);
		ZVAL_INTERNED_STR(&constant->value, zend_string_init_interned(value, strlen(value), 1));
	}
}

/*
 * PHP resolves links before it fills in PHP_BINARY, and a link is what makes this executable behave as php; PHP_BINDIR is the
 * folder PHP was built for. Called while the modules are registered: the constants exist, and no code that could have had their
 * values compiled into it.
 */
void sc_program_constants(const char *binary, const char *bindir)
{
	if (binary && bindir) {
		sc_replace_constant("PHP_BINARY", binary);
		sc_replace_constant("PHP_BINDIR", bindir);
	}
}

#ifdef SC_PHP_CLI
extern int sc_php_cli_main(int argc, char **argv);
zend_result sc_cli_module_startup(sapi_module_struct *sapi, zend_module_entry *additional);

static const sc_cli_call *sc_call;
static int (*sc_register_internal_extensions)(void);

/* The arguments of the process itself, as the kernel laid them out: a process title is written over them. */
static int sc_process_argc;
static char **sc_process_argv;

#ifdef __GLIBC__
__attribute__((constructor)) static void sc_keep_arguments(int argc, char **argv)
{
	sc_process_argc = argc;
	sc_process_argv = argv;
}
#endif

static int sc_register_cli_extensions(void)
{
	if (sc_register_internal_extensions() == FAILURE || !zend_register_internal_module(&supercharger_cli_module_entry)) {
		return FAILURE;
	}
	sc_program_constants(sc_call->php_binary, sc_call->php_bindir);
#ifdef SC_OPCACHE_STATIC
	sc_register_opcache();
#endif
	return SUCCESS;
}

/*
 * What php's main() calls for php_module_startup(): build.rs sees to that. It has just said that the executable is called argv[0];
 * PHP looks for a php.ini beside it.
 */
zend_result sc_cli_module_startup(sapi_module_struct *sapi, zend_module_entry *additional)
{
	if (sc_call->executable) {
		sapi->executable_location = (char *)sc_call->executable;
	}
	return php_module_startup(sapi, additional);
}

/*
 * The arguments of the process instead of the copies, so that cli_set_process_title() finds its room. "supercharger php-cli" becomes
 * one argument, the name of the program: for PHP's usage text, and because php wants them to follow each other in memory.
 */
static char **sc_arguments_in_place(const sc_cli_call *call)
{
	int skipped = sc_process_argc - call->argc;
	char **argv;
	int i;

	if (call->argc < 1 || skipped < 0 || skipped > 1) {
		return call->argv;
	}
	if (skipped == 1) {
		char *end = sc_process_argv[0] + strlen(sc_process_argv[0]);

		if (end + 1 != sc_process_argv[1]) {
			return call->argv;
		}
		*end = ' ';
	}
	argv = malloc(((size_t)call->argc + 1) * sizeof(*argv));
	if (!argv) {
		return call->argv;
	}
	argv[0] = sc_process_argv[0];
	for (i = 1; i <= call->argc; i++) {
		argv[i] = sc_process_argv[i + skipped];
	}
	return argv;
}

bool sc_cli_available(void)
{
	return true;
}

int sc_cli_main(const sc_cli_call *call)
{
	sc_call = call;
	/* A crash of PHP ends the process with the signal that php would end with, not with the report of Rust's handler. */
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	if (call->mark) {
		setenv(call->mark, "1", 1);
	}
	sc_register_internal_extensions = php_register_internal_extensions_func;
	php_register_internal_extensions_func = sc_register_cli_extensions;
	return sc_php_cli_main(call->argc, sc_arguments_in_place(call));
}
#else
bool sc_cli_available(void)
{
	return false;
}

int sc_cli_main(const sc_cli_call *call)
{
	(void)call;
	return 1;
}
#endif
