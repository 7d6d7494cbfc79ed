// Five clients for half a minute: is anything worse than it was?

import { application, thresholds } from './common.js';

export const options = { vus: 5, duration: '30s', thresholds };

export default function () {
  application(__ITER);
}
