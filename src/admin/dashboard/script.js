'use strict';
// Whatever comes from the server is put on the page as text, by textContent and by properties of the style: a path, a pool's name or an
// id may say anything.

const SILENCE_MS = 8000; // The server sends once a second; waiting for a stuck child takes it up to three.
const RETRY_MS = [500, 1000, 2000, 4000];
const HISTORY = 120; // Samples in a sparkline: two minutes.
const RATE_OVER_S = 5;
const LATENCY_OVER_S = 60;
const NOTICE_MS = 12000;
const TOKEN = 'supercharger.token';
const THEME = 'supercharger.theme';

const byId = (id) => document.getElementById(id);

// ---- Words and numbers ------------------------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat('en');
const some = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const number = (value) => whole.format(value);
const rate = (value) => (value >= 100 ? whole.format(Math.round(value)) : some.format(value));

function duration(ms) {
  if (Number.isInteger(ms) && ms < 1000) return `${Math.max(ms, 0)} ms`;
  if (ms < 1) return `${Math.max(ms, 0).toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(s < 10 ? 2 : 1)} s`;
  const two = (value) => String(Math.floor(value)).padStart(2, '0');
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two((s % 3600) / 60)} m`;
  return `${Math.floor(s / 86400)} d ${two((s % 86400) / 3600)} h`;
}

function clock(unix) {
  const at = new Date(unix * 1000);
  const two = (value) => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const today = new Date().toDateString() === at.toDateString();
  return today ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

const words = (label) => (label ? String(label).replaceAll('_', ' ') : '');
// Why a request counts as failed, where the label alone says too little.
const FAILURES = {
  status: 'error status', uncaught: 'uncaught exception', fatal: 'fatal error', timeout: 'past its deadline', worker_lost: 'process died',
};
const sum = (counts) => Object.values(counts ?? {}).reduce((total, count) => total + count, 0);

// The states of a worker: a letter and a colour each, so that neither has to do alone.
const STATES = {
  idle: 'I', busy: 'B', resetting: 'R', starting: 'S', booting: 'S', standby: 'N', draining: 'D',
  timed_out: 'T', interrupted: 'T', stuck: '!', crashed: 'X', backoff: 'X', stopped: '–',
};
const ORDER = Object.keys(STATES);
const letter = (state) => STATES[state] ?? '?';
const known = (state) => (Object.hasOwn(STATES, state) ? state : 'draining');

// ---- The page ---------------------------------------------------------------------------------------------------------------------

function text(node, value) {
  const now = String(value);
  if (node.textContent !== now) node.textContent = now;
}

function make(tag, name, content) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (content !== undefined) node.textContent = content;
  return node;
}

function named(node, name) {
  if (node.className !== name) node.className = name;
}

// Makes the children of `parent` those of `items`. Nodes that are there stay, and so do focus and selection.
function list(parent, items, key, build, fill) {
  const nodes = (parent.nodesByKey ??= new Map());
  const seen = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    if (seen.has(id)) continue;
    seen.add(id);
    let node = nodes.get(id);
    if (!node) nodes.set(id, (node = build(item)));
    fill(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const [id, node] of nodes) {
    if (!seen.has(id)) {
      node.remove();
      nodes.delete(id);
    }
  }
}

function cells(row, ...contents) {
  contents.forEach((content, index) => text(row.cells[index], content));
}

function row(...classes) {
  const node = document.createElement('tr');
  classes.forEach((name, index) => {
    const cell = make(index ? 'td' : 'th', name);
    if (!index) cell.scope = 'row';
    node.append(cell);
  });
  return node;
}

// A table's body with the number of its rows in the heading, and a word in its place if there are none.
function table(id, items, key, build, fill) {
  const body = byId(id);
  list(body, items, key, build, fill);
  const panel = body.closest('section');
  panel.querySelector('.scroll').hidden = items.length === 0;
  panel.querySelector('.empty').hidden = items.length > 0;
  text(panel.querySelector('.count'), items.length || '');
}

function facts(parent, pairs) {
  list(parent, pairs, ([name]) => name, ([name]) => {
    const pair = document.createElement('div');
    pair.append(make('dt', '', name), make('dd'));
    return pair;
  }, (pair, [, value, tone]) => {
    text(pair.lastChild, value);
    named(pair.lastChild, tone ?? '');
  });
}

function request(cell, { method, path, request_id: id }, withId) {
  if (!cell.firstChild) cell.append(make('b'), ' ', make('span'), ' ', make('span', 'id'));
  const [verb, , target, , mark] = cell.childNodes;
  text(verb, method);
  text(target, path);
  text(mark, withId && id ? id : '');
  cell.title = id ?? '';
}

// ---- Sparklines -------------------------------------------------------------------------------------------------------------------

const SVG = 'http://www.w3.org/2000/svg';

function sparkline() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${HISTORY} 24`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS(SVG, 'polygon'), document.createElementNS(SVG, 'polyline'));
  return svg;
}

