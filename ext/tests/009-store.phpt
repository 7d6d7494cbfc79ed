--TEST--
The store: values, counters, locks and rate limits, of this process where there is no server
--FILE--
<?php
$tell = static function (callable $call): void {
    try {
        $call();
        echo "nothing\n";
    } catch (Throwable $e) {
        echo $e::class, ': ', $e->getMessage(), "\n";
    }
};
var_dump(supercharger_store_info()['scope']);
var_dump(supercharger_store_set('a', [1, 'x' => new ArrayObject([2])]), supercharger_store_get('a')['x'][0]);
var_dump(supercharger_store_add('a', 1), supercharger_store_get('none', 'otherwise'), supercharger_store_get('none'));
var_dump(supercharger_store_set('text', "\0"), strlen(supercharger_store_get('text')), supercharger_store_set('false', false), supercharger_store_get('false', 1));
var_dump(supercharger_store_clear('te'), supercharger_store_has('text'), supercharger_store_delete('a'), supercharger_store_delete('a'));
var_dump(supercharger_store_set('large', str_repeat('x', 1 << 21)));

// Code that runs while a value is made again may use the store.
final class Nested { public $inner; public function __wakeup() { $this->inner = supercharger_store_get('inner'); } }
supercharger_store_set('inner', str_repeat('i', 1000));
supercharger_store_set('nested', [new Nested, str_repeat('n', 1000)]);
[$nested, $after] = supercharger_store_get('nested');
var_dump($nested->inner === str_repeat('i', 1000), $after === str_repeat('n', 1000));
final class Broken { public function __unserialize(array $data): void { throw new LogicException('no more'); } public function __serialize(): array { return []; } }
supercharger_store_set('broken', new Broken);
$tell(static fn () => supercharger_store_get('broken'));
$tell(static fn () => supercharger_store_set('closure', static fn () => 1));

var_dump(supercharger_counter_add('c'), supercharger_counter_add('c', 4), supercharger_counter_get('c'), supercharger_counter_get('d', -1), supercharger_counter_delete('c'));
supercharger_counter_add('c', PHP_INT_MAX);
$tell(static fn () => supercharger_counter_add('c'));

var_dump(supercharger_lock_acquire('l', 'a', 10), supercharger_lock_acquire('l', 'b', 10, 0.01), supercharger_lock_held('l', 'a'), supercharger_lock_extend('l', 'b', 1));
var_dump(supercharger_lock_release('l', 'a'), supercharger_lock_acquire('l', 'b', 10, 0, true), supercharger_lock_acquire('l', 'c', 10, 0, true));

$limit = ['policy' => 'fixed_window', 'limit' => 2, 'interval' => 60];
var_dump(array_column([supercharger_rate_limit('k', [$limit]), supercharger_rate_limit('k', [$limit]), supercharger_rate_limit('k', [$limit])], 'allowed'));
var_dump(array_keys(supercharger_rate_limit('k', [$limit], 0)), supercharger_rate_limit_reset('k'), supercharger_rate_limit('k', [$limit], 2)['allowed']);
foreach ([
    static fn () => supercharger_store_get(''),
    static fn () => supercharger_store_get(str_repeat('k', 1025)),
    static fn () => supercharger_store_set('k', 1, -1),
    static fn () => supercharger_store_set('k', 1, NAN),
    static fn () => supercharger_lock_acquire('l', '', 1),
    static fn () => supercharger_lock_acquire('l', 'a', 0),
    static fn () => supercharger_rate_limit('k', []),
    static fn () => supercharger_rate_limit('k', [1]),
    static fn () => supercharger_rate_limit('k', [['policy' => 'none']]),
    static fn () => supercharger_rate_limit('k', [['limit' => 0] + $limit]),
    static fn () => supercharger_rate_limit('k', [['interval' => 0] + $limit]),
    static fn () => supercharger_rate_limit('k', [$limit], 3),
    static fn () => supercharger_rate_limit('k', [$limit], 1, 1),
] as $wrong) {
    $tell($wrong);
}
?>
--EXPECT--
string(7) "process"
bool(true)
int(2)
bool(false)
string(9) "otherwise"
NULL
bool(true)
int(1)
bool(true)
bool(false)
int(1)
bool(false)
bool(true)
bool(false)
bool(false)
bool(true)
bool(true)
LogicException: no more
Exception: Serialization of 'Closure' is not allowed
int(1)
int(5)
int(5)
int(-1)
bool(true)
OverflowException: The counter would overflow
bool(true)
bool(false)
bool(true)
bool(false)
bool(true)
bool(true)
bool(true)
array(3) {
  [0]=>
  bool(true)
  [1]=>
  bool(true)
  [2]=>
  bool(false)
}
array(6) {
  [0]=>
  string(7) "allowed"
  [1]=>
  string(5) "index"
  [2]=>
  string(5) "limit"
  [3]=>
  string(9) "remaining"
  [4]=>
  string(11) "retry_after"
  [5]=>
  string(11) "reset_after"
}
bool(true)
bool(true)
ValueError: supercharger_store_get(): Argument #1 ($key) must have 1 to 1024 bytes
ValueError: supercharger_store_get(): Argument #1 ($key) must have 1 to 1024 bytes
ValueError: supercharger_store_set(): Argument #3 ($ttl) must not be less than 0 seconds
ValueError: supercharger_store_set(): Argument #3 ($ttl) must not be less than 0 seconds
ValueError: supercharger_lock_acquire(): Argument #2 ($token) must have 1 to 255 bytes
ValueError: supercharger_lock_acquire(): Argument #3 ($ttl) must be more than 0 seconds
ValueError: supercharger_rate_limit(): Argument #2 ($limits) must have 1 to 8 limits
ValueError: supercharger_rate_limit(): Argument #2 ($limits) must be a list of arrays
ValueError: supercharger_rate_limit(): Argument #2 ($limits) must give each limit a "policy": fixed_window, sliding_window or token_bucket
ValueError: supercharger_rate_limit(): Argument #2 ($limits) must give each limit a number from 1 to 4294967295 as "limit"
ValueError: supercharger_rate_limit(): Argument #2 ($limits) must give each limit an "interval" of 0.001 seconds or more
ValueError: supercharger_rate_limit(): Argument #3 ($cost) must not be more than a limit allows at all
ValueError: supercharger_rate_limit(): Argument #4 ($wait) must be 0 but for token buckets: a window cannot be drawn on before it begins
