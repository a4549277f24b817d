import type { Request, Response } from 'express';
import type { Builds } from '../build/builds.js';
import type { BuildLogs } from '../build/log.js';
import { AppError } from '../domain/errors.js';
import type { HostReader } from '../domain/hosts.js';
import type { ProjectName } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Urls } from '../domain/urls.js';
import type { ContainerEngine } from '../engine/port.js';
import type { FindPreview } from '../flow/find-preview.js';
import type { OpenPreview } from '../flow/open-preview.js';
import type { ReadStatus } from '../flow/preview-status.js';
import type { RenewPreview } from '../flow/renew-preview.js';
import type { Clock } from '../kernel/clock.js';
import type { EventStreams } from '../kernel/event-stream.js';
import type { ApplicationLog } from '../kernel/log.js';
import type { Templates } from '../kernel/templates.js';
import type { Instances } from '../run/instances.js';
import type { RunLogs } from '../run/logs.js';
import type { Source } from '../source/source.js';
import type { BuildStore } from '../state/builds.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { Door } from './door.js';
import type { ControlPages, PageFrame } from './page-models.js';

/** What the control plane is made of; each route takes what it needs. */
export interface WebDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Source>;
  readonly hosts: HostReader;
  readonly urls: Urls;
  readonly findPreview: FindPreview;
  readonly openPreview: OpenPreview;
  readonly readStatus: ReadStatus;
  readonly renewPreview: RenewPreview;
  readonly builds: Builds;
  readonly buildLogs: BuildLogs;
  readonly instances: Instances;
  readonly runLogs: RunLogs;
  readonly buildStore: BuildStore;
  readonly routes: RouteStore;
  readonly releases: ReleaseStore;
  readonly engine: Pick<ContainerEngine, 'describe'>;
  readonly templates: Templates<ControlPages>;
  readonly streams: EventStreams;
  readonly door: Door;
  readonly clock: Clock;
  readonly log: ApplicationLog;
}

/** The project on whose host a request came; the only one also on the server host and on IP literals. @throws AppError `not_found` */
export function projectOf({ hosts, projects }: Pick<WebDeps, 'hosts' | 'projects'>, req: Request): Project {
  const meaning = hosts.read(req.headers.host);
  const project = meaning.kind === 'control' ? meaning.project : null;
  const only = projects.length === 1 ? projects[0] : undefined;
  const found = project ?? only;
  if (!found) throw new AppError('not_found', 'This host belongs to no project.');
  return found;
}

/** The projects whose things a page of this host shows: one on a project host, all on the server host. */
export function scopeOf({ hosts, projects }: Pick<WebDeps, 'hosts' | 'projects'>, req: Request): readonly Project[] {
  const meaning = hosts.read(req.headers.host);
  return meaning.kind === 'control' && meaning.project !== null ? [meaning.project] : projects;
}

/** The source of a project. @throws AppError `not_found` */
export function sourceOf({ sources }: Pick<WebDeps, 'sources'>, { name }: Project): Source {
  const source = sources.get(name);
  if (!source) throw new AppError('not_found', `There is no project ${name}.`);
  return source;
}

/** The host a link of this request's pages must stay on. */
export const projectHostOf = ({ hosts, urls }: Pick<WebDeps, 'hosts' | 'urls'>, req: Request): string => {
  const meaning = hosts.read(req.headers.host);
  return meaning.kind === 'control' ? meaning.host : urls.serverHost;
};

/** Whether a person asked, who wants a page. */
export const wantsPage = (req: Request): boolean => req.accepts(['json', 'html']) === 'html' || req.headers['sec-fetch-mode'] === 'navigate';

export function frameOf(project: Project | null, currentUrl: string): PageFrame {
  return {
    project: project?.name ?? null, homeUrl: '/', currentUrl,
    links: [{ text: 'Branches', url: '/' }, { text: 'Status', url: '/status' }, { text: 'Log', url: '/log' }],
  };
}

/** Sends a page of the control plane. */
export function sendPage<Name extends keyof ControlPages>({ templates }: Pick<WebDeps, 'templates'>, res: Response, page: { name: Name; model: ControlPages[Name]; status?: number }): void {
  res.status(page.status ?? 200).type('html').send(templates.render(page.name, page.model));
}
