<?php

declare(strict_types=1);

this is not PHP
