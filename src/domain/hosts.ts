import { isIP } from 'node:net';
import { labelNames, type Project } from './project.js';
import { parseLabel, type LabelNames, type PreviewName } from './preview-name.js';

/** What a request's host stands for. Hosts are in lower case, without port or trailing dot. */
export type HostMeaning =
  | { readonly kind: 'control'; readonly host: string; readonly project: Project | null }
  | { readonly kind: 'preview'; readonly host: string; readonly projectHost: string; readonly project: Project; readonly name: PreviewName }
  /** A preview below the server host while there are several projects: one of them has it. */
  | { readonly kind: 'elsewhere'; readonly host: string; readonly name: PreviewName & { readonly kind: 'commit' | 'branch' } }
  /** A label under a project host that names nothing, or a host below a preview. */
  | { readonly kind: 'nothing'; readonly host: string; readonly project: Project }
  /** An IP literal: health and API only. */
  | { readonly kind: 'address'; readonly host: string }
  | { readonly kind: 'unknown' };

export interface HostReader {
  /** Reads a `Host` header. */
  read(header: string | undefined): HostMeaning;
  /** The hosts a project is served on, the canonical one first. */
  hostsOf(project: Project): readonly string[];
}

const LONGEST_HOST = 253;

/** The only project is served on the server host as well as on its own. */
export function createHostReader({ serverHost, projects }: { serverHost: string; projects: readonly Project[] }): HostReader {
  const hostsOf = (project: Project): string[] => {
    const own = project.host ?? `${project.name}.${serverHost}`;
    // A host that somebody chose is the one to be seen in links.
    if (projects.length > 1 || own === serverHost) return [own];
    return project.host === null ? [serverHost, own] : [own, serverHost];
  };
  const byHost = new Map<string, Project | null>([[serverHost, null]]);
  for (const project of projects) for (const host of hostsOf(project)) byHost.set(host, project);
  const names: LabelNames = {
    environments: [...new Set(projects.flatMap((project) => labelNames(project).environments))], stages: [],
  };

  const readElsewhere = (host: string): HostMeaning => {
    const name = host.endsWith(`.${serverHost}`) ? parseLabel(host.slice(0, -serverHost.length - 1), names) : undefined;
    return name?.kind === 'commit' || name?.kind === 'branch' ? { kind: 'elsewhere', host, name } : { kind: 'unknown' };
  };

  const readBelow = (host: string): HostMeaning => {
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const projectHost = host.slice(dot + 1);
      const project = byHost.get(projectHost);
      if (!project) continue;
      const name = parseLabel(host.slice(0, dot), labelNames(project));
      return name ? { kind: 'preview', host, projectHost, project, name } : { kind: 'nothing', host, project };
    }
    return readElsewhere(host);
  };

  return {
    hostsOf,
    read: (header) => {
      const host = normalizeHost(header ?? '');
      if (host === undefined) return { kind: 'unknown' };
      const project = byHost.get(host);
      if (project !== undefined) return { kind: 'control', host, project };
      if (isIP(host.replace(/^\[|\]$/g, '')) !== 0) return { kind: 'address', host };
      return readBelow(host);
    },
  };
}

/** `HASH-AB.localhost.:3000` → `hash-ab.localhost`; undefined when it is not a host at all. */
export function normalizeHost(header: string): string | undefined {
  if (header.length > LONGEST_HOST + 7) return undefined;
  const bare = header.replace(/:\d{1,5}$/, '').replace(/\.$/, '').toLowerCase();
  return /^(?:[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\])$/.test(bare) ? bare : undefined;
}
