import type { Request, RequestHandler } from 'express';
import { formatAsked } from '../domain/health.js';
import { formatRelease } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Release } from '../domain/release.js';
import type { InstanceState } from '../domain/state.js';
import { createLimit } from '../kernel/limit.js';
import type { ListedRelease, ReleaseSearch } from '../state/releases.js';
import { configChanges } from './config-changes.js';
import { askedProjects, frameOfScope, linkTo, scopeOf, sendPage, sourceOf, wantsPage, type WebDeps } from './context.js';
import { formatBytes, formatDuration, toMoment } from './format.js';
import { shortId } from './local-images.js';
import type { ChoiceView, CommitView, NamedValue } from './page-parts.js';
import { choicesOf, jsonUrlOf, paginate, searchOf, setPageHeaders } from './paging.js';
import { readQuery } from './query.js';
import type { ProjectStages, ReleaseRow } from './release-models.js';
import { releaseAnswer } from './release-views.js';
import { reasonOf, releaseLogPath, stageViews } from './stage-views.js';
import { commitView, nameOfRoute } from './views-of.js';

const ROWS = 50;
const SHOWN_DIGITS = 8;
/** Each commit that is seen for the first time is asked of git. */
const COMMITS_AT_ONCE = 4;

interface Asked { readonly deps: WebDeps; readonly req: Request }

/** `GET /releases[?route=&q=&page=]`: the stages with what can be done to them, and every release of this host's projects. */
export function showReleases(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const projects = askedProjects(deps, req);
    const route = routeAsked(req);
    const of: ReleaseSearch = { projects: projects.map(({ name }) => name), route, text: searchOf(req) };
    const { offset, ...pagination } = paginate(req, { total: await deps.releases.count(of), size: ROWS });
    const releases = await deps.releases.search(of, { offset, limit: ROWS });
    if (!wantsPage(req) || readQuery(req).get('format') === 'json') {
      setPageHeaders(res, pagination);
      const withValues = deps.door.bearsToken(req);
      res.json(releases.map(({ release, route: its }) => releaseAnswer(release, its, { withValues })));
      return;
    }
    sendPage(deps, res, {
      name: 'releases',
      model: {
        frame: frameOfScope(deps, req, '/releases'), projects: await Promise.all(projects.map((project) => stagesOf(project, { deps, req }))),
        releases: await rowsOf(releases, { deps, req }), search: { query: of.text, url: '/releases' }, routes: routeChoices(projects, route), pagination, jsonUrl: jsonUrlOf(req),
      },
    });
  };
}

function routeAsked(req: Request): string | undefined {
  const label = readQuery(req).get('route');
  return label === '' ? undefined : label;
}

/** Previews are too many to choose from: they are asked for by a link. */
function routeChoices(projects: readonly Project[], asked: string | undefined): ChoiceView[] {
  const labels = [...projects.flatMap(({ stages }) => [...stages.keys()]), ...(asked === undefined ? [] : [asked])];
  return choicesOf('all routes', [...new Set(labels)], asked);
}

async function stagesOf(project: Project, { deps, req }: Asked): Promise<ProjectStages> {
  return { project: project.name, heading: scopeOf(deps, req).length > 1 ? project.name : null, stages: await stageViews(project, { deps, req }), publish: project.publish };
}

async function rowsOf(releases: readonly ListedRelease[], asked: Asked): Promise<ReleaseRow[]> {
  const { deps, req } = asked;
  const turn = createLimit(COMMITS_AT_ONCE);
  const commits = new Map<string, Promise<CommitView>>();
  const describe = ({ commit }: Release, project: Project): Promise<CommitView> | null => {
    if (commit === null) return null;
    const described = commits.get(commit) ?? turn(() => commitView(sourceOf(deps, project), commit, deps.clock.now()));
    commits.set(commit, described);
    return described;
  };
  const parentOf = async ({ project, parent }: Release) => (parent === null ? undefined
    : releases.find(({ release }) => release.project === project && release.number === parent)?.release ?? await deps.releases.find(project, parent));
  const rows = await Promise.all(releases.map(async (listed) => {
    const project = scopeOf(deps, req).find(({ name }) => name === listed.release.project);
    return project && rowOf(listed, { project, commit: await describe(listed.release, project), parent: await parentOf(listed.release), asked });
  }));
  return rows.filter((row) => row !== undefined);
}

function rowOf({ release, route }: ListedRelease, { project, commit, parent, asked: { deps, req } }: { project: Project; commit: CommitView | null; parent: Release | undefined; asked: Asked }): ReleaseRow {
  const { number, by, createdAt, image, build, config: { env, secrets = {} } } = release;
  const changes = parent && configChanges(parent.config, release.config);
  const changeOf = (name: string) => (changes?.added.includes(name) === true ? 'new' : changes?.changed.includes(name) === true ? 'changed' : null);
  const id = formatRelease(number);
  const link = (path: string) => linkTo(deps, req, { project, path });
  return {
    id, project: scopeOf(deps, req).length > 1 ? project.name : null, reason: reasonOf(release), by, at: toMoment(createdAt, deps.clock.now()), commit,
    route: { label: route.label, name: nameOfRoute(route), environment: route.environment, url: link(`/previews/${route.label}`) },
    image, shortImage: shortId(image), buildUrl: build === null ? null : link(`/builds/${build}`), logUrl: link(releaseLogPath(project, id)),
    serving: route.current !== number ? null : isThere(deps.instances.state(release)) ? 'serves' : 'current',
    env: Object.keys(env).map((name) => ({ name, change: changeOf(name) })), gone: changes?.removed ?? [],
    secrets: Object.entries(secrets).map(([name, digest]) => ({ name, value: digest.slice(0, SHOWN_DIGITS), change: changeOf(name) })), settings: settingsOf(release),
  };
}

/** What sleeps is woken by whoever asks for it. */
const isThere = (state: InstanceState | undefined): boolean => state === 'running' || state === 'sleeping';

function settingsOf({ config: { memoryBytes, cpus, pids, port, profile, readyTimeoutMs, stopTimeoutMs, health, processes = {} } }: Release): NamedValue[] {
  return [
    { name: 'Memory', value: formatBytes(memoryBytes) }, { name: 'Processors', value: String(cpus) }, { name: 'Processes at most', value: String(pids) },
    { name: 'Port', value: port === null ? 'the image’s own, else 3000' : String(port) }, { name: 'Profile', value: profile },
    { name: 'Ready within', value: formatDuration(readyTimeoutMs) }, { name: 'Stopped within', value: formatDuration(stopTimeoutMs) },
    ...(health ? [{ name: 'Health', value: `${formatAsked(health.test)}${health.test.kind === 'http' ? ` ${health.test.status}` : ''}` }] : []),
    ...Object.entries(processes).map(([name, command]) => ({ name: `Process ${name}`, value: command.join(' ') })),
  ];
}
