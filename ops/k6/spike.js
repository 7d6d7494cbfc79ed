// From nothing to fifty clients and back: the queue takes the wave, or turns away with 503, and everything is as before after it.

import { application, thresholds } from './common.js';

export const options = {
  stages: [
    { duration: '30s', target: 50 },
    { duration: '30s', target: 50 },
    { duration: '30s', target: 0 },
  ],
  thresholds: { ...thresholds, 'http_req_duration{kind:app}': ['p(95)<1200'] },
};

export default function () {
  application(__ITER);
}