function draw(svg, values, least) {
  const most = Math.max(least, ...values);
  const left = HISTORY - values.length;
  const points = values.map((value, index) => `${left + index + 1},${(23 - (value / most) * 21).toFixed(1)}`);
  svg.lastChild.setAttribute('points', points.join(' '));
  svg.firstChild.setAttribute('points', points.length ? `${left + 1},24 ${points.join(' ')} ${HISTORY},24` : '');
}

function stat(parent, name, value, unit, { tone = '', history, least = 1 } = {}) {
  const kept = (parent.stats ??= new Map());
  let pair = kept.get(name);
  if (!pair) {
    pair = document.createElement('div');
    const dd = make('dd');
    dd.append(make('span'), ' ', make('small'));
    pair.append(make('dt', '', name), dd);
    if (history) pair.append(sparkline());
    kept.set(name, pair);
    parent.append(pair);
  }
  const [shown, , small] = pair.children[1].childNodes;
  text(shown, value);
  text(small, unit);
  named(pair.children[1], tone);
  if (history) draw(pair.lastChild, history, least);
}

// ---- What has been --------------------------------------------------------------------------------------------------------------

let past = new Map(); // Pool -> its samples, the oldest first.
let lastUptime = -1;

function remember(name, at, pool, busy, latency) {
  const samples = past.get(name) ?? [];
  const before = samples.at(-1);
  const took = before ? at - before.at : 0;
  const rejected = sum(pool.rejected);
  const perSecond = took > 0 ? Math.max(pool.requests - before.requests, 0) / took : 0;
  samples.push({ at, requests: pool.requests, rejected, perSecond, busy, queue: pool.queue_depth, latency });
  if (samples.length > HISTORY) samples.shift();
  past.set(name, samples);
  return samples;
}

// Over the last few seconds, so that the number can be read.
function since(samples, seconds) {
  const newest = samples.at(-1);
  return samples.find((sample) => newest.at - sample.at <= seconds + 0.5) ?? newest;
}

function rateOf(samples, field) {
  const newest = samples.at(-1);
  const oldest = since(samples, RATE_OVER_S);
  return newest.at > oldest.at ? Math.max(newest[field] - oldest[field], 0) / (newest.at - oldest.at) : 0;
}

// How many requests of the last minute fell into each bucket.
function bucketsOf(samples, phase) {
  const newest = samples.at(-1).latency?.[phase] ?? [];
  const oldest = since(samples, LATENCY_OVER_S).latency?.[phase] ?? [];
  return newest.map((count, index) => Math.max(count - (oldest[index] ?? 0), 0));
}

// The duration that this share of the requests did not exceed, as far as the buckets tell.
function quantile(counts, share, bounds) {
  const wanted = counts.reduce((total, count) => total + count, 0) * share;
  let below = 0;
  for (const [index, count] of counts.entries()) {
    if (count > 0 && below + count >= wanted) {
      const from = bounds[index - 1] ?? 0;
      // Nothing is known of what lies below the first bound and above the last.
      if (index === 0) return `≤ ${bounds[0] / 1000} ms`;
      if (index >= bounds.length) return `> ${duration(from / 1000)}`;
      return duration((from + (bounds[index] - from) * ((wanted - below) / count)) / 1000);
    }
    below += count;
  }
  return '–';
}

