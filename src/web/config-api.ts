import type { Request, RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../domain/errors.js';
import { formatRelease, type EnvironmentName } from '../domain/ids.js';
import { nearestNames } from '../domain/nearest.js';
import type { Project, Scope } from '../domain/project.js';
import { formatScope, type Setting, type SettingChange } from '../domain/setting.js';
import type { Applied } from '../flow/configure.js';
import { assertStage } from '../flow/stages.js';
import type { WebDeps } from './context.js';
import { BY, readBody } from './json-body.js';
import { projectNamed } from './named-project.js';
import { readQuery } from './query.js';

type InProject = RequestHandler<{ project: string }>;

const VALUES = z.record(z.string(), z.string('must be a text')).default({});

/** `GET /api/projects/:project/config[?stage=|env=]`: of secrets only digests. */
export function listConfig(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    if (!deps.door.bearsToken(req)) throw new AppError('missing_token', 'What was set may be meant for few.');
    const scope = readScope(project, req);
    res.json({ project: project.name, scope: formatScope(scope), settings: (await deps.settings.list(project.name, scope)).map(settingAnswer) });
  };
}

const settingAnswer = ({ at, ...setting }: Setting): object => ({ ...setting, at: new Date(at).toISOString() });

/** `POST /api/projects/:project/config[?stage=|env=]` `{set?, secrets?, unset?}` */
export function changeConfig(deps: WebDeps): InProject {
  return async (req, res) => {
    const project = projectNamed(deps, req);
    const scope = readScope(project, req);
    const { set, secrets, unset, by } = readBody({ set: VALUES, secrets: VALUES, unset: z.array(z.string('must be a name')).default([]), by: BY }, req);
    const changes: SettingChange[] = [
      ...Object.entries(set).map(([name, value]): SettingChange => ({ kind: 'set', name, value, secret: false })),
      ...Object.entries(secrets).map(([name, value]): SettingChange => ({ kind: 'set', name, value, secret: true })),
      ...unset.map((name): SettingChange => ({ kind: 'unset', name })),
    ];
    assertOnce(changes);
    const { changed, applied } = await deps.configure.change({ project, scope, by }, changes);
    res.json({ project: project.name, scope: formatScope(scope), changed, release: await releaseOf(deps, { project, scope, applied }), releases: applied.map(appliedAnswer) });
  };
}

const appliedAnswer = ({ route, release, error }: Applied): object => ({ route: route.label, release: release ? formatRelease(release.number) : null, error });

/** What the stage that was asked for serves now, or the only release that came of it. */
async function releaseOf({ stages }: WebDeps, { project, scope, applied }: { project: Project; scope: Scope; applied: readonly Applied[] }): Promise<string | null> {
  if (scope.kind === 'stage') {
    const status = (await stages.list(project)).find(({ stage }) => stage === scope.name);
    return status?.release ? formatRelease(status.release.number) : null;
  }
  const [only] = applied;
  return only?.release && applied.length === 1 ? formatRelease(only.release.number) : null;
}

function assertOnce(changes: readonly SettingChange[]): void {
  if (changes.length === 0) throw new AppError('invalid_request', 'Give set, secrets or unset.');
  const names = changes.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new AppError('invalid_request', `${twice} is given twice.`);
}

function readScope(project: Project, req: Pick<Request, 'url' | 'originalUrl'>): Scope {
  const query = readQuery(req as Request);
  const [stage, environment] = [query.get('stage'), query.get('env')];
  if (stage !== undefined && environment !== undefined) throw new AppError('invalid_request', 'Give stage or env, not both.');
  if (stage !== undefined) {
    assertStage(project, stage);
    return { kind: 'stage', name: stage };
  }
  if (environment === undefined) return { kind: 'project' };
  if (!project.environments.has(environment as EnvironmentName)) throw new AppError('unknown_environment', `“${environment}” is not an environment of ${project.name}.`, { details: { nearest: nearestNames(environment, [...project.environments.keys()]) } });
  return { kind: 'environment', name: environment as EnvironmentName };
}
