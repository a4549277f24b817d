import type { RequestHandler } from 'express';
import { AppError } from '../domain/errors.js';
import { formatRelease, parseReleaseNumber } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { WebDeps } from './context.js';
import { assertNotForeign } from './foreign-streams.js';
import { projectNamed } from './named-project.js';
import { readQuery } from './query.js';
import { sendText } from './send-text.js';

/**
 * `GET /api/projects/:project/releases/:release/log[?process=NAME][&follow=1]`: what its application printed, kept after its
 * containers are gone; `follow` goes on for as long as the container runs.
 */
export function getReleaseLog(deps: WebDeps): RequestHandler<{ project: string; release: string }> {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const number = parseReleaseNumber(req.params.release);
    const release = await deps.releases.find(project.name, number);
    if (!release) throw new AppError('unknown_release', `There is no release ${formatRelease(number)} of ${project.name}.`);
    const named = readProcess(readQuery(req).get('process'), release);
    const container = deps.instances.container(release, named);
    const of = { project: release.project, number, process: named };
    const name = `${project.name}-${formatRelease(number)}${named === null ? '' : `.${named}`}.log`;
    if (!readQuery(req).isSet('follow') || req.method === 'HEAD') { await sendText(res, { lines: deps.runLogs.read(of, container), name }); return; }
    assertNotForeign(deps, req);
    // A log is not shown where its secrets cannot be read: once the answer has begun, that would have no status of its own.
    await deps.releases.secretsOf(release);
    await sendText(res, { lines: deps.runLogs.follow(of, container, deps.streams.hold(req, res)), name, isLive: true });
  };
}

/** Which process of a release a parameter names. @returns null for `web`, as nothing names it either @throws AppError `invalid_request` */
export function readProcess(name: string | undefined, { config: { processes = {} } }: Release): string | null {
  if (name === undefined || name === 'web') return null;
  if (Object.hasOwn(processes, name)) return name;
  throw new AppError('invalid_request', `The release has no process “${name}”; there is ${['web', ...Object.keys(processes)].join(', ')}.`);
}
