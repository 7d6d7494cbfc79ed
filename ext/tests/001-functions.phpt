--TEST--
The extension is there and brings its functions
--FILE--
<?php
var_dump(extension_loaded('supercharger'));
foreach (['handle_request', 'worker', 'request_id', 'log'] as $name) {
    var_dump(function_exists("supercharger_$name"));
}
var_dump(function_exists('frankenphp_handle_request'), function_exists('frankenphp_log'));
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
