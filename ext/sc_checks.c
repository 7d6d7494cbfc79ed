/*
 * Readiness checks: functions of the application that tell whether what it depends on is there. An idle worker runs those that are due;
 * which ones, and for how long one may take, is Rust's to say. What one throws is its result and no fault of the worker.
 */
#include "sc_internal.h"

/* Hands over what a check has come to, and forgets it. Returns false if it has called exit, which cannot be held up. */
static bool sc_conclude_check(const zval *returned)
{
	zend_object *thrown = EG(exception);
	sc_check_result result = {.passed = false, .thrown = {"", 0}, .message = {"", 0}};
	zval message;

	if (thrown && sc_is_exit(thrown)) {
		result.message = (sc_text){ZEND_STRL("exit was called")};
		sc_on_check_end(sc_self->host, &result);
		return false;
	}
	if (thrown) {
		const zval *text = zend_read_property_ex(zend_get_exception_base(thrown), thrown, ZSTR_KNOWN(ZEND_STR_MESSAGE), true, &message);

		result.thrown = (sc_text){ZSTR_VAL(thrown->ce->name), ZSTR_LEN(thrown->ce->name)};
		if (Z_TYPE_P(text) == IS_STRING) {
			result.message = (sc_text){Z_STRVAL_P(text), Z_STRLEN_P(text)};
		}
		sc_on_check_end(sc_self->host, &result);
		zend_clear_exception();
		return true;
	}
	if (Z_TYPE_P(returned) == IS_FALSE) {
		result.message = (sc_text){ZEND_STRL("it returned false")};
	} else {
		result.passed = true;
		if (Z_TYPE_P(returned) == IS_STRING) {
			result.message = (sc_text){Z_STRVAL_P(returned), Z_STRLEN_P(returned)};
		}
	}
	sc_on_check_end(sc_self->host, &result);
	return true;
}

/* Returns false if the script is being unwound by exit. */
static bool sc_run_check(sc_callback *check)
{
	zval returned;
	bool goes_on;

	check->references++;
	ZVAL_UNDEF(&returned);
	zend_call_known_fcc(&check->function, &returned, 0, NULL, NULL);
	sc_self->checking = false;
	goes_on = sc_conclude_check(&returned);
	zval_ptr_dtor(&returned);
	sc_release_callback(check);
	return goes_on && sc_report_callback(ZEND_STRL("destructor"), true);
}

/* Runs the checks that are due. Returns false if the script is being unwound by exit. */
bool sc_run_checks(void)
{
	uint32_t count = sc_self->checks.count;
	uint32_t i;

	for (i = 0; i < count && i < sc_self->checks.count; i++) {
		sc_callback *check = sc_self->checks.list[i];

		if (!sc_on_check_begin(sc_self->host, (sc_text){ZSTR_VAL(check->name), ZSTR_LEN(check->name)})) {
			continue;
		}
		sc_self->checking = true;
		if (!sc_run_check(check)) {
			return false;
		}
	}
	return true;
}
