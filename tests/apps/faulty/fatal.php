<?php

declare(strict_types=1);

file_put_contents(getenv('TEST_DIR').'/boots.log', "boot\n", \FILE_APPEND | \LOCK_EX);

eval('final class Unfinished implements \Countable {}');
