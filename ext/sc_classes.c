/*
 * PHP classes that the binary carries. They are found by an autoloader that stands behind every other one registered
 * later in front of it, so a copy in the application's vendor folder wins over ours.
 */
#include "sc_internal.h"
#include "zend_compile.h"

static const sc_pair *sc_classes;
static size_t sc_class_count;

void sc_classes_init(const sc_pair *classes, size_t count)
{
	sc_classes = classes;
	sc_class_count = count;
}

/* Compiles and runs a class file. Errors are exceptions or fatals of PHP's, as for any other file. */
static void sc_load_class(const sc_pair *class)
{
	zend_string *source = zend_string_init(class->value.data, class->value.len, 0);
	char *file;
	zend_op_array *code;

	/* No scheme: error pages ask file_exists() about the file of every frame, and an unknown wrapper is a warning. */
	spprintf(&file, 0, "[supercharger]/%s.php", class->name.data);
	code = zend_compile_string(source, file, ZEND_COMPILE_POSITION_AT_OPEN_TAG);
	efree(file);
	zend_string_release(source);
	if (code) {
		zval result;

		ZVAL_UNDEF(&result);
		code->scope = zend_get_executed_scope();
		zend_execute(code, &result);
		zval_ptr_dtor(&result);
		zend_destroy_static_vars(code);
		destroy_op_array(code);
		efree_size(code, sizeof(zend_op_array));
	}
}

PHP_FUNCTION(supercharger_autoload)
{
	zend_string *name;
	size_t i;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(name)
	ZEND_PARSE_PARAMETERS_END();

	for (i = 0; i < sc_class_count; i++) {
		if (zend_string_equals_cstr(name, sc_classes[i].name.data, sc_classes[i].name.len)) {
			sc_load_class(&sc_classes[i]);
			return;
		}
	}
}

/* Registers the autoloader for the script that is about to run. */
void sc_classes_activate(void)
{
	zval function, result, argument;

	if (sc_class_count == 0) {
		return;
	}
	ZVAL_STRING(&function, "spl_autoload_register");
	ZVAL_STRING(&argument, "supercharger_autoload");
	if (call_user_function(NULL, NULL, &function, &result, 1, &argument) == SUCCESS) {
		zval_ptr_dtor(&result);
	}
	zval_ptr_dtor(&argument);
	zval_ptr_dtor(&function);
}
