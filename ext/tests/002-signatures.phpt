--TEST--
Signatures are those of the stub file
--SKIPIF--
<?php if (!is_file(__DIR__.'/../supercharger.stub.php')) die('skip no stub file'); ?>
--FILE--
<?php
$stub = file_get_contents(__DIR__.'/../supercharger.stub.php');
preg_match_all('/^    function (\w+)\((.*?)\): (\w+) \{\}/m', $stub, $functions, PREG_SET_ORDER);
$checked = 0;
foreach ($functions as [, $name, $parameters, $return]) {
    if (!function_exists($name)) {
        continue; // served over HTTP only
    }
    $reflection = new ReflectionFunction($name);
    $found = implode(', ', array_map(static function (ReflectionParameter $p): string {
        $default = $p->isOptional() ? ' = '.$p->getDefaultValueConstantName() : '';
        if ($p->isOptional()) {
            $value = $p->getDefaultValue();
            $default = ' = '.match (true) {
                is_array($value) => '[]',
                $value === null => 'null',
                default => var_export($value, true),
            };
        }
        return $p->getType().' $'.$p->getName().$default;
    }, $reflection->getParameters()));
    if ($found !== $parameters || (string) $reflection->getReturnType() !== $return) {
        echo "$name: stub ($parameters): $return, found ($found): {$reflection->getReturnType()}\n";
    }
    ++$checked;
}
var_dump($checked >= 20);
?>
--EXPECT--
bool(true)
