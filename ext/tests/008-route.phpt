--TEST--
supercharger_route() takes short templates without control characters, and may be called everywhere
--FILE--
<?php
var_dump(supercharger_route('/orders/{id}'), supercharger_route(''), supercharger_route(str_repeat('x', 200)));
foreach ([str_repeat('x', 201), "/a\nb", "/a\0", "\x7f"] as $template) {
    try {
        supercharger_route($template);
        echo "accepted\n";
    } catch (ValueError $e) {
        echo $e->getMessage(), "\n";
    }
}
?>
--EXPECT--
NULL
NULL
NULL
supercharger_route(): Argument #1 ($template) must not be longer than 200 bytes
supercharger_route(): Argument #1 ($template) must not contain control characters
supercharger_route(): Argument #1 ($template) must not contain control characters
supercharger_route(): Argument #1 ($template) must not contain control characters
