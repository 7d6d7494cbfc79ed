// Ten clients for a quarter of an hour, and an operator who watches: memory must level off, no worker may crash. Look at the board
// `supercharger: queue and workers` meanwhile, or run `supercharger gate --duration 30m --admin ...`, which compares before and after.

import { sleep } from 'k6';
import { application, operator, thresholds } from './common.js';

export const options = {
  scenarios: {
    clients: { executor: 'constant-vus', vus: 10, duration: __ENV.DURATION || '15m', exec: 'client' },
    operator: { executor: 'constant-vus', vus: 1, duration: __ENV.DURATION || '15m', exec: 'watch' },
  },
  thresholds,
};

export function client() {
  application(__ITER);
}

// Nine looks at the status for each at the metrics.
export function watch() {
  operator(__ITER % 10 === 9 ? '/metrics' : ['/status/worker', '/status/host'][__ITER % 2]);
  sleep(1);
}
