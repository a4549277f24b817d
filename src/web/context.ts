import type { Request, Response } from 'express';
import type { Builds } from '../build/builds.js';
import type { BuildLogs } from '../build/log.js';
import { AppError } from '../domain/errors.js';
import { nearestNames } from '../domain/nearest.js';
import type { HostReader } from '../domain/hosts.js';
import type { ProjectName } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Urls } from '../domain/urls.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Collect } from '../flow/collect.js';
import type { Configure } from '../flow/configure.js';
import type { DeleteImagePreview } from '../flow/delete-image-preview.js';
import type { FindImage } from '../flow/find-image.js';
import type { DiffBuilds } from '../flow/diff-builds.js';
import type { FindPreview } from '../flow/find-preview.js';
import type { FindProject } from '../flow/find-project.js';
import type { ListImages } from '../flow/list-images.js';
import type { OpenPreview } from '../flow/open-preview.js';
import type { OperatePreviews } from '../flow/operate-previews.js';
import type { ReadStatus } from '../flow/preview-status.js';
import type { WatchStatus } from '../flow/watch-status.js';
import type { RemoveImage } from '../flow/remove-image.js';
import type { RenewPreview } from '../flow/renew-preview.js';
import type { RollBack } from '../flow/roll-back.js';
import type { RunOnce } from '../flow/run-once.js';
import type { ReadServerFacts } from '../flow/server-facts.js';
import type { Stages } from '../flow/stages.js';
import type { UpdateProject } from '../flow/update-project.js';
import type { Clock } from '../kernel/clock.js';
import type { EventStreams } from '../kernel/event-stream.js';
import type { ApplicationLog } from '../kernel/log.js';
import type { Templates } from '../kernel/templates.js';
import type { Idle } from '../run/idle.js';
import type { Instances } from '../run/instances.js';
import type { RunLogs } from '../run/logs.js';
import type { Room } from '../run/room.js';
import type { RoutingTable } from '../serve/routing.js';
import type { Source } from '../source/source.js';
import type { BuildStore } from '../state/builds.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';
import type { SettingStore } from '../state/settings.js';
import type { Door } from './door.js';
import type { ControlPages, PageFrame } from './page-models.js';
import { readQuery } from './query.js';

/** What the control plane is made of; each route takes what it needs. */
export interface WebDeps {
  readonly projects: readonly Project[];
  readonly sources: ReadonlyMap<ProjectName, Source>;
  readonly hosts: HostReader;
  readonly urls: Urls;
  readonly findPreview: FindPreview;
  readonly findProject: FindProject;
  readonly openPreview: OpenPreview;
  readonly readStatus: ReadStatus;
  readonly watchStatus: WatchStatus;
  readonly renewPreview: RenewPreview;
  readonly operatePreviews: OperatePreviews;
  readonly updateProject: Pick<UpdateProject, 'update'>;
  readonly findImage: Pick<FindImage, 'begin'>;
  readonly builds: Builds;
  readonly buildLogs: BuildLogs;
  readonly instances: Instances;
  readonly runLogs: RunLogs;
  readonly buildStore: BuildStore;
  readonly listImages: ListImages;
  readonly removeImage: RemoveImage;
  readonly collect: Pick<Collect, 'plan' | 'run'>;
  readonly idle: Pick<Idle, 'plan'>;
  readonly room: Pick<Room, 'candidates'>;
  readonly routing: Pick<RoutingTable, 'idleMs'>;
  readonly deleteImagePreview: DeleteImagePreview;
  readonly readServerFacts: ReadServerFacts;
  readonly diffBuilds: DiffBuilds;
  readonly runOnce: Pick<RunOnce, 'run'>;
  readonly routes: RouteStore;
  readonly releases: ReleaseStore;
  readonly settings: Pick<SettingStore, 'list'>;
  readonly stages: Stages;
  readonly rollBack: RollBack;
  readonly configure: Pick<Configure, 'change'>;
  readonly engine: Pick<ContainerEngine, 'describe'>;
  readonly templates: Templates<ControlPages>;
  readonly streams: EventStreams;
  readonly door: Door;
  readonly clock: Clock;
  readonly log: ApplicationLog;
}

/** These answer about a project instead of going to a preview. */
const ABOUT_PROJECTS = /^\/(?:(?:status|releases|confirm|actions|previews|api)(?:\/|$)|repo\/update\/?$)/i;

/**
 * The project a request is about: that of its host, or the only one there is; else the one that `project=NAME` names.
 *
 * @throws AppError `unknown_project`
 */