// ---- Pools ----------------------------------------------------------------------------------------------------------------------

function buildPool(name) {
  const panel = byId('pool').content.cloneNode(true).firstElementChild;
  const part = {};
  for (const node of panel.querySelectorAll('[data-is]')) part[node.dataset.is] = node;
  panel.parts = part;
  text(part.name, name);
  panel.setAttribute('aria-label', `Pool ${name}`);
  part.region.setAttribute('aria-label', `Workers of pool ${name}`);
  part.recycle.addEventListener('click', () => recycle({ pool: name }, `all workers of pool ${name}`, true));
  return panel;
}

function showPool(panel, { name, pool, workers, at, latency, bounds }) {
  const part = panel.parts;
  const busy = workers.filter((worker) => worker.state === 'busy').length;
  const samples = remember(name, at, pool, busy, latency);
  part.draining.hidden = !pool.draining;
  const scaled = pool.min === pool.max ? '' : ` (${number(pool.min)} to ${number(pool.max)})`;
  const wanted = pool.target === pool.workers ? '' : `, ${number(pool.target)} wanted`;
  text(part.size, `${number(pool.workers)} ${pool.workers === 1 ? 'worker' : 'workers'}${wanted}${scaled}`);

  const newRejections = rateOf(samples, 'rejected');
  const column = (field) => samples.map((sample) => sample[field]);
  stat(part.stats, 'Requests', rate(rateOf(samples, 'requests')), '/s', { history: column('perSecond').slice(1) });
  stat(part.stats, 'Busy', number(busy), `of ${number(pool.workers)}`, {
    history: column('busy'), least: Math.max(pool.workers, 1), tone: pool.available === 0 && pool.queue_depth > 0 ? 'concern' : '',
  });
  stat(part.stats, 'Queue', number(pool.queue_depth), 'waiting', { history: column('queue'), least: 4, tone: pool.queue_depth ? 'concern' : '' });
  stat(part.stats, 'Available', number(pool.available), 'workers', { tone: pool.available ? '' : 'concern' });
  stat(part.stats, 'Rejected', number(sum(pool.rejected)), newRejections ? `+${rate(newRejections)}/s` : '', { tone: newRejections ? 'alarm' : '' });
  stat(part.stats, 'Served', number(pool.requests), '');
  stat(part.stats, 'Replaced', number(sum(pool.recycles)), 'workers');
  stat(part.stats, 'Stuck', number(pool.stuck), 'threads', { tone: pool.stuck ? 'alarm' : '' });
  showLatency(part, samples, bounds);
  showGrid(part, workers);
  showWorkers(part.workers, name, workers);
}

function showLatency(part, samples, bounds) {
  const span = samples.at(-1).at - since(samples, LATENCY_OVER_S).at;
  const over = span >= LATENCY_OVER_S - 1.5 ? 'last minute' : `last ${Math.round(span)} s`;
  text(part.span, span > 0 ? over : 'measured from now on');
  list(part.latency, [['Waited for a worker', 'queue'], ['Ran in PHP', 'execution']], ([, phase]) => phase, ([name]) => {
    const node = row('', 'n', 'n', 'n', 'n wide');
    text(node.cells[0], name);
    return node;
  }, (node, [, phase]) => {
    const counts = bucketsOf(samples, phase);
    const requests = counts.reduce((total, count) => total + count, 0);
    const shares = requests ? [0.5, 0.95, 0.99].map((share) => quantile(counts, share, bounds)) : ['no data', 'no data', 'no data'];
    [...shares, number(requests)].forEach((value, index) => {
      text(node.cells[index + 1], value);
      node.cells[index + 1].classList.toggle('dim', !requests);
    });
  });
}

const workerKey = (worker) => `${worker.pid}/${worker.slot}/${worker.incarnation}`;

