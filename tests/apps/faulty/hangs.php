<?php

declare(strict_types=1);

// Never reaches the loop and never ends by itself; bounded, should the server fail to stop it.

file_put_contents(getenv('TEST_DIR').'/boots.log', "boot\n", \FILE_APPEND | \LOCK_EX);

for ($end = microtime(true) + 100; microtime(true) < $end;) {
    usleep(10000);
}