export function projectOf(deps: Pick<WebDeps, 'hosts' | 'projects'>, req: Request): Project {
  const scope = scopeOf(deps, req);
  const wanted = readQuery(req).get('project');
  const [only] = scope;
  // Elsewhere on a project's host the parameter is the application's.
  if (only && scope.length === 1 && (wanted === undefined || wanted === only.name || !ABOUT_PROJECTS.test(req.path))) return only;
  const names = scope.map(({ name }) => name);
  if (wanted === undefined) throw new AppError('unknown_project', 'This host belongs to no project.', { details: { projects: names } });
  const found = scope.find(({ name }) => name === wanted);
  if (!found) throw new AppError('unknown_project', `There is no project “${wanted}” here.`, { details: { projects: nearestNames(wanted, names) } });
  return found;
}

/** The host for links to a project's things: the one that was asked for where it is the project's, else its own. */
export function hostOf({ hosts, urls }: Pick<WebDeps, 'hosts' | 'urls'>, req: Pick<Request, 'headers'>, project: Project): string {
  const meaning = hosts.read(req.headers.host);
  return meaning.kind === 'control' && meaning.project === project ? meaning.host : hosts.hostsOf(project)[0] ?? urls.serverHost;
}

/** A link to one of a project's own pages: absolute where this page is on another host. */
export function linkTo(deps: Pick<WebDeps, 'hosts' | 'urls'>, req: Request, { project, path }: { project: Project; path: string }): string {
  const meaning = deps.hosts.read(req.headers.host);
  return meaning.kind === 'control' && meaning.project === project ? path : deps.urls.control(hostOf(deps, req, project), path);
}

/** Sends a page's visitor to the project's own host, where all its links lead. @returns whether they were elsewhere */
export function sentHome(deps: Pick<WebDeps, 'hosts' | 'urls'>, { req, res }: { req: Request; res: Response }, project: Project): boolean {
  const meaning = deps.hosts.read(req.headers.host);
  if (meaning.kind !== 'control' || meaning.project !== null) return false;
  res.redirect(302, deps.urls.control(hostOf(deps, req, project), readQuery(req).without(['project'])));
  return true;
}

/** The projects whose things a page of this host shows: one on a project host, all on the server host. */
export function scopeOf({ hosts, projects }: Pick<WebDeps, 'hosts' | 'projects'>, req: Pick<Request, 'headers'>): readonly Project[] {
  const meaning = hosts.read(req.headers.host);
  return meaning.kind === 'control' && meaning.project !== null ? [meaning.project] : projects;
}

/** The same, or the one that `project=NAME` names. @throws AppError `unknown_project` */
export const askedProjects = (deps: Pick<WebDeps, 'hosts' | 'projects'>, req: Request): readonly Project[] =>
  (readQuery(req).get('project') === undefined ? scopeOf(deps, req) : [projectOf(deps, req)]);

/** The source of a project. @throws AppError `not_found` */
export function sourceOf({ sources }: Pick<WebDeps, 'sources'>, { name }: Project): Source {
  const source = sources.get(name);
  if (!source) throw new AppError('not_found', `There is no project ${name}.`);
  return source;
}

/** Whether a person asked, who wants a page. */
export const wantsPage = (req: Request): boolean => req.accepts(['json', 'html']) === 'html' || req.headers['sec-fetch-mode'] === 'navigate';

export function frameOf(project: Pick<Project, 'name'> | null, currentUrl: string): PageFrame {
  return {
    project: project?.name ?? null, homeUrl: '/', currentUrl, assetsUrl: '/assets',
    links: [
      { text: project === null ? 'Projects' : 'Branches', url: '/' }, { text: 'Releases', url: '/releases' }, { text: 'Status', url: '/status' }, { text: 'Images', url: '/localimages' },
      { text: 'Log', url: '/log' }, { text: 'Debug', url: '/debug' },
    ],
  };
}

/** The frame of a page about all that this host shows. */
export function frameOfScope(deps: Pick<WebDeps, 'hosts' | 'projects'>, req: Request, currentUrl: string): PageFrame {
  const [only, ...more] = scopeOf(deps, req);
  return frameOf(only && more.length === 0 ? only : null, currentUrl);
}

/** Sends a page of the control plane. */
export function sendPage<Name extends keyof ControlPages>({ templates }: Pick<WebDeps, 'templates'>, res: Response, page: { name: Name; model: ControlPages[Name]; status?: number }): void {
  res.status(page.status ?? 200).type('html').send(templates.render(page.name, page.model));
}