function showGrid(part, workers) {
  const processes = [...new Set(workers.map((worker) => worker.pid))];
  list(part.grid, processes, (pid) => pid, () => {
    const group = make('div', 'process');
    group.append(make('b'), make('span', 'process'));
    return group;
  }, (group, pid) => {
    const [title, place] = group.children;
    const its = workers.filter((worker) => worker.pid === pid);
    title.hidden = processes.length < 2;
    text(title, `process ${its[0].process}${its[0].stale ? ', silent' : ''}`);
    list(place, its, workerKey, () => {
      const cell = make('div', 'cell');
      cell.append(make('span'), make('small'));
      return cell;
    }, (cell, worker) => {
      named(cell, `cell ${known(worker.state)}${worker.seated ? '' : ' successor'}${worker.due ? ' due' : ''}`);
      const long = worker.current && worker.current.elapsed_ms >= 1000;
      text(cell.firstChild, letter(worker.state));
      text(cell.lastChild, long ? `${Math.floor(worker.current.elapsed_ms / 1000)} s` : worker.slot);
      const doing = worker.current ? `: ${worker.current.method} ${worker.current.path}` : '';
      cell.title = `worker ${worker.slot}, ${words(worker.state)}${doing}`;
    });
  });
  const counts = new Map();
  for (const worker of workers) counts.set(worker.state, (counts.get(worker.state) ?? 0) + 1);
  const spoken = [...counts].map(([state, count]) => `${count} ${words(state)}`).join(', ');
  part.grid.setAttribute('aria-label', `${workers.length} workers: ${spoken}`);
  // The same counts for the eye, and what the letters mean.
  list(part.legend, [...counts].sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b)), ([state]) => state, ([state]) => {
    const entry = make('span');
    entry.append(make('b', known(state), letter(state)), make('span'));
    return entry;
  }, (entry, [state, count]) => text(entry.lastChild, `${count} ${words(state)}`));
  part.soon.hidden = !workers.some((worker) => worker.due);
}

function showWorkers(body, pool, workers) {
  const most = Math.max(1, ...workers.map((worker) => worker.memory_peak_bytes));
  const several = new Set(workers.map((worker) => worker.pid)).size > 1;
  list(body, workers, workerKey, (worker) => {
    const node = row('', '', 'n wide', 'n wide', 'n', 'memory', 'wide', '');
    node.cells[1].append(make('span', 'state'));
    const bar = make('div', 'bar');
    const amount = make('span');
    amount.append(make('span'), make('span', 'wide'), make('span'));
    bar.append(make('i'), amount);
    node.cells[5].append(bar);
    const button = make('button', 'small', 'Recycle');
    button.type = 'button';
    button.setAttribute('aria-label', `Recycle worker ${worker.slot} of pool ${pool}`);
    const which = several ? `worker ${worker.slot} of pool ${pool} in every process` : `worker ${worker.slot} of pool ${pool}`;
    button.addEventListener('click', () => recycle({ pool, slot: worker.slot }, which, false));
    node.cells[7].append(button);
    return node;
  }, (node, worker) => {
    const at = several ? `${worker.process}/${worker.slot}` : worker.slot;
    text(node.cells[0], worker.seated ? at : `${at} (next)`);
    const state = node.cells[1].firstChild;
    named(state, `state ${known(worker.state)}`);
    text(state, `${letter(worker.state)} ${words(worker.state)}`);
    text(node.cells[2], duration(worker.state_ms));
    text(node.cells[3], number(worker.incarnation));
    text(node.cells[4], number(worker.requests));
    const [track, label] = node.cells[5].firstChild.children;
    track.style.setProperty('--now', `${(worker.memory_bytes / most) * 100}%`);
    track.style.setProperty('--peak', `${(worker.memory_peak_bytes / most) * 100}%`);
    const mib = (value) => some.format(value / 1048576);
    text(label.firstChild, worker.memory_bytes ? mib(worker.memory_bytes) : '–');
    text(label.children[1], worker.memory_bytes ? ` / ${mib(worker.memory_peak_bytes)}` : '');
    text(label.children[2], worker.memory_bytes ? ' MiB' : '');
    const last = words(worker.last_recycle);
    text(node.cells[6], worker.due ? `soon: ${words(worker.due)}` : last ? `last: ${last}` : '–');
    named(node.cells[6], worker.due ? 'wide concern' : 'wide');
    node.cells[7].firstChild.disabled = !worker.seated;
  });
}

