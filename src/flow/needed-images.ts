import { formatRelease, type ImageId, type ReleaseNumber } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { Route } from '../domain/release.js';
import type { Instances } from '../run/instances.js';
import type { Source } from '../source/source.js';
import type { ReleaseStore } from '../state/releases.js';
import type { RouteStore } from '../state/routes.js';

export interface NeededImagesDeps {
  readonly routes: Pick<RouteStore, 'find'>;
  readonly releases: Pick<ReleaseStore, 'imagesServed' | 'latestOfRoute' | 'routesOfImage'>;
  readonly instances: Pick<Instances, 'present'>;
  readonly sources: ReadonlyMap<Project['name'], Pick<Source, 'refs'>>;
}

/** An image, among those of its project that there are: what is gone holds no place in a floor. */
export interface ImageAmong {
  readonly image: ImageId;
  readonly there: ReadonlySet<ImageId>;
}

/** Why an image may not go by itself; null when whoever wants it can have it built again. */
export interface NeededImages {
  /** While there is room: everything that a stage was given is a rollback's to choose. */
  withRoom(project: Project, of: ImageAmong): Promise<string | null>;
  /** When room is wanted: what stages and branches served last is the floor, `keepBuilds` of each (P6), and the release that may run next. */
  withoutRoom(project: Project, of: ImageAmong): Promise<string | null>;
}

export function createNeededImages({ routes, releases, instances, sources }: NeededImagesDeps): NeededImages {
  const using = (image: ImageId): ReleaseNumber | undefined => instances.present().find((release) => release.image === image)?.number;

  /** One whose repository was never read may still be there. */
  const isGone = ({ project, subject }: Route): boolean => {
    const refs = sources.get(project)?.refs();
    return refs !== undefined && refs.refs.length > 0 && refs.find(subject) === undefined;
  };

  /** One that was appended and is not run yet could not run without its image. */
  const isNext = async ({ id }: Route, image: ImageId): Promise<boolean> => (await releases.latestOfRoute(id))?.image === image;

  const whyOf = async (project: Project, route: Route, { image, there, all }: ImageAmong & { readonly all: boolean }): Promise<string | null> => {
    const isStage = route.kind === 'stage' && project.stages.has(route.subject);
    if (isStage && all) return `${route.label} may be rolled back to it`;
    if (!isStage && (route.kind !== 'branch' || isGone(route))) return null;
    if (await isNext(route, image)) return `it is that of the newest release of ${route.label}`;
    const served = (await releases.imagesServed(route.id)).filter((each) => there.has(each)).slice(0, project.keepBuilds);
    return served.includes(image) ? `it is one of the last ${project.keepBuilds} of ${route.label}` : null;
  };

  const why = async (project: Project, of: ImageAmong, all: boolean): Promise<string | null> => {
    const number = using(of.image);
    if (number !== undefined) return `${formatRelease(number)} runs of it`;
    for (const id of await releases.routesOfImage(project.name, of.image)) {
      const route = await routes.find(id);
      const found = route && await whyOf(project, route, { ...of, all });
      if (found) return found;
    }
    return null;
  };

  return {
    withRoom: (project, of) => why(project, of, true),
    withoutRoom: (project, of) => why(project, of, false),
  };
}
