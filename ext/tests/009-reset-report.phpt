--TEST--
supercharger_reset_report() where no resetter runs
--FILE--
<?php
var_dump(supercharger_reset_report(0), supercharger_reset_report(3, ['name' => new LogicException('not told')]));
var_dump(supercharger_reset_report(count: 1, failures: [1, 'x', new stdClass]));
foreach ([[-1], ['x'], [1, null]] as $arguments) {
    try {
        supercharger_reset_report(...$arguments);
    } catch (Error $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
?>
--EXPECT--
NULL
NULL
NULL
ValueError: supercharger_reset_report(): Argument #1 ($count) must be greater than or equal to 0
TypeError: supercharger_reset_report(): Argument #1 ($count) must be of type int, string given
TypeError: supercharger_reset_report(): Argument #2 ($failures) must be of type array, null given
