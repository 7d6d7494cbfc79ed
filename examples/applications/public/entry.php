<?php

declare(strict_types=1);

// Whatever the file returns that RUNTIME_APP_ENTRY names: RUNTIME_APP_ENTRY=src/entry.php

exit(Supercharger\Runtime\App\Loop::entry());
