// FrankenPHP as its own documentation has it built: Caddy with its standard modules and FrankenPHP's. It is linked with the libphp.a that
// supercharger is linked with, so that both run the same machine code of PHP.
package main

// #include <main/php.h>
// #include <main/php_main.h>
// #include <Zend/zend_extensions.h>
//
// // OPcache lies in that archive and nobody but the host can register it.
// extern zend_extension zend_extension_entry;
// static int (*register_others)(void);
//
// static int register_with_opcache(void) {
//     if (register_others() == FAILURE) {
//         return FAILURE;
//     }
//     zend_register_extension(&zend_extension_entry, NULL);
//     return SUCCESS;
// }
//
// static void add_opcache(void) {
//     register_others = php_register_internal_extensions_func;
//     php_register_internal_extensions_func = register_with_opcache;
// }
import "C"

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/dunglas/frankenphp/caddy"
)

func main() {
	C.add_opcache()
	caddycmd.Main()
}
