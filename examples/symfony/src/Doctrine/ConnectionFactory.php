<?php

declare(strict_types=1);

namespace App\Doctrine;

use Doctrine\DBAL\Configuration;
use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;

final readonly class ConnectionFactory
{
    /** @param string $path of the SQLite database; it is opened, and made, at the first query */
    public function __construct(private string $path, private SqliteMiddleware $middleware)
    {
    }

    public function create(): Connection
    {
        $configuration = new Configuration();
        $configuration->setMiddlewares([$this->middleware]);

        return DriverManager::getConnection(['driver' => 'pdo_sqlite', 'path' => $this->path], $configuration);
    }
}