// ---- Everything -----------------------------------------------------------------------------------------------------------------

function show({ status, workers, recent, latency }) {
  const server = status.server;
  if (server.uptime_seconds < lastUptime) past = new Map();
  lastUptime = server.uptime_seconds;

  const stage = byId('stage');
  const fine = status.ready && status.stage === 'serving';
  text(stage, status.ready || !status.not_ready_because ? words(status.stage) : `${words(status.stage)}, not ready: ${status.not_ready_because}`);
  named(stage, `badge ${fine ? 'good' : status.ready ? 'warn' : 'bad'}`);
  document.title = fine ? 'supercharger' : `${words(status.stage)} · supercharger`;
  byId('maintenance').hidden = !status.maintenance.on;
  byId('maintenance').title = status.maintenance.message ?? '';

  const last = status.last_reload;
  const restarts = sum(status.child_restarts);
  const which = Object.entries(status.child_restarts).filter(([, count]) => count).map(([signal, count]) => `${signal} ${count}`);
  facts(byId('server'), [
    ['Version', server.version],
    ['PHP', server.php],
    ['Uptime', duration(server.uptime_seconds * 1000)],
    ['Generation', number(status.generation)],
    ['Ready', status.ready ? 'yes' : 'no', status.ready ? '' : 'alarm'],
    ['Crashed processes', restarts ? `${number(restarts)} (${which.join(', ')})` : '0', restarts ? 'concern' : ''],
    ['Reloads', `${number(status.reloads.ok ?? 0)} ok, ${number(status.reloads.failed ?? 0)} failed`, status.reloads.failed ? 'concern' : ''],
    ['Last reload', last ? (last.ok ? `ok, ${duration(last.took_ms)}` : 'failed') : '–', last && !last.ok ? 'alarm' : ''],
  ]);
  byId('server').lastChild.title = last?.error ?? '';

  const pools = Object.entries(status.pools).map(([name, pool]) => ({
    name, pool, at: server.uptime_seconds, workers: workers.filter((worker) => worker.pool === name),
    latency: latency?.pools[name], bounds: latency?.bounds_micros ?? [],
  }));
  list(byId('pools'), pools, ({ name }) => name, ({ name }) => buildPool(name), showPool);
  showRunning(workers);
  showRecent(recent ?? {});
  showProcesses(status.processes);
}

function showRunning(workers) {
  const several = new Set(workers.map((worker) => worker.pid)).size > 1;
  const running = workers.filter((worker) => worker.current).sort((a, b) => b.current.elapsed_ms - a.current.elapsed_ms);
  table('running', running, (worker) => `${workerKey(worker)}/${worker.requests}`, () => row('n', 'what', '', 'id wide'), (node, worker) => {
    text(node.cells[0], duration(worker.current.elapsed_ms));
    request(node.cells[1], worker.current, false);
    text(node.cells[2], several ? `${worker.pool} ${worker.process}/${worker.slot}` : `${worker.pool} ${worker.slot}`);
    text(node.cells[3], worker.current.request_id);
  });
}

