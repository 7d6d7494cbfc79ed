<?php

declare(strict_types=1);

if (!is_file(__DIR__.'/no')) {
    exit('no'); // expect: RS008 warning
}

exit(0);
