--TEST--
supercharger_on_check() and supercharger_warmed() where no script outlives its request
--FILE--
<?php
var_dump(supercharger_on_check(static fn () => print "never\n", 'database'));
var_dump(supercharger_on_check(check: static fn () => false, name: 'mail', required: false, timeout: 1.5));
var_dump(supercharger_warmed(3, 1, 12.5));
$wrong = [
    static fn () => supercharger_on_check('no_such_function', 'x'),
    static fn () => supercharger_on_check(static fn () => null),
    static fn () => supercharger_on_check(static fn () => null, ''),
    static fn () => supercharger_on_check(static fn () => null, "a\tb"),
    static fn () => supercharger_on_check(static fn () => null, 'x', true, -0.1),
    static fn () => supercharger_on_check(static fn () => null, 'x', true, NAN),
    static fn () => supercharger_warmed(-1),
    static fn () => supercharger_warmed(1, 2),
    static fn () => supercharger_warmed(1, 0, NAN),
];
foreach ($wrong as $call) {
    try {
        $call();
        echo "accepted\n";
    } catch (Error $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
?>
--EXPECT--
NULL
NULL
NULL
TypeError: supercharger_on_check(): Argument #1 ($check) must be a valid callback, function "no_such_function" not found or invalid function name
ArgumentCountError: supercharger_on_check() expects at least 2 arguments, 1 given
ValueError: supercharger_on_check(): Argument #2 ($name) must be 1 to 100 bytes without control characters
ValueError: supercharger_on_check(): Argument #2 ($name) must be 1 to 100 bytes without control characters
ValueError: supercharger_on_check(): Argument #4 ($timeout) must be from 0 to 3600 seconds
ValueError: supercharger_on_check(): Argument #4 ($timeout) must be from 0 to 3600 seconds
ValueError: supercharger_warmed(): Argument #1 ($count) must be from 0 to 2147483647
ValueError: supercharger_warmed(): Argument #2 ($failed) must be from 0 to $count
ValueError: supercharger_warmed(): Argument #3 ($ms) must be a number of milliseconds