function showRecent({ recycles = [], slow = [], failed = [] }) {
  const newest = (entries) => [...entries].sort((a, b) => b.at_unix - a.at_unix);
  const requestKey = (entry) => `${entry.at_unix}/${entry.request_id}/${entry.path}`;
  const worker = (entry) => `${entry.pool} ${entry.slot}`;
  table('recycles', newest(recycles), (entry) => `${entry.at_unix}/${entry.pid}/${worker(entry)}/${entry.incarnation}`, () => row('', '', 'what', 'n wide', 'n wide'), (node, entry) => {
    const more = entry.detail && entry.detail !== entry.reason && entry.detail !== 'stopped' ? `: ${entry.detail}` : '';
    cells(node, clock(entry.at_unix), worker(entry), words(entry.reason) + more, number(entry.requests), duration(entry.uptime_ms));
  });
  table('slow', newest(slow), requestKey, () => row('', 'n', 'what', 'n wide', 'n'), (node, entry) => {
    cells(node, clock(entry.at_unix), duration(entry.duration_ms));
    request(node.cells[2], entry, true);
    text(node.cells[3], duration(entry.queue_ms ?? 0));
    text(node.cells[4], entry.status || '–');
  });
  table('failed', newest(failed), requestKey, () => row('', 'n', 'what', 'n', 'wide'), (node, entry) => {
    cells(node, clock(entry.at_unix), entry.status || '–');
    request(node.cells[2], entry, true);
    text(node.cells[3], duration(entry.duration_ms));
    text(node.cells[4], Object.hasOwn(FAILURES, entry.reason) ? FAILURES[entry.reason] : words(entry.reason));
  });
}

function showProcesses(processes) {
  table('processes', processes, (process) => process.pid, () => row('', 'n', 'n', '', 'n', 'wide'), (node, process) => {
    const silent = process.stale ? `, silent for ${duration(process.stale_ms)}` : '';
    cells(node, process.process, process.pid, number(process.generation), words(process.role) + silent, duration(process.uptime_ms), words(process.because) || '–');
    named(node.cells[3], process.stale ? 'alarm' : '');
  });
}

// Nothing of what was shown stays.
function clear() {
  byId('content').hidden = true;
  for (const id of ['server', 'pools', 'running', 'recycles', 'slow', 'failed', 'processes']) list(byId(id), [], () => '', () => null, () => {});
  text(byId('stage'), '');
  byId('maintenance').hidden = true;
  past = new Map();
  for (const id of ['recycle-all', 'reload']) byId(id).hidden = true;
  document.title = 'supercharger';
}

// ---- Orders ---------------------------------------------------------------------------------------------------------------------

let noticeTimer;

function notice(message, good) {
  const node = byId('notice');
  node.hidden = false;
  named(node, good ? 'notice' : 'notice bad');
  text(node, message);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { node.hidden = true; text(node, ''); }, NOTICE_MS);
}

function headers(more) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...more, Authorization: `Bearer ${token}` } : { ...more };
}

async function send(path) {
  // No form and no link of another page can add this field.
  const answer = await fetch(path, { method: 'POST', headers: headers({ 'X-Supercharger': 'dashboard' }), cache: 'no-store', redirect: 'error' });
  const body = await answer.json().catch(() => ({}));
  return { ok: answer.ok, body, why: body.error?.message ?? body.error ?? `status ${answer.status}`, reason: body.reason };
}

function confirmed(title, explanation, action) {
  const dialog = byId('ask');
  text(byId('ask-title'), title);
  text(byId('ask-text'), explanation);
  text(byId('ask-yes'), action);
  dialog.returnValue = 'no';
  dialog.showModal();
  byId('ask-no').focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

async function recycle(which, title, ask) {
  if (ask && !(await confirmed(`Recycle ${title}?`, 'Each worker is replaced as soon as its successor has booted. No request is lost.', 'Recycle'))) return;
  try {
    const { ok, body, why, reason } = await send(`workers/recycle?${new URLSearchParams(which)}`);
    notice(ok ? `Recycling ${title}: ${body.workers} told.` : `Not recycled: ${why}${reason ? ` (${reason})` : ''}`, ok);
  } catch {
    notice('Not recycled: the server did not answer.', false);
  }
}

async function reload() {
  const explanation = 'A new generation boots beside this one, with the code, the configuration and the executable of this moment, and takes over. If it does not come up, this one goes on.';
  if (!(await confirmed('Reload the server?', explanation, 'Reload'))) return;
  const button = byId('reload');
  button.disabled = true;
  notice('Reloading …', true);
  try {
    const { ok, body, why, reason } = await send('reload?wait=true');
    const failed = `The reload failed, the old generation goes on: ${why}${reason && !body.took_ms ? ` (${reason})` : ''}`;
    notice(ok ? `Generation ${body.generation} serves after ${duration(body.took_ms)}.` : failed, ok);
  } catch {
    notice('The server did not say how the reload went.', false);
  } finally {
    button.disabled = false;
  }
}

// ---- The feed -------------------------------------------------------------------------------------------------------------------

function linked(name, words) {
  const node = byId('link');
  named(node, `link ${name}`);
  text(node, words);
  byId('content').classList.toggle('stale', name !== 'live');
}

function take(event) {
  const data = event.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5)).join('\n');
  if (!data) return;
  const moment = JSON.parse(data);
  byId('access').hidden = true;
  byId('content').hidden = false;
  for (const id of ['recycle-all', 'reload']) byId(id).hidden = false;
  linked('live', 'live');
  show(moment);
}

