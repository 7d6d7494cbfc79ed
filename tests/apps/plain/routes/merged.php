<?php

declare(strict_types=1);

// Compiled when it is first included, and with it the only mention of this superglobal on its way.

return $_REQUEST;
