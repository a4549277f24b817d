// An application that costs next to nothing: /small answers 1 KB, /large 64 KB, a POST its own length. Prints its port.
import { createServer } from 'node:http';

const BODIES = { '/small': Buffer.alloc(1024, 'a'), '/large': Buffer.alloc(64 * 1024, 'a') };

const server = createServer((req, res) => {
  if (req.method !== 'POST') { res.setHeader('Content-Type', 'text/plain').end(BODIES[req.url]); return; }
  let bytes = 0;
  req.on('data', (chunk) => { bytes += chunk.length; }).on('end', () => { res.end(String(bytes)); });
});
server.listen(0, '127.0.0.1', () => { console.log(server.address().port); });
