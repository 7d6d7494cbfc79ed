--TEST--
supercharger_log() takes any context without failing
--FILE--
<?php
$loop = [];
$loop['self'] = &$loop;
supercharger_log('plain');
supercharger_log("two\nlines", 4, ['nested' => ['a' => 1], 'bad' => "\xff"]);
supercharger_log('clamped', 1000, []);
supercharger_log('recursive', -1000, $loop);
try {
    supercharger_log('wrong', 0, 'no array');
} catch (TypeError $e) {
    echo $e->getMessage(), "\n";
}
echo "done\n";
?>
--EXPECTF--
%A
supercharger_log(): Argument #3 ($context) must be of type array, string given
done
