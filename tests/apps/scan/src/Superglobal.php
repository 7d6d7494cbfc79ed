<?php

declare(strict_types=1);

namespace App;

final class Superglobal
{
    public function write(string $value): string
    {
        $_SESSION['user'] = $value; // expect: RS003 warning
        $_SERVER['HTTPS'] ??= 'on'; // expect: RS003 warning
        unset($_COOKIE['id']); // expect: RS003 warning
        ['a' => $_ENV['A'], 'b' => $b] = ['a' => $value, 'b' => 1]; // expect: RS003 warning
        $_GET['page']++; // expect: RS003 warning
        foreach ($_POST as &$field) { // expect: RS003 warning
            $field = trim((string) $field);
        }
        array_push($_REQUEST['list'], $b); // expect: RS003 warning

        return $this->read();
    }

    private function read(): string
    {
        $files = $_FILES;

        return ($_SERVER['HTTP_HOST'] ?? '').count($files).(isset($_GET['a']) ? $_GET['a'] : '');
    }
}
