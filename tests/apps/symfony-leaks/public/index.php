<?php

declare(strict_types=1);

use App\Kernel;

$_SERVER['APP_RUNTIME_OPTIONS'] = ['disable_dotenv' => true];

require_once dirname(__DIR__).'/vendor/autoload_runtime.php';

return static fn (): Kernel => new Kernel('prod', false);
