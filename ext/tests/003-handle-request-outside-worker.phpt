--TEST--
supercharger_handle_request() outside a worker is a RuntimeException
--FILE--
<?php
foreach (['supercharger_handle_request', 'frankenphp_handle_request'] as $function) {
    try {
        $function(static fn () => print "never\n");
    } catch (RuntimeException $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
?>
--EXPECT--
RuntimeException: supercharger_handle_request() can be called in a worker script only
RuntimeException: supercharger_handle_request() can be called in a worker script only
