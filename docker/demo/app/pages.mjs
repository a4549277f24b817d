/** The shop's pages. Everything that comes from outside is escaped, branch names included. */
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);

const LINKS = { '/': 'Home', '/form': 'Order', '/upload': 'Upload', '/live': 'Live', '/echo': 'Echo', '/env': 'Environment' };

const STYLE = `
  :root { color-scheme: light dark; }
  * { box-sizing: border-box; }
  body { margin: 0; font: 1rem/1.6 system-ui, sans-serif; background: #f6f7f9; color: #1c2330; }
  header { background: var(--colour); color: #fff; padding: 2.5rem 1.5rem 4.5rem; }
  header > *, main { max-width: 46rem; margin-inline: auto; }
  h1 { font-size: 2.2rem; line-height: 1.2; margin-block: .4rem; }
  nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
  nav a { color: #fff; }
  main { margin-top: -2.5rem; padding: 0 1.5rem 3rem; }
  section { background: #fff; border-radius: .75rem; padding: 1.5rem; margin-bottom: 1.25rem; box-shadow: 0 2px 12px #0f172a1a; }
  h2 { margin: 0 0 .75rem; font-size: 1.15rem; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; margin: 0; }
  dt { color: #556070; } dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; }
  label { display: block; margin-bottom: .9rem; }
  input, select { display: block; width: 100%; font: inherit; padding: .5rem .6rem; border: 1px solid #8a94a6; border-radius: .4rem; }
  button, .button { display: inline-block; font: inherit; border: 0; border-radius: .4rem; padding: .55rem 1.1rem; background: var(--colour); color: #fff; text-decoration: none; cursor: pointer; }
  output { display: block; font-family: ui-monospace, monospace; min-height: 1.6em; overflow-wrap: anywhere; }
  @media (prefers-color-scheme: dark) { body { background: #11151c; color: #e6e9ef; } section { background: #1b212c; } dt { color: #a5afbf; } }
`;

const LIVE = `
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  const events = new EventSource('events');
  events.onmessage = ({ data }) => { const { number, at } = JSON.parse(data); show('tick', 'Tick ' + number + ' at ' + at); };
  const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/ws');
  socket.onopen = () => { show('state', 'open'); socket.send('hello'); };
  socket.onclose = () => show('state', 'closed');
  socket.onmessage = ({ data }) => show('echoed', data);
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault();
    socket.send(new FormData(event.target).get('text'));
  };
`;

const section = (title, body) => `<section><h2>${escape(title)}</h2>${body}</section>`;
const list = (pairs) => `<dl>${pairs.map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`).join('')}</dl>`;

function layout(shop, title, body) {
  const links = Object.entries(LINKS).map(([path, label]) => `<a href="${path}">${label}</a>`).join('');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} · ${escape(shop.title)}</title>
<style>:root { --colour: ${escape(shop.colour)} }${STYLE}</style>
<header>
  <nav aria-label="Pages">${links}</nav>
  <h1>${escape(shop.title)}</h1>
  <p>${escape(shop.text)}</p>
</header>
<main>${body}</main>
</html>
`;
}

const FORM = `<form method="post" action="/form">
  <label>Your name <input name="name" required autocomplete="name"></label>
  <label>What would you like? <select name="item"><option>Anchor</option><option>Compass</option><option>Lantern</option></select></label>
  <button>Order</button>
</form>`;

const UPLOAD = `<form method="post" enctype="multipart/form-data" action="/upload">
  <label>A file of any size <input type="file" name="file"></label>
  <button>Count its bytes</button>
</form>`;

const ECHO = `<p id="state">connecting</p>
<form><label>Say something <input name="text" value="Ahoy"></label><button>Send</button></form>
<output id="echoed"></output>`;

/** @param shop `{ title, text, colour, featured: { path, label }, branch, commit, release, url }`, all strings */
export function createPages(shop) {
  const page = (title, body) => layout(shop, title, body);
  return {
    home: (requested) => page('Home', [
      section('You are looking at', list([
        ['Branch', shop.branch],
        ['Commit', shop.commit || '(not told)'],
        ['Release', shop.release || '(not told)'],
        ['URL', shop.url || '(not told)'],
        ['You asked for', requested],
      ])),
      section('Try it', `<a class="button" href="${escape(shop.featured.path)}">${escape(shop.featured.label)}</a>`),
    ].join('')),
    form: () => page('Order', section('Order', FORM)),
    ordered: (fields) => page('Ordered', section('Thank you', list([...fields]))),
    upload: () => page('Upload', section('Upload', UPLOAD)),
    live: () => page('Live', `${section('Server-sent events', '<output id="tick"></output>')}${section('WebSocket', ECHO)}<script>${LIVE}</script>`),
    /** For routes that a branch adds. */
    page: (title, rows) => page(title, section(title, list(rows))),
  };
}
