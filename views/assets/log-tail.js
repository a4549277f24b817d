import { visible } from './visible.js';

const MOST_LINES = 5_000;
const RETRY_MS = 3_000;
const GATHER_MS = 50;

/** Continues a log that the server began: appends `line` events, reloads when the state changes. */
function tail(log) {
  const follow = followToggle(log);
  let lastN = Number(log.querySelector('.line:last-child')?.dataset.n ?? 0);
  let gathered = [];

  const show = () => {
    const lines = gathered.slice(-MOST_LINES);
    gathered = [];
    log.querySelector('.log-empty')?.remove();
    log.append(...lines.map(lineElement));
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (follow.checked) log.scrollTop = log.scrollHeight;
  };

  const listen = () => {
    const source = new EventSource(log.dataset.events);
    source.addEventListener('line', (event) => {
      const line = JSON.parse(event.data);
      if (line.n <= lastN) return;
      lastN = line.n;
      if (gathered.length === 0) setTimeout(show, GATHER_MS);
      gathered.push(line);
      if (gathered.length > 2 * MOST_LINES) gathered = gathered.slice(-MOST_LINES);
    });
    source.addEventListener('state', (event) => {
      const state = JSON.parse(event.data);
      const name = state.status ?? state.state;
      if (name === log.dataset.status) showQueue(state);
      else reload(source);
    });
    source.addEventListener('error', () => {
      // An answer other than a stream ends an EventSource for good; a server that restarts gives one.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
    });
  };
  listen();
}

function reload(source) {
  source.close();
  setTimeout(() => { location.reload(); }, 500);
}

function lineElement({ n, at, text, stream }) {
  const line = document.createElement('div');
  line.className = stream === 'stderr' ? 'line stderr' : 'line';
  line.dataset.n = n;
  const time = document.createElement('time');
  time.dateTime = at;
  time.title = at;
  time.textContent = at.slice(11, 19);
  const words = document.createElement('span');
  words.textContent = visible(text);
  line.append(time, words);
  return line;
}

function followToggle(log) {
  const toggle = document.getElementById('follow');
  toggle.closest('label').hidden = false;
  const jump = () => { if (toggle.checked) log.scrollTop = log.scrollHeight; };
  toggle.addEventListener('change', jump);
  log.addEventListener('wheel', (event) => { if (event.deltaY < 0) toggle.checked = false; }, { passive: true });
  jump();
  return toggle;
}

function showQueue({ queuePosition, etaSeconds }) {
  const position = document.querySelector('[data-queue-position]');
  if (position === null || typeof queuePosition !== 'number') return;
  position.textContent = queuePosition;
  document.querySelector('[data-queue-eta]').textContent = typeof etaSeconds === 'number' ? `, ${estimate(etaSeconds)}` : '';
}

/** The words of the server's own estimate. */
export function estimate(seconds) {
  if (seconds < 10) return 'a few seconds';
  return seconds < 60 ? `about ${Math.ceil(seconds / 10) * 10} s` : `about ${Math.ceil(seconds / 60)} min`;
}

const log = typeof document === 'undefined' ? null : document.querySelector('[data-events]');
if (log !== null) tail(log);
