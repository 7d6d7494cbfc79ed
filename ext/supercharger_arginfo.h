/* From supercharger.stub.php; ext/tests/002-signatures.phpt compares the two. */

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_handle_request, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, handler, IS_CALLABLE, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_on_reset, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, resetter, IS_CALLABLE, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, name, IS_STRING, 0, "\'\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_on_idle, 0, 2, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, tick, IS_CALLABLE, 0)
	ZEND_ARG_TYPE_INFO(0, seconds, IS_DOUBLE, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, name, IS_STRING, 0, "\'\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_recycle, 0, 0, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, reason, IS_STRING, 0, "\'app_request\'")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_supercharger_route, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, template, IS_STRING, 0)
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

ZEND_FUNCTION(supercharger_handle_request);
ZEND_FUNCTION(supercharger_on_reset);
ZEND_FUNCTION(supercharger_on_idle);
ZEND_FUNCTION(supercharger_recycle);
ZEND_FUNCTION(supercharger_route);
ZEND_FUNCTION(supercharger_finish_request);
ZEND_FUNCTION(headers_send);
ZEND_FUNCTION(supercharger_worker);
ZEND_FUNCTION(supercharger_request_id);
ZEND_FUNCTION(supercharger_log);
ZEND_FUNCTION(supercharger_autoload);
ZEND_FUNCTION(frankenphp_request_headers);
ZEND_FUNCTION(frankenphp_response_headers);

static const zend_function_entry supercharger_functions[] = {
	ZEND_FE(supercharger_handle_request, arginfo_supercharger_handle_request)
	ZEND_FALIAS(frankenphp_handle_request, supercharger_handle_request, arginfo_supercharger_handle_request)
	ZEND_FE(supercharger_on_reset, arginfo_supercharger_on_reset)
	ZEND_FE(supercharger_on_idle, arginfo_supercharger_on_idle)
	ZEND_FE(supercharger_recycle, arginfo_supercharger_recycle)
	ZEND_FE(supercharger_route, arginfo_supercharger_route)
	ZEND_FE(supercharger_finish_request, arginfo_supercharger_finish_request)
	ZEND_FALIAS(frankenphp_finish_request, supercharger_finish_request, arginfo_supercharger_finish_request)
	ZEND_FALIAS(fastcgi_finish_request, supercharger_finish_request, arginfo_supercharger_finish_request)
	ZEND_FE(headers_send, arginfo_headers_send)
	ZEND_FE(supercharger_worker, arginfo_supercharger_worker)
	ZEND_FE(supercharger_request_id, arginfo_supercharger_request_id)
	ZEND_FE(supercharger_log, arginfo_supercharger_log)
	ZEND_FALIAS(frankenphp_log, supercharger_log, arginfo_supercharger_log)
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
	ZEND_FE(supercharger_on_idle, arginfo_supercharger_on_idle)
	ZEND_FE(supercharger_recycle, arginfo_supercharger_recycle)
	ZEND_FE(supercharger_route, arginfo_supercharger_route)
	ZEND_FE(supercharger_worker, arginfo_supercharger_worker)
	ZEND_FE(supercharger_request_id, arginfo_supercharger_request_id)
	ZEND_FE(supercharger_log, arginfo_supercharger_log)
	ZEND_FALIAS(frankenphp_log, supercharger_log, arginfo_supercharger_log)
	ZEND_FE_END
};
