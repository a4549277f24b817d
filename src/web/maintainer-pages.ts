import type { RequestHandler } from 'express';
import type { WebDeps } from './context.js';

/** Alive: the process answers. */
export const showHealth: RequestHandler = (_req, res) => { res.json({ status: 'ok' }); };

/** Ready: the engine answers too, so that previews can be built and started. */
export function showReadiness({ engine }: Pick<WebDeps, 'engine'>): RequestHandler {
  return async (_req, res) => {
    const { version, builder } = await engine.describe();
    res.json({ status: 'ok', engine: version, builder });
  };
}
