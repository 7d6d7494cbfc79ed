/*
 * Spans of the application: parts of a request that it wants to see in the request's trace. Rust keeps them (src/job/children.rs); here is what
 * makes views of PHP's values, and the decision that nobody wants any, which costs some comparisons and no call.
 */
#include "sc_internal.h"

/* Whether the request that runs is reported. What its reset does is not part of it. */
static bool sc_is_sampled(void)
{
	const sc_thread *self = sc_self;

	return self && self->request && self->request->sampled && !self->resetting && !sc_forked;
}

/* Makes views of the texts, numbers and truths among the values; returns how many. */
static size_t sc_take_attributes(HashTable *from, sc_attribute *into)
{
	size_t count = 0;
	zend_string *name;
	zval *value;

	ZEND_HASH_FOREACH_STR_KEY_VAL(from, name, value) {
		sc_attribute *attribute = &into[count];

		if (count == SC_MAX_ATTRIBUTES) {
			break;
		}
		if (!name) {
			continue;
		}
		*attribute = (sc_attribute){.name = {ZSTR_VAL(name), ZSTR_LEN(name)}};
		ZVAL_DEREF(value);
		switch (Z_TYPE_P(value)) {
			case IS_STRING:
				attribute->kind = SC_ATTRIBUTE_TEXT;
				attribute->text = (sc_text){Z_STRVAL_P(value), Z_STRLEN_P(value)};
				break;
			case IS_LONG:
				attribute->kind = SC_ATTRIBUTE_INTEGER;
				attribute->integer = Z_LVAL_P(value);
				break;
			case IS_DOUBLE:
				attribute->kind = SC_ATTRIBUTE_NUMBER;
				attribute->number = Z_DVAL_P(value);
				break;
			case IS_TRUE:
			case IS_FALSE:
				attribute->kind = SC_ATTRIBUTE_TRUTH;
				attribute->integer = Z_TYPE_P(value) == IS_TRUE;
				break;
			default:
				/* To turn anything else into a text may run code of the application. */
				continue;
		}
		count++;
	} ZEND_HASH_FOREACH_END();
	return count;
}

static bool sc_span_kind_of(const zend_string *kind, sc_span_kind *into)
{
	if (zend_string_equals_literal(kind, "internal")) {
		*into = SC_SPAN_INTERNAL;
	} else if (zend_string_equals_literal(kind, "client")) {
		*into = SC_SPAN_CLIENT;
	} else if (zend_string_equals_literal(kind, "producer")) {
		*into = SC_SPAN_PRODUCER;
	} else if (zend_string_equals_literal(kind, "consumer")) {
		*into = SC_SPAN_CONSUMER;
	} else {
		return false;
	}
	return true;
}

PHP_FUNCTION(supercharger_span_start)
{
	zend_string *name, *kind = NULL;
	HashTable *given = (HashTable *)&zend_empty_array;
	sc_attribute attributes[SC_MAX_ATTRIBUTES];
	sc_span span = {.kind = SC_SPAN_INTERNAL, .attributes = attributes};

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_STR(name)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT(given)
		Z_PARAM_STR(kind)
	ZEND_PARSE_PARAMETERS_END();

	if (kind && !sc_span_kind_of(kind, &span.kind)) {
		zend_argument_value_error(3, "must be one of \"internal\", \"client\", \"producer\" or \"consumer\"");
		RETURN_THROWS();
	}
	if (!sc_is_sampled()) {
		RETURN_LONG(0);
	}
	span.name = (sc_text){ZSTR_VAL(name), ZSTR_LEN(name)};
	span.attribute_count = sc_take_attributes(given, attributes);
	RETURN_LONG((zend_long)sc_on_span_start(sc_self->host, &span));
}

PHP_FUNCTION(supercharger_span_end)
{
	zend_long number;
	zend_string *error = NULL;
	HashTable *given = (HashTable *)&zend_empty_array;
	sc_attribute attributes[SC_MAX_ATTRIBUTES];
	sc_span_end end = {.attributes = attributes};

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_LONG(number)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(error)
		Z_PARAM_ARRAY_HT(given)
	ZEND_PARSE_PARAMETERS_END();

	if (number <= 0 || !sc_is_sampled()) {
		RETURN_FALSE;
	}
	end.number = (uint64_t)number;
	if (error) {
		end.failed = true;
		end.error = (sc_text){ZSTR_VAL(error), ZSTR_LEN(error)};
	}
	end.attribute_count = sc_take_attributes(given, attributes);
	RETURN_BOOL(sc_on_span_end(sc_self->host, &end));
}

PHP_FUNCTION(supercharger_traceparent)
{
	char text[SC_TRACEPARENT];

	ZEND_PARSE_PARAMETERS_NONE();

	if (!sc_self || !sc_self->request || !sc_self->worker->traces || sc_forked
			|| !sc_on_traceparent(sc_self->host, text)) {
		RETURN_EMPTY_STRING();
	}
	RETURN_STRINGL(text, SC_TRACEPARENT);
}

PHP_FUNCTION(supercharger_sampled)
{
	ZEND_PARSE_PARAMETERS_NONE();

	RETURN_BOOL(sc_is_sampled());
}

PHP_FUNCTION(supercharger_tracing)
{
	ZEND_PARSE_PARAMETERS_NONE();

	RETURN_BOOL(sc_self && sc_self->worker->traces && !sc_forked);
}
