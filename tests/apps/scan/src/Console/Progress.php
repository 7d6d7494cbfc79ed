<?php

declare(strict_types=1);

namespace App\Console {
    // No worker serves a request with what is for the command line.
    final class Progress
    {
        private static array $formats = [];

        public static function define(string $name, string $format): void
        {
            self::$formats[$name] = $format;
        }
    }
}

namespace App\Consoles {
    final class Consoles
    {
        private static array $formats = []; // expect: RS001 error

        public static function define(string $name, string $format): void
        {
            self::$formats[$name] = $format;
        }
    }
}

namespace App\DependencyInjection\Compiler {
    final class Pass
    {
        private static array $seen = [];

        public static function see(string $name): void
        {
            self::$seen[] = $name;
        }
    }
}

namespace App\DependencyInjection {
    final class Locator
    {
        private static array $seen = []; // expect: RS001 error

        public static function see(string $name): void
        {
            self::$seen[] = $name;
        }
    }
}

namespace App\Command {
    final class Import extends \Symfony\Component\Console\Command\Command
    {
        private static int $rows = 0;

        protected function execute(): int
        {
            return ++self::$rows;
        }
    }

    // A command of a message bus is none.
    final class PlaceOrder
    {
        private static int $rows = 0; // expect: RS001 error

        public static function count(): int
        {
            return ++self::$rows;
        }
    }
}
