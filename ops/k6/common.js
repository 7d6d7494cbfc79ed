// What the three profiles share. BASE_URL is the application, ADMIN_URL the admin endpoints; TOKEN, if the guard wants one.
//
//   k6 run -e BASE_URL=http://127.0.0.1:8080 -e ROUTES=/,/products/1 baseline.js

import http from 'k6/http';
import { check } from 'k6';

export const base = __ENV.BASE_URL || 'http://127.0.0.1:8080';
export const admin = __ENV.ADMIN_URL || 'http://127.0.0.1:9180';
export const routes = (__ENV.ROUTES || '/').split(',');

// One file of thresholds for all: those of docs/runbook.md.
export const thresholds = {
  http_req_failed: ['rate<0.01'],
  'http_req_duration{kind:app}': ['p(95)<500'],
  checks: ['rate>0.99'],
};

const guarded = __ENV.TOKEN ? { Authorization: `Bearer ${__ENV.TOKEN}` } : {};

// One request to the application, each route in its turn.
export function application(iteration) {
  const answer = http.get(`${base}${routes[iteration % routes.length]}`, { tags: { kind: 'app' } });
  check(answer, { 'answered well': (r) => r.status >= 200 && r.status < 400 });
}

// One look at how the server stands.
export function operator(path) {
  const answer = http.get(`${admin}${path}`, { headers: guarded, tags: { kind: 'admin' } });
  check(answer, { 'the endpoint answers': (r) => r.status === 200 });
}
