/** The sample shop: plain Node, one file per concern. `node server.mjs [port]`; otherwise `PORT`, otherwise 3000. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { createPages } from './pages.mjs';
import { createRoutes } from './routes.mjs';
import { upgradeToEcho } from './websocket.mjs';

const EXTRA = new URL('extra.mjs', import.meta.url);

/** What makes a branch look different; the rest comes from the environment that the preview runs in. */
function readShop(env) {
  const look = JSON.parse(readFileSync(new URL('look.json', import.meta.url), 'utf8'));
  return {
    ...look,
    branch: env.SLIPWAY_BRANCH ?? look.branch,
    commit: env.SLIPWAY_COMMIT ?? '',
    release: env.SLIPWAY_RELEASE ?? '',
    url: env.SLIPWAY_URL ?? '',
  };
}

/** A branch may add routes of its own in `extra.mjs`. */
async function loadExtraRoutes(pages) {
  const extra = await import(EXTRA.href).catch((error) => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return {};
    throw error;
  });
  return extra.createExtraRoutes?.(pages) ?? {};
}

export async function startShop({ port, env }) {
  const pages = createPages(readShop(env));
  const routes = { ...createRoutes(pages, env), ...(await loadExtraRoutes(pages)) };
  const server = createServer(async (request, response) => {
    const [path] = request.url.split('?', 1);
    const route = routes[`${request.method} ${path}`] ?? routes[path] ?? routes['*'];
    try {
      await route(request, response);
    } catch (error) {
      console.error(`${request.method} ${path}: ${error.message}`);
      response.destroy();
    }
  });
  server.requestTimeout = 0; // a large upload takes as long as it takes
  server.on('upgrade', upgradeToEcho);
  server.listen(port, () => console.log(`Sample shop listens on port ${port}`));
  return server;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await startShop({ port: Number(process.argv[2] ?? process.env.PORT ?? 3000), env: process.env });
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      console.log(`${signal}: closing`);
      server.close(() => process.exit(0));
      server.closeAllConnections();
    });
  }
}
