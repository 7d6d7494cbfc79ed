--TEST--
supercharger_worker() outside a server
--FILE--
<?php
$worker = supercharger_worker();
echo implode(',', array_keys($worker)), "\n";
var_dump($worker['mode'], $worker['pool'], $worker['requests'], $worker['request_id']);
var_dump($worker['memory_bytes'] > 0, $worker['memory_peak_bytes'] >= $worker['memory_bytes']);
var_dump(supercharger_request_id());
?>
--EXPECT--
pool,slot,incarnation,requests,uptime_seconds,memory_bytes,memory_peak_bytes,request_id,mode
string(3) "cli"
string(0) ""
int(0)
string(0) ""
bool(true)
bool(true)
string(0) ""
