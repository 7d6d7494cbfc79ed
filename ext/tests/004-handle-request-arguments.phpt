--TEST--
supercharger_handle_request() wants a callable
--FILE--
<?php
foreach ([[], ['no_such_function'], [static fn () => 1, 2]] as $arguments) {
    try {
        supercharger_handle_request(...$arguments);
    } catch (Error $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
?>
--EXPECT--
ArgumentCountError: supercharger_handle_request() expects exactly 1 argument, 0 given
TypeError: supercharger_handle_request(): Argument #1 ($handler) must be a valid callback, function "no_such_function" not found or invalid function name
ArgumentCountError: supercharger_handle_request() expects exactly 1 argument, 2 given
