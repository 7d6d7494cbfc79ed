/* From supercharger.stub.php; ext/tests/002-signatures.phpt compares the two. */

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_handle_request, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, handler, IS_CALLABLE, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_on_reset, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, resetter, IS_CALLABLE, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, name, IS_STRING, 0, "\'\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_reset_report, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, count, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, failures, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_on_idle, 0, 2, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, tick, IS_CALLABLE, 0)
	ZEND_ARG_TYPE_INFO(0, seconds, IS_DOUBLE, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, name, IS_STRING, 0, "\'\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_on_check, 0, 2, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, check, IS_CALLABLE, 0)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, required, _IS_BOOL, 0, "true")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, timeout, IS_DOUBLE, 0, "0.0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_warmed, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, count, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, failed, IS_LONG, 0, "0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, ms, IS_DOUBLE, 0, "0.0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_recycle, 0, 0, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, reason, IS_STRING, 0, "\'app_request\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_route, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, template, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_drift, 0, 2, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, kind, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, detail, IS_STRING, 0, "\'\'")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, put_back, _IS_BOOL, 0, "false")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_drift_found, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_span_start, 0, 1, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, attributes, IS_ARRAY, 0, "[]")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, kind, IS_STRING, 0, "\'internal\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_span_end, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, span, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, error, IS_STRING, 1, "null")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, attributes, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_traceparent, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_tracing, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_sampled, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_finish_request, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_headers_send, 0, 0, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, status, IS_LONG, 0, "200")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_worker, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_request_id, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_log, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, message, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, level, IS_LONG, 0, "0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, context, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_autoload, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, class, IS_STRING, 0)
ZEND_END_ARG_INFO()

#define arginfo_frankenphp_request_headers arginfo_supercharger_worker
#define arginfo_frankenphp_response_headers arginfo_supercharger_worker

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_store_get, 0, 1, IS_MIXED, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, default, IS_MIXED, 0, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_store_has, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_store_set, 0, 2, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, value, IS_MIXED, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, ttl, IS_DOUBLE, 0, "0.0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, keep, _IS_BOOL, 0, "false")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_store_add, 0, 2, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, value, IS_MIXED, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, ttl, IS_DOUBLE, 0, "0.0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, keep, _IS_BOOL, 0, "false")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_store_delete, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_store_clear, 0, 0, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, prefix, IS_STRING, 0, "\'\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_store_info, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_counter_add, 0, 1, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, by, IS_LONG, 0, "1")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, ttl, IS_DOUBLE, 0, "0.0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_counter_get, 0, 1, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, default, IS_LONG, 0, "0")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_counter_delete, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_lock_acquire, 0, 3, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, token, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, ttl, IS_DOUBLE, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, wait, IS_DOUBLE, 0, "0.0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, shared, _IS_BOOL, 0, "false")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, bound, _IS_BOOL, 0, "true")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_lock_extend, 0, 3, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, token, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, ttl, IS_DOUBLE, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_lock_release, 0, 2, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, token, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_lock_held, 0, 2, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, token, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_rate_limit, 0, 2, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, limits, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, cost, IS_LONG, 0, "1")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, wait, IS_DOUBLE, 0, "0.0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, rule, IS_STRING, 0, "\'\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_rate_limit_reset, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_FUNCTION(supercharger_handle_request);
ZEND_FUNCTION(supercharger_on_reset);
ZEND_FUNCTION(supercharger_reset_report);
ZEND_FUNCTION(supercharger_on_idle);
ZEND_FUNCTION(supercharger_on_check);
ZEND_FUNCTION(supercharger_warmed);
ZEND_FUNCTION(supercharger_recycle);
ZEND_FUNCTION(supercharger_route);
ZEND_FUNCTION(supercharger_drift);
ZEND_FUNCTION(supercharger_drift_found);
ZEND_FUNCTION(supercharger_span_start);
ZEND_FUNCTION(supercharger_span_end);
ZEND_FUNCTION(supercharger_traceparent);
ZEND_FUNCTION(supercharger_tracing);
ZEND_FUNCTION(supercharger_sampled);
ZEND_FUNCTION(supercharger_finish_request);
ZEND_FUNCTION(headers_send);
ZEND_FUNCTION(supercharger_worker);
ZEND_FUNCTION(supercharger_request_id);
ZEND_FUNCTION(supercharger_log);
ZEND_FUNCTION(supercharger_autoload);
ZEND_FUNCTION(supercharger_store_get);
ZEND_FUNCTION(supercharger_store_has);
ZEND_FUNCTION(supercharger_store_set);
ZEND_FUNCTION(supercharger_store_add);
ZEND_FUNCTION(supercharger_store_delete);
ZEND_FUNCTION(supercharger_store_clear);
ZEND_FUNCTION(supercharger_store_info);
ZEND_FUNCTION(supercharger_counter_add);
ZEND_FUNCTION(supercharger_counter_get);
ZEND_FUNCTION(supercharger_counter_delete);
ZEND_FUNCTION(supercharger_lock_acquire);
ZEND_FUNCTION(supercharger_lock_extend);
ZEND_FUNCTION(supercharger_lock_release);
ZEND_FUNCTION(supercharger_lock_held);
ZEND_FUNCTION(supercharger_rate_limit);
ZEND_FUNCTION(supercharger_rate_limit_reset);
ZEND_FUNCTION(frankenphp_request_headers);
ZEND_FUNCTION(frankenphp_response_headers);

