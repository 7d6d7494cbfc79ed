<?php

declare(strict_types=1);

// The working folder is the application that scripts/package-tests has made for one Symfony series.
require getcwd().'/vendor/autoload.php';