const WHY = {
  tokenMissing: 'This server wants a token.',
  tokenDenied: 'The server does not know this token.',
  forbidden: 'The server does not know this token.',
  tokenMissingConfig: 'The server wants a token and has none configured: nobody gets in.',
  ipDenied: 'The server answers other addresses only.',
  proxyHeaderNotTrusted: 'The request came through a proxy that the server does not trust.',
  hostDenied: 'The server does not answer to this name.',
};

async function denied(answer) {
  const had = sessionStorage.getItem(TOKEN) !== null;
  const body = await answer.json().catch(() => ({}));
  sessionStorage.removeItem(TOKEN);
  clear();
  linked('lost', 'no access');
  const missing = !had && body.reason === 'tokenDenied';
  text(byId('refused'), missing ? WHY.tokenMissing : (WHY[body.reason] ?? `The server refuses: ${body.reason ?? answer.status}.`));
  byId('access').hidden = false;
  byId('token').focus();
}

// Follows the feed until it ends; whether it was refused. A stream read by fetch, since EventSource cannot send a token.
async function follow(came) {
  const control = new AbortController();
  let watchdog;
  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => control.abort(), SILENCE_MS);
  };
  try {
    alive();
    const answer = await fetch('events', { headers: headers({ Accept: 'text/event-stream' }), cache: 'no-store', redirect: 'error', signal: control.signal });
    if (answer.status === 401 || answer.status === 403) {
      await denied(answer);
      return true;
    }
    if (!answer.ok) return false;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ''; ;) {
      const { value, done } = await reader.read();
      if (done) return false;
      alive();
      rest += value;
      for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
        came();
        try {
          take(rest.slice(0, end));
        } catch (error) {
          console.error(error); // A fault of this page; the next snapshot may do.
        }
      }
    }
  } catch {
    return false; // The connection broke, or was silent for too long.
  } finally {
    clearTimeout(watchdog);
    control.abort();
  }
}

async function live() {
  for (let failures = 0; !(await follow(() => { failures = 0; })); failures++) {
    linked('lost', 'not connected, trying again');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
  }
}

// ---- Light and dark -------------------------------------------------------------------------------------------------------------

function theme(name) {
  if (name === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  text(byId('theme'), `Theme: ${name}`);
}

const THEMES = ['auto', 'light', 'dark'];
const stored = () => (THEMES.includes(localStorage.getItem(THEME)) ? localStorage.getItem(THEME) : 'auto');

// ---- Beginning ------------------------------------------------------------------------------------------------------------------

theme(stored());
byId('theme').addEventListener('click', () => {
  const next = THEMES[(THEMES.indexOf(stored()) + 1) % THEMES.length];
  localStorage.setItem(THEME, next);
  theme(next);
});
byId('reload').addEventListener('click', reload);
byId('recycle-all').addEventListener('click', () => recycle({}, 'all workers', true));
byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = byId('token');
  sessionStorage.setItem(TOKEN, field.value.trim());
  field.value = '';
  byId('access').hidden = true;
  linked('', 'connecting');
  live();
});
live();
