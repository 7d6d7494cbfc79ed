--TEST--
supercharger_on_reset(), supercharger_on_idle() and supercharger_recycle() where no script outlives its request
--FILE--
<?php
class Magic {
    public function __call(string $name, array $arguments) { echo "never\n"; }
    public static function __callStatic(string $name, array $arguments) { echo "never\n"; }
}
var_dump(supercharger_on_reset(static fn () => print "never\n", 'name'));
var_dump(supercharger_on_reset([new Magic, 'anything']));
var_dump(supercharger_on_idle('Magic::anything', 1.5));
var_dump(supercharger_on_idle(tick: static fn () => print "never\n", seconds: 1, name: 'tick'));
supercharger_recycle();
supercharger_recycle("any\0reason");
$wrong = [
    static fn () => supercharger_on_reset('no_such_function'),
    static fn () => supercharger_on_reset(static fn () => null, []),
    static fn () => supercharger_on_reset([new Magic, 'anything'], []),
    static fn () => supercharger_on_idle(static fn () => null, 0.0),
    static fn () => supercharger_on_idle([new Magic, 'anything'], NAN),
    static fn () => supercharger_on_idle(static fn () => null, INF),
    static fn () => supercharger_on_idle(static fn () => null, -1),
    static fn () => supercharger_on_idle(static fn () => null),
    static fn () => supercharger_recycle([]),
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
NULL
TypeError: supercharger_on_reset(): Argument #1 ($resetter) must be a valid callback, function "no_such_function" not found or invalid function name
TypeError: supercharger_on_reset(): Argument #2 ($name) must be of type string, array given
TypeError: supercharger_on_reset(): Argument #2 ($name) must be of type string, array given
ValueError: supercharger_on_idle(): Argument #2 ($seconds) must be from 0.1 to 86400 seconds
ValueError: supercharger_on_idle(): Argument #2 ($seconds) must be from 0.1 to 86400 seconds
ValueError: supercharger_on_idle(): Argument #2 ($seconds) must be from 0.1 to 86400 seconds
ValueError: supercharger_on_idle(): Argument #2 ($seconds) must be from 0.1 to 86400 seconds
ArgumentCountError: supercharger_on_idle() expects at least 2 arguments, 1 given
TypeError: supercharger_recycle(): Argument #1 ($reason) must be of type string, array given
