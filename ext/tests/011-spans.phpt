--TEST--
Spans and the context of a trace: outside of a request there are none, and arguments are checked all the same
--FILE--
<?php
var_dump(supercharger_tracing(), supercharger_sampled(), supercharger_traceparent());
var_dump(supercharger_span_start('work', ['a' => 1, 'b' => 'x'], 'client'), supercharger_span_end(1, 'Oops', ['c' => true]));
var_dump(supercharger_span_end(-1), supercharger_span_end(PHP_INT_MAX));
foreach (['server', '', 'Client'] as $kind) {
    try {
        supercharger_span_start('work', [], $kind);
    } catch (ValueError $e) {
        echo $e->getMessage(), "\n";
    }
}
var_dump(supercharger_drift_found());
?>
--EXPECT--
bool(false)
bool(false)
string(0) ""
int(0)
bool(false)
bool(false)
bool(false)
supercharger_span_start(): Argument #3 ($kind) must be one of "internal", "client", "producer" or "consumer"
supercharger_span_start(): Argument #3 ($kind) must be one of "internal", "client", "producer" or "consumer"
supercharger_span_start(): Argument #3 ($kind) must be one of "internal", "client", "producer" or "consumer"
array(2) {
  ["every"]=>
  int(0)
  ["found"]=>
  array(0) {
  }
}
