import { isIP } from 'node:net';
import { parseLabel, type LabelNames } from '../domain/preview-name.js';
import { labelNames, type Project } from '../domain/project.js';
import type { OriginOf } from './faults.js';
import type { Settings } from './schema.js';

/** Hosts that would mean two things, or could not be: one sentence each. */
export function hostFaults({ url, routing }: Pick<Settings, 'url' | 'routing'>, projects: readonly Project[], originOf: OriginOf): string[] {
  const serverHost = new URL(url ?? 'http://localhost').hostname;
  const hostOf = ({ name, host }: Project) => host ?? `${name}.${serverHost}`;
  const own = ({ name, host }: Project) => originOf(['projects', name, ...(host === null ? [] : ['host'])]);
  return [...addressFaults(serverHost, { routing, projects, originOf }), ...sharedHosts(serverHost, { projects, hostOf, own }), ...shadowing(serverHost, { projects, hostOf, own })];
}

/** Nothing can be below an address: previews would have hosts that no browser opens. */
function addressFaults(serverHost: string, { routing, projects, originOf }: { routing: Settings['routing']; projects: readonly Project[]; originOf: OriginOf }): string[] {
  const needsNames = routing === 'subdomain' || projects.length > 1;
  if (isIP(serverHost.replace(/^\[|\]$/g, '')) === 0 || !needsNames || projects.every(({ host }) => host !== null)) return [];
  return [`${originOf(['url'])} is an address, below which there are no hosts for previews: use http://localhost or a name, or routing: session with one project`];
}

interface Owned { readonly projects: readonly Project[]; readonly hostOf: (project: Project) => string; readonly own: (project: Project) => string }

function sharedHosts(serverHost: string, { projects, hostOf, own }: Owned): string[] {
  const owners = new Map<string, string>([[serverHost, 'the server itself']]);
  return projects.flatMap((project) => {
    const host = hostOf(project);
    const owner = owners.get(host);
    owners.set(host, `the project ${project.name}`);
    return owner === undefined || (projects.length === 1 && host === serverHost) ? [] : [`${own(project)}: the host ${host} belongs to ${owner}; give it a host of its own`];
  });
}

/** A host below another one that reads like a preview there would take that preview's place. */
function shadowing(serverHost: string, { projects, hostOf, own }: Owned): string[] {
  const everywhere: LabelNames = { environments: projects.flatMap((project) => labelNames(project).environments), stages: [] };
  return projects.flatMap((project) => {
    const host = hostOf(project);
    const isPreviewBelow = (above: string, names: LabelNames) => host.endsWith(`.${above}`) && parseLabel(host.slice(0, -above.length - 1), names) !== undefined;
    const other = projects.find((each) => each !== project && isPreviewBelow(hostOf(each), labelNames(each)));
    const whose = other?.name ?? (isPreviewBelow(serverHost, everywhere) ? 'the server' : undefined);
    return whose === undefined ? [] : [`${own(project)}: the host ${host} is a preview of ${whose}; give it another one`];
  });
}