static const zend_function_entry supercharger_functions[] = {
	ZEND_FE(supercharger_handle_request, arginfo_supercharger_handle_request)
	ZEND_FALIAS(frankenphp_handle_request, supercharger_handle_request, arginfo_supercharger_handle_request)
	ZEND_FE(supercharger_on_reset, arginfo_supercharger_on_reset)
	ZEND_FE(supercharger_reset_report, arginfo_supercharger_reset_report)
	ZEND_FE(supercharger_on_idle, arginfo_supercharger_on_idle)
	ZEND_FE(supercharger_on_check, arginfo_supercharger_on_check)
	ZEND_FE(supercharger_warmed, arginfo_supercharger_warmed)
	ZEND_FE(supercharger_recycle, arginfo_supercharger_recycle)
	ZEND_FE(supercharger_route, arginfo_supercharger_route)
	ZEND_FE(supercharger_drift, arginfo_supercharger_drift)
	ZEND_FE(supercharger_drift_found, arginfo_supercharger_drift_found)
	ZEND_FE(supercharger_span_start, arginfo_supercharger_span_start)
	ZEND_FE(supercharger_span_end, arginfo_supercharger_span_end)
	ZEND_FE(supercharger_traceparent, arginfo_supercharger_traceparent)
	ZEND_FE(supercharger_tracing, arginfo_supercharger_tracing)
	ZEND_FE(supercharger_sampled, arginfo_supercharger_sampled)
	ZEND_FE(supercharger_finish_request, arginfo_supercharger_finish_request)
	ZEND_FALIAS(frankenphp_finish_request, supercharger_finish_request, arginfo_supercharger_finish_request)
	ZEND_FALIAS(fastcgi_finish_request, supercharger_finish_request, arginfo_supercharger_finish_request)
	ZEND_FE(headers_send, arginfo_headers_send)
	ZEND_FE(supercharger_worker, arginfo_supercharger_worker)
	ZEND_FE(supercharger_request_id, arginfo_supercharger_request_id)
	ZEND_FE(supercharger_log, arginfo_supercharger_log)
	ZEND_FALIAS(frankenphp_log, supercharger_log, arginfo_supercharger_log)
	ZEND_FE(supercharger_store_get, arginfo_supercharger_store_get)
	ZEND_FE(supercharger_store_has, arginfo_supercharger_store_has)
	ZEND_FE(supercharger_store_set, arginfo_supercharger_store_set)
	ZEND_FE(supercharger_store_add, arginfo_supercharger_store_add)
	ZEND_FE(supercharger_store_delete, arginfo_supercharger_store_delete)
	ZEND_FE(supercharger_store_clear, arginfo_supercharger_store_clear)
	ZEND_FE(supercharger_store_info, arginfo_supercharger_store_info)
	ZEND_FE(supercharger_counter_add, arginfo_supercharger_counter_add)
	ZEND_FE(supercharger_counter_get, arginfo_supercharger_counter_get)
	ZEND_FE(supercharger_counter_delete, arginfo_supercharger_counter_delete)
	ZEND_FE(supercharger_lock_acquire, arginfo_supercharger_lock_acquire)
	ZEND_FE(supercharger_lock_extend, arginfo_supercharger_lock_extend)
	ZEND_FE(supercharger_lock_release, arginfo_supercharger_lock_release)
	ZEND_FE(supercharger_lock_held, arginfo_supercharger_lock_held)
	ZEND_FE(supercharger_rate_limit, arginfo_supercharger_rate_limit)
	ZEND_FE(supercharger_rate_limit_reset, arginfo_supercharger_rate_limit_reset)
	ZEND_FE(frankenphp_request_headers, arginfo_frankenphp_request_headers)
	ZEND_FALIAS(apache_request_headers, frankenphp_request_headers, arginfo_frankenphp_request_headers)
	ZEND_FALIAS(getallheaders, frankenphp_request_headers, arginfo_frankenphp_request_headers)
	ZEND_FE(frankenphp_response_headers, arginfo_frankenphp_response_headers)
	ZEND_FALIAS(apache_response_headers, frankenphp_response_headers, arginfo_frankenphp_response_headers)
	ZEND_FE(supercharger_autoload, arginfo_supercharger_autoload)
	ZEND_FE_END
};

