<?php

declare(strict_types=1);

namespace Supercharger\Runtime\Check;

/**
 * Tells whether something that the application depends on is there. An idle worker asks now and then, never a request; see
 * docs/readiness.md.
 *
 * A service with this interface is found by autoconfiguration; {@see AsCheck} or the tag `supercharger.check` name it and say
 * whether the server is not ready while it fails.
 */
interface CheckInterface
{
    /**
     * @return string|null words to be shown beside the result, for operators
     *
     * @throws \Throwable if it is not there: why
     */
    public function check(): ?string;
}
