--TEST--
supercharger_drift() takes what the application tells, and does nothing where nobody looks for drift
--FILE--
<?php
var_dump(supercharger_drift('transaction', 'default'));
var_dump(supercharger_drift(kind: 'transaction', key: 'default', detail: 'begun and neither committed nor rolled back'));
var_dump(supercharger_drift('twig', 'globals', put_back: true));
var_dump(supercharger_drift('', "a\0\n", str_repeat('x', 100000)));
$wrong = [
    static fn () => supercharger_drift('transaction'),
    static fn () => supercharger_drift([], 'default'),
    static fn () => supercharger_drift('transaction', 'default', '', true, 'more'),
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
ArgumentCountError: supercharger_drift() expects at least 2 arguments, 1 given
TypeError: supercharger_drift(): Argument #1 ($kind) must be of type string, array given
ArgumentCountError: supercharger_drift() expects at most 4 arguments, 5 given