/* php's own command line brings getallheaders and the apache_* names along; only the others are added there. */
static const zend_function_entry supercharger_cli_functions[] = {
	ZEND_FE(supercharger_handle_request, arginfo_supercharger_handle_request)
	ZEND_FALIAS(frankenphp_handle_request, supercharger_handle_request, arginfo_supercharger_handle_request)
	ZEND_FE(supercharger_on_reset, arginfo_supercharger_on_reset)
	ZEND_FE(supercharger_reset_report, arginfo_supercharger_reset_report)
	ZEND_FE(supercharger_on_idle, arginfo_supercharger_on_idle)
	ZEND_FE(supercharger_on_check, arginfo_supercharger_on_check)
	ZEND_FE(supercharger_warmed, arginfo_supercharger_warmed)
	ZEND_FE(supercharger_recycle, arginfo_supercharger_recycle)
	ZEND_FE(supercharger_route, arginfo_supercharger_route)
	ZEND_FE(supercharger_drift, arginfo_supercharger_drift)
	ZEND_FE(supercharger_drift_found, arginfo_supercharger_drift_found)
	ZEND_FE(supercharger_span_start, arginfo_supercharger_span_start)
	ZEND_FE(supercharger_span_end, arginfo_supercharger_span_end)
	ZEND_FE(supercharger_traceparent, arginfo_supercharger_traceparent)
	ZEND_FE(supercharger_tracing, arginfo_supercharger_tracing)
	ZEND_FE(supercharger_sampled, arginfo_supercharger_sampled)
	ZEND_FE(supercharger_worker, arginfo_supercharger_worker)
	ZEND_FE(supercharger_request_id, arginfo_supercharger_request_id)
	ZEND_FE(supercharger_log, arginfo_supercharger_log)
	ZEND_FALIAS(frankenphp_log, supercharger_log, arginfo_supercharger_log)
	ZEND_FE(supercharger_store_get, arginfo_supercharger_store_get)
	ZEND_FE(supercharger_store_has, arginfo_supercharger_store_has)
	ZEND_FE(supercharger_store_set, arginfo_supercharger_store_set)
	ZEND_FE(supercharger_store_add, arginfo_supercharger_store_add)
	ZEND_FE(supercharger_store_delete, arginfo_supercharger_store_delete)
	ZEND_FE(supercharger_store_clear, arginfo_supercharger_store_clear)
	ZEND_FE(supercharger_store_info, arginfo_supercharger_store_info)
	ZEND_FE(supercharger_counter_add, arginfo_supercharger_counter_add)
	ZEND_FE(supercharger_counter_get, arginfo_supercharger_counter_get)
	ZEND_FE(supercharger_counter_delete, arginfo_supercharger_counter_delete)
	ZEND_FE(supercharger_lock_acquire, arginfo_supercharger_lock_acquire)
	ZEND_FE(supercharger_lock_extend, arginfo_supercharger_lock_extend)
	ZEND_FE(supercharger_lock_release, arginfo_supercharger_lock_release)
	ZEND_FE(supercharger_lock_held, arginfo_supercharger_lock_held)
	ZEND_FE(supercharger_rate_limit, arginfo_supercharger_rate_limit)
	ZEND_FE(supercharger_rate_limit_reset, arginfo_supercharger_rate_limit_reset)
	ZEND_FE_END
};
