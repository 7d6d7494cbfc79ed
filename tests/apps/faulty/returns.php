<?php

declare(strict_types=1);

// Ends without ever asking for a request.

file_put_contents(getenv('TEST_DIR').'/boots.log', "boot\n", \FILE_APPEND | \LOCK_EX);
