import type { RequestHandler, Response } from 'express';
import { z } from 'zod';
import { AppError, toAppError, withRemedy } from '../domain/errors.js';
import { parseReleaseNumber } from '../domain/ids.js';
import type { OnceOutput } from '../engine/port.js';
import type { WebDeps } from './context.js';
import { BY, readBody } from './json-body.js';
import { projectNamed } from './named-project.js';
import { write } from './send-text.js';

/** Whoever reads, and what is in between, would take a command that prints nothing for one that is gone. */
const BEAT_MS = 15_000;

/**
 * `POST /api/projects/:project/run-once` `{release, command}`: runs the command with a release's image and settings, and
 * answers JSON lines while it does: `{"stream","text"}` with pieces of what it prints, their line ends in them (an empty one
 * says that it still runs), at last `{"exit"}`, with a `message` where the code does not tell why, or `{"error","message"}`.
 * What fails before anything was printed is answered with its status. The command is killed when the connection closes.
 */
export function runOnce(deps: WebDeps): RequestHandler<{ project: string }> {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const body = readBody({ release: z.string(), command: z.array(z.string()), by: BY }, req);
    const release = parseReleaseNumber(body.release);
    const over = new AbortController();
    const end = () => { over.abort(new AppError('preview_unavailable', 'Nobody reads any more; the command was killed.')); };
    res.once('close', end);
    // Of who went before, while the request was read, nothing is told any more.
    if (res.destroyed) end();
    const send = createLineSender(res);
    void beat(deps, () => send({ stream: 'stdout', text: '' }), over.signal);
    try {
      const exit = await deps.runOnce.run({ project, release, command: body.command, onOutput: send, signal: over.signal }).finally(() => { over.abort(); });
      await send(exit.outOfMemory ? { exit: exit.code, message: 'It ran out of memory.' } : { exit: exit.code });
    } catch (thrown) {
      if (res.destroyed) return;
      if (!res.headersSent) throw thrown;
      const error = toAppError(thrown);
      if (error.code === 'internal') deps.log.error('request failed', { path: req.path, code: error.code, error });
      await send({ error: error.code, message: withRemedy(error) });
    }
    res.end();
  };
}

type Line = OnceOutput | { readonly exit: number; readonly message?: string } | { readonly error: string; readonly message: string };

/** The answer begins with its first line: what fails before can have a status of its own. */
function createLineSender(res: Response): (line: Line) => Promise<void> {
  return (line) => {
    if (!res.headersSent && !res.destroyed) {
      res.setHeader('Content-Type', 'application/x-ndjson; charset=utf-8');
      res.setHeader('X-Accel-Buffering', 'no');
    }
    return write(res, `${JSON.stringify(line)}\n`);
  };
}

async function beat({ clock }: Pick<WebDeps, 'clock'>, say: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep(BEAT_MS, signal);
    if (signal.aborted) return;
    await say();
  }
}
